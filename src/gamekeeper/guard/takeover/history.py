"""What is remembered of one credential, packed into some 150 bytes; times are whole days.

    header | gaps | hours | networks | countries | clients

Networks, countries and clients are kept with first day, last day and count, the latest used last;
the longest unused gives way. How often new systems and far places happen to be met is remembered as
a count that halves every 30 days: what is usual for a credential says nothing of a theft. That
count grows by one a day at most, and today's does not count today, so that a thief's first day does
not explain itself.
"""

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

VERSION = 1
SETTLED_DAYS = 14
"""Days since the first use before a habit is one."""
SETTLED_ACTIVE = 5
"""Days with use by then, at least."""

_HEADER = struct.Struct("<BHHHIfHfH5s2sBBB")
_PLACE = struct.Struct("<HHH")
_GAPS = 10
_HOURS = 24
_WIDTHS = (5, 2, 6)
_KEPT = (12, 8, 12)
_HALF_LIFE_DAYS = 30
_MOST = 0xFFFF


class Met(NamedTuple):
    """A network, country or client that was met.

    Args:
        first: Day.
        last: Day.
        count: Hours or changes in which it was used; ends at 65,535.
    """

    first: int
    last: int
    count: int  # type: ignore[assignment]  # the tuple method of that name is not used


Places = dict[bytes, Met]


@dataclass(slots=True)
class Recurring:
    """How often something was met lately: a count that halves every 30 days and grows by one a day
    at most.
    """

    count: float = 0.0
    day: int = 0

    def before(self, day: int) -> float:
        """Returns the count without today's."""
        if day <= self.day:
            return max(0.0, self.count - 1.0) if self.count else 0.0
        return float(self.count * 0.5 ** ((day - self.day) / _HALF_LIFE_DAYS))

    def meet(self, day: int) -> None:
        """Counts it for today."""
        if day > self.day:
            self.count = self.before(day) + 1.0
            self.day = day


@dataclass(slots=True)
class History:
    """The habits of one credential: networks, countries, clients, hours and pauses.

    Args:
        first_day: Of use.
        last_day: Of use.
        active_days: Days with use.
        peak: Exchanges in its busiest hour; halves in a month of quieter ones.
        systems: New systems met.
        far: Far places met at once.
        at_network: Of the latest use; None if unknown.
        at_country: Of the latest use; None if unknown.
        gaps: Pauses by length: 1 to 2 days, 2 to 4, 4 to 8, ...
        hours: Active hours by hour of the day, UTC.
        networks: Met.
        countries: Met.
        clients: Met.
    """

    first_day: int
    last_day: int
    active_days: int = 1
    peak: int = 0
    systems: Recurring = field(default_factory=Recurring)
    far: Recurring = field(default_factory=Recurring)
    at_network: bytes | None = None
    at_country: bytes | None = None
    gaps: bytearray = field(default_factory=lambda: bytearray(_GAPS))
    hours: bytearray = field(default_factory=lambda: bytearray(_HOURS))
    networks: Places = field(default_factory=dict)
    countries: Places = field(default_factory=dict)
    clients: Places = field(default_factory=dict)

    def is_settled(self, day: int) -> bool:
        """Returns whether it has been used long and often enough to have habits."""
        return day - self.first_day >= SETTLED_DAYS and self.active_days >= SETTLED_ACTIVE

    def meet(self, places: Places, name: bytes, day: int) -> None:
        """Notes that a place is used; the longest unused gives way."""
        met = places.pop(name, None)
        kept = _KEPT[0 if places is self.networks else 1 if places is self.countries else 2]
        if met is None and len(places) >= kept:
            del places[next(iter(places))]
        places[name] = (
            Met(day, day, 1)
            if met is None
            else Met(met.first, max(met.last, day), min(met.count + 1, _MOST))
        )

    def note_gap(self, days: float) -> None:
        """Counts a pause of a day or more."""
        if days >= 1:
            _count(self.gaps, gap_class(days))

    def note_hour(self, hour: int) -> None:
        """Counts an active hour."""
        _count(self.hours, hour)

    def pack(self) -> bytes:
        """Returns it as bytes."""
        header = _HEADER.pack(
            VERSION,
            self.first_day,
            self.last_day,
            min(self.active_days, _MOST),
            min(self.peak, 0xFFFFFFFF),
            self.systems.count,
            self.systems.day,
            self.far.count,
            self.far.day,
            self.at_network or b"",
            self.at_country or b"",
            len(self.networks),
            len(self.countries),
            len(self.clients),
        )
        parts: list[bytes] = [header, bytes(self.gaps), bytes(self.hours)]
        for places, width in zip(
            (self.networks, self.countries, self.clients), _WIDTHS, strict=True
        ):
            parts += [name.ljust(width, b"\0") + _PLACE.pack(*met) for name, met in places.items()]
        return b"".join(parts)

    @classmethod
    def unpack(cls, packed: bytes) -> "History":
        """Reads what `pack` wrote.

        Raises:
            ValueError: It is not that.
        """
        try:
            (
                version,
                first,
                last,
                active,
                peak,
                systems,
                systems_day,
                far,
                far_day,
                network,
                country,
                *counts,
            ) = _HEADER.unpack_from(packed)
        except struct.error as error:
            raise ValueError(str(error)) from None
        at = _HEADER.size + _GAPS + _HOURS
        tables = list[Places]()
        if version != VERSION or len(packed) != at + sum(
            n * (w + _PLACE.size) for n, w in zip(counts, _WIDTHS, strict=True)
        ):
            raise ValueError("not a history of this version")
        for count, width in zip(counts, _WIDTHS, strict=True):
            table: Places = {}
            for _ in range(count):
                table[packed[at : at + width]] = Met(*_PLACE.unpack_from(packed, at + width))
                at += width + _PLACE.size
            tables.append(table)
        return cls(
            first,
            last,
            active,
            peak,
            Recurring(systems, systems_day),
            Recurring(far, far_day),
            network if network.strip(b"\0") else None,
            country if country.strip(b"\0") else None,
            bytearray(packed[_HEADER.size : _HEADER.size + _GAPS]),
            bytearray(packed[_HEADER.size + _GAPS : _HEADER.size + _GAPS + _HOURS]),
            *tables,
        )


def gap_class(days: float) -> int:
    """Returns the class of a pause: 0 for 1 to 2 days, then twice as long each; the last is open.

    Example:
        >>> [gap_class(d) for d in (1, 3, 16, 90, 5000)]
        [0, 1, 4, 6, 9]
    """
    return min(int(days).bit_length() - 1, _GAPS - 1)


def _count(counts: bytearray, at: int) -> None:
    """Counts one; where a byte is full, all are halved: shares stay."""
    if counts[at] == 255:
        for i, count in enumerate(counts):
            counts[i] = count // 2
    counts[at] += 1
