"""What is wrong with a log, counted: one entry for each file and kind of fault, with its first
place.

A log of millions of rows with one field misnamed has one fault, not millions; and what is shown of
a row is short, printable and without secrets, because it ends up in terminals, tickets and CI logs.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gamekeeper.base.errors import Fault, GamekeeperError
from gamekeeper.base.text import clean

EXCERPT_CHARS = 80
OTHER_REASON = "records of another kind"
_LOOK_AT_CHARS = 2_000  # a found prompt may be 10 MB: only its beginning is masked and shown


class UnreadableFileError(GamekeeperError):
    """A file cannot be read, or not to its end; carries the fault that the user is shown."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.problem)
        self.fault = fault


class SourceLostError(UnreadableFileError):
    """A store denied access or broke off: the log has more than was read.

    A file that a folder holds by chance is left out if it cannot be read; this one never is.
    """


def unreadable(
    where: str, problem: str, found: str, expected: str, try_: str = ""
) -> UnreadableFileError:
    """Returns the exception that ends the reading of one file."""
    return UnreadableFileError(
        Fault(where=where, problem=problem, found=found, expected=expected, try_=try_)
    )


def excerpt(value: object) -> str:
    """Returns `value` as one line of at most `EXCERPT_CHARS` characters, API keys masked."""
    text = value if isinstance(value, str) else _as_json(value)
    line = clean(" ".join(text[:_LOOK_AT_CHARS].split()))
    if len(line) <= EXCERPT_CHARS and len(text) <= _LOOK_AT_CHARS:
        return line
    return line[: EXCERPT_CHARS - 3] + "..."


def _as_json(value: object) -> str:
    if isinstance(value, Mapping):  # long values would hide the keys that follow
        value = {
            k: v[:EXCERPT_CHARS] if isinstance(v, str) else v
            for k, v in value.items()
            if v is not None
        }
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):  # too many digits or levels, odd keys
        return f"a value that cannot be shown ({type(value).__name__})"


@dataclass(slots=True)
class FileCount:
    """Rows of one file: looked at, and those of them with a fault."""

    rows: int = 0
    bad_rows: int = 0


class Tally:
    """Counts the faults of one reading.

    Row faults are tolerated up to a share (`ReadOptions.max_bad_rows`); file faults never are.
    Records that are not exchanges are not faults; they are counted by their reason.
    """

    def __init__(self) -> None:
        self.files: dict[str, FileCount] = defaultdict(FileCount)
        self.file_faults: list[Fault] = []
        self.left_out: list[Fault] = []
        self.passed_over: Counter[str] = Counter()
        self.unknown = 0
        self.first_unknown: tuple[str, str] | None = None
        self.remarks: dict[str, None] = {}
        self._row_faults: dict[tuple[str, str], Fault] = {}

    @property
    def rows(self) -> int:
        """Rows looked at."""
        return sum(count.rows for count in self.files.values())

    @property
    def bad_rows(self) -> int:
        """Rows with one fault or more."""
        return sum(count.bad_rows for count in self.files.values())

    @property
    def records(self) -> int:
        """All records looked at, those that are not exchanges included."""
        return self.rows + self.passed_over.total()

    @property
    def row_faults(self) -> tuple[Fault, ...]:
        """One fault for each file and problem, `of` being the rows of that file."""
        return tuple(
            replace(fault, of=self.files[file].rows)
            for (file, _), fault in self._row_faults.items()
        )

    def add_file_fault(self, fault: Fault) -> None:
        """Notes that a file or source cannot be read (to its end)."""
        self.file_faults.append(fault)

    def pass_over(self, reason: str, count: int = 1) -> None:
        """Counts records that are not exchanges."""
        if count:
            self.passed_over[reason] += count

    def note_other(self, file: str, place: int, found: object) -> None:
        """Counts a line or record of which nothing is known; a log with mostly such is refused."""
        self.pass_over(OTHER_REASON)
        self.unknown += 1
        if self.first_unknown is None:
            self.first_unknown = (f"{file}:{place}", excerpt(found))

    def remark(self, sentence: str) -> None:
        """Notes what a reader of the result should know; each sentence once."""
        self.remarks.setdefault(sentence)

    def leave_out(self, fault: Fault) -> None:
        """Notes a file that a folder held and that cannot be read."""
        self.left_out.append(fault)

    def add_bad_line(
        self, file: str, place: int, problem: str, found: str, expected: str, try_: str = ""
    ) -> None:
        """Notes a row that could not be parsed: it counts as looked at and bad."""
        self.files[file].rows += 1
        self.files[file].bad_rows += 1
        self.add_row_fault(file, place, problem, found, expected, try_)

    def add_row_fault(
        self,
        file: str,
        place: int,
        problem: str,
        found: str,
        expected: str,
        try_: str = "",
        count: int = 1,
    ) -> None:
        """Notes `count` rows with the same fault, the first of them at `place` (line or row, from
        1).
        """
        known = self._row_faults.get((file, problem))
        if known is not None:
            self._row_faults[file, problem] = replace(known, count=known.count + count)
            return
        self._row_faults[file, problem] = Fault(
            where=f"{file}:{place}",
            problem=problem,
            found=found,
            expected=expected,
            try_=try_,
            count=count,
        )
