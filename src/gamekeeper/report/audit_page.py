"""The report of an audit, one HTML file; `page` keeps it harmless."""

from collections.abc import Sequence
from typing import Any

from gamekeeper.audit.options import SIZES
from gamekeeper.audit.privacy import Privacy, Shown
from gamekeeper.audit.result import FIDELITIES, AuditResult, Curve, Defended, Point
from gamekeeper.base.text import one_line
from gamekeeper.report.audit import (
    advice,
    basis,
    best_thief,
    comparisons,
    headline,
    privacy_sentences,
    spent,
    usd,
    users_words,
)
from gamekeeper.report.formatting import count
from gamekeeper.report.page import render_page
from gamekeeper.report.pictures import Picture, axis, layout
from gamekeeper.report.png import grey_png

_COLOURS = tuple(
    f"var(--{name})"
    for name in (
        "accent",
        "content",
        "shape",
        "elicitation",
        "rhythm",
        "coverage",
        "pivot",
        "infrastructure",
    )
)
_MARGIN = 0.05  # of fidelity, below what is drawn
_WIDEST_BAR = 0.2  # of fidelity; wider ones cross everything else, and are in the table
_DASHES = ("solid", "dash", "dot", "dashdot")
MAX_RECONSTRUCTIONS = 40
"""Drawn; all of them are in `audit.json`."""
TAGS = (
    ("MITRE ATLAS 5.6.0", "AML.T0024.002 Extract AI Model"),
    ("OWASP LLM Top 10 2026", "LLM06 Unbounded Consumption, common example 7"),
    ("OWASP Machine Learning Top 10 2023", "ML05 Model Theft"),
    ("OWASP AISVS 1.0", "C11.3 model extraction, 11.3.1 to 11.3.4"),
)


def render_audit(result: AuditResult) -> str:
    """Writes the report of an audit.

    Returns:
        One HTML document with its styles, scripts and data inside.
    """
    pictures = [_attacks(result), _defences(result)]
    return render_page(
        "audit.html.j2",
        [{"id": picture.id, **picture.figure} for picture in pictures],
        result=result,
        headline=headline(result),
        basis=list(basis(result)),
        sentences=[*best_thief(result.defended[0]), *comparisons(result)],
        privacy=list(privacy_sentences(result)),
        reconstructions=_reconstructions(result.privacy),
        advice=list(advice(result)),
        pictures=pictures,
        fidelities=FIDELITIES,
        rows=[_row(result, each) for each in result.defended],
        tags=TAGS,
    )


def _reconstructions(privacy: Privacy | None) -> list[dict[str, str]]:
    """Pictures of what the target shows of its classes, each with what the judge says of it."""
    inversion = privacy.inversion if privacy else None
    if inversion is None or inversion.picture is None:
        return []
    low = inversion.low
    high = inversion.high
    return [
        {"source": grey_png(made.values, inversion.picture, low, high), "says": _judged(made)}
        for made in inversion.shown[:MAX_RECONSTRUCTIONS]
    ]


def _judged(made: Shown) -> str:
    if made.judged == made.label:
        return f"class {made.label}: recognisable"
    unlike = "not recognisable" if made.judged is None else f"looks like {made.judged}"
    return f"class {made.label}: {unlike}"


def _attacks(result: AuditResult) -> Picture:
    plain = result.defended[0]
    lines = [_line(c.name, c.points, number) for number, c in enumerate(plain.curves) if c.points]
    return Picture(
        id="attacks",
        kind="curves",
        title="Every attack, the target as it is",
        caption=(
            "Fidelity against queries, the mean over seeds with its 95 % interval as a bar where it"
            f" is narrow. {_reached(plain)}{_below(result)} Queries are drawn by their logarithm."
        ),
        figure={"data": lines, "layout": _plane(lines, result.baseline)},
    )


def _defences(result: AuditResult) -> Picture:
    plain, *defended = result.defended
    same = [each.defence for each in defended if _copies(each) == _copies(plain)]
    answered = [plain, *(each for each in defended if each.defence not in same)]
    best = [(each.defence, _best_by_queries(each.curves)) for each in answered]
    lines = [_line(name, points, number) for number, (name, points) in enumerate(best) if points]
    return Picture(
        id="defences",
        kind="curves",
        title="The best attack, behind each defence",
        caption=(
            "At each number of queries the best of all attacks, those that know of the defence"
            " included. The line of a defence that helps is below the line without one. "
            + " ".join(_reached(each) for each in answered[1:])
            + (f" The same line as without one: {', '.join(same)}." if same else "")
        ),
        figure={"data": lines, "layout": _plane(lines, result.baseline)},
    )


