"""The admin API behind a real server: who may ask, what is answered, and what never is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from gamekeeper.base.clock import SteadyClock
from gamekeeper.guard.admin import admin_app, admin_page, admin_url
from gamekeeper.guard.admin.access_control import MAX_BODY_BYTES
from gamekeeper.guard.admin.app import Admin
from gamekeeper.guard.assembly import Guard
from gamekeeper.guard.policy import Admin as AdminPolicy
from gamekeeper.guard.policy import GuardPolicy, State
from gamekeeper.guard.server.http import listening
from gamekeeper.guard.sync import SILENT_S
from guard.builders import NOW, make_tracked

HOSTILE = "<img src=x onerror=alert(1)>\u202e\"'&"
PRIVATE = (
    "/api/summary",
    "/api/traffic",
    "/api/campaigns",
    "/api/decisions",
    "/api/casebook",
    "/api/events",
    "/report",
)
ORDER = {
    "subject": "account:acme",
    "verdict": "slow",
    "hours": 24,
    "reasons": ["they asked"],
    "by": "ada",
}


class Desk:
    """A guard on a folder of its own, its admin server, and a client that sends the token."""

    def __init__(self, guard: Guard, admin: Admin, url: str, client: aiohttp.ClientSession) -> None:
        self.guard = guard
        self.admin = admin
        self.url = url
        self.client = client
        self.token = admin_url(guard, 1).partition("#token=")[2]

    async def ask(self, path: str, method: str = "GET", **more: Any) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {self.token}"} | more.pop("headers", {})
        async with self.client.request(method, self.url + path, headers=headers, **more) as answer:
            return answer.status, await answer.json(content_type=None)


@asynccontextmanager
async def desk(folder: Path, **policy: Any) -> AsyncIterator[Desk]:
    clock = SteadyClock(lambda: NOW, lambda: NOW)
    guard = Guard(
        GuardPolicy(enforce=True, state=State(folder=str(folder)), **policy),
        clock=clock,
        on_notice=lambda text: None,
    )
    admin = admin_app(guard)
    try:
        async with (
            listening(admin, "127.0.0.1", 0, guard.policy.limits) as port,
            aiohttp.ClientSession() as client,
        ):
            try:
                yield Desk(guard, admin, f"http://127.0.0.1:{port}", client)
            finally:
                admin.close()
    finally:
        guard.casebook.close()
        guard.store.close()


def with_desk(folder: Path, does: Callable[[Desk], Awaitable[None]], **policy: Any) -> None:
    async def play() -> None:
        async with desk(folder, **policy) as made:
            await does(made)

    asyncio.run(play())


def is_error(document: Any, code: str) -> bool:
    return (
        set(document) == {"error"}
        and set(document["error"]) == {"code", "message"}
        and document["error"]["code"] == code
    )


@pytest.mark.parametrize(
    "header", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic x"}]
)
def test_nothing_private_is_answered_without_the_token(
    tmp_path: Path, header: dict[str, str]
) -> None:
    """Every private path answers 401 in the form of all errors, and says how to authenticate."""

    async def does(it: Desk) -> None:
        for path in (
            *PRIVATE,
            "/api/accounts/acme",
            "/api/campaigns/K1",
            "/openapi.json",
            "/api/none",
        ):
            async with it.client.get(it.url + path, headers=header) as answer:
                assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer"), path
                assert is_error(await answer.json(), "unauthorized")

    with_desk(tmp_path, does)


def test_the_token_does_not_travel_in_a_query(tmp_path: Path) -> None:
    """A URL ends up in logs; the token in one opens nothing."""

    async def does(it: Desk) -> None:
        async with it.client.get(f"{it.url}/api/summary?token={it.token}") as answer:
            assert answer.status == 401

    with_desk(tmp_path, does)


def test_a_scraper_needs_no_token(tmp_path: Path) -> None:
    """Figures, health, the empty page and the dashboard are open, and none of them holds
    the token.
    """

    async def does(it: Desk) -> None:
        for path in ("/", "/metrics", "/healthz", "/readyz", "/grafana.json"):
            async with it.client.get(it.url + path) as answer:
                assert answer.status == 200, path
                assert it.token not in await answer.text()

    with_desk(tmp_path, does)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:80", 421),
        ("", 421),
        ("localhost:9", 200),
        ("[::1]:9", 200),
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(
    tmp_path: Path, host: str, status: int
) -> None:
    """DNS rebinding: only loopback names, addresses and configured names are answered."""

    async def does(it: Desk) -> None:
        assert (await it.ask("/api/summary", headers={"host": host}))[0] == status

    with_desk(tmp_path, does)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("guard:8321", 200),
        ("Gamekeeper.Monitoring.svc.:8321", 200),
        ("monitoring.svc", 421),
        ("evil.guard", 421),
    ],
)
def test_names_of_the_policy_are_answered(tmp_path: Path, host: str, status: int) -> None:
    """Prometheus in a cluster reaches the guard by the name of its service."""
    names = ("guard", "gamekeeper.monitoring.svc")

    async def does(it: Desk) -> None:
        for path in ("/metrics", "/healthz"):
            assert (await it.client.get(it.url + path, headers={"host": host})).status == status

    with_desk(tmp_path, does, admin=AdminPolicy(names=names))


def test_load_balancer_may_ask_without_a_body(tmp_path: Path) -> None:
    """HEAD on health and figures says what GET says."""

    async def does(it: Desk) -> None:
        for path in ("/metrics", "/healthz", "/readyz"):
            async with it.client.head(it.url + path) as answer:
                assert answer.status == 200, path
                assert await answer.read() == b""
        it.guard.health.draining = True
        assert (await it.client.head(it.url + "/readyz")).status == 503

    with_desk(tmp_path, does)


def test_health_says_what_is_down(tmp_path: Path) -> None:
    """A task that fails degrades the guard; it goes on serving."""

    async def fails() -> None:
        raise ValueError

    async def does(it: Desk) -> None:
        assert (await it.ask("/healthz"))[1]["status"] == "ok"
        it.guard.tasks.start("linking", fails)
        async with asyncio.timeout(10):
            while not it.guard.tasks.down:
                await asyncio.sleep(0.01)
        status, health = await it.ask("/healthz")
        assert (status, health["status"], health["tasks_down"]) == (200, "degraded", ["linking"])
        assert (await it.ask("/readyz"))[0] == 200
        await it.guard.tasks.end("linking")
        assert (await it.ask("/healthz"))[1]["status"] == "ok"

    with_desk(tmp_path, does)


def test_guard_that_ignores_decisions_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task that reads them is silent: a `deny` would have no effect, so no request goes here."""

    async def does(it: Desk) -> None:
        ticks = [0.0]
        monkeypatch.setattr(it.guard.tasks, "_ticks", lambda: ticks[0])
        it.guard.tasks.start("store", lambda: asyncio.sleep(600), silent_s=SILENT_S)
        ticks[0] = SILENT_S - 1
        assert (await it.ask("/healthz"))[0] == 200
        ticks[0] = SILENT_S + 1
        for path in ("/healthz", "/readyz"):
            status, health = await it.ask(path)
            assert (status, health["status"]) == (503, "unavailable")
            assert "store" in health["tasks_down"]
        it.guard.tasks.beat("store")
        assert (await it.ask("/healthz"))[0] == 200
        await it.guard.tasks.end("store")

    with_desk(tmp_path, does)


