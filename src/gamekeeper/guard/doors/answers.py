"""An answer on its way back: passed as it comes, or changed; its tokens counted either way.

An answer that must be changed and cannot be read (compressed, not JSON, an event too large) is not
passed on.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from starlette.types import Message, Send

from gamekeeper.base.errors import GamekeeperError
from gamekeeper.guard.doors.counting import (
    BytesCounting,
    Counting,
    StreamCounting,
    WholeCounting,
    states_usage,
)
from gamekeeper.guard.doors.metering import Meter, Why
from gamekeeper.guard.doors.server_sent_events import Event, EventReader, plain, relay
from gamekeeper.guard.gate import Change, Passage
from gamekeeper.guard.policy import Limits
from gamekeeper.guard.routes import Json, Strip, UnreadableRequestError, parse, serialise
from gamekeeper.guard.routes.query import Usage

_PROGRESS_S = 1.0
# A quote inside a JSON string is escaped, so that these bytes are a field and never a model's text.
_ANSWERED = ("choices", "output", "content")
"""Fields of an answer that no error has."""
_NO_USAGE = re.compile(rb',\s*"usage"\s*:\s*null')


class CutShortError(GamekeeperError):
    """An answer that has begun and will not be whole: the server ends the connection, so that the
    client sees it.
    """


class BrokenAnswerError(CutShortError):
    """An answer that has to be changed and cannot be."""


class Answer:
    """An ASGI `send` that passes or changes what the app answers, and counts it.

    Args:
        passage: The request that is answered.
        send: Where the answer goes.
        limits: How much of it may be held.
        on_begin: Called with the status, once, when the answer begins and before any of it goes
            out.
        on_progress: Called with what the answer has cost so far, once a second while a stream runs.
    """

    def __init__(
        self,
        passage: Passage,
        send: Send,
        limits: Limits,
        on_begin: Callable[[int], None] = lambda status: None,
        on_progress: Callable[[Usage], None] = lambda usage: None,
    ) -> None:
        self._passage = passage
        self._send = send
        self._limits = limits
        self._on_begin = on_begin
        self._on_progress = on_progress
        self._meter = Meter(passage)
        self._held: _Held | None = None
        self._relay: _Relay | None = None
        self._counting: Counting | None = None
        self._now: Callable[[], float] | None = None  # while a stream runs
        self._progress_at = 0.0
        self.status = 0
        self.has_begun = False

    @property
    def was_given(self) -> bool:
        """Whether anything of a good answer went out."""
        return self.has_begun and 200 <= self.status < 300

    def charged(self) -> tuple[Usage, Why | None]:
        """Returns the tokens that are charged for what was answered until now: as stated, or
        estimated, and why that.
        """
        if self._counting is not None:
            self._guarded(self._counting.cut)
            self._counting = None
        usage = self._meter.usage
        return usage, self._meter.estimated_in(usage)

    async def __call__(self, message: Message) -> None:
        """Takes one ASGI message."""
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] == "http.response.body":
            await self._body(message.get("body", b""), bool(message.get("more_body")))
        else:
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        self.status = message["status"]
        self._on_begin(self.status)
        is_good = 200 <= self.status < 300
        if not is_good and self._passage.withheld is None:
            await self._send_start(message)
            return
        headers = {bytes(name).lower(): bytes(value).lower() for name, value in message["headers"]}
        is_plain = headers.get(b"content-encoding", b"identity") == b"identity"
        if not is_good:
            self._begin_error(message, headers, is_plain=is_plain)
        elif headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            self._now = asyncio.get_running_loop().time
            self._progress_at = self._now()
            await self._begin_stream(message, is_plain=is_plain)
        else:
            await self._begin_whole(message, headers, is_plain=is_plain)

    def _begin_error(
        self, message: Message, headers: dict[bytes, bytes], *, is_plain: bool
    ) -> None:
        """Holds what came with a status that is not good, where something is withheld: it passes if
        it is an error, and is changed if it is an answer.
        """
        if self.status < 400:
            raise BrokenAnswerError(f"its status is {self.status}, which answers nothing")
        if not is_plain:
            raise BrokenAnswerError("it is compressed")
        if headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            raise BrokenAnswerError("it is a stream, and its status is that of an error")
        self._held = _HeldError(
            message, self._passage.change(), self._meter, self._limits.answer_bytes
        )

    async def _begin_stream(self, message: Message, *, is_plain: bool) -> None:
        change = self._passage.event_change()
        if change is not None and not is_plain:
            raise BrokenAnswerError("it is compressed")
        if is_plain and (change is not None or self._passage.hides_usage):
            self._relay = _Relay(self._passage, change, self._meter, self._limits)
            message = {**message, "headers": _without_length(message["headers"])}
        elif is_plain:
            self._counting = StreamCounting(self._meter, self._limits.event_bytes)
        else:
            self._counting = BytesCounting(self._meter)
        await self._send_start(message)

    async def _begin_whole(
        self, message: Message, headers: dict[bytes, bytes], *, is_plain: bool
    ) -> None:
        change = self._passage.change()
        if change is not None and not is_plain:
            raise BrokenAnswerError("it is compressed")
        if change is not None:
            # its start goes out when the whole answer was changed
            self._held = _Held(message, change, self._meter, self._limits.answer_bytes)
            return
        is_text = self._passage.route.is_exchange or b"json" in headers.get(b"content-type", b"")
        if is_plain and is_text:
            self._counting = WholeCounting(self._meter)
        else:
            self._counting = BytesCounting(self._meter)
        await self._send_start(message)

    async def _send_start(self, message: Message) -> None:
        self.has_begun = True
        await self._send(message)

    async def _body(self, body: bytes, more: bool) -> None:
        if self._held is not None:
            await self._whole(self._held, body, more)
            return
        if self._relay is not None:
            body = self._relay.feed(body, more)
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
        if self._counting is not None:
            self._count(self._counting, body, more)
        if self._now is not None and self._now() - self._progress_at >= _PROGRESS_S:
            self._progress_at = self._now()
            self._on_progress(self._meter.usage)

    async def _whole(self, held: "_Held", body: bytes, more: bool) -> None:
        held.feed(body)
        if more:
            return
        start, changed = held.finish()
        await self._send_start(start)
        await self._send({"type": "http.response.body", "body": changed})

    def _count(self, counting: Counting, body: bytes, more: bool) -> None:
        """Counts what has already gone out; nothing here can stop an answer."""
        self._guarded(counting.feed, body)
        if not more:
            self._guarded(counting.finish)
            self._counting = None

    def _guarded(self, step: Callable[..., None], *body: bytes) -> None:
        """Takes a step of the counting; if it fails, what it was to count counts by its bytes."""
        try:
            step(*body)
        except Exception:
            self._meter.fail(sum(map(len, body)))


class _Held:
    """A whole answer that is held until it can be changed."""

    def __init__(
        self, start: Message, change: Change | None, meter: Meter, most_bytes: int
    ) -> None:
        self._start = start
        self._change = change
        self._meter = meter
        self._most_bytes = most_bytes
        self._body = bytearray()

    def feed(self, body: bytes) -> None:
        """Takes the next bytes.

        Raises:
            BrokenAnswerError: They are too many.
        """
        if len(self._body) + len(body) > self._most_bytes:
            raise BrokenAnswerError(f"it has more than {self._most_bytes:,} bytes")
        self._body += body

    def finish(self) -> tuple[Message, bytes]:
        """Returns start and body of the changed answer.

        Raises:
            BrokenAnswerError: It cannot be changed.
        """
        try:
            answer = parse(bytes(self._body))
            self._meter.see_answer(answer, len(self._body))
            changed = serialise(answer if self._change is None else self._change(answer))
        except UnreadableRequestError as error:
            raise BrokenAnswerError(str(error)) from error
        length = (b"content-length", str(len(changed)).encode())
        headers = [*_without_length(self._start["headers"]), length]
        return {**self._start, "headers": headers}, changed


class _HeldError(_Held):
    """An answer with the status of an error, which is changed if it holds more than an error."""

    def finish(self) -> tuple[Message, bytes]:
        """See `_Held`."""
        body = bytes(self._body)
        try:
            fields = parse(body).keys()
        except UnreadableRequestError:
            if any(b'"%b"' % name.encode() in body for name in _ANSWERED):
                raise BrokenAnswerError("it is not JSON, and its status is of an error") from None
            fields = {}.keys()
        if self._change is None or fields.isdisjoint(_ANSWERED):
            return self._start, body
        return super().finish()


class _Relay:
    """A stream that is changed event by event; an event of which nothing changes passes byte by
    byte.
    """

    def __init__(
        self, passage: Passage, change: Strip | None, meter: Meter, limits: Limits
    ) -> None:
        self._route = passage.route
        self._hides_usage = passage.hides_usage
        self._is_limited = passage.withheld is not None
        self._change = change
        self._meter = meter
        # Where only token counts are taken out, nobody is limited: large events pass.
        most_bytes = limits.answer_bytes if change is None else limits.event_bytes
        self._events = EventReader(most_bytes)

    def feed(self, body: bytes, more: bool) -> bytes:
        """Returns what goes out for the next bytes.

        Raises:
            BrokenAnswerError: They cannot be changed.
        """
        if more and self._passes_unread(body):
            return _without_usage(body) if self._hides_usage else body
        try:
            events = self._events.feed(body)
            if not more:
                events += self._events.finish()
            if len(events) == 1:  # as nearly always
                relayed = self._relayed(events[0])
            else:
                relayed = b"".join(map(self._relayed, events))
        except UnreadableRequestError as error:
            raise BrokenAnswerError(str(error)) from error
        if not more:
            self._meter.finish()
        return relayed

    def _passes_unread(self, body: bytes) -> bool:
        """Whether the next bytes are one event that need not be read, as most of a stream are."""
        return (
            self._change is None
            and self._events.is_one_event(body)
            and not states_usage(body)
            and not self._meter.wants(body)
        )

    def _relayed(self, event: Event) -> bytes:
        states = states_usage(event.raw)

        def take(document: Json) -> Json | None:
            self._meter.see_event(document, states_usage=states, size=len(event.raw))
            if self._hides_usage and states and self._route.is_usage_event(document):
                return None
            return document if self._change is None else self._change(document)

        try:
            relayed = relay(plain(event) if self._is_limited else event, take)
        except UnreadableRequestError:
            if self._change is not None:
                raise
            self._meter.see_bytes(len(event.raw))
            return event.raw
        return _without_usage(relayed) if self._hides_usage else relayed


def _without_usage(event: bytes) -> bytes:
    """An event without the field that says that it states no token counts."""
    if b'"usage"' not in event:
        return event
    event = event.replace(b',"usage":null', b"")  # as nearly all servers write it
    return _NO_USAGE.sub(b"", event) if b'"usage"' in event else event


def _without_length(headers: Any) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if bytes(name).lower() != b"content-length"]
