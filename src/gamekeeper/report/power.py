"""What a hunt that found nothing could have found, for people and for programs."""

from typing import Any

from gamekeeper.campaigns.result import PlantedCampaign, Power
from gamekeeper.report.formatting import count, counted


def power_sentence(power: Power) -> str:
    """Returns what a hunt that found nothing could have found."""
    smallest = power.smallest
    if smallest is None:
        sizes = ", ".join(count(planted.accounts) for planted in power.planted)
        return (
            "campaigns made up by gamekeeper were added to this log to test the search (planted),"
            f" and none was found: {sizes} accounts, {count(power.planted[0].exchanges_each)}"
            " exchanges each"
        )
    return (
        "campaigns made up by gamekeeper were added to this log to test the search (planted): the"
        f" smallest that was found had {counted(smallest.accounts, 'account')} with"
        f" {counted(smallest.exchanges_each, 'exchange')} each and no ordinary exchanges beside"
        " them (no cover); a smaller one, or one that hides, may be missed"
    )


def power_document(power: Power) -> dict[str, Any]:
    """Returns it as JSON."""
    smallest = power.smallest
    each = "exchanges_each"
    return {
        "smallest": smallest and {"accounts": smallest.accounts, each: smallest.exchanges_each},
        "planted": [_planted(planted) for planted in power.planted],
        "fdr": power.false_discovery_rate,
        "claims": power.claims,
        "decoys": power.decoys,
        "why": list(power.why),
        "remedy": list(power.remedy),
        "untested": list(power.untested),
    }


def power_of(document: dict[str, Any]) -> Power:
    """Returns what `power_document` wrote.

    Raises:
        KeyError, TypeError: It did not write this.
    """
    planted = [
        PlantedCampaign(
            accounts=one["accounts"], exchanges_each=one["exchanges_each"], found=one["found"]
        )
        for one in document["planted"]
    ]
    return Power(
        planted=tuple(planted),
        false_discovery_rate=document["fdr"],
        claims=document["claims"],
        decoys=document["decoys"],
        why=tuple(document["why"]),
        remedy=tuple(document["remedy"]),
        untested=tuple(document.get("untested", ())),  # earlier versions wrote none
    )


def _planted(planted: PlantedCampaign) -> dict[str, Any]:
    return {
        "accounts": planted.accounts,
        "exchanges_each": planted.exchanges_each,
        "exchanges": planted.accounts * planted.exchanges_each,
        "found": planted.found,
    }
