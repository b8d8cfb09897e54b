import numpy as np
import polars as pl
import pytest

from gamekeeper.campaigns.result import LINKS
from gamekeeper.report.account_graph import MAX_ACCOUNTS, MAX_EDGES, lay_out
from gamekeeper.report.pictures import pictures
from gamekeeper.report.strip_plot import strip_plot
from report.builders import make_campaign, make_result


def links(*rows: tuple[str, str, str, float]) -> pl.DataFrame:
    return pl.DataFrame([("C1", *row) for row in rows], schema=LINKS, orient="row")


def reading(value: float, ordinary: float = 2.0, high: float = 3.0) -> dict[str, float]:
    return {"value": value, "ordinary": ordinary, "ordinary_high": high}


def test_the_same_links_give_the_same_picture() -> None:
    """A report of yesterday and one of today can be laid side by side."""
    rows = make_result().links.filter(pl.col("campaign") == "C1")
    first = lay_out(rows)
    second = lay_out(rows)
    assert first and second and np.array_equal(first.places, second.places)


def test_a_large_network_is_cut_and_says_so() -> None:
    """A thousand dots show nothing: the most linked are drawn, and the caption gives both
    figures.
    """
    result = make_result([make_campaign("C1", size=900)])
    network = lay_out(result.links)
    assert network and len(network.names) <= MAX_ACCOUNTS and network.edges.height <= MAX_EDGES
    caption = next(p.caption for p in pictures(result, result.campaigns[0]) if p.kind == "network")
    assert "most linked of 900 accounts" in caption and "each account's strongest first" in caption


def test_strong_links_are_kept_when_some_are_cut() -> None:
    """What is left out is the weakest."""
    pairs = [(f"a{i:02d}", f"a{j:02d}") for i in range(40) for j in range(i)]
    network = lay_out(links(*[(a, b, "content", float(n)) for n, (a, b) in enumerate(pairs)]))
    assert network and network.edges.height == MAX_EDGES < network.all_links
    assert len(network.names) == 40
    assert network.edges["exchanges"].max() == len(pairs) - 1


def test_two_families_between_the_same_accounts_run_side_by_side() -> None:
    """The line of one evidence does not hide that of another."""
    network = lay_out(links(("a", "b", "content", 3.0), ("b", "a", "shape", 2.0)))
    assert network
    (_, x1, y1), (_, x2, y2) = network.lines()
    assert network.families == ["content", "shape"]
    assert not (
        np.allclose(sorted(x1[:2]), sorted(x2[:2])) and np.allclose(sorted(y1[:2]), sorted(y2[:2]))
    )


def test_links_to_oneself_and_unknown_weights_draw_nothing_wrong() -> None:
    """A link needs two ends; a weight that was not measured is the weakest."""
    assert lay_out(links(("a", "a", "content", 1.0))) is None
    network = lay_out(links(("a", "b", "content", float("nan")), ("b", "c", "content", 2.0)))
    assert network and np.isfinite(network.places).all()


@pytest.mark.parametrize(
    ("row", "is_unusual"),
    [
        (reading(2.5), False),
        (reading(9.0), True),
        (reading(0.5, ordinary=6.0, high=2.0), True),  # suspicion lies below
        (reading(8.0, ordinary=6.0, high=2.0), False),
        (reading(1.0, ordinary=0.0, high=0.0), True),
    ],
)
def test_unusual_is_past_the_ordinary_percentile_on_its_side(
    row: dict[str, float], is_unusual: bool
) -> None:
    """Suspicion lies where the decoys' 95th percentile lies, above their median or below."""
    drawn = strip_plot(row)
    assert drawn and drawn.is_unusual == is_unusual
    assert (drawn.value > drawn.high) == is_unusual


def test_a_value_past_the_end_is_marked() -> None:
    """The strip ends, the evidence does not."""
    drawn = strip_plot(reading(1e6))
    assert drawn and drawn.is_beyond


def test_a_reading_without_decoys_has_no_strip() -> None:
    """There is nothing it could lie against."""
    assert strip_plot(reading(1.0, high=float("nan"))) is None
