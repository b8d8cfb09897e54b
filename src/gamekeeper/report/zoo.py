"""What the zoo showed: the share of models that can be copied for a given cost."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gamekeeper.audit.result import FIDELITIES
from gamekeeper.evidence import wilson_interval
from gamekeeper.report.audit import usd

if TYPE_CHECKING:
    from gamekeeper.audit.zoo import Specimen

SCHEMA = "gamekeeper/zoo@1"
SPENDS = (1.0, 10.0, 100.0)
"""Dollars for which shares are reported."""


def zoo_document(specimens: "Sequence[Specimen]") -> dict[str, Any]:
    """Returns the zoo as JSON can hold it."""
    return {
        "schema": SCHEMA,
        "models": [_model(each) for each in specimens],
        "shares": list(_shares(specimens)),
    }


def print_zoo(specimens: "Sequence[Specimen]", console: Console) -> None:
    """Prints a line a model, and the shares."""
    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, title="what a copy of each costs", title_justify="left"
    )
    for head in (
        "Data",
        "Model",
        "accuracy",
        *(f"to {fidelity:.2f}" for fidelity in FIDELITIES),
        "best",
        "by",
    ):
        table.add_column(head, justify="left" if head in ("Data", "Model", "by") else "right")
    for each in specimens:
        plain = each.result.defended[0]
        costs = [
            usd(found) if (found := each.result.cost(plain, fidelity)) else "-"
            for fidelity in FIDELITIES
        ]
        best = plain.best
        how = (f"{best[1].fidelity:.3f}", best[0].name) if best else ("-", "-")
        table.add_row(*map(Text, (each.data, each.kind, f"{each.accuracy:.3f}", *costs, *how)))
    console.print(table)
    for sentence in sentences(specimens):
        console.print(Text(sentence), soft_wrap=True)


def sentences(specimens: "Sequence[Specimen]") -> Iterator[str]:
    """Yields the share that can be copied for each cost, with its interval."""
    for share in _shares(specimens):
        if share["fidelity"] in (0.90, 0.95, 0.99):
            low, high = share["interval"]
            yield (
                f"copied to {share['fidelity']:.2f} for under ${share['usd']:,.0f}:"
                f" {share['copied']} of {share['of']} models, {share['share']:.0%} (95 % interval"
                f" {low:.0%} to {high:.0%})"
            )


def _shares(specimens: "Sequence[Specimen]") -> Iterator[dict[str, Any]]:
    for fidelity in FIDELITIES:
        cheapest = [each.result.defended[0].cheapest(fidelity) for each in specimens]
        for spend in SPENDS:
            copied = sum(found is not None and found[1].usd < spend for found in cheapest)
            yield {
                "fidelity": fidelity,
                "usd": spend,
                "copied": copied,
                "of": len(specimens),
                "share": copied / max(1, len(specimens)),
                "interval": wilson_interval(copied, len(specimens)),
            }


def _model(each: "Specimen") -> dict[str, Any]:
    plain = each.result.defended[0]
    cheapest = {f"{fidelity:.2f}": plain.cheapest(fidelity) for fidelity in FIDELITIES}
    best = plain.best
    return {
        "data": each.data,
        "kind": each.kind,
        "accuracy": each.accuracy,
        "usd_to": {name: found[1].usd if found else None for name, found in cheapest.items()},
        "best": (
            {"fidelity": best[1].fidelity, "queries": best[1].queries, "by": best[0].name}
            if best
            else None
        ),
    }
