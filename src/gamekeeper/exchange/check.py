"""Checks the rows of one file: valid ones become a frame, the others are counted as faults."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from typing import Any

import polars as pl

from gamekeeper.base.names import mask_name
from gamekeeper.base.text import has_secret
from gamekeeper.exchange.candidates import with_candidates
from gamekeeper.exchange.columns import SCHEMA
from gamekeeper.exchange.containers import Record, Values
from gamekeeper.exchange.duplicates import EACH_ONCE, TRY_ONCE, TWICE, SeenRows
from gamekeeper.exchange.faults import Tally, excerpt
from gamekeeper.exchange.formats import Format
from gamekeeper.exchange.formats.form import NOBODY
from gamekeeper.exchange.placeholders import nobody, redacted
from gamekeeper.exchange.times import TimeReader
from gamekeeper.exchange.typed import DESCRIPTIONS, REQUEST, typed

_ROW = "__row"  # of the block, while a frame loses rows
_TIMES = ("time", "account_created")
_NAMES = ("account", "owner", "alias")
_KNOWN_NAMES = 1 << 17  # an account comes again in every block


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one file by our column names, values still as the log has them.

    Args:
        places: Line or row of each, from 1, shape (n,).
        columns: Raw values by column, each of shape (n,).
        record: The record behind a row, to be shown in a fault.
        textless: Rows that were understood and hold no text: they do not lack a prompt.
        passed_over: Rows that are not exchanges, and why.
    """

    places: Sequence[int]
    columns: Mapping[str, Values]
    record: Callable[[int], Record]
    textless: Sequence[int] = ()
    passed_over: Mapping[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class FeatureWidth:
    """Features of the first row that has any, 0 before it; one API has one width, whatever the
    file.
    """

    width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """The rows of a block that share a problem; `show` is the column to show, None for the whole
    record; `lacks` the column that is missing.
    """

    problem: str
    rows: list[int]
    expected: str
    try_: str = ""
    show: str | None = None
    lacks: str | None = None


@dataclass(slots=True)
class Checker:
    """Checks the rows of one file.

    Args:
        file: Named in faults.
        form: The file's format.
        zone: Zone of times without one; None: such times are faults.
        tally: Where faults are counted.
        features: Shared by all files of a reading.
        seen: Likewise.
        time_format: How times are written; None: recognise it.
        repeated: Valid rows so far that were seen before.
    """

    file: str
    form: Format
    zone: str | None
    tally: Tally
    features: FeatureWidth
    seen: SeenRows
    time_format: str | None = None
    repeated: int = 0
    _time_readers: dict[str, TimeReader] = field(default_factory=dict)

    def check(self, rows: Rows) -> pl.DataFrame:
        """Returns the valid rows, each once: the columns of `SCHEMA` and `REQUEST`."""
        columns: dict[str, pl.Series] = {}
        findings: list[_Finding] = []
        for name in (*SCHEMA, REQUEST):
            read = self._read_time if name in _TIMES else self._read_typed
            columns[name] = read(name, rows, findings)
        needs_text = _false_at(rows.textless, len(rows.places))
        findings += self._missing(columns, needs_text, findings)
        findings += self._invalid_features(columns["features"])
        passed = self._passed_over(rows, columns, needs_text, findings)
        findings = [_leave_out(finding, passed) for finding in findings]
        frame = pl.DataFrame(columns).with_row_index(_ROW)
        frame = _mask_secrets(_without(frame, passed, findings))
        new = self.seen.are_new(frame.drop(_ROW))
        findings.append(self._seen_before(frame.filter(~new)[_ROW].to_list()))
        self._note(rows, len(passed), findings)
        return frame.filter(new).drop(_ROW)

    def _passed_over(
        self,
        rows: Rows,
        columns: Mapping[str, pl.Series],
        needs_text: pl.Series,
        findings: list[_Finding],
    ) -> set[int]:
        """Returns the rows that are not exchanges, and counts them: nothing of ours is in them, or
        a word in place of an account.
        """
        account = columns["account"]
        named = pl.col("account")
        is_word = (nobody(named) | redacted(named)) & (named.str.strip_chars() != "")
        words = pl.DataFrame({"account": account.unique()}).filter(is_word)
        no_name = set(_true(account.is_in(words["account"].to_list()))) if words.height else set()
        no_name -= rows.passed_over.keys()
        self.tally.pass_over(NOBODY.reason, len(no_name))
        nothing = needs_text
        for name in ("account", "time", "prompt", "features"):
            nothing = nothing & columns[name].is_null()
        wrong = set(chain.from_iterable(finding.rows for finding in findings if finding.show))
        other = set(_true(nothing)) - wrong - no_name - rows.passed_over.keys()
        for row in sorted(other):
            self.tally.note_other(self.file, rows.places[row], rows.record(row))
        for reason in rows.passed_over.values():
            self.tally.pass_over(reason)
        return no_name | other | set(rows.passed_over)

    def _seen_before(self, repeated: list[int]) -> _Finding:
        self.repeated += len(repeated)
        return _Finding(problem=TWICE, rows=repeated, expected=EACH_ONCE, try_=TRY_ONCE)

    def _read_typed(self, name: str, rows: Rows, findings: list[_Finding]) -> pl.Series:
        read = typed(name, rows.columns.get(name), len(rows.places))
        if read.wrong:
            kind = DESCRIPTIONS[read.column.dtype]
            findings.append(
                _Finding(
                    problem=f'"{name}" has the wrong type',
                    rows=read.wrong,
                    expected=kind,
                    show=name,
                )
            )
        if read.not_ours:
            self.tally.remark(
                f'the field "{name}" of {self.file} holds objects or lists: it is not our column'
                " and is left aside"
            )
        return read.column

    def _read_time(self, name: str, rows: Rows, findings: list[_Finding]) -> pl.Series:
        values = rows.columns.get(name)
        if values is None:
            return pl.Series(name, [None], dtype=SCHEMA[name]).new_from_index(0, len(rows.places))
        times = self._time_reader(name).read(values)
        findings += [
            _Finding(
                problem=f'"{name}" {problem.problem}',
                rows=problem.rows,
                expected=problem.expected,
                try_=problem.try_,
                show=name,
            )
            for problem in times.problems
        ]
        return times.times.rename(name)

    def _time_reader(self, name: str) -> TimeReader:
        if name not in self._time_readers:
            is_time = name == "time"
            form = self.time_format if is_time else None
            self._time_readers[name] = TimeReader(self.zone, form, dates=not is_time)
        return self._time_readers[name]

    def _missing(
        self, columns: Mapping[str, pl.Series], needs_text: pl.Series, findings: list[_Finding]
    ) -> list[_Finding]:
        account = columns["account"]
        prompt = columns["prompt"]
        features = columns["features"]
        no_features = features.is_null() | (features.list.len() == 0)
        no_content = needs_text & prompt.is_null() & no_features
        return [
            _Finding(
                problem='field "account" is missing',
                expected='"account": an identifier of who is charged',
                rows=_absent(
                    account.is_null() | (account.str.strip_chars() == ""), findings, "account"
                ),
                try_=self.form.account_try,
                lacks="account",
            ),
            _Finding(
                problem='field "time" is missing',
                expected='"time": when the query was asked',
                rows=_absent(columns["time"].is_null(), findings, "time"),
                try_="--time-field FIELD",
                lacks="time",
            ),
            _Finding(
                problem='both "prompt" and "features" are missing',
                try_=self.form.prompt_try,
                lacks="prompt",
                expected='"prompt": what the user asked, or "features": a list of numbers',
                rows=_absent(no_content, findings, "prompt", "features"),
            ),
        ]

    def _invalid_features(self, features: pl.Series) -> list[_Finding]:
        if features.null_count() == len(features):
            return []
        is_finite = features.list.eval(pl.element().is_finite().fill_null(False)).list.all()
        lengths = features.list.len()
        width = self.features.width = self.features.width or next((n for n in lengths if n), 0)
        return [
            _Finding(
                problem='"features" holds NaN, infinity or null',
                expected="finite numbers",
                show="features",
                rows=_true(~is_finite),
            ),
            _Finding(
                problem='"features" differs in length',
                expected=f"{width} numbers, as in the first row",
                rows=_true((lengths != width) & (lengths > 0)),
                show="features",
            ),
        ]

    def _note(self, rows: Rows, passed: int, findings: list[_Finding]) -> None:
        count = self.tally.files[self.file]
        count.rows += len(rows.places) - passed
        count.bad_rows += len(set(chain.from_iterable(finding.rows for finding in findings)))
        for finding in findings:
            if finding.rows:
                self._note_finding(rows, finding)

    def _note_finding(self, rows: Rows, finding: _Finding) -> None:
        row = finding.rows[0]
        try_ = finding.try_
        if finding.lacks:
            try_ = with_candidates(try_, rows.record(row), finding.lacks)
        self.tally.add_row_fault(
            self.file,
            rows.places[row],
            finding.problem,
            _shown(rows, finding.show, row),
            finding.expected,
            try_,
            len(finding.rows),
        )


def _true(mask: pl.Series) -> list[int]:
    return mask.fill_null(False).arg_true().to_list()


def _absent(mask: pl.Series, findings: list[_Finding], *columns: str) -> list[int]:
    """Returns the rows of `mask` without those whose value was present and invalid: they have a
    fault already.
    """
    invalid = set(
        chain.from_iterable(finding.rows for finding in findings if finding.show in columns)
    )
    return [row for row in _true(mask) if row not in invalid]


def _shown(rows: Rows, column: str | None, row: int) -> str:
    if column is None:
        return excerpt(rows.record(row))
    return f'"{column}": {excerpt(_plain(rows.columns[column][row]))}'


def _plain(value: Any) -> Any:
    return value.to_list() if isinstance(value, pl.Series) else value


def _false_at(rows: Sequence[int], height: int) -> pl.Series:
    """Returns a column that is true but for `rows`."""
    column = pl.Series([True]).new_from_index(0, height)
    return column.scatter(list(rows), False) if rows else column


def _leave_out(finding: _Finding, passed: Collection[int]) -> _Finding:
    if not passed:
        return finding
    return replace(finding, rows=[row for row in finding.rows if row not in passed])


def _without(
    frame: pl.DataFrame, passed: Collection[int], findings: list[_Finding]
) -> pl.DataFrame:
    bad = set(chain(passed, chain.from_iterable(finding.rows for finding in findings)))
    if not bad:
        return frame
    return frame.filter(~pl.int_range(pl.len()).is_in(list(bad)))


def _mask_secrets(frame: pl.DataFrame) -> pl.DataFrame:
    """Masks accounts that hold a secret: every output names accounts, and none may show a key."""
    for column in _NAMES:
        names = frame[column].unique().drop_nulls()
        masked = {name: mask_name(name) for name in names.to_list() if _is_secret(name)}
        if masked:
            frame = frame.with_columns(pl.col(column).replace(masked))
    return frame


@lru_cache(maxsize=_KNOWN_NAMES)
def _is_secret(name: str) -> bool:
    return has_secret(name)
