"""Server-sent events: cut out of a stream byte for byte, so that what is not changed is forwarded
as it came.

An event ends with an empty line; lines end with LF, CR or CRLF. Every byte of the stream belongs to
exactly one
event: comments, empty lines and the byte order mark travel with theirs, or make one without data.
    Where bytes are
cut by the network makes no difference; only an event that ends with a lone CR waits for the next
byte, which might be its LF.

Source: WHATWG HTML, section 9.2, "Server-sent events". Unlike there, an event that the end of the
    stream cuts
off is not thrown away: a client may still read it, so it is judged as well.
"""

import re

import orjson

from gamekeeper.guard.routes._route import Json, Strip, UnreadableRequestError
from gamekeeper.guard.routes.bodies import serialise as write

MAX_EVENT_BYTES = 4 << 20
"""An event may have so many bytes unless said otherwise: one of a whole response with its tools is
large.
"""

_BOM = b"\xef\xbb\xbf"
# Possessive, so that a CRLF is never taken for two line ends.
_LINE_END = re.compile(rb"(?>\r\n|\r|\n)")
_EVENT_END = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)")
_LONGEST_END = 4
# What keeps a connection open, numbers events or names them; too short for what is withheld.
_PLAIN = re.compile(rb"[\w .,:;/#+=-]{0,64}", re.ASCII)
_NAME = re.compile(rb"[\w.-]{0,64}", re.ASCII)


class Event:
    """One event of a stream.

    Args:
        raw: All its bytes, the empty line included.
        start: Where its lines start: after the byte order mark.
    """

    __slots__ = ("_start", "raw")

    def __init__(self, raw: bytes, start: int = 0) -> None:
        self.raw = raw
        self._start = start

    @property
    def data(self) -> bytes | None:
        """Its data, lines joined with LF; None if it has none, as a comment has not."""
        raw = self.raw
        if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
            return raw[6:-2]  # one line that ends as nearly all do
        found = self._values(b"data")
        return b"\n".join(found) if found else None

    @property
    def name(self) -> str | None:
        """Its `event` field; None if it has none."""
        found = self._values(b"event")
        return found[-1].decode("utf-8", "replace") if found else None

    def lines(self) -> list[bytes]:
        """Returns its lines, without their ends; comments included, the empty line not."""
        return [line for line in _LINE_END.split(self.raw[self._start :]) if line]

    def _values(self, field: bytes) -> list[bytes]:
        return [_value(line, field) for line in self.lines() if _is_field(line, field)]


def _is_field(line: bytes, field: bytes) -> bool:
    return line.startswith(field) and line[len(field) : len(field) + 1] in (b"", b":")


def _value(line: bytes, field: bytes) -> bytes:
    return line[len(field) + 1 :].removeprefix(b" ")


class EventReader:
    """Cuts a stream into events, as its bytes come in.

    Args:
        max_bytes: Of one event; what is kept of the stream is at most this and one chunk.
    """

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept = bytearray()
        self._seen = 0
        self._first = True

    def feed(self, chunk: bytes) -> list[Event]:
        """Returns the events that are whole with this chunk.

        Raises:
            UnreadableRequestError: An event is larger than the bound.
        """
        if self.is_one_event(chunk):
            return [Event(chunk)]
        self._kept += chunk
        events = []
        while (end := self._end()) is not None:
            events.append(self._cut(end))
        self._require_small(len(self._kept))
        return events

    def finish(self) -> list[Event]:
        """Returns what the end of the stream leaves: at most one event that had no empty line
        behind it.
        """
        return [self._cut(len(self._kept))] if self._kept else []

    def is_one_event(self, chunk: bytes) -> bool:
        """Returns whether a chunk is what it usually is, one whole event, nothing else waiting."""
        end = len(chunk) - 2
        return (
            not self._kept
            and not self._first
            and 0 < end <= self._max_bytes - 2
            and chunk.find(b"\n\n") == end
            and chunk[0] != 10
            and b"\r" not in chunk
        )

    def _end(self) -> int | None:
        """Where the first event ends, None if that has not come yet."""
        kept = self._kept
        lines = self._start()
        found = _LINE_END.match(kept, lines) or _EVENT_END.search(
            kept, max(lines, self._seen - _LONGEST_END)
        )
        self._seen = len(kept)
        if found is None or (found.end() == len(kept) and kept.endswith(b"\r")):
            return None
        return found.end()

    def _start(self) -> int:
        return len(_BOM) if self._first and self._kept.startswith(_BOM) else 0

    def _cut(self, end: int) -> Event:
        self._require_small(end)
        event = Event(bytes(self._kept[:end]), self._start())
        del self._kept[:end]
        self._seen = 0
        self._first = False
        return event

    def _require_small(self, size: int) -> None:
        if size > self._max_bytes:
            raise UnreadableRequestError(f"a streamed event has more than {self._max_bytes} bytes")


def serialise(event: Event, data: bytes) -> bytes:
    """Returns an event with other data, one line of it; its name, id, retry and comments stay,
    lines end with LF.
    """
    new = b"data: " + data + b"\n\n"
    if event.raw.startswith(b"data: ") and event.raw.find(b"\n") == len(event.raw) - 2:
        return new
    return b"\n".join([*(line for line in event.lines() if not _is_field(line, b"data")), new])


def relay(event: Event, strip: Strip) -> bytes:
    """Returns the bytes to forward for an event: as it came, changed, or none.

    Args:
        event: As read; one without data, or with `[DONE]` for data, is forwarded as it came.
        strip: Of a route, see `Route.stripper`.

    Raises:
        UnreadableRequestError: Its data is not a JSON object, or not of the route's form.
    """
    data = event.data
    if not data or data == b"[DONE]":
        return event.raw
    found = _object(data)
    kept = strip(found)
    if kept is found:
        return event.raw
    return b"" if kept is None else serialise(event, write(kept))


def plain(event: Event) -> Event:
    """Returns an event without what is neither its data nor plain: comments, ids and times of
    retries that may hold more are dropped.

    Args:
        event: As read.

    Raises:
        UnreadableRequestError: A line of it is not of the standard, so that a client may
            read it in its own way.
    """
    raw = event.raw
    if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
        return event
    lines = event.lines()
    kept = [line for line in lines if _is_plain(line)]
    if len(kept) == len(lines):
        return event
    return Event(b"\n".join([*kept, b"", b""]) if kept else b"")


def _is_plain(line: bytes) -> bool:
    name, _, value = line.partition(b":")
    if name == b"data":
        return True
    if name == b"event" and _NAME.fullmatch(value.removeprefix(b" ")):
        return True
    if name in (b"", b"id", b"retry"):
        return _PLAIN.fullmatch(value) is not None
    raise UnreadableRequestError("a streamed event has a line that is not of the standard")


def _object(data: bytes) -> Json:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise UnreadableRequestError("a streamed event's data is not JSON") from None
    if not isinstance(found, dict):
        raise UnreadableRequestError("a streamed event's data is JSON but not an object")
    return found
