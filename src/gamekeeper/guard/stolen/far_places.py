"""Used from two far places within minutes: two countries, or two networks where countries are not known.

Somebody who travels changes place once, and slowly; an owner and a thief take turns. VPNs and phones change
place at once as well: where a credential does so on several days, that is its habit and the signal stands aside.
"""

from gamekeeper.guard.stolen.card import Card, Reading
from gamekeeper.guard.stolen.history import History
from gamekeeper.guard.stolen.places import network_name
from gamekeeper.guard.stolen.use import Use

_AT_ONCE_S = 600
_USUAL = 2.0  # days with it, in the memory that halves every 30 days

CARD = Card(
    name="far-places",
    purpose="Two countries within ten minutes; two networks where countries are not known.",
    unit="minutes between the two",
    needs=("14 days of use", "country, or address"),
    look_alikes="a VPN switched on, a phone between mobile network and Wi-Fi, serverless functions of two regions",
    evasions="an exit in the owner's country, or hours in which the owner is idle",
    source="impossible travel, as sign-in monitors use it; here without distances, which need better data",
    innocent="a VPN, a phone that changes networks, or a service that runs in several regions",
)


def read(history: History, use: Use) -> Reading | None:
    """Returns a reading if the use before was far away, minutes ago, and that is unusual."""
    if not is_far(history, use) or not history.is_settled(use.day) or history.far.before(use.day) >= _USUAL:
        return None
    minutes = use.since_s / 60
    if use.where.country is not None and history.at_country is not None:
        ends = f"{history.at_country.decode()} and {use.where.country}"
        data = " (countries as of June 2024)" if use.where.is_looked_up else ""
        return Reading(
            signal=CARD.name, says=f"used from {ends} within {minutes:.0f} min{data}", is_hint=use.where.is_looked_up
        )
    ends = f"{network_name(history.at_network)} and {network_name(use.where.network)}"
    return Reading(signal=CARD.name, says=f"used from {ends} within {minutes:.0f} min")


def is_far(history: History, use: Use) -> bool:
    """Returns whether this use and the one before are minutes apart and far from each other."""
    if use.since_s > _AT_ONCE_S:
        return False
    if use.where.country is not None and history.at_country is not None:
        return use.where.country.encode() != history.at_country
    return None not in (use.where.network, history.at_network) and use.where.network != history.at_network
