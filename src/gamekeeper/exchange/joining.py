"""Joins the exchanges that a log splits over several records, also where the parts are in different
files.

A log does not say which part is the last. So a group waits until `QUIET_RECORDS` further records
have passed without a part of it; a part that comes later starts a group of its own, which lacks its
beginning and is a fault.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.duplicates import EACH_ONCE, TRY_ONCE, TWICE
from gamekeeper.exchange.faults import Tally, excerpt
from gamekeeper.exchange.formats import Format

QUIET_RECORDS = 20_000  # at 32 KB a part 640 MB at worst, usually a tenth of it


@dataclass(frozen=True, slots=True)
class Joined:
    """One whole record, with the file and place of its first part."""

    file: str
    place: int
    record: Record


@dataclass(slots=True)
class _Group:
    file: str
    place: int
    touched: int = 0
    parts: dict[int, Record] = field(default_factory=dict)
    unnumbered: list[Record] = field(default_factory=list)


class Joiner:
    """Collects the parts of exchanges of one format, and joins them.

    Args:
        form: A format with `part_key` and `join`.
        tally: Where groups with a missing part are counted, each as one bad row.
    """

    def __init__(self, form: Format, tally: Tally) -> None:
        self._form = form
        self._tally = tally
        self._groups: OrderedDict[str, _Group] = OrderedDict()
        self._records = 0
        self.repeated_parts = 0

    def feed(self, file: str, place: int, record: Record) -> Iterator[Joined]:
        """Takes a record; yields the groups that have been quiet for long enough."""
        assert self._form.part_key is not None
        key = self._form.part_key(record)
        if key is None:
            yield Joined(file, place, record)
            return
        self._records += 1
        name, number = key
        group = self._groups.setdefault(name, _Group(file, place))
        self._groups.move_to_end(name)
        group.touched = self._records
        self._add(group, file, place, number, record)
        while self._records - next(iter(self._groups.values())).touched > QUIET_RECORDS:
            yield from self._close(self._groups.popitem(last=False)[1])

    def close(self) -> Iterator[Joined]:
        """Yields all groups that still wait."""
        while self._groups:
            yield from self._close(self._groups.popitem(last=False)[1])

    def _add(
        self, group: _Group, file: str, place: int, number: int | None, record: Record
    ) -> None:
        if number is None:
            group.unnumbered.append(record)
        elif number not in group.parts:
            group.parts[number] = record
        elif group.parts[number] == record:
            self.repeated_parts += 1
            self._tally.add_bad_line(file, place, TWICE, excerpt(record), EACH_ONCE, TRY_ONCE)
        else:
            self._tally.add_bad_line(
                file,
                place,
                "two different parts have the same number",
                f"part {number} again: {excerpt(record)}",
                "each part of an exchange once",
            )

    def _close(self, group: _Group) -> Iterator[Joined]:
        assert self._form.join is not None
        numbers = sorted(group.parts)
        if numbers and numbers != list(range(min(numbers[0], 1), numbers[-1] + 1)):
            self._tally.add_bad_line(
                group.file,
                group.place,
                "a part of the exchange is missing",
                f"parts {_listed(numbers)}",
                f"all parts up to {numbers[-1]}",
                "export a longer time range",
            )
            return
        yield Joined(
            group.file,
            group.place,
            self._form.join([*(group.parts[n] for n in numbers), *group.unnumbered]),
        )


def _listed(numbers: list[int]) -> str:
    listed = ", ".join(map(str, numbers[:10]))
    return listed + ", ..." if len(numbers) > 10 else listed
