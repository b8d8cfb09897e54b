"""Used at an hour of the day at which it never is.

A thief in another time zone, or one who waits until the owner sleeps. Weak: people work late. It
adds to what is not, and never decides. Whoever came to a new country in the last two weeks has
other hours there, and goes through networks that are new as well: that is one journey, and the
signal stands aside.
"""

from gamekeeper.guard.takeover.card import Card, Reading
from gamekeeper.guard.takeover.history import History
from gamekeeper.guard.takeover.use import Use

_ACTIVE_HOURS = 60
_SHARE = 0.01
_JOURNEY_DAYS = 14

CARD = Card(
    name="new-hours",
    purpose=(
        "An hour of the day which, with its two neighbours, holds less than 1 % of the active hours"
        " so far."
    ),
    unit="share of active hours",
    needs=("14 days of use", "60 active hours"),
    look_alikes="a deadline, jet lag, a deployment at night",
    evasions="working in the owner's hours (next to the owner, where far places show)",
    source="time of day as a feature of intrusion detection: Denning, IEEE TSE 1987",
    innocent="somebody who works late, or from another time zone",
    false_positives=(74, 347),
)


def read(history: History, use: Use) -> Reading | None:
    """Returns a reading if hardly any use was at this hour."""
    active = sum(history.hours)
    if active < _ACTIVE_HOURS or not history.is_settled(use.day) or _is_on_a_journey(history, use):
        return None
    near = sum(history.hours[(use.hour + step) % 24] for step in (-1, 0, 1))
    if near >= _SHARE * active:
        return None
    return Reading(
        signal=CARD.name,
        says=(
            f"used at {use.hour:02d} h UTC; {near} of {active} active hours were within an hour of"
            " that"
        ),
        is_hint=True,
    )


def _is_on_a_journey(history: History, use: Use) -> bool:
    if use.where.country is not None and use.where.country.encode() not in history.countries:
        return True
    return any(use.day - met.first < _JOURNEY_DAYS for met in history.countries.values())
