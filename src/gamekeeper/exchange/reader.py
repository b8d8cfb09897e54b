"""Reads a log: sources -> blocks -> records out of envelopes -> rows -> valid rows, each once ->
batches.

Frames come while the log is read, so a caller has some before it is known whether the log is valid:
it must not write anything down before `batches` has ended without an error.
"""

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, islice
from typing import BinaryIO

import polars as pl

from gamekeeper.base.errors import Fault, InputError, UsageError
from gamekeeper.base.progress import OnProgress, ignore_progress
from gamekeeper.base.text import clean
from gamekeeper.exchange import refusals
from gamekeeper.exchange.check import Checker, FeatureWidth, Rows
from gamekeeper.exchange.columns import SCHEMA, conform
from gamekeeper.exchange.containers import Block, Record, RecordBlock, read_blocks
from gamekeeper.exchange.duplicates import SeenRows
from gamekeeper.exchange.envelopes import has_envelope, unwrap
from gamekeeper.exchange.faults import (
    SourceLostError,
    Tally,
    UnreadableFileError,
)
from gamekeeper.exchange.formats import FORMATS, Format, recognise
from gamekeeper.exchange.formats.form import (
    EMBEDDINGS,
    KEPT_ELSEWHERE,
    NO_BODY,
    NO_CONTENT,
    OTHER_RECORD,
    TOOL_RESULTS,
    PassedOver,
    Row,
)
from gamekeeper.exchange.joining import Joined, Joiner
from gamekeeper.exchange.limits import MAX_PROMPT_CHARS
from gamekeeper.exchange.messages import prompt_of
from gamekeeper.exchange.options import ReadOptions
from gamekeeper.exchange.own_columns import holds_any, own_columns, read_prompts
from gamekeeper.exchange.paths import dig
from gamekeeper.exchange.principals import NO_OWNER, Principals
from gamekeeper.exchange.sources import Source, Sources, find_sources
from gamekeeper.exchange.summary import ReadSummary
from gamekeeper.exchange.times import require_zone
from gamekeeper.exchange.typed import REQUEST

_SNIFFED_ROWS = 500
_BATCH_BYTES = 256 << 20
_COLLECT_AFTER = 20_000  # objects; 700 is what Python begins with
_MOSTLY = 0.5  # share of records of an unknown kind above which a log is not what it was taken for
_MAPPED_MAY_HOLD = (NO_BODY, NO_CONTENT, KEPT_ELSEWHERE, OTHER_RECORD)
"""Reasons to pass over a record that no longer hold where the caller names where the prompt is."""


