"""Far more exchanges in an hour than ever before.

Whoever harvests with a stolen key has little time. The busiest hour is the measure, not the mean: a
job that runs in bursts is used to them. What a jump teaches is bounded to twice the peak, hour by
hour.
"""

from gamekeeper.guard.takeover.card import Card, Reading
from gamekeeper.guard.takeover.history import History
from gamekeeper.guard.takeover.use import Use

_TIMES = 4
_AT_LEAST = 60

CARD = Card(
    name="rate-jump",
    purpose=(
        "An hour with four times the exchanges of the credential's busiest hour so far, and 60 or"
        " more."
    ),
    unit="exchanges in a clock hour",
    needs=("14 days of use",),
    look_alikes="a first bulk job, a loop with a fault, a launch",
    evasions=(
        "staying below four times the owner's busiest hour (costs time, as the owner's pace bounds"
        " the harvest)"
    ),
    source="rate anomalies against the subject's own history, as in Denning, IEEE TSE 1987",
    innocent="a bulk job, a launch, or a program that repeats itself by mistake",
    false_positives=(22, 125),
)


def alarm(history: History) -> int:
    """Returns the exchanges of an hour that are a jump."""
    return max(_AT_LEAST, _TIMES * history.peak)


def read(history: History, use: Use) -> Reading | None:
    """Returns a reading in the moment of the jump."""
    if use.in_hour < alarm(history) or not history.is_settled(use.day):
        return None
    return Reading(
        signal=CARD.name,
        says=f"{use.in_hour} exchanges within an hour; its busiest hour had {history.peak}",
    )


def learn(history: History, in_hour: int) -> None:
    """Takes in a whole hour's exchanges: up to twice the peak at once, and down by a thousandth an
    active hour.
    """
    faded = history.peak - history.peak // 1000
    history.peak = max(faded, min(in_hour, max(2 * history.peak, _AT_LEAST)))
