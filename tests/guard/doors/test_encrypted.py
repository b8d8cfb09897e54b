"""The door in front of encrypted inference, over loopback with a real server and a stand-in for
what answers.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from gamekeeper.base.errors import Fault, InputError
from gamekeeper.guard.assembly import Guard
from gamekeeper.guard.identity import Budget
from gamekeeper.guard.policy import GuardPolicy, Identity, State
from gamekeeper.guard.server.http import listening
from gamekeeper.guard.store import StoreGoneError
from gamekeeper.guard.watch.feed import Feed

PATH = "/v2/encrypted/m"


@pytest.fixture(autouse=True)
def unlinked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here needs the linking process, which takes seconds to start."""

    async def run(self: Feed) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Feed, "run", run)


class Operation(NamedTuple):
    """What a request is."""

    kind: str
    model: str
    body_bytes: int


class Opaque:
    """Answers whatever it gets; the first byte of a body says how many rows it is, and 255 that it
    fails.
    """

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def find(self, method: str, path: str) -> Operation | None:
        kinds = {"GET": "description", "PUT": "keys", "POST": "infer"}
        known = {PATH: "GET", f"{PATH}/keys": "PUT", f"{PATH}/infer": "POST"}
        return Operation(kinds[method], "m", 8) if known.get(path) == method else None

    def rows(self, model: str, body: bytes) -> int:
        if not body:
            raise InputError(
                [
                    Fault(
                        where="request", problem="no request", found="nothing", expected="something"
                    )
                ]
            )
        return 1 if body[0] == 255 else body[0]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive()).get("body", b"")
        self.asked.append(body)
        status = 409 if body[:1] == b"\xff" else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"opaque"})


@asynccontextmanager
async def answering(folder: Path, app: Opaque) -> AsyncIterator[tuple[str, Guard]]:
    policy = GuardPolicy(identity=Identity(modes=("keys",)), state=State(folder=str(folder)))
    guard = Guard(policy)
    await guard.start()
    try:
        async with listening(guard.encrypted_door(app), "127.0.0.1", 0, policy.limits) as port:
            yield f"http://127.0.0.1:{port}", guard
    finally:
        await guard.stop()


async def ask(
    url: str, body: bytes, key: str | None, method: str = "POST", path: str = f"{PATH}/infer"
) -> tuple[int, str]:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url + path, data=body, headers=headers) as answer,
    ):
        return answer.status, (await answer.read()).decode()


def issued(guard: Guard, **fields: Any) -> str:
    assert guard.keys is not None
    return guard.keys.issue("acme", **fields)[1].reveal()


def test_the_eleventh_row_after_a_budget_of_ten_is_refused(tmp_path: Path) -> None:
    """And stays refused in another process: the budget is for the key's life."""

    async def run() -> None:
        app = Opaque()
        async with answering(tmp_path, app) as (url, guard):
            key = issued(guard, budget=Budget(rows=10))
            assert [(await ask(url, b"\x01", key))[0] for _ in range(10)] == [200] * 10
            status, told = await ask(url, b"\x01", key)
            assert status == 429 and "10 of 10" in told and '"budget"' in told
            assert len(app.asked) == 10
        async with answering(tmp_path, app) as (url, _):
            assert (await ask(url, b"\x01", key))[0] == 429

    asyncio.run(run())


def test_answers_say_how_many_rows_are_left(tmp_path: Path) -> None:
    """Also the answer to keys, before anything is charged."""

    async def run() -> None:
        async with answering(tmp_path, Opaque()) as (url, guard), aiohttp.ClientSession() as client:
            key = issued(guard, budget=Budget(rows=10))
            headers = {"authorization": f"Bearer {key}"}
            left = []
            for method, path in [("PUT", "/keys"), ("POST", "/infer"), ("PUT", "/keys")]:
                async with client.request(
                    method, url + PATH + path, data=b"\x04", headers=headers
                ) as got:
                    left.append(got.headers["gamekeeper-rows-left"])
            assert left == ["10", "6", "6"]

    asyncio.run(run())


