"""Every API, whole and streamed, through every door, under every verdict: no cell is left out."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from gamekeeper.guard.assembly import Guard
from gamekeeper.guard.decisions.decision import Decision
from gamekeeper.guard.doors.middleware import GuardMiddleware
from gamekeeper.guard.policy import ClassifierApi, GuardPolicy, Identity, Ladder, Slowed, State
from gamekeeper.guard.server.upstream import Upstream
from gamekeeper.guard.watch.feed import Feed
from gamekeeper.verdict import Verdict
from guard.builders import Kept
from guard.doors.apis import APIS, BOTH_WAYS, CLASSIFIER, IDS, Api
from guard.doors.model_server import ModelServer, served

DOORS = ("proxy", "middleware")
WAIT_S = 0.1
every_api = pytest.mark.parametrize(("api", "stream"), BOTH_WAYS, ids=IDS)
every_door = pytest.mark.parametrize("door", DOORS)


class Guarded:
    """A guarded API and who asks it."""

    def __init__(
        self, url: str, guard: Guard, model: ModelServer, account: str, is_tagged: bool = False
    ) -> None:
        self.url = url
        self.is_tagged = is_tagged
        self.guard = guard
        self.model = model
        self.account = account
        self.watched = Kept()
        guard.core.watch = self.watched

    def untagged(self, read: bytes) -> bytes:
        """An answer with the upstream's own ids, written as the upstream writes."""
        tagged = self.guard._object_ids.tagged(self.account, "resp")
        if tagged.encode() not in read:
            return read
        assert self.is_tagged, "the upstream tells its own accounts apart"
        return b"".join(map(_rewritten, read.replace(tagged.encode(), b"resp").splitlines(True)))

    def decide(self, verdict: Verdict, **fields: Any) -> None:
        """Makes a decision about the account."""
        now = self.guard.core.clock.now()
        fields = {"reasons": ("a test",), "since": now, "until": now + 3600} | fields
        assert self.guard.core.decide(
            Decision.make(f"account:{self.account}", verdict, "test", **fields)
        )

    async def ask(self, api: Api, stream: bool, **headers: str) -> tuple[int, bytes]:
        """Status and all bytes; the model goes on to its last event when the first with content has
        come.
        """
        sent = {"authorization": "Bearer sk-test", "x-account": "acme"} | headers
        timeout = aiohttp.ClientTimeout(total=10)
        self.model.is_done = False
        try:
            return await self._answer(api, stream, sent, timeout)
        finally:
            self.model.go_on.set()  # a test that fails must not hang

    def _asked(
        self, session: aiohttp.ClientSession, api: Api, stream: bool, sent: dict[str, str]
    ) -> Any:
        path = api.path
        if self.is_tagged:
            path = _tagged(self.guard, api, self.account)
        body = api.asked(stream) or None
        return session.request(api.method, self.url + path, json=body, headers=sent)

    async def _answer(
        self, api: Api, stream: bool, sent: dict[str, str], timeout: aiohttp.ClientTimeout
    ) -> tuple[int, bytes]:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            self._asked(session, api, stream, sent) as answer,
        ):
            read = b""
            async for chunk in answer.content.iter_any():
                read += chunk
                if stream and not self.model.go_on.is_set() and api.first.encode() in read:
                    assert not self.model.is_done, "the first token came after the last was made"
                    self.model.go_on.set()
            return answer.status, read


def _rewritten(line: bytes) -> bytes:
    """A line of events as the sample writes it: what is changed is written without spaces."""
    if not line.startswith(b"data: {"):
        return line
    return b"data: " + json.dumps(json.loads(line[6:])).encode() + b"\n"


def _tagged(guard: Guard, api: Api, account: str) -> str:
    """Path of an operation on a stored response, as the account knows it."""
    tagged = guard._object_ids.tagged(account, "resp")
    return re.sub(r"/resp(?=/|$)", f"/{tagged}", api.path)


