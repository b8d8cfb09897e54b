"""`gamekeeper list`: what there is to choose from, with its card."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gamekeeper._cli._printing import print_json
from gamekeeper._cli.options import Json

if TYPE_CHECKING:
    from gamekeeper.defences import Parameter

NAME = "list"

_KINDS = ("family", "maturity", "treatment")
"""Fields that are printed behind a name, in brackets."""


def run(
    what: Annotated[
        Literal[
            "signals", "stolen-key-signals", "encoders", "formats", "defences", "attacks", "routes"
        ],
        typer.Argument(
            help="signals, stolen-key-signals, encoders, formats, defences, attacks or routes."
        ),
    ],
    json: Json = False,
) -> None:
    """List signals, encoders, formats, defences, attacks, or the guard's routes.

    Needs nothing. Prints each with its description. `routes` are the APIs that the guard knows,
    each with its name in a policy, its paths, and what happens to its requests: `judged`, `passed
    if named` (refused unless the policy passes it) or `harmless` (passed to every authenticated
    caller). All want a credential.

    Examples:

      gamekeeper list signals

      gamekeeper list routes
    """
    listed = {
        "signals": _signals,
        "stolen-key-signals": _stolen_key_signals,
        "encoders": _encoders,
        "formats": _formats,
        "defences": _defences,
        "attacks": _attacks,
        "routes": _routes,
    }
    rows = listed[what]()
    if json:
        print_json(f"gamekeeper/{what}@1", {what: rows})
        return
    for row in rows:
        kinds = ", ".join(str(row[key]) for key in _KINDS if key in row)
        print(f"{row['name']}" + (f"  ({kinds})" if kinds else ""))
        for key, value in row.items():
            if key not in ("name", *_KINDS) and value:
                text = ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else value
                print(f"    {key.replace('_', ' '):12s} {text}")


def _signals() -> list[dict[str, object]]:
    from gamekeeper.signals import CARDS

    return [asdict(card) for card in CARDS]


def _stolen_key_signals() -> list[dict[str, object]]:
    from gamekeeper.guard.takeover import stolen_cards

    return [
        asdict(card) | {"false_positives": _often(card.false_positives)} for card in stolen_cards()
    ]


def _often(false_positives: tuple[float, float] | None) -> str:
    if false_positives is None:
        return "not measured"
    overall, worst = false_positives
    return (
        f"on {overall:g} days of 1,000 key-months, {worst:g} for the kind of user with most;"
        " see docs/measurements/stolen-keys.md"
    )


def _encoders() -> list[dict[str, object]]:
    from gamekeeper.encoding import content

    made = (content.WordLlama, content.UniversalSentenceEncoder, content.Hashing)
    return [{"name": e.name, "purpose": (e.__doc__ or "").strip()} for e in made]


def _formats() -> list[dict[str, object]]:
    from gamekeeper.exchange import FORMATS

    return [{"name": name, "about": form.about} for name, form in FORMATS.items()]


def _routes() -> list[dict[str, object]]:
    from gamekeeper.guard.routes import apis

    return [dict(api._asdict()) for api in apis()]


def _attacks() -> list[dict[str, object]]:
    from gamekeeper.audit.attacks import ATTACKS
    from gamekeeper.audit.language import driver, vectors, width

    return [
        asdict(card)
        for card in (*(a.card for a in ATTACKS.values()), driver.CARD, width.CARD, vectors.CARD)
    ]


def _defences() -> list[dict[str, object]]:
    from gamekeeper.audit import free_noise
    from gamekeeper.audit.language.withholding import WITHHOLDINGS
    from gamekeeper.audit.query_costs import QUERY_COSTS
    from gamekeeper.defences import DEFENCES

    scores = [
        asdict(d.card) | {"parameters": [_named(p) for p in d.card.parameters]}
        for d in DEFENCES.values()
    ]
    query_costs = [
        {"name": query_cost.name, "purpose": query_cost.purpose, "undone_by": query_cost.undone_by}
        for query_cost in QUERY_COSTS.values()
    ]
    kept = [asdict(w) for w in WITHHOLDINGS.values()]
    noise = {
        "name": free_noise.NAME,
        "purpose": free_noise.PURPOSE,
        "undone_by": free_noise.UNDONE_BY,
    }
    return [
        *scores,
        noise,
        *query_costs,
        *({key: card[key] for key in card if key != "apply"} for card in kept),
    ]


def _named(parameter: "Parameter") -> str:
    default = "required" if parameter.default is None else f"default {parameter.default}"
    return f"{parameter.name} ({parameter.meaning.rstrip('.')}; {default})"