def test_rows_are_charged_and_not_requests(tmp_path: Path) -> None:
    """A request for more rows than are left gets none; a smaller one goes through."""

    async def run() -> None:
        async with answering(tmp_path, Opaque()) as (url, guard):
            key = issued(guard, budget=Budget(rows=10))
            assert [(await ask(url, bytes([n]), key))[0] for n in (8, 4, 2, 1)] == [
                200,
                429,
                200,
                429,
            ]

    asyncio.run(run())


def test_many_at_once_do_not_overdraw(tmp_path: Path) -> None:
    """Rows are taken before they are answered."""

    async def run() -> None:
        async with answering(tmp_path, Opaque()) as (url, guard):
            key = issued(guard, budget=Budget(rows=10))
            got = await asyncio.gather(*(ask(url, b"\x01", key) for _ in range(30)))
            assert sorted(status for status, _ in got) == [200] * 10 + [429] * 20

    asyncio.run(run())


def test_what_gets_no_answer_costs_nothing(tmp_path: Path) -> None:
    """As where keys were given way, and have to be sent again."""

    async def run() -> None:
        async with answering(tmp_path, Opaque()) as (url, guard):
            key = issued(guard, budget=Budget(rows=1))
            assert [(await ask(url, b, key))[0] for b in (b"\xff", b"\xff", b"\x01", b"\x01")] == [
                409,
                409,
                200,
                429,
            ]

    asyncio.run(run())


def test_no_key_and_no_budget_get_no_answer(tmp_path: Path) -> None:
    """Neither answers nor room for keys; the description is for everybody."""

    async def run() -> None:
        app = Opaque()
        async with answering(tmp_path, app) as (url, guard):
            plain = issued(guard, budget=Budget(requests=5))
            spent = issued(guard, budget=Budget(rows=0))
            assert (await ask(url, b"", None, "GET", PATH))[0] == 200
            assert (await ask(url, b"\x01", None))[0] == 401
            assert (await ask(url, b"\x01", plain))[0] == 403
            assert (await ask(url, b"\x01", plain, "PUT", f"{PATH}/keys"))[0] == 403
            assert (await ask(url, b"\x01", spent))[0] == 429
            assert (await ask(url, b"\x01", spent, "PUT", f"{PATH}/keys"))[0] == 429
            assert app.asked == [b""]

    asyncio.run(run())


def test_scopes_and_days_hold_too(tmp_path: Path) -> None:
    """A key for another model or route; and requests a day."""

    async def run() -> None:
        async with answering(tmp_path, Opaque()) as (url, guard):
            rows = Budget(rows=9)
            assert (await ask(url, b"\x01", issued(guard, budget=rows, models=["other"])))[0] == 403
            assert (await ask(url, b"\x01", issued(guard, budget=rows, routes=["openai.*"])))[
                0
            ] == 403
            key = issued(
                guard, budget=Budget(rows=9, requests=2), routes=["encrypted.infer"], models=["m"]
            )
            assert [(await ask(url, b"\x01", key))[0] for _ in range(3)] == [200, 200, 429]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("body", "path", "status"),
    [
        (b"", f"{PATH}/infer", 400),
        (b"\x01" * 9, f"{PATH}/infer", 413),
        (b"\x01", "/v2/encrypted/n/infer", 404),
    ],
)
def test_what_is_no_request_is_refused_unread(
    tmp_path: Path, body: bytes, path: str, status: int
) -> None:
    """Empty, too long, or for a model that there is not."""

    async def run() -> None:
        app = Opaque()
        async with answering(tmp_path, app) as (url, guard):
            assert (await ask(url, body, issued(guard, budget=Budget(rows=9)), path=path))[
                0
            ] == status
            assert not app.asked

    asyncio.run(run())


def test_nothing_is_answered_while_the_store_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A budget that cannot be counted is used up."""

    async def run() -> None:
        app = Opaque()
        async with answering(tmp_path, app) as (url, guard):
            key = issued(guard, budget=Budget(rows=9))

            def gone(*_: Any) -> bool:
                raise StoreGoneError("gone")

            monkeypatch.setattr(guard.store, "put_new", gone)
            assert (await ask(url, b"\x01", key))[0] == 503
            assert not app.asked
            monkeypatch.undo()

    asyncio.run(run())
