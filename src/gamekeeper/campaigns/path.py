"""The path from exchanges to campaigns found."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter

from gamekeeper.base.progress import OnStage, ignore_stage
from gamekeeper.campaigns.claims import find_campaigns
from gamekeeper.campaigns.comparison import compare
from gamekeeper.campaigns.findings import findings
from gamekeeper.campaigns.intake import MAX_SAMPLE, Intake
from gamekeeper.campaigns.options import SearchOptions
from gamekeeper.campaigns.result import HuntResult
from gamekeeper.campaigns.weigh import weigh
from gamekeeper.exchange import ReadSummary
from gamekeeper.signals import SIGNALS

_FROM_SAMPLE = ("cell", "prompt_hash")  # columns that only the sample has

Names = Callable[[Sequence[Sequence[str]]], Sequence[str]]


def numbered(members: Sequence[Sequence[str]]) -> list[str]:
    """Names campaigns by their place: C1, C2, ..."""
    return [f"C{i}" for i in range(1, len(members) + 1)]


def new_intake(max_sample: int = MAX_SAMPLE) -> Intake:
    """Returns an intake that summarises for every signal which can be summarised as exchanges come
    in.
    """
    return Intake(_signals(from_sample=False), max_sample)


def search(
    intake: Intake,
    read: ReadSummary,
    options: SearchOptions,
    *,
    on_stage: OnStage = ignore_stage,
    names: Names = numbered,
) -> HuntResult:
    """Finds the campaigns among the exchanges that were taken in.

    Args:
        intake: At least one exchange; left as it was.
        read: Where they came from.
        options: How to search.
        on_stage: Called with progress: stage, done, in all.
        names: Gives campaigns their names, from their members' accounts.
    """
    clock = _Clock()
    compared = compare(
        intake.sample,
        intake.totals,
        options.encoder,
        lambda done, total: on_stage("encode", done, total),
    )
    clock.mark("encode")
    claims = find_campaigns(
        compared.sample,
        options.policy,
        options.seed,
        lambda done, total: on_stage("link", done, total),
    )
    clock.mark("link")
    summaries = intake.summaries | {
        n: SIGNALS[n].summarise(compared.rows) for n in _signals(from_sample=True)
    }
    used = {
        n: s for n, s in summaries.items() if SIGNALS[n].card.family not in options.policy.without
    }
    weighed = weigh(claims, used, compared.accounts, options.seed)
    clock.mark("weigh")
    result = findings(read, options, compared, claims, weighed, summaries, names)
    clock.mark("draw")
    return replace(result, seconds=clock.seconds)


class _Clock:
    """Wall time of each stage."""

    def __init__(self) -> None:
        self._last = perf_counter()
        self.seconds = dict[str, float]()

    def mark(self, name: str) -> None:
        now = perf_counter()
        self.seconds[name] = now - self._last
        self._last = now


def _signals(*, from_sample: bool) -> list[str]:
    return [
        n for n, s in SIGNALS.items() if any(c in _FROM_SAMPLE for c in s.card.needs) == from_sample
    ]
