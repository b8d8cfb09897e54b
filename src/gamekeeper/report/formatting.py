"""Numbers, times and hostile text as a person reads them; the same on a page and on a terminal.

Prompts and names come from attackers, so characters that could steer a terminal or reverse the
order of a line are shown as their code: an escape character as `\\u001b`.
"""

import math
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from gamekeeper.base.wording import counted as counted
from gamekeeper.base.wording import plural as plural
from gamekeeper.verdict import Member, Verdict

FAMILIES = {
    "content": "what the prompts are about",
    "shape": "how the prompts are built",
    "schedule": "which account is used next",
    "elicitation": "what the prompts ask the model to reveal",
    "rhythm": "when the exchanges happen",
    "infrastructure": "networks, cards and clients in common",
    "coverage": "how evenly subjects are covered",
    "pivot": "moving to another model or subject together",
}
"""The families of evidence, and what each looks at."""

VERDICTS = {
    Verdict.ALLOW: "nothing to do",
    Verdict.WATCH: "look closer, change nothing",
    Verdict.SLOW: "answer more slowly",
    Verdict.LIMIT: "answer less",
    Verdict.DENY: "do not answer",
}
"""What each verdict recommends."""

UNMEASURED = "not measured"


def shortened(text: str, limit: int) -> str:
    """Returns text, and how much of it was left out where it is longer than `limit` characters."""
    return (
        text
        if len(text) <= limit
        else f"{text[:limit].rstrip()} … ({count(len(text) - limit)} more characters)"
    )


def count(number: float) -> str:
    """Returns a whole number with separators: `28,800,000`."""
    return f"{number:,.0f}"


def share(part: float, whole: float) -> str:
    """Returns a part of a whole in per cent: `4.1 %`."""
    if not whole:
        return "0 %"
    percent = 100 * part / whole
    return f"{percent:.2g} %" if percent < 10 else f"{percent:.0f} %"


def measure(value: float | None) -> str:
    """Returns a reading in three digits; `not measured` for NaN and None."""
    if value is None or math.isnan(value):
        return UNMEASURED
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def probability(p: float | None) -> str:
    """Returns a probability in two digits: `0.0010`."""
    if p is None or math.isnan(p):
        return UNMEASURED
    return f"{p:.2g}" if p >= 0.0001 or p == 0 else f"{p:.1e}"


def rank(p: float | None, decoys: int | None, kind: str = "decoy group") -> str:
    """Returns a rank in words: `none of 999 decoy groups was at least as strong`; of a p-value that
    is smaller than they allow, that it is a bound.
    """
    if p is None or math.isnan(p) or not decoys:
        return "not ranked against decoys"
    as_strong = max(round(p * (1 + decoys)) - 1, 0)
    were = "was" if as_strong in (0, 1) else "were"
    some = count(as_strong) if as_strong else "none"
    said = f"{some} of {counted(decoys, kind)} {were} at least as strong"
    beyond = p < (1 - _ROUNDING) / (1 + decoys)
    return f"{said}, and p is a bound beyond the strongest" if beyond else said


_ROUNDING = 1e-6


def day(time: datetime) -> str:
    """Returns a day: `2 Nov 2026`."""
    return f"{time.day} {time:%b %Y}"


def moment(time: datetime) -> str:
    """Returns a time to the minute, in UTC: `2 Nov 2026 14:05`."""
    return f"{day(time)} {time:%H:%M}"


def period(first: datetime, last: datetime) -> str:
    """Returns a span of days: `2 Nov 2026 to 1 Dec 2026 (30 days)`."""
    days = (last.date() - first.date()).days + 1
    return day(first) if days == 1 else f"{day(first)} to {day(last)} ({days} days)"


def verdicts_of(members: Iterable[Member]) -> str:
    """Returns how many accounts have which verdict, the highest first: `limit for 13, watch for
    2`.
    """
    number = Counter(member.verdict for member in members)
    ordered = sorted(number, key=lambda verdict: -verdict.step)
    return ", ".join(f"{verdict} for {count(number[verdict])}" for verdict in ordered)


def iso(time: datetime) -> str:
    """Returns a time as ISO 8601 with `Z`, as files and JSON carry it."""
    return time.isoformat().replace("+00:00", "Z")


def headline(
    campaigns: int, accounts: int, exchanges: int, of: int, *, could_find_nothing: bool = False
) -> str:
    """Returns what was found, in one sentence; also that nothing could have been."""
    if could_find_nothing:
        return (
            f"No campaign found, and none could have been: {counted(of, 'exchange')} of this log"
            " do not suffice"
        )
    if not campaigns:
        return f"No campaign found in {counted(of, 'exchange')}"
    part = share(exchanges, of)
    return (
        f"{counted(campaigns, 'campaign')} found: {counted(accounts, 'account')}, "
        f"{count(exchanges)} of {counted(of, 'exchange')} ({part})"
    )
