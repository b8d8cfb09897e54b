"""Joins exchanges that a log splits over several records, also where the parts are in different
files and far apart.

A log does not say which part is the last. A group of which parts came lately is *recent*. When
`QUIET_RECORDS` further parts have passed without one of it, the group is closed if it is whole, as
far as the format can know; else it waits for the rest of the log. What waits is kept as JSON text,
which is a fifth of the size and nothing for the garbage collector to walk through. When more than
`WAITING_BYTES` wait, the groups that have waited longest are closed as they are, and that is said.

A part that comes after its group was closed as whole mostly repeats what was said; the format
decides (`Format.late`). Closed groups are remembered by a hash, 8 bytes each.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import orjson

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.duplicates import EACH_ONCE, TRY_ONCE, TWICE, SeenHashes
from gamekeeper.exchange.faults import Tally, excerpt
from gamekeeper.exchange.formats import Format
from gamekeeper.exchange.formats.form import NO_CONTENT, PassedOver

QUIET_RECORDS = 4_096
RECENT_BYTES = 64 << 20
WAITING_BYTES = 512 << 20
_PART_BYTES = 300  # what Python needs around each part that waits


class Joined(NamedTuple):
    """One whole record, with the file and place that it is from."""

    file: str
    place: int
    record: Record


class _Part(NamedTuple):
    file: str
    place: int
    number: int | None
    record: Record | bytes  # bytes: its JSON text, while it waits


@dataclass(slots=True)
class _Group:
    parts: list[_Part] = field(default_factory=list)
    touched: int = 0
    weight: int = 0


class Joiner:
    """Collects the parts of exchanges of one format, and joins them.

    Args:
        form: A format with `part_key` and `join`.
        tally: Where groups with a missing part are counted, each as one bad row.
    """

    def __init__(self, form: Format, tally: Tally) -> None:
        self._form = form
        self._tally = tally
        self._recent: OrderedDict[str, _Group] = OrderedDict()
        self._waiting: OrderedDict[str, _Group] = OrderedDict()
        self._closed = _Names()
        self._records = 0
        self._recent_bytes = self._waiting_bytes = 0
        self._closed_early = 0
        self.repeated_parts = 0

    def feed(self, file: str, place: int, record: Record) -> Iterator[Joined]:
        """Takes a record; yields it if it is not a part, and groups that need not wait longer."""
        assert self._form.part_key is not None
        key = self._form.part_key(record)
        if key is None:
            yield Joined(file, place, record)
            return
        name, number = key
        self._records += 1
        group = self._touched(name)
        group.parts.append(_Part(file, place, number, record))
        weight = _weight_of(record)
        group.weight += weight
        self._recent_bytes += weight
        while self._is_quiet():
            yield from self._settle(*self._recent.popitem(last=False))
        while self._waiting_bytes > WAITING_BYTES:
            yield from self._close_early(*self._waiting.popitem(last=False))

    def close(self) -> Iterator[Joined]:
        """Yields all groups that are left, and says how many did not wait so long."""
        for groups in (self._waiting, self._recent):
            while groups:
                yield from self._close(*groups.popitem(last=False))
        if self._closed_early:
            self._tally.remark(
                f"{self._closed_early:,} exchanges lack a part that may come later in the log: more"
                f" than {WAITING_BYTES >> 20} MB of parts had to wait. Read the files of one time"
                " range at once"
            )

    def _touched(self, name: str) -> _Group:
        group = self._recent.get(name)
        if group is None:
            group = self._waiting.pop(name, None) or _Group()
            self._waiting_bytes -= group.weight
            self._recent_bytes += group.weight
            self._recent[name] = group
        else:
            self._recent.move_to_end(name)
        group.touched = self._records
        return group

    def _is_quiet(self) -> bool:
        oldest = next(iter(self._recent.values()))
        return self._records - oldest.touched > QUIET_RECORDS or (
            self._recent_bytes > RECENT_BYTES and len(self._recent) > 1
        )

    def _settle(self, name: str, group: _Group) -> Iterator[Joined]:
        """Closes a group that is whole, and lets any other wait."""
        self._recent_bytes -= group.weight
        if self._form.is_whole is not None:
            group.parts = [_unpacked(part) for part in group.parts]
            if self._form.is_whole([_record(part) for part in group.parts]):
                self._closed.add(name)
                yield from self._joined(group)
                return
        group.parts = [_packed(part) for part in group.parts]
        group.weight = sum(map(_waiting_weight_of, group.parts))
        self._waiting[name] = group
        self._waiting_bytes += group.weight

    def _close_early(self, name: str, group: _Group) -> Iterator[Joined]:
        self._waiting_bytes -= group.weight
        assert self._form.row is not None
        for joined in self._close(name, group):
            row = self._form.row(joined.record)
            self._closed_early += not isinstance(row, PassedOver) or row is NO_CONTENT
            yield joined

    def _close(self, name: str, group: _Group) -> Iterator[Joined]:
        group.parts = [_unpacked(part) for part in group.parts]
        if self._form.late is not None and self._form.is_whole is not None:
            records = [_record(part) for part in group.parts]
            if not self._form.is_whole(records) and self._closed.has(name):
                self._form.late(records)
        yield from self._joined(group)

    def _joined(self, group: _Group) -> Iterator[Joined]:
        assert self._form.join is not None
        parts = self._in_order(group.parts)
        if parts is None:
            return
        by_identity = {id(part.record): part for part in parts}
        for record in self._form.join([_record(part) for part in parts]):
            origin = by_identity.get(id(record), group.parts[0])
            yield Joined(origin.file, origin.place, record)

    def _in_order(self, parts: list[_Part]) -> list[_Part] | None:
        """Returns parts by their number, those without one last; None if one is missing."""
        numbered: dict[int, _Part] = {}
        unnumbered: list[_Part] = []
        for part in parts:
            if part.number is None:
                unnumbered.append(part)
            elif part.number not in numbered:
                numbered[part.number] = part
            else:
                self._note_repeated(numbered[part.number], part)
        numbers = sorted(numbered)
        # Compared by their ends: a number is what the log says, so it may be of any size.
        whole = not numbers or (numbers[0] <= 1 and numbers[-1] - numbers[0] == len(numbers) - 1)
        if not whole:
            self._tally.add_bad_line(
                parts[0].file,
                parts[0].place,
                "a part of the exchange is missing",
                f"parts {_listed(numbers)}",
                f"all parts up to {numbers[-1]}",
                "export a longer time range",
            )
            return None
        return [*(numbered[number] for number in numbers), *unnumbered]

    def _note_repeated(self, known: _Part, part: _Part) -> None:
        found = excerpt(part.record)
        if known.record == part.record:
            self.repeated_parts += 1
            self._tally.add_bad_line(part.file, part.place, TWICE, found, EACH_ONCE, TRY_ONCE)
            return
        self._tally.add_bad_line(
            part.file,
            part.place,
            "two different parts have the same number",
            f"part {part.number} again: {found}",
            "each part of an exchange once",
        )


class _Names:
    """Names of groups that were closed, as 64-bit hashes."""

    _FLUSHED = 65_536

    def __init__(self) -> None:
        self._latest: set[int] = set()
        self._hashes = SeenHashes()

    def add(self, name: str) -> None:
        self._latest.add(hash(name) & 0xFFFF_FFFF_FFFF_FFFF)
        if len(self._latest) >= self._FLUSHED:
            self._hashes.add(np.sort(np.fromiter(self._latest, np.uint64, len(self._latest))))
            self._latest.clear()

    def has(self, name: str) -> bool:
        known = hash(name) & 0xFFFF_FFFF_FFFF_FFFF
        return known in self._latest or bool(
            self._hashes.contain(np.array([known], dtype=np.uint64))[0]
        )


def _weight_of(record: Record) -> int:
    """Returns about how many bytes a record has: its texts, which are most of it."""
    sizes = [len(value) if isinstance(value, str) else 64 for value in record.values()]
    return _PART_BYTES + sum(sizes)


def _waiting_weight_of(part: _Part) -> int:
    if isinstance(part.record, bytes):
        return _PART_BYTES + len(part.record)
    return 4 * _weight_of(part.record)


def _packed(part: _Part) -> _Part:
    if isinstance(part.record, bytes):
        return part
    try:
        text = orjson.dumps(part.record, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:  # a time of a table, a number of more than 64 bits: kept as it is
        return part
    return _Part(part.file, part.place, part.number, text)


def _unpacked(part: _Part) -> _Part:
    if isinstance(part.record, bytes):
        return _Part(part.file, part.place, part.number, orjson.loads(part.record))
    return part


def _record(part: _Part) -> Record:
    assert isinstance(part.record, dict)
    return part.record


def _listed(numbers: list[int]) -> str:
    listed = ", ".join(map(str, numbers[:10]))
    return listed + ", ..." if len(numbers) > 10 else listed