class LogReader:
    """Reads logs of any known format and container as frames of `SCHEMA`.

    Args:
        sources: Files, folders, glob patterns, `-` for standard input, and addresses of stores.
        options: How to read them.
        batch_rows: Rows of a frame; the last may have fewer, and so may one whose texts weigh 256
            MB.
        stdin: What `-` reads; `sys.stdin` if None.
        on_progress: Called with bytes done and bytes in all, as they are stored; a pipe counts as
            none.

    Raises:
        UsageError: An argument does not name anything, or is out of its range.

    Example:
        >>> reader = LogReader(["logs/"], ReadOptions(timezone="UTC"))
        >>> frames = list(reader.batches())  # doctest: +SKIP
        >>> reader.summary.kept_rows  # doctest: +SKIP
        50000
    """

    def __init__(
        self,
        sources: Sequence[str],
        options: ReadOptions | None = None,
        *,
        batch_rows: int = 65_536,
        stdin: BinaryIO | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> None:
        self.options = options or ReadOptions()
        _require_arguments(sources, self.options, batch_rows)
        self.sources = tuple(sources)
        self.batch_rows = batch_rows
        self.stdin = stdin
        self.on_progress = on_progress
        self._reading: _Reading | None = None

    @property
    def summary(self) -> ReadSummary:
        """What the latest `batches` has seen so far; complete once it has ended."""
        return (self._reading or _Reading(self, Sources(sources=()))).summary()

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yields frames of `SCHEMA`, rows in the order of the log; can be called again for the same
        files.

        Raises:
            InputError: At the end, with all faults of all files: a file cannot be read, more rows
                than `max_bad_rows` have a fault, most records are of an unknown kind, or no row is
                without a fault.
        """
        found = find_sources(
            self.sources,
            stdin=self.stdin,
            sql=self.options.sql,
            database=self.options.database,
        )
        self._reading = _Reading(self, found)
        with _rare_collections():
            yield from _rebatched(self._reading.frames(), self.batch_rows)
        self._reading.require_valid()


def _require_arguments(sources: Sequence[str], options: ReadOptions, batch_rows: int) -> None:
    if isinstance(sources, str) or not (sources or options.sql):
        raise UsageError(
            "no logs are named; name files, folders, patterns, or - for standard input"
        )
    if options.format != "auto" and options.format not in FORMATS:
        raise UsageError(
            f'--format "{options.format}" is not known; expected auto, {", ".join(FORMATS)}'
        )
    if unknown := sorted(set(options.fields) - {*SCHEMA, REQUEST}):
        raise UsageError(f"no such column: {', '.join(unknown)}; columns are {', '.join(SCHEMA)}")
    if not 0 <= options.max_bad_rows <= 1:
        raise UsageError(f"--max-bad-rows {options.max_bad_rows} must be between 0 and 1")
    if batch_rows < 1:
        raise UsageError(f"batch_rows {batch_rows} is below 1")
    require_zone(options.timezone)


class _Reading:
    """One pass over the sources, with all that is counted on the way."""

    def __init__(self, asked: LogReader, found: Sources) -> None:
        self._asked = asked
        self._options = asked.options
        self._found = found
        self._mapped_fields = {
            name: path
            for name, path in asked.options.fields.items()
            if (name, path) != ("owner", NO_OWNER)
        }
        self._tally = Tally()
        self._seen = SeenRows()
        self._features = FeatureWidth()
        self._principals = Principals(asked.options.fields)
        self._checkers: dict[str, Checker] = {}
        self._enveloped: dict[str, bool] = {}
        self._joiners: dict[str, Joiner] = {}
        self._sample: Record = {}
        self._led_somewhere: set[str] = set()
        self._left_out: list[str] = []
        self._done_bytes = 0
        self._total_bytes = sum(source.size for source in found.sources)
        self._without_text = self._cut = self._cut_by_writer = 0
        self._columns: set[str] = set()
        for fault in found.faults:
            self._tally.add_file_fault(fault)
        for sentence in found.remarks:
            self._tally.remark(sentence)

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yields valid rows as they are read; none once it is certain that `require_valid` will
        raise.
        """
        for source in self._found.sources:
            try:
                yield from self._emitted(self._read_source(source))
            except UnreadableFileError as end:
                self._note_unreadable(source, end)
            self._finish(source)
        for joiner in self._joiners.values():
            yield from self._emitted(self._checked(joiner.close()))

    def require_valid(self) -> None:
        """Raises `InputError` if the reading may not be used."""
        tally = self._tally
        if tally.file_faults or tally.bad_rows > self._options.max_bad_rows * tally.rows:
            raise InputError([*tally.file_faults, *self._row_faults()])
        if self._is_mostly_other():
            raise InputError([refusals.mostly_other(tally, self._forms(), self._named())])
        if tally.rows == tally.bad_rows:
            nothing = refusals.no_exchange(tally, self._forms(), self._named())
            raise InputError([*tally.left_out, *self._row_faults(), nothing])
        if faults := self._principals.faults(self._named()):
            raise InputError(faults)

    def summary(self) -> ReadSummary:
        """Returns the counts so far."""
        return ReadSummary(
            files=tuple(clean(source.name) for source in self._found.sources),
            formats={clean(file): checker.form.name for file, checker in self._checkers.items()},
            rows=self._tally.rows,
            bad_rows=self._tally.bad_rows,
            duplicate_rows=sum(checker.repeated for checker in self._checkers.values())
            + sum(joiner.repeated_parts for joiner in self._joiners.values()),
            passed_over=dict(self._tally.passed_over),
            without_text=self._without_text,
            cut_prompts=self._cut,
            cut_by_writer=self._cut_by_writer,
            columns_seen=frozenset(self._columns),
            account_fields=dict(self._principals.account_fields),
            owner_fields=dict(self._principals.owner_fields),
            remarks=self._remarks(),
            faults=self._tally.row_faults,
        )

    def _read_source(self, source: Source) -> Iterator[pl.DataFrame]:
        for block in read_blocks(source, self._tally, self._advance):
            if block.places:
                block = self._unwrapped(source.name, block)
            if block.places:
                yield from self._read_block(self._checker(source, block), block)

    def _unwrapped(self, file: str, block: Block) -> Block:
        """Returns the records inside the envelopes of a file that has them, in their order."""
        if file not in self._enveloped:
            self._enveloped[file] = any(map(has_envelope, _first_records(block)))
        if not self._enveloped[file]:
            return block
        places: list[int] = []
        rows: list[Record] = []
        for place, record in zip(block.places, block.records(), strict=True):
            for inner in unwrap(record):
                if isinstance(inner, dict):
                    places.append(place)
                    rows.append(inner)
                else:
                    self._tally.note_other(file, place, inner)
        return RecordBlock(places, rows)

    def _read_block(self, checker: Checker, block: Block) -> Iterator[pl.DataFrame]:
        if checker.form.row is None:
            frame = checker.check(self._own_columns(block))
            self._note_own(frame)
            yield frame
            return
        yield from self._checked(self._whole(checker, block))

    def _whole(self, checker: Checker, block: Block) -> Iterator[Joined]:
        """Yields the records of a block, out of exports that hold several, parts joined."""
        form = checker.form
        joiner = None
        if form.part_key is not None:
            joiner = self._joiners.setdefault(form.name, Joiner(form, self._tally))
        for place, record in zip(block.places, block.records(), strict=True):
            if not form.sniff(record) and not self._is_mapped(record):
                self._tally.note_other(checker.file, place, record)
                continue
            for inner in form.split(record):
                if joiner is None:
                    yield Joined(checker.file, place, inner)
                else:
                    yield from joiner.feed(checker.file, place, inner)

    def _is_mapped(self, record: Record) -> bool:
        path = self._mapped_fields.get("prompt")
        return path is not None and dig(record, path) is not None

    def _own_columns(self, block: Block) -> Rows:
        columns = own_columns(block, self._mapped_fields)
        self._led_somewhere |= {name for name, values in columns.items() if holds_any(values)}
        if self._options.fields.get("owner") == NO_OWNER:
            columns.pop("owner", None)
        read = read_prompts(columns)
        passed = dict.fromkeys(read.tool_results, TOOL_RESULTS.reason)
        return Rows(block.places, columns, block.record, read.textless, passed)

    def _note_own(self, frame: pl.DataFrame) -> None:
        if frame.height:
            owners = frame.height - frame["owner"].null_count()
            self._principals.note_columns(frame["account"].unique(), frame.height, owners)

    def _checked(self, records: Iterable[Joined]) -> Iterator[pl.DataFrame]:
        """Yields the valid rows of whole records, a frame for each run from the same file."""
        for file, run in groupby(records, key=lambda record: record.file):
            checker = self._checkers[file]
            yield checker.check(self._mapped(checker.form, list(run)))

    def _mapped(self, form: Format, records: list[Joined]) -> Rows:
        assert form.row is not None
        rows = self._principals.resolve(self._row(form, record.record) for record in records)
        kept: list[tuple[Joined, Row]] = []
        for record, row in zip(records, rows, strict=True):
            if isinstance(row, PassedOver):
                self._tally.pass_over(row.reason)
            else:
                kept.append((record, row))
                self._cut_by_writer += bool(row.get("was_cut"))
        columns = {name: [row.get(name) for _, row in kept] for name in (*SCHEMA, REQUEST)}
        textless = [place for place, (_, row) in enumerate(kept) if row.get("without_text")]
        return Rows(
            [record.place for record, _ in kept],
            columns,
            lambda index: kept[index][0].record,
            textless,
        )

    def _row(self, form: Format, record: Record) -> Row | PassedOver:
        """Returns the row of a record, its mapped fields in place of the format's own."""
        assert form.row is not None
        row = form.row(record)
        mapped = {name: dig(record, path) for name, path in self._mapped_fields.items()}
        self._led_somewhere |= {name for name, value in mapped.items() if value is not None}
        if isinstance(row, PassedOver):
            if row not in _MAPPED_MAY_HOLD or mapped.get("prompt") is None:
                return row
            row = {}
        calls = EMBEDDINGS if row.get("call") == EMBEDDINGS else "questions"
        if calls != self._options.calls:
            return PassedOver(calls)
        if mapped.get("prompt") is not None:
            row.pop("without_text", None)
            named = mapped.pop("prompt")
            row |= prompt_of(named)
            if row.get("only_tools"):
                return TOOL_RESULTS
            if row.get("prompt") is None and not row.get("without_text"):
                row["prompt"] = named  # to be named as a fault: it is neither text nor messages
        return row | mapped

    def _emitted(self, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for frame in frames:
            kept = self._cut_prompts(conform(frame))
            self._columns |= {column.name for column in kept if column.null_count() < kept.height}
            textless = kept["prompt"].is_null() & kept["features"].is_null()
            self._without_text += int(textless.sum())
            if kept["owner"].null_count() < kept.height:
                pairs = kept.select("account", "owner").drop_nulls().unique()
                self._principals.note_owners(pairs.iter_rows())
            if kept.height and not self._is_lost():
                yield kept

    def _cut_prompts(self, frame: pl.DataFrame) -> pl.DataFrame:
        too_long = int((frame["prompt"].str.len_chars() > MAX_PROMPT_CHARS).sum())
        self._cut += too_long
        return (
            frame.with_columns(pl.col("prompt").str.head(MAX_PROMPT_CHARS)) if too_long else frame
        )

    def _checker(self, source: Source, block: Block) -> Checker:
        file = source.name
        if file not in self._checkers:
            form = self._format_of(source, block)
            self._note_zone(form)
            self._checkers[file] = Checker(
                file,
                form,
                self._options.timezone or form.zone,
                self._tally,
                self._features,
                self._seen,
                self._options.time_format,
            )
        return self._checkers[file]

    def _note_zone(self, form: Format) -> None:
        zone = self._options.timezone
        if zone is not None and form.zone is not None and zone != form.zone:
            self._tally.remark(
                f"{form.name} writes its times in {form.zone}; those without a zone were read in"
                f" {zone}, as --timezone says"
            )

    def _format_of(self, source: Source, block: Block) -> Format:
        sample = _first_records(block)
        if not self._sample:
            self._sample = sample[0]
        if self._options.format != "auto":
            return FORMATS[self._options.format]
        form = recognise(sample)
        if form is None and self._options.fields:
            return FORMATS["gamekeeper"]
        if form is None:
            raise refusals.unknown_format(source.name, sample[0])
        return form

    def _note_unreadable(self, source: Source, end: UnreadableFileError) -> None:
        if source.is_named or isinstance(end, SourceLostError):
            self._tally.add_file_fault(end.fault)
        else:
            self._tally.leave_out(end.fault)
            rows = self._tally.files[source.name].rows
            begins = f"read up to its row {rows:,} only" if rows else "left out"
            self._left_out.append(f"{begins}: {end.fault.where}: {end.fault.problem}")

    def _advance(self, done_bytes: int) -> None:
        self._asked.on_progress(self._done_bytes + done_bytes, self._total_bytes)

    def _finish(self, source: Source) -> None:
        self._done_bytes += source.size
        self._advance(0)

    def _is_lost(self) -> bool:
        return bool(self._tally.file_faults) or (
            self._options.max_bad_rows == 0 and self._tally.bad_rows > 0
        )

    def _row_faults(self) -> list[Fault]:
        lost = self._lost_fields()
        missing = {f'"{name}" is missing' for name in self._mapped_fields if lost}
        faults = refusals.with_way_on(self._tally)
        kept = [fault for fault in faults if not any(end in fault.problem for end in missing)]
        return [*lost, *(kept if lost else faults)]

    def _lost_fields(self) -> list[Fault]:
        nowhere = {
            name: path
            for name, path in self._mapped_fields.items()
            if name not in self._led_somewhere
        }
        return refusals.lost_fields(nowhere, self._sample, self._named())

    def _is_mostly_other(self) -> bool:
        is_guessed = self._options.format == "auto"
        return is_guessed and self._tally.unknown > _MOSTLY * self._tally.records

    def _forms(self) -> list[Format]:
        return list(
            {checker.form.name: checker.form for checker in self._checkers.values()}.values()
        )

    def _named(self) -> str:
        return ", ".join(self._asked.sources) or "the query"

    def _remarks(self) -> tuple[str, ...]:
        return (*self._principals.remarks(), *self._tally.remarks, *self._left_out)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Looks for cycles of garbage less often: a block is some hundred thousand objects without any,
    and to go through them took a tenth of the reading of chats and a third of that of spans.
    """
    before = gc.get_threshold()
    gc.set_threshold(_COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _first_records(block: Block) -> list[Record]:
    return [block.record(i) for i in islice(range(len(block.places)), _SNIFFED_ROWS)]


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