def make_policy(folder: Path, **fields: Any) -> GuardPolicy:
    slowed = Slowed(requests_per_minute=60 / WAIT_S, burst=1, wait_s=5)
    return GuardPolicy(
        enforce=True,
        state=State(folder=str(folder)),
        ladder=Ladder(slow=slowed, highest=Verdict.DENY),
        classifiers=(ClassifierApi(path=CLASSIFIER.path),),
        **fields,
    )


@asynccontextmanager
async def proxied(folder: Path) -> AsyncIterator[Guarded]:
    guard = Guard(make_policy(folder))
    model = ModelServer()
    async with AsyncExitStack() as up:
        up.push_async_callback(guard.stop)
        behind = await up.enter_async_context(served(model))
        upstream = Upstream(behind, guard.policy.limits, guard.core.metrics)
        up.push_async_callback(upstream.close)
        url = await up.enter_async_context(served(guard.door(upstream), "off"))
        assert guard.upstream_accounts is not None
        yield Guarded(url, guard, model, guard.upstream_accounts.find("sk-test").account)


@asynccontextmanager
async def inside(folder: Path) -> AsyncIterator[Guarded]:
    model = ModelServer()
    app = FastAPI()
    for api in APIS:
        app.add_api_route(api.path, endpoint(api, model), methods=[api.method])
    policy = make_policy(folder, identity=Identity(modes=("host",)))
    app.add_middleware(GuardMiddleware, policy=policy, account=account_of)  # type: ignore[arg-type]
    async with served(app, "on") as url:
        yield Guarded(url, guard_of(app), model, "acme", is_tagged=True)


def account_of(scope: Any) -> str | None:
    return dict(scope["headers"]).get(b"x-account", b"").decode() or None


def endpoint(api: Api, model: ModelServer) -> Any:
    """A model server's own operation, written as one writes them for FastAPI."""

    async def answer(request: Request) -> Any:
        body = json.loads(await request.body() or b"{}")
        model.bodies.append(body)
        if not body.get("stream"):
            model.is_done = True
            return JSONResponse(api.answer)

        async def events() -> AsyncIterator[bytes]:
            *first, last = api.sse
            for event in first:
                yield event
            await model.go_on.wait()
            model.is_done = True
            yield last

        return StreamingResponse(events(), media_type="text/event-stream")

    return answer


def guard_of(app: Any) -> Guard:
    layer = app.middleware_stack
    while not isinstance(layer, GuardMiddleware):
        layer = layer.app
    assert layer._guard is not None
    return layer._guard


