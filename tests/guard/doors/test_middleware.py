import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI

import gamekeeper.guard
from gamekeeper.guard.doors.middleware import POLICY, GuardMiddleware
from gamekeeper.guard.policy import GuardPolicy, Identity, State
from gamekeeper.guard.watch.feed import Feed
from guard.doors.apis import CHAT
from guard.doors.model_server import ModelServer, served


@pytest.fixture(autouse=True)
def unlinked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here needs the linking process, which takes seconds to start."""

    async def run(self: Feed) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Feed, "run", run)


def written(folder: Path, more: str = "") -> Path:
    text = f'format = "gamekeeper/policy@1"\n[state]\nfolder = "{folder / "state"}"\n{more}'
    (folder / "guard.toml").write_text(text)
    return folder / "guard.toml"


async def post(url: str, path: str = CHAT.path, **headers: str) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + path, json=CHAT.body, headers=headers) as answer,
    ):
        await answer.read()
        return answer.status


def test_it_is_found_where_the_documentation_says() -> None:
    """Loaded when asked for: the package itself stays light."""
    assert gamekeeper.guard.GuardMiddleware is GuardMiddleware
    with pytest.raises(AttributeError):
        _ = gamekeeper.guard.NoSuchThing  # type: ignore[attr-defined]


def test_server_without_arguments_names_the_policy_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As vLLM adds it: a class, called with nothing but the app."""
    monkeypatch.setenv(POLICY, str(written(tmp_path)))

    async def run() -> None:
        model = ModelServer()
        app = FastAPI()
        app.mount("/", model)
        app.add_middleware(GuardMiddleware)  # type: ignore[arg-type]
        async with served(app, "on") as url:
            assert await post(url) == 401
            assert model.bodies == []
            assert await post(url, authorization="Bearer sk-1") == 200
            assert len(model.bodies) == 1

    asyncio.run(run())


async def startup(app: Any) -> list[Any]:
    """What a server is answered that starts an app."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "lifespan"}, receive, send)
    return sent


def failed(app: Any) -> str:
    """Why an app does not start: servers end then, and say it."""
    (answer,) = asyncio.run(startup(app))
    assert answer["type"] == "lifespan.startup.failed"
    return str(answer["message"])


def test_no_policy_ends_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not start unguarded because a variable is missing, nor answer 500 for ever."""
    monkeypatch.delenv(POLICY, raising=False)
    assert POLICY in failed(GuardMiddleware(FastAPI()))
    assert "nowhere" in failed(GuardMiddleware(FastAPI(), policy=tmp_path / "nowhere.toml"))


def test_policy_with_a_fault_ends_the_server(tmp_path: Path) -> None:
    """With the line, as everywhere."""
    faulty = written(tmp_path, "[ladder]\nhighst = 'deny'\n")
    assert re.search(r"guard\.toml:\d", failed(GuardMiddleware(FastAPI(), policy=str(faulty))))


def test_identity_of_the_host_needs_a_function(tmp_path: Path) -> None:
    """Otherwise nobody could be told apart."""
    policy = GuardPolicy(identity=Identity(modes=("host",)), state=State(folder=str(tmp_path)))
    assert "account=" in failed(GuardMiddleware(FastAPI(), policy=policy))


def test_request_whose_account_is_not_known_is_refused(tmp_path: Path) -> None:
    """By the function that says who asks: None, or nothing."""

    async def run() -> None:
        model = ModelServer()
        policy = GuardPolicy(identity=Identity(modes=("host",)), state=State(folder=str(tmp_path)))
        said = iter([None, "", "acme"])
        app = GuardMiddleware(model, policy=policy, account=lambda scope: next(said))
        async with served(app) as url:
            assert [await post(url) for _ in range(3)] == [401, 401, 200]
            assert len(model.bodies) == 1

    asyncio.run(run())


