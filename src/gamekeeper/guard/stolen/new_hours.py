"""Used at an hour of the day at which it never is.

A thief in another time zone, or one who waits until the owner sleeps. Weak by itself: people work late.
"""

from gamekeeper.guard.stolen.card import Card, Reading
from gamekeeper.guard.stolen.history import History
from gamekeeper.guard.stolen.use import Use

_ACTIVE_HOURS = 60
_SHARE = 0.01

CARD = Card(
    name="new-hours",
    purpose="An hour of the day which, with its two neighbours, holds less than 1 % of the active hours so far.",
    unit="share of active hours",
    needs=("14 days of use", "60 active hours"),
    look_alikes="a deadline, jet lag, a deployment at night",
    evasions="working in the owner's hours (next to the owner, where far places show)",
    source="time of day as a feature of intrusion detection: Denning, IEEE TSE 1987",
    innocent="somebody who works late, or from another time zone",
)


def read(history: History, use: Use) -> Reading | None:
    """Returns a reading if hardly any use was at this hour."""
    active = sum(history.hours)
    if active < _ACTIVE_HOURS or not history.is_settled(use.day):
        return None
    near = sum(history.hours[(use.hour + step) % 24] for step in (-1, 0, 1))
    if near >= _SHARE * active:
        return None
    return Reading(
        signal=CARD.name,
        says=f"used at {use.hour:02d} h UTC; {near} of {active} active hours were within an hour of that",
    )
