"""What a log format is: how it is recognised, and how a record of it becomes rows of ours."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from gamekeeper.exchange.containers import Record

Row: TypeAlias = dict[str, Any]
"""Our column names, and `request_id`, to raw values; what is not there is absent or None."""


def alone(record: Record) -> Iterable[Record]:
    """Returns a record that is one exchange by itself."""
    return (record,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A log format.

    Args:
        name: What `--format` takes.
        about: One sentence for `gamekeeper list`.
        sniff: Whether a record looks like this format's.
        row: The row of a record, None if the record is not an exchange; None instead of a function:
            the log has our columns already and is not parsed further.
        split: The records inside one line; paths of `fields` lead into these.
        zone: The zone of times without one, where the format defines it.
        part_key: The record's group and number if exchanges are split over records, else None.
        join: The record that a group's records make together, in order of their number.
        account_try: What to do when the account is missing.
        prompt_try: What to do when the prompt is missing.
    """

    name: str
    about: str
    sniff: Callable[[Record], bool]
    row: Callable[[Record], Row | None] | None
    split: Callable[[Record], Iterable[Record]] = alone
    zone: str | None = None
    part_key: Callable[[Record], tuple[str, int | None] | None] | None = None
    join: Callable[[list[Record]], Record] | None = None
    account_try: str = "--account-field FIELD, the field that holds who was authenticated"
    prompt_try: str = "--prompt-field FIELD"