def test_guard_begins_before_the_app_and_ends_after_it(tmp_path: Path) -> None:
    """And lets go of its state: another one can take it over."""
    order: list[str] = []

    def state(app: Any) -> str:
        return "guarded" if middleware(app)._guard is not None else "bare"

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        order.append(f"up {state(app)}")
        yield
        order.append(f"down {state(app)}")

    async def run() -> None:
        for _ in range(2):
            app = FastAPI(lifespan=lifespan)
            app.add_middleware(GuardMiddleware, policy=str(written(tmp_path)))  # type: ignore[arg-type]
            async with served(app, "on") as url:
                assert await post(url) == 401
            assert middleware(app)._guard is None

    asyncio.run(run())
    assert order == ["up guarded", "down guarded"] * 2


@pytest.mark.parametrize("lifespan", ["on", "off"])
def test_app_or_server_without_lifespan_is_guarded_all_the_same(
    tmp_path: Path, lifespan: str
) -> None:
    """An app that knows none gets one; a server that sends none gets the guard with the first
    request, once.
    """

    async def run() -> None:
        app = GuardMiddleware(ModelServer(), policy=str(written(tmp_path)))
        async with served(app, lifespan) as url:
            assert await asyncio.gather(*(post(url) for _ in range(5))) == [401] * 5
        assert (app._guard is None) == (lifespan == "on")
        await app._stopped()

    asyncio.run(run())


def test_fault_of_the_app_at_its_start_is_not_hidden(tmp_path: Path) -> None:
    """The server does not start, and the guard lets go of its state."""

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise ValueError("no weights")

    async def run() -> None:
        app = GuardMiddleware(broken, policy=str(written(tmp_path)))

        async def startup() -> dict[str, str]:
            return {"type": "lifespan.startup"}

        async def nowhere(message: Any) -> None:
            raise AssertionError(message)

        with pytest.raises(ValueError, match="no weights"):
            await app({"type": "lifespan"}, startup, nowhere)
        assert app._guard is None

    asyncio.run(run())


def middleware(app: Any) -> GuardMiddleware:
    layer = app.middleware_stack
    while not isinstance(layer, GuardMiddleware):
        layer = layer.app
    return layer


APP = """
import os
from fastapi import FastAPI
from gamekeeper.guard.doors.middleware import GuardMiddleware

app = FastAPI()
app.add_middleware(GuardMiddleware, policy=os.environ["POLICY_OF_TEST"])
"""


def test_second_worker_on_the_same_state_ends_the_server(tmp_path: Path) -> None:
    """It says why, instead of answering its share of the requests with 500 for ever."""
    (tmp_path / "app_of_test.py").write_text(APP)
    words = ["uvicorn", "app_of_test:app", "--workers", "2", "--port", str(free_port())]
    ended = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=tmp_path,
        env={**os.environ, "POLICY_OF_TEST": str(written(tmp_path)), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "the guard cannot start" in ended.stderr
    assert "another process is writing this casebook" in ended.stderr


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """An app without a lifespan of its own."""
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan here")


async def asking(scope: Any, receive: Any, send: Any) -> None:
    """An app that catches what happens while it starts, as some frameworks do."""
    try:
        await receive()
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        raise


@pytest.mark.parametrize("app", [bare, asking, FastAPI()])
def test_guard_that_cannot_start_tells_the_server_once(tmp_path: Path, app: Any) -> None:
    """Whatever the app inside does with its lifespan."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "guard.sqlite").write_bytes(b"not a database, and no state of ours" * 50)

    async def run() -> list[Any]:
        sent: list[Any] = []
        asked = [{"type": "lifespan.startup"}]

        async def receive() -> Any:
            return asked.pop() if asked else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        guarded = GuardMiddleware(app, policy=written(tmp_path))
        async with asyncio.timeout(20):
            await guarded({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
        return sent

    sent = asyncio.run(run())
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "guard.sqlite" in sent[0]["message"]
