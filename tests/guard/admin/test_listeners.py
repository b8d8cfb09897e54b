"""Streams of events to open pages: what they say, how many there are, and how they end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gamekeeper.guard.admin.listeners import Listeners, TooManyError
from gamekeeper.guard.doors.answers import CutShortError

SCOPE = {"type": "http", "method": "GET"}


class Page:
    """A page that holds a stream open; with `is_stuck` it accepts the head and no event."""

    def __init__(self, listeners: Listeners, *, is_stuck: bool = False) -> None:
        self.text = b""
        self._is_stuck = is_stuck
        self._began = asyncio.Event()
        self.stream = asyncio.create_task(listeners.respond()(SCOPE, self._receive, self._send))

    async def began(self) -> "Page":
        async with asyncio.timeout(5):
            await self._began.wait()
        return self

    async def ended(self) -> None:
        async with asyncio.timeout(5):
            await self.stream

    async def _receive(self) -> Any:
        await asyncio.Event().wait()

    async def _send(self, message: Any) -> None:
        self.text += message.get("body", b"")
        if message["type"] == "http.response.body":
            self._began.set()
            if self._is_stuck:
                await asyncio.Event().wait()


def play(does: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(20):
            await does()

    asyncio.run(within())


def test_a_page_receives_the_events_after_it_began() -> None:
    """Each as one block of lines, after the time that a browser waits before it comes back."""

    async def does() -> None:
        listeners = Listeners()
        listeners.publish("changed", ["too early"])
        page = await Page(listeners).began()
        listeners.publish("changed", ["campaigns"])
        listeners.close()
        await page.ended()
        assert page.text.startswith(b"retry: 2000\n\n")
        assert b"too early" not in page.text

    play(does)


def test_events_arrive_in_order() -> None:
    """What was published while the page reads is sent as it was published."""

    async def does() -> None:
        listeners = Listeners()
        page = await Page(listeners).began()
        for number in range(3):
            listeners.publish("traffic", {"at": number})
        while page.text.count(b"event: traffic") < 3:
            await asyncio.sleep(0)
        assert page.text.endswith(b'event: traffic\ndata: {"at":2}\n\n')
        assert page.text.index(b'{"at":0}') < page.text.index(b'{"at":1}')
        listeners.close()
        await page.ended()

    play(does)


def test_no_more_pages_than_the_limit_are_open() -> None:
    """Another one is refused, until one of them has gone."""

    async def does() -> None:
        listeners = Listeners(limit=1)
        page = await Page(listeners).began()
        with pytest.raises(TooManyError):
            listeners.respond()
        page.stream.cancel()
        await asyncio.gather(page.stream, return_exceptions=True)
        assert len(listeners) == 0
        again = await Page(listeners).began()
        listeners.close()
        await again.ended()

    play(does)


def test_a_page_that_is_far_behind_is_closed() -> None:
    """Its queue is bounded: it does not make the guard hold events for it."""

    async def does() -> None:
        listeners = Listeners(send_s=0.2)
        page = await Page(listeners, is_stuck=True).began()
        for number in range(1_000):
            listeners.publish("traffic", {"at": number})
        assert len(listeners) == 0
        with pytest.raises(CutShortError):
            await page.ended()

    play(does)


def test_a_page_that_does_not_read_loses_its_connection() -> None:
    """Nobody waits for it: neither the guard when it ends, nor the place that it takes."""

    async def does() -> None:
        listeners = Listeners(send_s=0.05)
        page = await Page(listeners, is_stuck=True).began()
        with pytest.raises(CutShortError):
            await page.ended()
        assert len(listeners) == 0

    play(does)


def test_closing_ends_all_streams_and_accepts_no_more() -> None:
    """A server that waits for its streams can end."""

    async def does() -> None:
        listeners = Listeners()
        pages = [await Page(listeners).began() for _ in range(3)]
        listeners.close()
        for page in pages:
            await page.ended()
        with pytest.raises(TooManyError):
            listeners.respond()

    play(does)


def test_a_stream_begun_at_the_same_time_as_the_last_one_is_ended() -> None:
    """The limit holds for responses that were made before any of them began."""

    async def does() -> None:
        listeners = Listeners(limit=1)
        first = Page(listeners)
        second = Page(listeners)
        await first.began()
        await second.ended()
        assert (len(listeners), second.text) == (1, b"")
        listeners.close()
        await first.ended()

    play(does)
