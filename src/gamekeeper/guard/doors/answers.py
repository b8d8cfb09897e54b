"""An answer on its way back: passed as it comes, or stripped; its tokens read off either way.

An answer that must be stripped and cannot be read (compressed, not JSON, an event too large) is not
passed on.
"""

from typing import Any

from starlette.types import Message, Send

from gamekeeper.base.errors import GamekeeperError
from gamekeeper.guard.doors.server_sent_events import Event, EventReader, relay
from gamekeeper.guard.gate import Passage
from gamekeeper.guard.policy import Limits
from gamekeeper.guard.routes import Json, Strip, UnreadableRequestError, parse, serialise
from gamekeeper.guard.routes.query import Usage

_USAGE = b'"usage"'
_MOST_READ = 4 << 20  # of an answer that only its token counts are wanted of


class CutShortError(GamekeeperError):
    """An answer that has begun and will not be whole: the server ends the connection, so that the
    client sees it.
    """


class BrokenAnswerError(CutShortError):
    """An answer that has to be stripped and cannot be."""


class Answer:
    """An ASGI `send` that passes or strips what the app answers.

    Args:
        passage: The request that is answered.
        send: Where the answer goes.
        limits: How much of it may be held.
    """

    def __init__(self, passage: Passage, send: Send, limits: Limits) -> None:
        self._passage = passage
        self._send = send
        self._limits = limits
        self._start: Message | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._events: EventReader | None = None
        self._strip: Strip | None = None
        self._seen = 0
        self.status = 0
        self.has_begun = False
        self.usage = Usage()

    @property
    def was_given(self) -> bool:
        """Whether anything of a good answer went out."""
        return self.has_begun and 200 <= self.status < 300

    @property
    def charged(self) -> Usage:
        """The tokens that are charged: as stated, or estimated where a stream does not state them.

        Whoever leaves `stream_options` out must not thereby dodge a budget: an event is counted as
        a token.
        """
        return Usage(0, self._seen).merged(self.usage) if self._seen else self.usage

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
        headers = {bytes(name).lower(): bytes(value).lower() for name, value in message["headers"]}
        streams = headers.get(b"content-type", b"").startswith(b"text/event-stream")
        good = 200 <= self.status < 300
        if good and streams:
            self._events = EventReader(self._limits.event_bytes)
        if good and self._passage.withheld is not None:
            if headers.get(b"content-encoding", b"identity") != b"identity":
                raise BrokenAnswerError("it is compressed")
            if streams:
                self._strip = self._passage.route.stripper(
                    self._passage.withheld, self._passage.query
                )
                message = {**message, "headers": _without_length(message["headers"])}
            else:
                self._start = message  # goes out when the whole answer was stripped
                return
        self.has_begun = True
        await self._send(message)

    async def _body(self, body: bytes, more: bool) -> None:
        if self._start is not None:
            await self._whole(body, more)
        elif self._strip is not None:
            await self._send(
                {
                    "type": "http.response.body",
                    "body": self._stripped(body, more),
                    "more_body": more,
                }
            )
        else:
            await self._send({"type": "http.response.body", "body": body, "more_body": more})
            self._count(body, more)

    async def _whole(self, body: bytes, more: bool) -> None:
        """Holds the answer until it is whole, then strips it."""
        self._hold(body, self._limits.answer_bytes)
        if more:
            return
        assert self._start is not None and self._passage.withheld is not None
        try:
            answer = parse(b"".join(self._parts))
            self.usage = self._passage.route.usage(answer)
            stripped = serialise(
                self._passage.route.strip(answer, self._passage.withheld, self._passage.query)
            )
        except UnreadableRequestError as error:
            raise BrokenAnswerError(str(error)) from error
        headers = [
            *_without_length(self._start["headers"]),
            (b"content-length", str(len(stripped)).encode()),
        ]
        self.has_begun = True
        await self._send({**self._start, "headers": headers})
        await self._send({"type": "http.response.body", "body": stripped})

    def _hold(self, body: bytes, most: int) -> None:
        self._size += len(body)
        if self._size > most:
            raise BrokenAnswerError(f"it has more than {most:,} bytes")
        self._parts.append(body)

    def _stripped(self, body: bytes, more: bool) -> bytes:
        assert self._events is not None
        try:
            events = self._events.feed(body)
            if not more:
                events += self._events.finish()
            return b"".join(relay(event, self._read_and_strip) for event in events)
        except UnreadableRequestError as error:
            raise BrokenAnswerError(str(error)) from error

    def _read_and_strip(self, document: Json) -> Json | None:
        assert self._strip is not None
        self._seen += 1
        self.usage = self.usage.merged(self._passage.route.usage(document))
        return self._strip(document)

    def _count(self, body: bytes, more: bool) -> None:
        """Reads tokens off what has already gone out; nothing here can stop an answer."""
        if not 200 <= self.status < 300:
            return
        if self._events is not None:
            self._count_events(body, more)
        elif self._size <= _MOST_READ:
            self._size += len(body)
            self._parts.append(body)
            if not more:
                self._count_whole()

    def _count_whole(self) -> None:
        try:
            self.usage = self._passage.route.usage(parse(b"".join(self._parts)))
        except UnreadableRequestError:
            return

    def _count_events(self, body: bytes, more: bool) -> None:
        assert self._events is not None
        try:
            for event in [*self._events.feed(body), *(() if more else self._events.finish())]:
                self._seen += 1
                if _USAGE in event.raw:
                    self._count_event(event)
        except UnreadableRequestError:
            self._events = EventReader(self._limits.event_bytes)

    def _count_event(self, event: Event) -> None:
        self.usage = self.usage.merged(self._passage.route.usage(parse(event.data or b"")))


def _without_length(headers: Any) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if bytes(name).lower() != b"content-length"]