def test_health_says_how_the_upstream_last_answered(tmp_path: Path) -> None:
    """From the last request; it asks nothing itself."""

    async def does(it: Desk) -> None:
        assert (await it.ask("/healthz"))[1]["upstream"] is None
        it.guard.health.note_upstream("5xx", is_reachable=True)
        health = (await it.ask("/healthz"))[1]
        assert health["status"] == "ok"
        assert health["upstream"]["reachable"] and health["upstream"]["last"] == "5xx"
        assert 0 <= health["upstream"]["age_s"] < 60
        it.guard.health.note_upstream("unreachable", is_reachable=False)
        status, health = await it.ask("/healthz")
        assert (status, health["status"]) == (200, "degraded")
        assert health["upstream"]["reachable"] is False

    with_desk(tmp_path, does)


def test_draining_guard_is_not_ready_and_alive(tmp_path: Path) -> None:
    """A load balancer sends nothing more; nobody kills it before it has drained."""

    async def does(it: Desk) -> None:
        it.guard.health.draining = True
        status, health = await it.ask("/healthz")
        assert (status, health["draining"]) == (200, True)
        assert (await it.ask("/readyz"))[0] == 503

    with_desk(tmp_path, does)


def test_token_is_shown_to_a_terminal_only(tmp_path: Path) -> None:
    """A log is kept and read by many; it names the file instead."""

    async def does(it: Desk) -> None:
        assert it.token in admin_page(it.guard, 1, with_token=True)
        said = admin_page(it.guard, 1, with_token=False)
        assert it.token not in said
        assert "http://127.0.0.1:1/" in said and str(tmp_path / "admin.token") in said

    with_desk(tmp_path, does)


