"""The path over stored logs: read -> intake -> search."""

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import BinaryIO

from gamekeeper.base.errors import input_error
from gamekeeper.base.progress import OnStage, ignore_stage
from gamekeeper.base.wording import counted
from gamekeeper.campaigns import HuntResult, Intake, new_intake, search
from gamekeeper.exchange import LogReader
from gamekeeper.hunt.options import HuntOptions
from gamekeeper.hunt.planting import planted_deck


def hunt(
    logs: Sequence[str],
    options: HuntOptions | None = None,
    *,
    stdin: BinaryIO | None = None,
    on_stage: OnStage = ignore_stage,
) -> HuntResult:
    """Finds the campaigns in logs.

    Args:
        logs: Files, folders, globs, or `-` for `stdin`.
        options: How to hunt.
        stdin: What `-` reads.
        on_stage: Called with progress: stage, done, in all.

    Raises:
        InputError: The logs cannot be read, or contain no exchange.
        UsageError: The options contradict each other.

    Example:
        >>> result = hunt(["logs/"])  # doctest: +SKIP
        >>> [c.id for c in result.campaigns]  # doctest: +SKIP
        ['C1', 'C2']
    """
    options = options or HuntOptions()
    began = perf_counter()
    reader, intake = _read(logs, options, stdin, on_stage)
    read_s = perf_counter() - began
    result = search(intake, reader.summary, options, on_stage=on_stage, deck=planted_deck)
    return replace(result, seconds={"read": read_s, **result.seconds})


def _read(
    logs: Sequence[str], options: HuntOptions, stdin: BinaryIO | None, on_stage: OnStage
) -> tuple[LogReader, Intake]:
    reader = LogReader(
        logs,
        options,
        stdin=stdin,
        on_progress=lambda done, total: on_stage("read", done, total),
    )
    intake = new_intake(options.max_sample)
    for batch in reader.batches():
        intake.take(batch)
    _require_one_kind(reader)
    return reader, intake


def _require_one_kind(reader: LogReader) -> None:
    seen = reader.summary.columns_seen
    if not {"prompt", "features"} & seen:
        raise input_error(
            ", ".join(reader.summary.files),
            "no exchange of the log holds text",
            f"{counted(reader.summary.kept_rows, 'exchange')}, such as of an image alone",
            "prompts, or features of a tabular API",
        )
    if {"prompt", "features"} <= seen:
        raise input_error(
            ", ".join(reader.summary.files),
            "prompts and features in one log",
            "rows with `prompt` and rows with `features`",
            "the log of a text API or of a tabular one",
            "hunt the log of each API on its own",
        )
