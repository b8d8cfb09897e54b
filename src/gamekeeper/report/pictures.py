"""The pictures of a campaign, as plotly figures in plain dictionaries.

A colour is the name of a style variable (`var(--accent)`): the page resolves it when it draws, so
that the pictures follow light, dark and print. Names of accounts are escaped twice over, because
plotly reads a subset of HTML in its texts.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from gamekeeper.base.text import one_line
from gamekeeper.campaigns.result import Campaign, HuntResult
from gamekeeper.report.account_graph import AccountGraph, lay_out
from gamekeeper.report.account_names import AccountNames
from gamekeeper.report.formatting import FAMILIES, count, counted, measure, shortened

_CAMPAIGN = "var(--accent)"
_ORDINARY = "var(--ordinary)"
_OTHER = "var(--other)"
_MAP_POINTS = 1_500
"""Ordinary prompts drawn on a map: more would hide each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture.

    Args:
        id: Name of its place on the page.
        kind: `timeline`, `network` or `map`.
        title: What it shows.
        caption: How to read it, with its figures in words, also for readers who cannot see it.
        figure: `data` and `layout` for plotly.
    """

    id: str
    kind: str
    title: str
    caption: str
    figure: dict[str, Any]


def pictures(result: HuntResult, campaign: Campaign) -> list[Picture]:
    """Draws a campaign: its timeline, its network and its map, as far as there are data."""
    drawn = [_timeline(result, campaign), _network(result, campaign), _map(result, campaign)]
    return [picture for picture in drawn if picture is not None]


def _timeline(result: HuntResult, campaign: Campaign) -> Picture | None:
    spans = result.timeline.filter(pl.col("campaign") == campaign.id).sort("time")
    if spans.height < 2:
        return None
    times = spans["time"].dt.strftime("%Y-%m-%dT%H:%M:%S").to_list()
    data = [
        _steps(f"campaign {campaign.id}", times, spans["exchanges"], _CAMPAIGN, fill=True),
        _steps("as many ordinary accounts", times, spans["ordinary"], _ORDINARY, fill=False),
    ]
    drawn = layout(left=48) | {
        "xaxis": axis() | {"type": "date"},
        "yaxis": axis("exchanges") | {"rangemode": "tozero"},
        "hovermode": "x unified",
    }
    return Picture(
        id=f"{campaign.id}-timeline",
        kind="timeline",
        title="Exchanges over time",
        caption=_timeline_caption(spans, len(campaign.accounts)),
        figure={"data": data, "layout": drawn},
    )


def _peak(values: pl.Series) -> float:
    return float(values.fill_nan(None).max() or 0)  # type: ignore[arg-type]


def _timeline_caption(spans: pl.DataFrame, accounts: int) -> str:
    hours = (spans["time"][1] - spans["time"][0]).total_seconds() / 3600
    span = "an hour" if hours == 1 else f"{hours:.3g} hours"
    ours = _peak(spans["exchanges"])
    ordinary = _peak(spans["ordinary"])
    return (
        f"Exchanges in spans of {span}, UTC: the campaign's {counted(accounts, 'account')}, at most"
        f" {measure(ours)}; and the mean of as many ordinary accounts, at most {measure(ordinary)}."
    )


def _steps(
    name: str, times: list[str], values: pl.Series, colour: str, *, fill: bool
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": times,
        "y": _rounded(values),
        "line": {"shape": "hv", "width": 2 if fill else 1.5, "color": colour},
        "fill": "tozeroy" if fill else "none",
        "fillcolor": "var(--accent-wash)",
        "hovertemplate": "%{y:,.1f}",
    }


def _network(result: HuntResult, campaign: Campaign) -> Picture | None:
    graph = lay_out(result.links.filter(pl.col("campaign") == campaign.id))
    if graph is None:
        return None
    names = AccountNames(result.accounts)
    return Picture(
        id=f"{campaign.id}-network",
        kind="network",
        title="Accounts and what links them",
        caption=_network_caption(graph, campaign),
        figure={"data": [*_edges(graph), _nodes(graph, names)], "layout": _plane()},
    )


def _network_caption(graph: AccountGraph, campaign: Campaign) -> str:
    families = ", ".join(
        f"{family} ({FAMILIES.get(family, 'as measured')})" for family in graph.families
    )
    drawn = len(graph.names)
    links = graph.edges.height
    accounts = len(campaign.accounts)
    # a result keeps the strongest only
    in_all = max(campaign.links, graph.all_links)
    dots = (
        f"all {count(accounts)}"
        if drawn >= accounts
        else f"the {count(drawn)} most linked of {count(accounts)}"
    )
    lines = (
        f"all {counted(links, 'link')}"
        if links == in_all
        else (f"{count(links)} of {counted(in_all, 'link')}, each account's strongest first")
    )
    return (
        f"A dot is an account, larger the more it is linked; a line is a link by {families}. "
        f"Drawn are {dots} accounts and {lines}."
    )


def _edges(graph: AccountGraph) -> list[dict[str, Any]]:
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": one_line(family),
            "x": _rounded(xs),
            "y": _rounded(ys),
            "line": {"width": 1.1, "color": family_colour(family)},
            "opacity": 0.55,
            "hoverinfo": "skip",
        }
        for family, xs, ys in graph.lines()
    ]


def _nodes(graph: AccountGraph, names: AccountNames) -> dict[str, Any]:
    labels = [
        f"{_plotly_text(names(name))}<br>{counted(int(degree), 'link')} drawn"
        for name, degree in zip(graph.names, graph.degrees, strict=True)
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "account",
        "x": _rounded(graph.places[:, 0]),
        "y": _rounded(graph.places[:, 1]),
        "text": labels,
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "size": _rounded(5 + 3 * np.sqrt(graph.degrees / graph.degrees.mean())),
            "color": _CAMPAIGN,
            "line": {"width": 1, "color": "var(--surface)"},
        },
        "showlegend": False,
    }


def _map(result: HuntResult, campaign: Campaign) -> Picture | None:
    ours = result.map.filter(pl.col("campaign") == campaign.id)
    if not ours.height:
        return None
    ordinary = result.map.filter(pl.col("campaign").is_null()).gather_every(_stride(result.map))
    others = result.map.filter(pl.col("campaign") != campaign.id)
    data = [
        _points("other campaigns", others, _OTHER, size=4, opacity=0.4),
        _points("ordinary prompts", ordinary, _ORDINARY, size=4, opacity=0.5),
        _points(f"campaign {campaign.id}", ours, _CAMPAIGN, size=6, opacity=0.85),
    ]
    return Picture(
        id=f"{campaign.id}-map",
        kind="map",
        title="Its prompts among others",
        caption=(
            f"A dot is a prompt, near others of similar content: {count(ours.height)} of the"
            f" campaign among {count(ordinary.height)} ordinary ones. The axes are the two leading"
            " components of the prompts' vectors and have no unit."
        ),
        figure={"data": [points for points in data if points["x"]], "layout": _plane()},
    )


def _stride(points: pl.DataFrame) -> int:
    return max(1, -(-points["campaign"].null_count() // _MAP_POINTS))


def _points(
    name: str, points: pl.DataFrame, colour: str, *, size: int, opacity: float
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": _rounded(points["x"]),
        "y": _rounded(points["y"]),
        "marker": {"size": size, "color": colour, "opacity": opacity},
        "hoverinfo": "name",
    }


def family_colour(family: str) -> str:
    """Returns the style variable that a family of evidence is drawn in."""
    return f"var(--{family})" if family in FAMILIES else "var(--muted)"


def _plotly_text(name: str) -> str:
    return html.escape(one_line(shortened(name, 60)))


def _rounded(values: pl.Series | np.ndarray | Sequence[float]) -> list[float | None]:
    """Returns numbers in six digits, None where not finite: JSON has no NaN."""
    array = np.asarray(values, dtype=float)
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in array.tolist()]


def layout(left: int) -> dict[str, Any]:
    """Returns what all pictures have in common; `left` is the margin for an axis, in pixels."""
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "var(--font)", "size": 12, "color": "var(--muted)"},
        "margin": {"l": left, "r": 8, "t": 8, "b": 32},
        "showlegend": True,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "itemsizing": "constant",
        },
        "hoverlabel": {"bgcolor": "var(--surface)", "bordercolor": "var(--rule)"},
    }


def _plane() -> dict[str, Any]:
    """Returns the layout of a picture whose axes have no meaning."""
    bare = {"visible": False, "zeroline": False}
    return layout(left=8) | {"xaxis": bare, "yaxis": bare | {"scaleanchor": "x"}}


def axis(title: str = "") -> dict[str, Any]:
    """Returns an axis."""
    return {
        "title": {"text": title},
        "gridcolor": "var(--rule)",
        "zeroline": False,
        "automargin": True,
    }