def test_the_page_runs_no_script_but_its_own(tmp_path: Path) -> None:
    """The policy of the live page allows no inline script by name, nothing from elsewhere and no
    frame.
    """

    async def does(it: Desk) -> None:
        async with it.client.get(it.url + "/") as answer:
            policy = answer.headers["content-security-policy"]
            page = await answer.text()
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "https://" not in page
        assert answer.headers["x-content-type-options"] == "nosniff"

    with_desk(tmp_path, does)


def test_hostile_names_come_back_as_json_only(tmp_path: Path) -> None:
    """A name full of markup is found again, unchanged, in answers that no browser takes for
    a page.
    """

    async def does(it: Desk) -> None:
        it.guard.core.track([make_tracked("K1", (HOSTILE, "b"), reasons=(HOSTILE,))])
        quoted = quote(HOSTILE, safe="")
        for path, field in (
            ("/api/campaigns/K1", "members"),
            (f"/api/accounts/{quoted}", "account"),
        ):
            headers = {"authorization": f"Bearer {it.token}"}
            async with it.client.get(it.url + path, headers=headers) as answer:
                assert (answer.status, answer.headers["content-type"]) == (
                    200,
                    "application/json",
                ), path
                assert HOSTILE in (await answer.json())[field]

    with_desk(tmp_path, does)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/api/none", None, 404, "not-found"),
        ("GET", "/api/campaigns/none", None, 404, "not-found"),
        ("GET", "/api/accounts/none", None, 404, "not-found"),
        ("DELETE", "/api/decisions/none?why=x&by=ada", None, 404, "not-found"),
        ("PUT", "/api/decisions", b"{}", 405, "method-not-allowed"),
        ("POST", "/api/decisions", b"{}", 422, "invalid"),
        ("POST", "/api/decisions", b"[" * 20_000, 400, "refused"),
        ("DELETE", "/api/decisions/none", None, 422, "invalid"),
        ("GET", "/api/campaigns/K1?limit=-1", None, 422, "invalid"),
    ],
)
def test_every_refusal_has_the_one_form(
    tmp_path: Path, method: str, path: str, body: bytes | None, status: int, code: str
) -> None:
    """Whatever is wrong with a request, a program reads the answer the same way."""

    async def does(it: Desk) -> None:
        found, document = await it.ask(
            path, method, data=body, headers={"content-type": "application/json"}
        )
        assert found == status
        assert is_error(document, code)

    with_desk(tmp_path, does)


