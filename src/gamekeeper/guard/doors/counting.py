"""Reads the tokens of an answer off its bytes while they pass; nothing here changes or stops
an answer.
"""

import re
from json import JSONDecoder
from typing import Protocol

import orjson

from gamekeeper.guard.doors.metering import Meter
from gamekeeper.guard.doors.server_sent_events import Event, EventReader
from gamekeeper.guard.routes import UnreadableRequestError, parse

MOST_READ_BYTES = 4 << 20
"""A whole answer of up to so many bytes is read; of a larger one, its size and the tokens that it
states.
"""

_TAIL_BYTES = 64 << 10
_COMPRESSED = 3  # bytes of text in one that is compressed, about
_USAGE = b'"usage"'
_NO_USAGE = b'"usage":null'
# A quote inside a JSON string is escaped, so that what a model writes is never taken for a field.
_USAGE_FIELD = re.compile(r'(?<!\\)"usage"\s*:\s*(?=\{)')
_MOST_USAGES = 64  # in the end of one answer; where there are more, a client put them there
# As in an image; no text is without space or sign for so long.
_MEDIA = re.compile(rb"[A-Za-z0-9+/=_-]{1000,}")
_LOGPROB = b'"logprob"'


class Counting(Protocol):
    """Counts one answer."""

    def feed(self, body: bytes) -> None:
        """Takes the next bytes."""
        ...

    def finish(self) -> None:
        """Notes that the answer is whole."""
        ...

    def cut(self) -> None:
        """Notes that the answer ended before it was whole."""
        ...


class StreamCounting:
    """Counts a stream of events.

    Args:
        meter: Counts each event.
        most_bytes: Of one event; a larger one is counted by its bytes.
    """

    def __init__(self, meter: Meter, most_bytes: int) -> None:
        self._meter = meter
        self._most_bytes = most_bytes
        self._reader = EventReader(most_bytes)
        self._waiting = 0  # bytes of an event that is not whole

    def feed(self, body: bytes) -> None:
        """See `Counting`."""
        self._waiting += len(body)
        try:
            events = self._reader.feed(body)
        except UnreadableRequestError:
            self.cut()
            self._reader = EventReader(self._most_bytes)
            return
        for event in events:
            self._waiting -= len(event.raw)
            count_event(self._meter, event)

    def finish(self) -> None:
        """See `Counting`."""
        for event in self._reader.finish():
            count_event(self._meter, event)
        self._meter.finish()

    def cut(self) -> None:
        """See `Counting`."""
        self._meter.see_bytes(self._waiting)
        self._waiting = 0


class WholeCounting:
    """Counts an answer that comes whole.

    Args:
        meter: Counts it.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._kept = bytearray()
        self._size = 0
        self._media_bytes = 0

    def feed(self, body: bytes) -> None:
        """See `Counting`."""
        self._size += len(body)
        self._kept += body
        most = MOST_READ_BYTES if self._size <= MOST_READ_BYTES else 2 * _TAIL_BYTES
        if len(self._kept) > most:
            self._media_bytes += _media_bytes(self._kept[:-_TAIL_BYTES])
            del self._kept[:-_TAIL_BYTES]

    def finish(self) -> None:
        """See `Counting`."""
        if self._size > MOST_READ_BYTES:
            self._count_tail()
            return
        try:
            answer = parse(bytes(self._kept))
        except UnreadableRequestError:
            self._meter.see_bytes(self._size)
            self._meter.finish()
        else:
            self._meter.see_answer(answer, self._size)

    def cut(self) -> None:
        """See `Counting`."""
        self._meter.see_bytes(self._size)

    def _count_tail(self) -> None:
        self._meter.see_bytes(self._size)
        self._meter.finish()
        tail = bytes(self._kept)
        media = self._media_bytes + _media_bytes(tail)
        text_bytes = 0 if _LOGPROB in tail else self._size - media
        self._meter.see_usages(stated_in(tail[-_TAIL_BYTES:]), text_bytes)


class BytesCounting:
    """Counts what cannot be read: it is compressed, or not text.

    Args:
        meter: Counts its bytes.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def feed(self, body: bytes) -> None:
        """See `Counting`."""
        self._meter.see_bytes(_COMPRESSED * len(body))

    def finish(self) -> None:
        """See `Counting`."""
        self._meter.finish()

    def cut(self) -> None:
        """See `Counting`."""


def count_event(meter: Meter, event: Event) -> None:
    """Counts an event; one that is not JSON counts by its bytes."""
    states = states_usage(event.raw)
    if not states and not meter.wants(event.raw):
        return
    data = event.data
    if not data or data == b"[DONE]":
        return
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict):
        meter.see_event(document, states_usage=states, size=len(event.raw))
    else:
        meter.see_bytes(len(data))


def states_usage(raw: bytes) -> bool:
    """Returns whether an event may state token counts; most say that they state none."""
    return _USAGE in raw and raw.count(_USAGE) > raw.count(_NO_USAGE)


def stated_in(tail: bytes) -> list[object]:
    """Returns the `usage` objects that the end of an answer holds whole; none if there are so many
    that a client must have put them there.
    """
    text = tail.decode("utf-8", "replace")
    found: list[object] = []
    read = 0  # what is inside an object is not one
    for tried, field in enumerate(_USAGE_FIELD.finditer(text)):
        if tried >= _MOST_USAGES:
            return []
        if field.start() < read:
            continue
        try:
            usage, read = JSONDecoder().raw_decode(text, field.end())
        except (ValueError, RecursionError):  # not whole, thousands of digits, too deep
            continue
        found.append(usage)
    return found


def _media_bytes(part: bytes | bytearray) -> int:
    return sum(len(run) for run in _MEDIA.findall(part))
