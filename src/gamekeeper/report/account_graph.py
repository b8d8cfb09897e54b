"""A campaign's accounts as a graph on a plane: which links are drawn, and where.

Of many accounts the most linked are drawn, and of many links the strongest of each account first,
because a thousand dots show nothing. Links of several families between two accounts are drawn side
by side.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from gamekeeper.report.formatting import FAMILIES

MAX_ACCOUNTS = 150
MAX_EDGES = 400

_GAP = 0.008
"""Distance of lines that run side by side, as a share of the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountGraph:
    """Accounts with their positions, and the links drawn.

    Args:
        names: Accounts.
        places: Their positions, float64, shape (n, 2), within -1..1.
        degrees: Links drawn at each, int64, shape (n,).
        edges: The links drawn: rows of `LINKS` with the accounts' numbers `i` and `j`.
        all_links: All links, drawn or not.
    """

    names: tuple[str, ...]
    places: np.ndarray
    degrees: np.ndarray
    edges: pl.DataFrame
    all_links: int

    @property
    def families(self) -> list[str]:
        """Families of the links drawn, in their usual order."""
        there = self.edges["family"].unique().to_list()
        return sorted(there, key=lambda family: ([*FAMILIES, family].index(family), family))

    def lines(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yields each family with the x and y of its lines: from, to, NaN (lift the pen)."""
        for number, family in enumerate(self.families):
            ends = self.edges.filter(pl.col("family") == family)
            start = self.places[ends["i"].to_numpy()]
            stop = self.places[ends["j"].to_numpy()]
            aside = _aside(start, stop) * _GAP * (number - (len(self.families) - 1) / 2)
            pen_up = np.full_like(start, np.nan)
            path = np.stack([start + aside, stop + aside, pen_up], axis=1).reshape(-1, 2)
            yield family, path[:, 0], path[:, 1]


def lay_out(links: pl.DataFrame) -> AccountGraph | None:
    """Lays out the accounts of one campaign's links; None without links.

    Args:
        links: Rows of `LINKS` of one campaign.
    """
    sound = links.drop_nulls(["a", "b", "family"]).filter(pl.col("a") != pl.col("b"))
    if not sound.height:
        return None
    edges, names = _numbered(_chosen(sound))
    pairs = edges.select("i", "j").unique(maintain_order=True).to_numpy().astype(np.int64)
    return AccountGraph(
        names=names,
        places=_places(pairs, len(names)),
        degrees=np.bincount(edges.select("i", "j").to_numpy().ravel(), minlength=len(names)),
        edges=edges,
        all_links=sound.height,
    )


def _chosen(links: pl.DataFrame) -> pl.DataFrame:
    """Returns the links between the most linked accounts, each account's strongest first."""
    weighed = links.with_columns(pl.col("exchanges").fill_nan(None).fill_null(0.0)).with_row_index(
        "row"
    )
    weights = _ends(weighed).group_by("account").agg(pl.col("exchanges").sum())
    linked = weights.sort("exchanges", "account", descending=[True, False]).head(MAX_ACCOUNTS)[
        "account"
    ]
    kept = weighed.filter(pl.col("a").is_in(linked.implode()) & pl.col("b").is_in(linked.implode()))
    order = _ends(kept).with_columns(
        place=pl.col("exchanges").rank("ordinal", descending=True).over("account")
    )
    first = order.group_by("row").agg(pl.col("place").min())
    ranked = kept.join(first, on="row").sort(
        "place", "exchanges", "row", descending=[False, True, False]
    )
    return ranked.head(MAX_EDGES).drop("row", "place")


def _ends(links: pl.DataFrame) -> pl.DataFrame:
    """Returns each link twice, once for each of its accounts."""
    return pl.concat([links.select("row", "exchanges", account=end) for end in ("a", "b")])


def _numbered(edges: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Returns the edges with their accounts' numbers, smaller first, and the accounts by number."""
    names = pl.concat([edges["a"], edges["b"]]).unique().sort().to_list()
    number = {name: index for index, name in enumerate(names)}
    left, right = (np.array([number[name] for name in edges[end]]) for end in ("a", "b"))
    columns = {"i": np.minimum(left, right), "j": np.maximum(left, right)}
    return edges.with_columns(pl.Series(name, values) for name, values in columns.items()), tuple(
        names
    )


def _places(pairs: np.ndarray, n: int) -> np.ndarray:
    """Returns places by springs (Kamada, Kawai 1989) from a circle: the same links give the same
    picture.
    """
    import igraph

    graph = igraph.Graph(n=n, edges=pairs.tolist())
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    places = np.array(graph.layout_kamada_kawai(seed=circle.tolist()).coords)
    centred = places - (places.max(axis=0) + places.min(axis=0)) / 2
    return np.asarray(centred / max(float(np.abs(centred).max()), 1e-9))


def _aside(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Returns unit vectors square to the lines, shape (n, 2)."""
    along = stop - start
    length = np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    return np.asarray(np.column_stack([-along[:, 1], along[:, 0]]) / length)