def test_a_large_body_is_refused_and_the_answer_arrives(tmp_path: Path) -> None:
    """What is too much is read off the connection up to a bound, so that the client gets to see
    why.
    """

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"x" * (MAX_BODY_BYTES // 4)
            await asyncio.sleep(0)

    async def does(it: Desk) -> None:
        status, document = await it.ask("/api/decisions", "POST", data=parts())
        assert status == 413
        assert is_error(document, "too-large")

    with_desk(tmp_path, does)


def test_a_decision_is_made_once_and_lifted_for_good(tmp_path: Path) -> None:
    """201 when it is new, 200 when it held; lifted, it is gone from the store, and the casebook
    says who and why.
    """

    async def does(it: Desk) -> None:
        made, document = await it.ask("/api/decisions", "POST", json=ORDER)
        again, same = await it.ask("/api/decisions", "POST", json=ORDER)
        assert (made, document["is_new"], again, same["is_new"]) == (201, True, 200, False)
        id = document["decision"]["id"]
        assert id in it.guard.store.load("decisions")

        status, lifted = await it.ask(f"/api/decisions/{id}?why=a+class&by=bo", "DELETE")

        assert (status, [d["id"] for d in lifted["lifted"]]) == (200, [id])
        assert it.guard.store.load("decisions") == {}
        last = (await it.ask("/api/casebook"))[1]["entries"][0]
        assert (last["kind"], last["body"]["by"], last["body"]["why"]) == (
            "decision-lifted",
            "bo",
            "a class",
        )
        assert (await it.ask(f"/api/decisions/{id}?why=a+class&by=bo", "DELETE"))[0] == 404

    with_desk(tmp_path, does)


def test_nobody_decides_in_the_guards_name(tmp_path: Path) -> None:
    """What the guard decides and what people decide must stay apart on record."""

    async def does(it: Desk) -> None:
        assert (await it.ask("/api/decisions", "POST", json=ORDER | {"by": "guard"}))[0] == 422
        assert (await it.ask("/api/decisions", "POST", json=ORDER | {"subject": "campaign:none"}))[
            0
        ] == 404
        assert it.guard.core.decisions.all == {}

    with_desk(tmp_path, does)


def test_open_pages_are_told_of_a_campaign_and_are_bounded(tmp_path: Path) -> None:
    """A listener hears that campaigns changed; beyond the limit a page is asked to come
    back later.
    """

    async def does(it: Desk) -> None:
        it.admin.listeners._limit = 1
        headers = {"authorization": f"Bearer {it.token}"}
        async with it.client.get(it.url + "/api/events", headers=headers) as stream:
            assert await stream.content.readline() == b"retry: 2000\n"
            assert is_error((await it.ask("/api/events"))[1], "unavailable")
            it.guard.core.track([make_tracked()])
            it.admin.pulse.beat(NOW)
            async with asyncio.timeout(5):
                while not (line := await stream.content.readline()).startswith(b"data"):
                    pass
            assert b"campaigns" in line

    with_desk(tmp_path, does)


def test_an_open_page_does_not_keep_the_server(tmp_path: Path) -> None:
    """Its stream ends as a whole answer does when the admin API is closed."""

    async def does(it: Desk) -> None:
        headers = {"authorization": f"Bearer {it.token}"}
        async with (
            asyncio.timeout(5),
            it.client.get(it.url + "/api/events", headers=headers) as stream,
        ):
            assert stream.headers["cache-control"] == "no-store"
            assert await stream.content.readline() == b"retry: 2000\n"
            it.admin.close()
            await stream.content.read()

    with_desk(tmp_path, does)


def test_a_ticket_opens_the_report_once(tmp_path: Path) -> None:
    """A browser that cannot send the token opens the report by a ticket, which is then used up."""

    async def does(it: Desk) -> None:
        (tmp_path / "found").mkdir()
        (tmp_path / "found" / "report.html").write_text("<p>report")
        ticket = (await it.ask("/api/tickets", "POST"))[1]["ticket"]
        opened = []
        for _ in range(2):
            async with it.client.get(f"{it.url}/report?ticket={ticket}") as answer:
                opened.append(answer.status)
        assert opened == [200, 401]

    with_desk(tmp_path, does)


def test_the_token_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    """Readable by the owner only, the same after a restart, and in no answer."""

    async def does(it: Desk) -> None:
        assert (tmp_path / "admin.token").stat().st_mode & 0o777 == 0o600
        for path in ("/api/summary", "/api/decisions", "/api/casebook", "/openapi.json"):
            assert it.token not in str((await it.ask(path))[1])
        tokens.append(it.token)

    tokens: list[str] = []
    with_desk(tmp_path, does)
    with_desk(tmp_path, does)
    assert len(tokens) == 2
    assert len(set(tokens)) == 1
