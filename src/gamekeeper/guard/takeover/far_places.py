"""Used from two far places within minutes, one of them new: two countries, or two networks where
those are not told.

Somebody who travels changes place once, and slowly; an owner and a thief take turns. VPNs and
phones change place at once as well: between places that are known since an earlier day that says
nothing, and where new ones turn up like that on several days, that is a habit and the signal stands
aside. Networks count by the number that a proxy tells; a phone and a line at home differ in the
first bits of their addresses every day.
"""

from gamekeeper.guard.takeover.card import Card, Reading
from gamekeeper.guard.takeover.history import History
from gamekeeper.guard.takeover.places import is_numbered, network_name
from gamekeeper.guard.takeover.use import Use

_AT_ONCE_S = 600
_USUAL = 2.0  # days with it, in the memory that halves every 30 days

CARD = Card(
    name="far-places",
    purpose=(
        "Two countries within ten minutes, one of them new today; two networks without countries."
    ),
    unit="minutes between the two",
    needs=("14 days of use", "country, or the network's number"),
    look_alikes=(
        "a VPN switched on, a phone between mobile network and Wi-Fi, serverless functions of two"
        " regions"
    ),
    evasions=(
        "an exit in the owner's country, hours in which the owner is idle, or a first day with one"
        " quiet use"
    ),
    source=(
        "impossible travel, as sign-in monitors use it; here without distances, which need better"
        " data"
    ),
    innocent="a VPN, a phone that changes networks, or a service that runs in several regions",
    false_positives=(14, 118),
)


def read(history: History, use: Use) -> Reading | None:
    """Returns a reading if the use before was far away, minutes ago, and that is unusual."""
    if (
        not is_far(history, use)
        or not history.is_settled(use.day)
        or history.far.before(use.day) >= _USUAL
    ):
        return None
    minutes = use.since_s / 60
    if use.where.country is not None and history.at_country is not None:
        ends = f"{history.at_country.decode()} and {use.where.country}"
        data = " (countries as of June 2024)" if use.where.is_looked_up else ""
        return Reading(
            signal=CARD.name,
            says=f"used from {ends} within {minutes:.0f} min{data}",
            is_hint=use.where.is_looked_up,
        )
    ends = f"{network_name(history.at_network)} and {network_name(use.where.network)}"
    return Reading(signal=CARD.name, says=f"used from {ends} within {minutes:.0f} min")


def is_far(history: History, use: Use) -> bool:
    """Returns whether this use and the one before are minutes apart, far from each other, and one
    of them is new.
    """
    if use.since_s > _AT_ONCE_S:
        return False
    here = use.where.network
    there = history.at_network
    places = history.networks
    if use.where.country is not None and history.at_country is not None:
        here = use.where.country.encode()
        there = history.at_country
        places = history.countries
    elif not (is_numbered(here) and is_numbered(there)):
        return False
    if here is None or there is None or here == there:
        return False
    return not all(name in places and places[name].first < use.day for name in (here, there))
