"""A credential wakes after a silence more than twice as long as its own longest.

Forgotten keys lie in old repositories and images; whoever finds one uses it after months. A key
that sleeps between seasons has slept so before. Thirty days leave holidays out.
"""

from gamekeeper.guard.takeover.card import Card, Reading
from gamekeeper.guard.takeover.history import History, gap_class
from gamekeeper.guard.takeover.use import DAY_S, Use

_SILENT_DAYS = 30

CARD = Card(
    name="dormant-wakes",
    purpose=(
        "The first use after a silence of 30 days or more, at least twice as long as any before."
    ),
    unit="days of silence",
    needs=("14 days of use",),
    look_alikes=(
        "the first season's pause of a seasonal job, parental leave, a project taken up again"
    ),
    evasions="none for a key that was found asleep; using one that is awake",
    source=(
        "dormant accounts in NIST SP 800-53 AC-2(3); measured here against the credential's own"
        " pauses"
    ),
    innocent="a project taken up again, a long leave, a job that runs once a season",
    false_positives=(31, 103),
)


def read(history: History, use: Use) -> Reading | None:
    """Returns a reading if it wakes from an unusual silence."""
    silent = use.since_s / DAY_S
    if silent < _SILENT_DAYS or not history.is_settled(use.day):
        return None
    longest = max((i for i, n in enumerate(history.gaps) if n), default=-1)
    if gap_class(silent) < longest + 2:
        return None
    before = (
        f"its pauses until then were shorter than {2 ** (longest + 1)} days"
        if longest >= 0
        else "used every day"
    )
    return Reading(signal=CARD.name, says=f"woke after {silent:.0f} days of silence; {before}")