@pytest.fixture(autouse=True)
def unlinked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here needs the linking process, which takes seconds to start."""

    async def run(self: Feed) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Feed, "run", run)


def guarded(door: str, folder: Path) -> Any:
    return {"proxy": proxied, "middleware": inside}[door](folder)


def has_none_of(api: Api, read: bytes) -> bool:
    return not any(text.encode() in read for text in api.withheld)


@every_door
@every_api
def test_account_without_decision_gets_the_answer_byte_for_byte(
    door: str, api: Api, stream: bool, tmp_path: Path
) -> None:
    """As it comes; and the exchange goes to be linked, under the authenticated account."""

    async def run() -> None:
        async with guarded(door, tmp_path) as guarded_api:
            status, read = await guarded_api.ask(api, stream)
            assert status == 200
            read = guarded_api.untagged(read)
            events = b"".join(api.sse_without_usage)
            assert read == events if stream else json.loads(read) == api.answer
            assert all(text.encode() in read for text in api.withheld), "the sample shows nothing"
            assert guarded_api.model.bodies == [api.forwarded(stream)]
            rows = guarded_api.watched.rows
            assert [row["account"] for row in rows] == [guarded_api.account] * api.rows
            assert all(row.get("prompt") or row.get("features") for row in rows)

    asyncio.run(run())


@every_door
@every_api
def test_slowed_account_waits_and_gets_everything(
    door: str, api: Api, stream: bool, tmp_path: Path
) -> None:
    """The second request of two waits for its token; nothing else is different."""

    async def run() -> None:
        async with guarded(door, tmp_path) as guarded_api:
            # an account of the upstream is known once it took the credential
            await guarded_api.ask(api, stream)
            guarded_api.decide(Verdict.SLOW)
            began = time.monotonic()  # the first of the two takes the token
            await guarded_api.ask(api, stream)
            status, read = await guarded_api.ask(api, stream)
            assert status == 200 and all(text.encode() in read for text in api.withheld)
            assert time.monotonic() - began > WAIT_S / 2
            assert len(guarded_api.watched.rows) == 3 * api.rows

    asyncio.run(run())


@every_door
@every_api
def test_limited_account_gets_no_byte_of_what_is_withheld(
    door: str, api: Api, stream: bool, tmp_path: Path
) -> None:
    """Whatever the model server answers: it is asked for less, and sends it all the same."""

    async def run() -> None:
        async with guarded(door, tmp_path) as guarded_api:
            guarded_api.decide(Verdict.LIMIT)
            status, read = await guarded_api.ask(api, stream)
            assert status == 200 and has_none_of(api, read), read
            assert api.kept.encode() in read
            assert len(guarded_api.watched.rows) == api.rows
            (body,) = guarded_api.model.bodies
            assert "logprobs" not in body and body.get("n", 1) == 1

    asyncio.run(run())


@every_door
@every_api
@pytest.mark.parametrize(
    ("verdict", "challenge", "status"),
    [
        (Verdict.CHALLENGE, "proof", 429),
        (Verdict.CHALLENGE, "reauthenticate", 401),
        (Verdict.DENY, None, 403),
    ],
    ids=["challenge", "step-up", "deny"],
)
def test_refused_account_reaches_no_model(
    door: str, api: Api, stream: bool, verdict: Verdict, challenge: Any, status: int, tmp_path: Path
) -> None:
    """The refusal is JSON in the API's own form, for a stream as well; nothing was asked, nothing
    is linked.
    """

    async def run() -> None:
        async with guarded(door, tmp_path) as guarded_api:
            guarded_api.decide(verdict, challenge=challenge)
            found, read = await guarded_api.ask(api, stream)
            assert found == status and "error" in json.loads(read)
            assert guarded_api.model.bodies == [] and guarded_api.watched.rows == []

    asyncio.run(run())


@every_door
def test_each_account_is_judged_by_itself(door: str, tmp_path: Path) -> None:
    """A decision about one leaves the other alone."""

    async def run() -> None:
        async with guarded(door, tmp_path) as guarded_api:
            guarded_api.decide(Verdict.DENY)
            others = {"authorization": "Bearer sk-other", "x-account": "other"}
            assert [(await guarded_api.ask(APIS[0], False, **who))[0] for who in ({}, others)] == [
                403,
                200,
            ]

    asyncio.run(run())


@every_door
@pytest.mark.parametrize("path", ["/v1/audio/speech", "/v1/chat/completions/", "/docs", "/"])
def test_unknown_route_is_refused_or_is_the_known_one(door: str, path: str, tmp_path: Path) -> None:
    """What cannot be judged is not passed."""

    async def run() -> None:
        async with guarded(door, tmp_path) as guarded_api:
            guarded_api.decide(Verdict.DENY)
            async with (
                aiohttp.ClientSession() as session,
                session.post(
                    guarded_api.url + path, json=APIS[0].body, headers={"x-account": "acme"}
                ) as answer,
            ):
                assert answer.status in (401, 403, 404)
            assert guarded_api.model.bodies == []

    asyncio.run(run())


def test_every_known_route_is_in_the_matrix() -> None:
    """A new route must come with its sample."""
    from gamekeeper.guard.routes import known_routes

    assert {route.name for route in known_routes()} | {CLASSIFIER.name} == {
        api.name for api in APIS
    }
