"""The path over stored logs: read -> take in -> search."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import BinaryIO

from gamekeeper.base.errors import Fault, InputError
from gamekeeper.campaigns import HuntResult, Intake, new_intake, search
from gamekeeper.exchange import LogReader
from gamekeeper.hunt.options import HuntOptions

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
    options = options or HuntOptions()
    began = perf_counter()
    reader, intake = _read(logs, options, stdin, stage)
    read_s = perf_counter() - began
    result = search(intake, reader.summary, options, stage=stage)
    return replace(result, seconds={"read": read_s, **result.seconds})


def _read(
    logs: Sequence[str], options: HuntOptions, stdin: BinaryIO | None, stage: Stage
) -> tuple[LogReader, Intake]:
    reader = LogReader(
        logs,
        format=options.format,
        fields=options.fields,
        timezone=options.timezone,
        max_bad_rows=options.max_bad_rows,
        stdin=stdin,
        progress=lambda done, total: stage("read", done, total),
    )
    intake = new_intake(options.max_sample)
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
