"""JSON of any layout: JSON Lines, objects one after another with or without line ends between them,
objects over many lines, an array over the file, and lines with something before the object.

Lines are read by lines, which is fast; everything else value by value, in bounded memory: an array
of any size is read element by element. Lines that are not JSON are what else a program wrote into
its log; they are counted as other records and are not faults. A line that begins as JSON and does
not parse is a fault. Arrays of fluentd, of a tag, a time and a record, are that record.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from gamekeeper.exchange.containers.block import BLOCK_ROWS, Block, Record, RecordBlock
from gamekeeper.exchange.containers.lenient import value_at, with_json_escapes
from gamekeeper.exchange.containers.lines import (
    BLOCK_BYTES,
    Lines,
    line_blocks,
    note_long_line,
    note_not_utf8,
)
from gamekeeper.exchange.containers.partials import Partials
from gamekeeper.exchange.containers.streams import CHUNK_BYTES
from gamekeeper.exchange.envelopes import with_time
from gamekeeper.exchange.faults import Tally, excerpt, unreadable

MAX_VALUE_BYTES = 256 << 20  # parsed it takes several times as much memory

_BETWEEN = " \t\r\n,\x1e\ufeff"
_BETWEEN_BYTES = b" \t\r\n,\x1e"
_SKIPPED = re.compile(f"[{_BETWEEN}]*")
_NEXT_OBJECT = re.compile(r"(?:\n|\}[ \t\r\n,\x1e]*)(?=\{)")
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
)
_MAX_PREFIX_CHARS = 512
_LITERAL_CHARS = 10  # of -Infinity or an escape, which may be cut anywhere
_STARTS = 8  # braces of a line that are tried as the object's first


def read_json(
    file: str, chunks: Iterator[bytes], head: bytes, tally: Tally, tell: Callable[[], None]
) -> Iterator[Block]:
    """Yields the objects of a text.

    Args:
        file: Named in faults.
        chunks: The text, in UTF-8.
        head: Its beginning, to the end of the first line unless that is above `BLOCK_BYTES`.
        tally: Where rows that are not objects are noted.
        tell: Called after each block.

    Raises:
        UnreadableFileError: There is text and not one object, or a value is above
            `MAX_VALUE_BYTES`.
    """
    before = tally.unknown
    found = 0
    for block in _blocks(file, chunks, head, tally):
        found += len(block.places)
        yield block
        tell()
    if tally.unknown > before and not found and not tally.files[file].bad_rows:
        raise unreadable(
            file,
            "the file holds neither JSON objects nor a table",
            excerpt(head[:1_000].decode(errors="replace")),
            "JSON objects, or CSV with a header",
            "check whether this is the log of requests",
        )


def is_json(head: bytes) -> bool:
    """True if a text begins as JSON, or one of its first lines ends with an object."""
    start = head.lstrip(_BETWEEN_BYTES)
    if start.startswith((b"{", b'"{\\"')) or _is_array(start):
        return True
    lines = head.split(b"\n")[:50]
    return any(b"{" in line and _prefixed(_text_of(line)) for line in lines)


def _text_of(line: bytes) -> str:
    return with_json_escapes(line.decode(errors="replace"))


def _blocks(file: str, chunks: Iterator[bytes], head: bytes, tally: Tally) -> Iterator[RecordBlock]:
    if is_by_lines(head):
        reader = _LineReader(file, tally)
        for block in line_blocks(chunks):
            yield reader.read(block)
        yield reader.rest()
        return
    yield from _value_blocks(file, _values(file, chunks, tally), tally)


def is_by_lines(head: bytes) -> bool:
    """True if the first line is a whole value, or neither that nor its beginning."""
    start = head.lstrip(_BETWEEN_BYTES)
    first, end, rest = start.partition(b"\n")
    if not start.startswith(b"{") and not _is_array(start):
        return True
    if not end and not first.startswith(b'["'):
        return False
    try:
        text = first.decode(errors="replace")
        value, stop = value_at(text, 0)
    except json.JSONDecodeError as error:
        return not _is_cut(error, text) or rest.lstrip(b"\r\n").startswith(b"{")
    except ValueError:
        return True
    is_record = isinstance(value, dict) or bool(_events(value))
    return not text[stop:].strip(_BETWEEN) and (is_record or bool(rest.strip()))


def _is_array(start: bytes) -> bool:
    return start.startswith(b"[") and start[1:].lstrip()[:1] in (b"{", b"[", b"]", b'"', b"")


def _is_cut(error: json.JSONDecodeError, text: str) -> bool:
    """True if a value is whole as far as the text goes: more of it may follow."""
    return error.msg.startswith("Unterminated string") or error.pos >= len(text) - _LITERAL_CHARS


# --- by lines


@dataclass(slots=True)
class _LineReader:
    """Reads blocks of lines.

    Args:
        file: Named in faults.
        tally: Where lines that are not objects are noted.
    """

    file: str
    tally: Tally
    _seen_object: bool = False
    _from_arrays: bool = False
    _names: list[str] | None = None
    _partials: Partials = field(default_factory=Partials)
    _places: list[int] = field(default_factory=list)
    _rows: list[Record] = field(default_factory=list)
    _arrays: list[tuple[int, list[Any]]] = field(default_factory=list)

    def read(self, block: Lines) -> RecordBlock:
        """Returns the objects of a block of lines."""
        places = self._places
        rows = self._rows
        for place, line in enumerate(block.split(), block.first):
            if not line:
                self._no_text(place, line)
                continue
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError:
                self._odd(place, line)
                continue
            if isinstance(value, dict):
                places.append(place)
                rows.append(value)
            else:
                self._other_value(place, value)
        return self._taken()

    def rest(self) -> RecordBlock:
        """Returns what waited for the end of the file: a record whose last part did not come."""
        for place, row in self._partials.rest():
            self._add(place, row)
        return self._taken()

    def _taken(self) -> RecordBlock:
        self._take_arrays()
        places, rows = self._partials.joined(self._places, self._rows)
        self._places = []
        self._rows = []
        self._seen_object = self._seen_object or bool(rows)
        return RecordBlock(places, rows)

    def _add(self, place: int, row: Record) -> None:
        self._places.append(place)
        self._rows.append(row)

    def _no_text(self, place: int, line: bytes | None) -> None:
        if line is None:
            note_long_line(self.file, place, self.tally)

    def _other_value(self, place: int, value: Any) -> None:
        if isinstance(value, list):
            self._arrays.append((place, value))
        elif isinstance(value, str) and value.lstrip().startswith("{"):
            self._twice_encoded(place, value)
        else:
            self.tally.note_other(self.file, place, value)

    def _twice_encoded(self, place: int, text: str) -> None:
        row = _whole_object(text, 0)
        if row is None:
            self.tally.note_other(self.file, place, text)
        else:
            self._add(place, row)

    def _odd(self, place: int, line: bytes) -> None:
        """Reads a line that is not one JSON value."""
        try:
            text = with_json_escapes(line.decode()).strip(_BETWEEN)
        except UnicodeDecodeError as bad:
            self._not_utf8(place, line, bad)
            return
        if text.startswith("{"):
            self._objects_of(place, text)
        elif text.strip("[]"):
            self._text(place, text)

    def _not_utf8(self, place: int, line: bytes, bad: UnicodeDecodeError) -> None:
        if line.lstrip().startswith(b"{"):
            note_not_utf8(self.file, place, line, bad, self.tally)
        else:
            self.tally.note_other(self.file, place, line.decode(errors="replace"))

    def _objects_of(self, place: int, text: str) -> None:
        """Reads objects one after another on a line, up to one that is broken."""
        at = 0
        while at < len(text):
            try:
                value, at = value_at(text, at)
            except ValueError as error:
                self._broken(place, text[at:], error)
                return
            if isinstance(value, dict):
                self._add(place, value)
            at = _after(_SKIPPED, text, at)

    def _broken(self, place: int, text: str, error: ValueError) -> None:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        self.tally.add_bad_line(
            self.file,
            place,
            "the line does not parse as JSON",
            excerpt(text),
            f"one JSON object a line ({reason})",
        )

    def _text(self, place: int, text: str) -> None:
        part = self._partials.container_line(text)
        if part is None:
            return
        record = _prefixed(part)
        if record is None:
            self.tally.note_other(self.file, place, part)
        else:
            self._add(place, record)

    def _take_arrays(self) -> None:
        """Takes arrays for lists of records, or rows under a line of names, where they are all that
        the file has; among objects they are records of another kind.
        """
        arrays = self._arrays
        self._arrays = []
        is_among_objects = self._rows or (self._seen_object and not self._from_arrays)
        if not arrays or is_among_objects:
            self._note_arrays(arrays)
            return
        if self._names is None and _are_names(arrays[0][1]):
            self._names = arrays.pop(0)[1]
        for place, values in arrays:
            self._take_array(place, values)

    def _take_array(self, place: int, values: list[Any]) -> None:
        if self._names is not None and len(values) == len(self._names):
            self._from_arrays = True
            self._add(place, dict(zip(self._names, values, strict=True)))
            return
        for value in _events(values) or values:
            if isinstance(value, dict):
                self._from_arrays = True
                self._add(place, value)
            else:
                self.tally.note_other(self.file, place, value)

    def _note_arrays(self, arrays: Iterable[tuple[int, list[Any]]]) -> None:
        for place, values in arrays:
            events = _events(values)
            for event in events:
                self._add(place, event)
            if not events:
                self.tally.note_other(self.file, place, values)


def _are_names(values: list[Any]) -> bool:
    """True for the first line of ClickHouse's JSONCompactEachRowWithNames."""
    texts = [value for value in values if isinstance(value, str) and value]
    return len(texts) == len(values) > 1 and len(set(texts)) == len(texts)


