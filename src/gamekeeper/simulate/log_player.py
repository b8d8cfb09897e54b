"""Plays a log against a live API: sends every exchange again, by its account, in the log's order
and at its pace.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import polars as pl

_AT_ONCE = 64


class LogPlayer:
    """A client that plays all accounts of a log against an API.

    Args:
        exchanges: The log of a text API, in order of time.
        url: Address of the API.
        credentials: Credential of each account.
        now: The clock by which the log is played, epoch seconds.
    """

    def __init__(
        self,
        exchanges: pl.DataFrame,
        url: str,
        credentials: Mapping[str, str],
        now: Callable[[], float],
    ) -> None:
        self._exchanges = exchanges
        self._url = url
        self._credentials = credentials
        self._now = now
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self.outcomes: Counter[tuple[str, int]] = Counter()
        """Number of answers by account and HTTP status; status 0 where no answer came."""
        self.played = 0

    async def play(self) -> None:
        """Plays the whole log; returns when the last answer has come."""
        connector = aiohttp.TCPConnector(limit=_AT_ONCE)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            asyncio.TaskGroup() as calls,
        ):
            for row in self._exchanges.iter_rows(named=True):
                while row["time"].timestamp() > self._now():
                    await asyncio.sleep(0.02)
                await self._slots.acquire()
                calls.create_task(self._call(session, row))

    async def _call(self, session: aiohttp.ClientSession, row: Mapping[str, Any]) -> None:
        try:
            async with session.post(
                f"{self._url}/v1/chat/completions", json=_request(row), headers=self._headers(row)
            ) as answer:
                await answer.read()
                self.outcomes[row["account"], answer.status] += 1
        except aiohttp.ClientError:
            self.outcomes[row["account"], 0] += 1
        finally:
            self.played += 1
            self._slots.release()

    def _headers(self, row: Mapping[str, Any]) -> dict[str, str]:
        headers = {"authorization": f"Bearer {self._credentials[row['account']]}"}
        for header, column in (
            ("x-forwarded-for", "ip"),
            ("x-asn", "asn"),
            ("user-agent", "client"),
        ):
            if row[column] is not None:
                headers[header] = str(row[column])
        return headers


def _request(row: Mapping[str, Any]) -> dict[str, Any]:
    system = [{"role": "system", "content": row["system"]}] if row["system"] else []
    streams = hash(row["prompt"]) % 2 == 0
    return {
        "model": row["model"],
        "messages": [*system, {"role": "user", "content": row["prompt"]}],
        "stream": streams,
    }
