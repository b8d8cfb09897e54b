"""Reads a log: sources -> blocks of rows -> our columns -> valid rows, each once -> batches.

Frames come while the log is read, so a caller has some before it is known whether the log is valid:
it must not write anything down before `batches` has ended without an error.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import BinaryIO

import polars as pl

from gamekeeper.base.errors import Fault, InputError, UsageError
from gamekeeper.base.progress import OnProgress, ignore_progress
from gamekeeper.base.text import clean
from gamekeeper.exchange.check import Checker, FeatureWidth, Rows
from gamekeeper.exchange.columns import SCHEMA, conform
from gamekeeper.exchange.containers import Block, Record, dig, read_blocks
from gamekeeper.exchange.duplicates import SeenRows
from gamekeeper.exchange.faults import Tally, UnreadableFileError, excerpt, unreadable
from gamekeeper.exchange.formats import FORMATS, Format, recognise
from gamekeeper.exchange.joining import Joined, Joiner
from gamekeeper.exchange.limits import MAX_PROMPT_CHARS
from gamekeeper.exchange.sources import Sources, find_sources, size_of
from gamekeeper.exchange.times import require_zone
from gamekeeper.exchange.typed import REQUEST

_SNIFFED_ROWS = 20
_BATCH_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSummary:
    """What was read from a log, and what was left out.

    Args:
        files: Files read, in order.
        formats: Format name by file; a file whose format was not recognised is not in it.
        rows: Rows looked at.
        bad_rows: Of these, rows with a fault; dropped.
        duplicate_rows: Of the bad ones, rows identical to an earlier one in every field that is
            read.
        skipped_records: Records that are not exchanges: spans of tools, failed calls, calls of
            other APIs.
        cut_prompts: Prompts cut at `MAX_PROMPT_CHARS`.
        columns_seen: Columns of `SCHEMA` with any value.
        faults: Faults within rows; a log with more of them than `max_bad_rows` is refused.
    """

    files: tuple[str, ...]
    formats: Mapping[str, str]
    rows: int
    bad_rows: int
    duplicate_rows: int
    skipped_records: int
    cut_prompts: int
    columns_seen: frozenset[str]
    faults: tuple[Fault, ...]

    @property
    def kept_rows(self) -> int:
        """Rows without a fault, which `batches` yields."""
        return self.rows - self.bad_rows


class LogReader:
    """Reads logs of any known format and container as frames of `SCHEMA`.

    Args:
        sources: Files, folders (searched for known suffixes), glob patterns, and `-` for standard
            input.
        format: A name of `FORMATS`, or `auto`: recognise each file by its first rows.
        fields: Our column name to the log's field, which may lie deeper: `{"account":
            "auth.key_id"}`.
        timezone: Zone of times without one; they are faults without it, unless the format defines
            it.
        max_bad_rows: Share of rows, 0 to 1, that may be faulty; more, and `batches` raises at its
            end.
        batch_rows: Rows of a frame; the last may have fewer, and so may one whose texts weigh 256
            MB.
        stdin: What `-` reads; `sys.stdin` if None.
        on_progress: Called with bytes done and bytes in all, as they are on disk; a pipe counts as
            none.

    Raises:
        UsageError: An argument does not name anything, or is out of its range.

    Example:
        >>> reader = LogReader(["logs/"], timezone="UTC")
        >>> frames = list(reader.batches())  # doctest: +SKIP
        >>> reader.summary.kept_rows  # doctest: +SKIP
        50000
    """

    def __init__(
        self,
        sources: Sequence[str],
        *,
        format: str = "auto",
        fields: Mapping[str, str] | None = None,
        timezone: str | None = None,
        max_bad_rows: float = 0.0,
        batch_rows: int = 65_536,
        stdin: BinaryIO | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> None:
        _require_arguments(sources, format, fields or {}, max_bad_rows, batch_rows)
        require_zone(timezone)
        self.sources = tuple(sources)
        self.format = format
        self.fields = dict(fields or {})
        self.timezone = timezone
        self.max_bad_rows = max_bad_rows
        self.batch_rows = batch_rows
        self.stdin = stdin
        self.on_progress = on_progress
        self._reading: _Reading | None = None

    @property
    def summary(self) -> ReadSummary:
        """What the latest `batches` has seen so far; complete once it has ended."""
        return (self._reading or _Reading(self, Sources(files=(), faults=()))).summary()

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yields frames of `SCHEMA`, rows in the order of the log; can be called again for the same
        files.

        Raises:
            InputError: At the end, with all faults of all files: a file cannot be read, more rows
                than `max_bad_rows` have a fault, or no row is without one.
        """
        self._reading = _Reading(self, find_sources(self.sources))
        yield from _rebatched(self._reading.frames(), self.batch_rows)
        self._reading.require_valid()


def _require_arguments(
    sources: Sequence[str],
    format: str,
    fields: Mapping[str, str],
    max_bad_rows: float,
    batch_rows: int,
) -> None:
    if isinstance(sources, str) or not sources:
        raise UsageError(
            "no logs are named; name files, folders, patterns, or - for standard input"
        )
    if format != "auto" and format not in FORMATS:
        raise UsageError(f'--format "{format}" is not known; expected auto, {", ".join(FORMATS)}')
    if unknown := sorted(set(fields) - {*SCHEMA, REQUEST}):
        raise UsageError(f"no such column: {', '.join(unknown)}; columns are {', '.join(SCHEMA)}")
    if not 0 <= max_bad_rows <= 1:
        raise UsageError(f"--max-bad-rows {max_bad_rows} must be between 0 and 1")
    if batch_rows < 1:
        raise UsageError(f"batch_rows {batch_rows} is below 1")


class _Reading:
    """One pass over the sources, with all that is counted on the way."""

    def __init__(self, asked: LogReader, sources: Sources) -> None:
        self._asked = asked
        self._sources = sources
        self._tally = Tally()
        self._seen = SeenRows()
        self._features = FeatureWidth()
        self._checkers: dict[str, Checker] = {}
        self._joiners: dict[str, Joiner] = {}
        self._done_bytes = 0
        self._total_bytes = sum(map(size_of, sources.files))
        self._skipped = self._cut = 0
        self._columns: set[str] = set()
        for fault in sources.faults:
            self._tally.add_file_fault(fault)

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yields valid rows as they are read; none once it is certain that `require_valid` will
        raise.
        """
        for file in self._sources.files:
            try:
                yield from self._emitted(self._read_file(file))
            except UnreadableFileError as end:
                self._tally.add_file_fault(end.fault)
            self._finish_file(file)
        for joiner in self._joiners.values():
            yield from self._emitted(self._checked(joiner.close()))

    def require_valid(self) -> None:
        """Raises `InputError` if the reading may not be used."""
        if self._is_lost() or self._tally.bad_rows > self._asked.max_bad_rows * self._tally.rows:
            raise InputError([*self._tally.file_faults, *self._tally.row_faults])
        if self._tally.rows == self._tally.bad_rows:
            raise InputError([*self._tally.row_faults, self._no_exchange()])

    def summary(self) -> ReadSummary:
        """Returns the counts so far."""
        return ReadSummary(
            files=tuple(clean(name) for name in self._sources.files),
            formats={clean(file): checker.form.name for file, checker in self._checkers.items()},
            rows=self._tally.rows,
            bad_rows=self._tally.bad_rows,
            duplicate_rows=sum(checker.repeated for checker in self._checkers.values())
            + sum(joiner.repeated_parts for joiner in self._joiners.values()),
            skipped_records=self._skipped,
            cut_prompts=self._cut,
            columns_seen=frozenset(self._columns),
            faults=self._tally.row_faults,
        )

    def _is_lost(self) -> bool:
        return bool(self._tally.file_faults) or (
            self._asked.max_bad_rows == 0 and self._tally.bad_rows > 0
        )

    def _no_exchange(self) -> Fault:
        return Fault(
            where=", ".join(self._asked.sources),
            problem="the log contains no exchange",
            found=(
                f"{self._tally.rows} rows, {self._tally.bad_rows} with faults;"
                f" {self._skipped} other records"
            ),
            expected="at least one row without a fault",
        )

    def _read_file(self, file: str) -> Iterator[pl.DataFrame]:
        for block in read_blocks(file, self._tally, self._advance, self._asked.stdin):
            if block.places:
                yield from self._read_block(self._checker(file, block), block)

    def _read_block(self, checker: Checker, block: Block) -> Iterator[pl.DataFrame]:
        if checker.form.row is None:
            yield checker.check(self._own_columns(block))
            return
        records = self._split(checker, block)
        if checker.form.part_key is not None:
            joiner = self._joiners.setdefault(checker.form.name, Joiner(checker.form, self._tally))
            records = (
                whole
                for record in records
                for whole in joiner.feed(record.file, record.place, record.record)
            )
        yield from self._checked(records)

    def _own_columns(self, block: Block) -> Rows:
        paths = {name: self._asked.fields.get(name, name) for name in (*SCHEMA, REQUEST)}
        names = block.names()
        there = {
            n: path for n, path in paths.items() if path in names or path.partition(".")[0] in names
        }
        return Rows(
            block.places, {n: block.column(path) for n, path in there.items()}, block.record
        )

    def _split(self, checker: Checker, block: Block) -> Iterator[Joined]:
        for place, record in zip(block.places, block.records(), strict=True):
            for inner in checker.form.split(record):
                yield Joined(checker.file, place, inner)

    def _checked(self, records: Iterable[Joined]) -> Iterator[pl.DataFrame]:
        """Yields the valid rows of whole records, a frame for each run from the same file."""
        for file, run in groupby(records, key=lambda record: record.file):
            checker = self._checkers[file]
            yield checker.check(self._mapped(checker.form, list(run)))

    def _mapped(self, form: Format, records: list[Joined]) -> Rows:
        assert form.row is not None
        pairs = [
            (record, row) for record in records if (row := form.row(record.record)) is not None
        ]
        self._skipped += len(records) - len(pairs)
        columns = {name: [row.get(name) for _, row in pairs] for name in (*SCHEMA, REQUEST)}
        for name, path in self._asked.fields.items():
            columns[name] = [dig(record.record, path) for record, _ in pairs]
        return Rows(
            [record.place for record, _ in pairs], columns, lambda index: pairs[index][0].record
        )

    def _emitted(self, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for frame in frames:
            kept = self._cut_prompts(conform(frame))
            self._columns |= {column.name for column in kept if column.null_count() < kept.height}
            if kept.height and not self._is_lost():
                yield kept

    def _cut_prompts(self, frame: pl.DataFrame) -> pl.DataFrame:
        too_long = int((frame["prompt"].str.len_chars() > MAX_PROMPT_CHARS).sum())
        self._cut += too_long
        return (
            frame.with_columns(pl.col("prompt").str.head(MAX_PROMPT_CHARS)) if too_long else frame
        )

    def _checker(self, file: str, block: Block) -> Checker:
        if file not in self._checkers:
            form = self._format_of(file, block)
            zone = self._asked.timezone or form.zone
            self._checkers[file] = Checker(
                file, form, zone, self._tally, self._features, self._seen
            )
        return self._checkers[file]

    def _format_of(self, file: str, block: Block) -> Format:
        if self._asked.format != "auto":
            return FORMATS[self._asked.format]
        sample = [block.record(index) for index in range(min(_SNIFFED_ROWS, len(block.places)))]
        form = recognise(sample)
        if form is None and self._asked.fields:
            return FORMATS["gamekeeper"]
        if form is None:
            raise _unknown_format(file, sample[0])
        return form

    def _advance(self, done_bytes: int) -> None:
        self._asked.on_progress(self._done_bytes + done_bytes, self._total_bytes)

    def _finish_file(self, file: str) -> None:
        self._done_bytes += size_of(file)
        self._advance(0)


def _unknown_format(file: str, record: Record) -> UnreadableFileError:
    return unreadable(
        file,
        "the format of the rows is not known",
        f"fields {excerpt(', '.join(map(str, record)))}",
        f"rows of {', '.join(FORMATS)}",
        "--account-field FIELD --time-field FIELD --prompt-field FIELD, or --format",
    )


def _rebatched(frames: Iterable[pl.DataFrame], batch_rows: int) -> Iterator[pl.DataFrame]:
    """Yields the same rows in frames of `batch_rows`, or of `_BATCH_BYTES` where rows are that
    heavy.
    """
    waiting: list[pl.DataFrame] = []
    rows = weight = 0
    for frame in frames:
        waiting.append(frame)
        rows = rows + frame.height
        weight = weight + int(frame.estimated_size())
        if rows < batch_rows and weight < _BATCH_BYTES:
            continue
        whole = pl.concat(waiting)
        full = rows - rows % batch_rows if weight < _BATCH_BYTES else rows
        yield from whole.head(full).iter_slices(batch_rows)
        waiting = [whole.tail(rows - full)]
        rows = rows - full
        weight = 0
    if rows:
        yield pl.concat(waiting)