def _events(value: Any) -> list[Record]:
    """Returns the records of an event of fluentd or Fluent Bit, with its time; none if it is not
    one.

    These are `[tag, time, record]`, `[time, record]`, `[[time, metadata], record]` and `[tag,
    [[time, record], ...]]`. Source: Fluentd Forward Protocol Specification v1.
    """
    if not isinstance(value, list) or not 2 <= len(value) <= 4:
        return []
    if isinstance(value[0], str) and not _is_time(value[0]):
        value = value[1:]
    if len(value) == 1 or isinstance(value[1], list | str):
        entries = value[0]
        events = [_events(one) for one in entries] if _are_lists(entries) else []
        return [event for found in events for event in found]
    time = value[0][0] if isinstance(value[0], list) and value[0] else value[0]
    if not _is_time(time) or not isinstance(value[1], dict):
        return []
    return [with_time(value[1], time)]


def _are_lists(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, list) for one in value)


def _is_time(value: Any) -> bool:
    if isinstance(value, str):
        return value.replace(".", "", 1).isdecimal() or _TIME.match(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole_object(text: str, at: int) -> Record | None:
    """Returns the object that a text is from a place to its end."""
    try:
        value, end = value_at(text, at)
    except ValueError:
        return None
    is_record = isinstance(value, dict) and bool(value) and not text[end:].strip(_BETWEEN)
    return value if is_record else None


def _prefixed(text: str) -> Record | None:
    """Returns the object at the end of a line, with the time before it if it has none of its own.

    An export task of CloudWatch writes time, blank, record; syslog, kubectl, docker compose and
    loggers put a time, a host or a level there.
    """
    at = text.find("{", 0, _MAX_PREFIX_CHARS)
    for _ in range(_STARTS):
        if at < 0:
            return None
        record = _whole_object(text, at)
        if record is not None:
            return _event(record, text[:at])
        at = text.find("{", at + 1, _MAX_PREFIX_CHARS)
    return None


def _event(record: Record, prefix: str) -> Record:
    moment = _TIME.search(prefix)
    if moment is None:
        return record
    return with_time(record, moment[0].replace(",", "."))


# --- value by value


def _value_blocks(
    file: str, values: Iterator[tuple[int, int, Any]], tally: Tally
) -> Iterator[RecordBlock]:
    places: list[int] = []
    rows: list[Record] = []
    weight = 0
    for place, size, value in values:
        found = [value] if isinstance(value, dict) else _events(value)
        if not found:
            tally.note_other(file, place, value)
            continue
        places.extend([place] * len(found))
        rows.extend(found)
        weight += size
        if len(rows) >= BLOCK_ROWS or weight > BLOCK_BYTES:
            yield RecordBlock(places, rows)
            places = []
            rows = []
            weight = 0
    yield RecordBlock(places, rows)


def _values(file: str, chunks: Iterator[bytes], tally: Tally) -> Iterator[tuple[int, int, Any]]:
    """Yields each value, with its place (the how manieth it is) and its characters."""
    scanner = _Scanner(file, chunks, tally)
    while scanner.fill():
        found = scanner.next()
        if found is not None:
            yield found


class _Scanner:
    """Walks through a text from value to value. The text that is held is at most one value and a
    chunk; it doubles while a value does not end, so that no text is read more often than twice.
    """

    def __init__(self, file: str, chunks: Iterator[bytes], tally: Tally) -> None:
        self._file = file
        self._chunks = chunks
        self._tally = tally
        self._rest = b""
        self._text = ""
        self._at = 0
        self._is_end = False
        self._in_array = False
        self._place = 0

    def fill(self) -> bool:
        """Moves to the next value; False at the end of the text."""
        while True:
            self._at = _after(_SKIPPED, self._text, self._at)
            if self._at < len(self._text):
                if not self._steps():
                    return True
                self._at += 1
            elif not self._more():
                if self._in_array:
                    self._note("the array has no end", "a file that ends inside it", "]")
                    self._in_array = False
                return False

    def next(self) -> tuple[int, int, Any] | None:
        """Returns the value here, None if there is none that is whole."""
        self._place += 1
        while True:
            try:
                value, end = value_at(self._text, self._at)
            except json.JSONDecodeError as error:
                if _is_cut(error, self._text) and self._more():
                    continue
                self._skip_broken(error.msg)
                return None
            except ValueError as error:
                self._skip_broken(str(error))
                return None
            size = end - self._at
            self._at = end
            return self._place, size, value

    def _steps(self) -> bool:
        """True for a bracket of an array whose elements are the values."""
        sign = self._text[self._at]
        if sign == "[" and not self._in_array:
            self._in_array = True
            return True
        if sign == "]":
            self._in_array = False
            return True
        return False

    def _more(self) -> bool:
        """Reads as much text again as is held; False if there is none."""
        held = len(self._text) - self._at
        if held > MAX_VALUE_BYTES:
            raise self._too_large()
        pieces = [self._text[self._at :]]
        wanted = max(held, CHUNK_BYTES)
        while wanted > 0 and not self._is_end:
            text = self._decoded(next(self._chunks, b""))
            pieces.append(text)
            wanted -= len(text)
        self._at = 0
        self._text = "".join(pieces)
        return len(self._text) > held

    def _decoded(self, chunk: bytes) -> str:
        self._is_end = not chunk
        data = self._rest + chunk
        # not inside a character: back to the first byte of the last one
        end = len(data)
        while not self._is_end and end > max(len(data) - 4, 0) and data[end - 1] & 0xC0 == 0x80:
            end -= 1
        if not self._is_end and end and data[end - 1] >= 0xC0:
            end -= 1
        else:
            end = len(data)
        self._rest = data[end:]
        return data[:end].decode(errors="replace")

    def _skip_broken(self, reason: str) -> None:
        """Notes what is not a value, and goes on with the next object."""
        text = self._text
        found = text[self._at : self._at + _MAX_PREFIX_CHARS]
        following = _NEXT_OBJECT.search(text, self._at + 1)
        self._at = following.end() if following else len(text)
        if found.startswith("{"):
            is_last = following is None and self._is_end
            problem = "the last object is cut" if is_last else "an object does not parse as JSON"
            self._note(problem, excerpt(found), f"whole JSON objects ({reason})")
        else:
            self._tally.note_other(self._file, self._place, found)

    def _note(self, problem: str, found: str, expected: str) -> None:
        self._tally.add_bad_line(self._file, max(self._place, 1), problem, found, expected)

    def _too_large(self) -> Exception:
        return unreadable(
            self._file,
            f"one JSON value above {MAX_VALUE_BYTES >> 20} MB",
            "an object that spans the file, or a text without its end",
            "JSON Lines: one object a line",
            f"jq -c '.[]' {self._file} > lines.jsonl, with the path of its list",
        )


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at
