"""The path over stored logs: read -> encode -> link -> weigh -> judge -> what was found."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import BinaryIO

from gamekeeper.errors import Fault, InputError
from gamekeeper.exchange import LogReader
from gamekeeper.hunt.campaigns import find_campaigns
from gamekeeper.hunt.comparison import compare
from gamekeeper.hunt.findings import findings
from gamekeeper.hunt.intake import Intake
from gamekeeper.hunt.options import HuntOptions
from gamekeeper.hunt.result import HuntResult
from gamekeeper.hunt.weigh import weigh
from gamekeeper.signals import SIGNALS

_FROM_SAMPLE = ("cell", "prompt_hash")  # columns that only the sample has

Stage = Callable[[str, int, int], None]


def hunt(
    logs: Sequence[str],
    options: HuntOptions | None = None,
    *,
    stdin: BinaryIO | None = None,
    stage: Stage = lambda name, done, total: None,
) -> HuntResult:
    """Finds the campaigns in logs.

    Args:
        logs: Files, folders, globs, or `-` for `stdin`.
        options: How to hunt.
        stdin: What `-` reads.
        stage: Told of progress: stage, done, in all.

    Raises:
        InputError: The logs cannot be read, or hold nothing that can be hunted.
        UsageError: Options that do not fit together.

    Example:
        >>> result = hunt(["logs/"])  # doctest: +SKIP
        >>> [c.id for c in result.campaigns]  # doctest: +SKIP
        ['C1', 'C2']
    """
    options, clock = options or HuntOptions(), _Clock()
    reader, intake = _read(logs, options, stdin, stage)
    clock.mark("read")
    compared = compare(intake.sample, intake.totals, options.encoder, lambda d, n: stage("encode", d, n))
    clock.mark("encode")
    claims = find_campaigns(compared.sample, options.policy, options.seed, lambda d, n: stage("link", d, n))
    clock.mark("link")
    summaries = intake.summaries | {n: SIGNALS[n].summarise(compared.rows) for n in _signals(from_sample=True)}
    used = {n: s for n, s in summaries.items() if SIGNALS[n].card.family not in options.policy.without}
    weighed = weigh(claims, used, compared.accounts, options.seed)
    clock.mark("weigh")
    result = findings(reader.summary, options, compared, claims, weighed, summaries)
    clock.mark("draw")
    return replace(result, seconds=clock.seconds)


class _Clock:
    def __init__(self) -> None:
        self._last, self.seconds = perf_counter(), dict[str, float]()

    def mark(self, name: str) -> None:
        now = perf_counter()
        self.seconds[name], self._last = now - self._last, now


def _signals(*, from_sample: bool) -> list[str]:
    return [n for n, s in SIGNALS.items() if any(c in _FROM_SAMPLE for c in s.card.needs) == from_sample]


def _read(logs: Sequence[str], options: HuntOptions, stdin: BinaryIO | None, stage: Stage) -> tuple[LogReader, Intake]:
    reader = LogReader(
        logs,
        format=options.format,
        fields=options.fields,
        timezone=options.timezone,
        max_bad_rows=options.max_bad_rows,
        stdin=stdin,
        progress=lambda done, total: stage("read", done, total),
    )
    intake = Intake(_signals(from_sample=False), options.max_sample)
    for batch in reader.batches():
        intake.take(batch)
    _require_one_kind(reader)
    return reader, intake


def _require_one_kind(reader: LogReader) -> None:
    if {"prompt", "features"} <= reader.summary.columns_seen:
        raise InputError(
            [
                Fault(
                    where=", ".join(reader.summary.files),
                    problem="prompts and features in one log",
                    found="rows with `prompt` and rows with `features`",
                    expected="the log of a text API or of a tabular one",
                    try_="hunt each API's log by itself",
                )
            ]
        )
