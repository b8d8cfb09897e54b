"""What was read from a log, and what was left out: counts and sentences, without any text of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gamekeeper.base.errors import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSummary:
    """What was read from a log, and what was left out.

    Args:
        files: Files read, in order.
        formats: Format name by file; a file whose format was not recognised is not in it.
        rows: Rows looked at that are exchanges, or should be.
        bad_rows: Of these, rows with a fault; dropped.
        duplicate_rows: Of the bad ones, rows identical to an earlier one in every field that is
            read.
        passed_over: Records that are not exchanges, by reason.
        without_text: Exchanges whose request holds no text, such as an image alone.
        cut_prompts: Prompts cut at `MAX_PROMPT_CHARS`.
        cut_by_writer: Prompts that were cut by the software that wrote the log.
        columns_seen: Columns of `SCHEMA` with any value.
        account_fields: Exchanges by the field that their account came from.
        owner_fields: Likewise for the owner.
        remarks: What a reader of the result should know, as sentences.
        faults: Faults within rows; a log with more of them than `max_bad_rows` is refused.
    """

    files: tuple[str, ...]
    formats: Mapping[str, str]
    rows: int
    bad_rows: int
    duplicate_rows: int
    passed_over: Mapping[str, int] = field(default_factory=dict)
    without_text: int = 0
    cut_prompts: int = 0
    cut_by_writer: int = 0
    columns_seen: frozenset[str] = frozenset()
    account_fields: Mapping[str, int] = field(default_factory=dict)
    owner_fields: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def kept_rows(self) -> int:
        """Rows without a fault, which `batches` yields."""
        return self.rows - self.bad_rows

    @property
    def skipped_records(self) -> int:
        """Records that are not exchanges."""
        return sum(self.passed_over.values())

    @property
    def records(self) -> int:
        """All records looked at."""
        return self.rows + self.skipped_records

    @property
    def account_field(self) -> str | None:
        """The field that most accounts came from."""
        return max(self.account_fields, key=self.account_fields.__getitem__, default=None)
