"""A system never seen for this credential: neither its client nor its network is known.

One of the two changes all the time (an update, a café); both at once seldom. Where new systems are
usual for a credential, because a team or a fleet uses it, the signal stands aside. After a month of
silence both are likely to have changed: then the country must be new as well. Networks that are
told apart by the first bits of an address alone are many and change often: such a reading does not
lead to a step-up without another.
"""

from gamekeeper.guard.takeover.card import Card, Reading
from gamekeeper.guard.takeover.history import History
from gamekeeper.guard.takeover.places import is_numbered, network_name
from gamekeeper.guard.takeover.use import DAY_S, Use

_USUAL = 2.0  # new systems in the memory that halves every 30 days
_LONG_S = 30 * DAY_S

CARD = Card(
    name="new-system",
    purpose="A client and a network, neither of which this credential was ever used from.",
    unit="networks and clients known",
    needs=("14 days of use", "address"),
    look_alikes=(
        "a new laptop at a new place, an update in a café, a CI provider that moves, a new"
        " colleague"
    ),
    evasions=(
        "the owner's own client string (a TLS fingerprint from the proxy is harder to copy), or the"
        " owner's network; a first quiet day, after which the system is known"
    ),
    source=(
        "risk-based authentication: Wiefling, Lo Iacono and Dürmuth, SEC 2019 (client and network"
        " as features)"
    ),
    innocent="a new machine at a new place, or a colleague who was given the key",
    false_positives=(32, 136),
)


def read(history: History, use: Use) -> Reading | None:
    """Returns a reading if the system is new and that is unusual."""
    if not is_new(history, use) or not history.is_settled(use.day):
        return None
    if history.systems.before(use.day) >= _USUAL or (
        use.since_s >= _LONG_S and not _is_abroad(history, use)
    ):
        return None
    known = f"{len(history.networks)} networks and {len(history.clients)} clients known"
    client = use.where.client_name[:60] or "no name"
    system = f"{network_name(use.where.network)} with client {client!r}"
    says = f"first use from {system}, {known} of {history.active_days} active days"
    return Reading(signal=CARD.name, says=says, is_hint=not is_numbered(use.where.network))


def is_new(history: History, use: Use) -> bool:
    """Returns whether neither network nor client is known."""
    place = use.where
    return (
        place.network is not None
        and place.network not in history.networks
        and place.client not in history.clients
    )


def _is_abroad(history: History, use: Use) -> bool:
    country = use.where.country
    return country is not None and country.encode() not in history.countries