def _below(result: AuditResult) -> str:
    if not result.baseline:
        return ""
    return f" The dotted line, {result.baseline:.3f}, is reached without a query."


def _copies(each: Defended) -> list[tuple[float, ...]]:
    """Fidelities of all copies: a defence that only raises the price leaves them unchanged, and
    would draw the same line again.
    """
    return [point.fidelities for curve in each.curves for point in curve.points]


def _best_by_queries(curves: Sequence[Curve]) -> list[Point]:
    """The highest fidelity at each number of queries; one that is below what came before is left
    out.
    """
    best: list[Point] = []
    for point in sorted(
        (p for curve in curves for p in curve.points), key=lambda p: (p.queries, -p.fidelity)
    ):
        if not best or point.fidelity > best[-1].fidelity:
            best.append(point)
    return best


def _reached(each: Defended) -> str:
    name = "Without a defence" if each.defence == "none" else f"Behind {each.defence}"
    if each.best is None:
        return f"{name} no copy was made."
    curve, point = each.best
    return f"{name}: {point.fidelity:.3f} after {count(point.queries)} queries, {curve.name}."


def _width(point: Point) -> float:
    low, high = point.interval
    return high - low


def _line(name: str, points: Sequence[Point], number: int) -> dict[str, Any]:
    colour = _COLOURS[number % len(_COLOURS)]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": one_line(name),
        "x": [point.queries for point in points],
        "y": [round(point.fidelity, 4) for point in points],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [round(point.interval[1] - point.fidelity, 4) for point in points],
            "arrayminus": [round(point.fidelity - point.interval[0], 4) for point in points],
            "thickness": 1,
            "width": 0,
            "color": colour,
            "visible": all(_width(point) <= _WIDEST_BAR for point in points),
        },
        "line": {
            "width": 2,
            "color": colour,
            "dash": _DASHES[number // len(_COLOURS) % len(_DASHES)],
        },
        "marker": {"size": 6, "color": colour},
        "hovertemplate": "%{x:,} queries: %{y:.3f}",
    }


def _plane(lines: Sequence[dict[str, Any]], baseline: float) -> dict[str, Any]:
    """From a little below the baseline, or the worst copy that is above it, up."""
    bests = [max(line["y"]) for line in lines]
    heights = [y for line in lines for y in line["y"] if y >= baseline]
    lowest = max(0.0, min([baseline or 1.0, *heights, *bests]) - _MARGIN)
    queries = sorted({x for line in lines for x in line["x"]})
    ticks = [size for size in SIZES if queries and queries[0] <= size <= queries[-1]]
    shapes = [_level(baseline)] if baseline else []
    return layout(left=48) | {
        "xaxis": axis("queries")
        | {"type": "log", "tickvals": ticks, "ticktext": [count(tick) for tick in ticks]},
        "yaxis": axis("fidelity") | {"range": [lowest, 1.01]},
        "shapes": shapes,
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "y": -0.22, "yanchor": "top"},
        "margin": {"l": 48, "r": 8, "t": 8, "b": 120},
    }


def _level(baseline: float) -> dict[str, Any]:
    """A dotted line across, at what is reached without a query."""
    line = {"width": 1, "dash": "dot", "color": "var(--ink)"}
    across = {"xref": "paper", "x0": 0, "x1": 1, "y0": baseline, "y1": baseline}
    return {"type": "line", "line": line} | across


def _row(result: AuditResult, each: Defended) -> dict[str, Any]:
    costs = [result.cost(each, fidelity) for fidelity in FIDELITIES]
    return {
        "defence": each.defence,
        "costs": [found and (usd(found), spent(found[1]), found[0].name) for found in costs],
        "free": [fidelity <= result.baseline for fidelity in FIDELITIES],
        "best": each.best[1] if each.best else None,
        "users": users_words(each.users),
    }
