"""What access control of the admin API refuses, request by request, without a server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gamekeeper.guard.admin.access_control import MAX_BODY_BYTES, AccessControl

TOKEN = "t" * 43
BEARER = ("authorization", f"Bearer {TOKEN}")
HOST = ("host", "localhost:8081")
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Answer:
    """An answer of access control, and the bodies that reached the app."""

    def __init__(self, sent: list[Any], passed: list[bytes], received: int) -> None:
        self.status = sent[0]["status"] if sent else None
        headers = sent[0]["headers"] if sent else ()
        self.headers = {name.decode(): value.decode() for name, value in headers}
        self.body = b"".join(message.get("body", b"") for message in sent[1:])
        self.passed = passed
        self.received = received


def ask(
    *headers: tuple[str, str],
    path: str = "/api/summary",
    method: str = "GET",
    query: bytes = b"",
    body: tuple[bytes, ...] = (b"",),
    kind: str = "http",
    receive_s: float = 30.0,
    then: Callable[[], Awaitable[Any]] | None = None,
    answer_headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Answer:
    """Sends one request. Its body ends with its last part, unless `then` says what follows."""
    sent: list[Any] = []
    passed: list[bytes] = []
    parts = list(body)
    received = 0

    async def receive() -> Any:
        nonlocal received
        if not parts:
            return await (then or never)()
        part = parts.pop(0)
        received += len(part)
        has_more = bool(parts) or then is not None
        return {"type": "http.request", "body": part, "more_body": has_more}

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": list(answer_headers)})
        await send({"type": "http.response.body", "body": b"done"})

    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": query,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    control = AccessControl(
        app,
        TOKEN,
        {"Guard.example."},
        receive_s=receive_s,
        is_ticket=lambda given: given == b"ticket=good",
    )
    asyncio.run(control(scope, receive, send))
    return Answer(sent, passed, received)


async def never() -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8081",
        "localhost.:8081",
        "admin.localhost",
        "127.0.0.1:8081",
        "10.1.2.3",
        "[::1]:8081",
        "[fe80::1]",
        "guard.example:443",
        "GUARD.example.",
    ],
)
def test_our_names_and_all_addresses_are_known_hosts(host: str) -> None:
    """Names in any case, with a port or a final dot; an address cannot be rebound."""
    assert ask(("host", host), BEARER).status == 200


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("",),
        ("evil.example",),
        ("evil.example:8081",),
        ("localhost.evil.example",),
        ("evil-localhost",),
        ("guard.example.evil.example",),
        ("sub.guard.example",),
        ("127.0.0.1.evil.example",),
        ("evil.example[::1]",),
        ("evil.example@localhost",),
        ("localhost", "evil.example"),
        ("evil.example", "localhost"),
        ("localhost", "localhost"),
    ],
)
def test_other_host_names_and_several_are_refused(hosts: tuple[str, ...]) -> None:
    """DNS rebinding: even with the token, and on open paths, nothing is answered."""
    for path in ("/api/summary", "/"):
        refused = ask(*(("host", host) for host in hosts), BEARER, path=path)
        assert (refused.status, refused.passed) == (421, [])
        assert b'"wrong-host"' in refused.body


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("authorization", ""),),
        (("authorization", "Bearer"),),
        (("authorization", "Bearer "),),
        (("authorization", TOKEN),),
        (("authorization", f"Basic {TOKEN}"),),
        (("authorization", f"Bearer {TOKEN[:-1]}"),),
        (("authorization", f"Bearer {TOKEN}t"),),
        (("authorization", "Bearer \xe9\xff"),),
        (("authorization", "Bearer wrong"), BEARER),
        (("cookie", f"token={TOKEN}"),),
        (("x-token", TOKEN),),
    ],
)
def test_a_missing_or_wrong_token_is_refused(headers: tuple[tuple[str, str], ...]) -> None:
    """Only the first `Authorization` header counts, and only with the scheme Bearer."""
    refused = ask(HOST, *headers)
    assert (refused.status, refused.passed) == (401, [])
    assert refused.headers["www-authenticate"] == "Bearer"
    assert b'"unauthorized"' in refused.body
    assert TOKEN.encode() not in refused.body


@pytest.mark.parametrize("path", ["/api/none", "/openapi.json", "//", "/metrics/", "/report/x", ""])
def test_a_path_that_is_not_open_wants_the_token(path: str) -> None:
    """Paths are refused unless they are listed as open, whether they exist or not."""
    assert ask(HOST, path=path).status == 401
    assert ask(HOST, BEARER, path=path).status == 200


@pytest.mark.parametrize(
    ("method", "path", "query", "status"),
    [
        ("GET", "/report", b"ticket=good", 200),
        ("GET", "/report", b"ticket=bad", 401),
        ("GET", "/report", b"", 401),
        ("POST", "/report", b"ticket=good", 401),
        ("HEAD", "/report", b"ticket=good", 401),
        ("GET", "/api/summary", b"ticket=good", 401),
    ],
)
def test_a_ticket_opens_its_page_and_nothing_else(
    method: str, path: str, query: bytes, status: int
) -> None:
    """One path, one method, one ticket."""
    assert ask(HOST, method=method, path=path, query=query).status == status


def test_an_unauthorised_body_is_not_read() -> None:
    """Who may not pass cannot make the server hold a body."""
    refused = ask(HOST, method="POST", body=(b"x" * 1_000,) * 10)
    assert (refused.status, refused.received) == (401, 0)


@pytest.mark.parametrize("parts", [1, 4])
def test_a_body_of_the_most_bytes_reaches_the_app(parts: int) -> None:
    """The limit itself is allowed, in one part or several."""
    part = b"x" * (MAX_BODY_BYTES // parts)
    answer = ask(HOST, BEARER, method="POST", body=(part,) * parts)
    assert (answer.status, answer.passed) == (200, [part * parts])


@pytest.mark.parametrize("parts", [1, 5])
def test_a_body_that_is_too_large_is_read_to_its_end_and_refused(parts: int) -> None:
    """The answer says so and closes the connection; nothing waits for more than was sent."""
    part = b"x" * (MAX_BODY_BYTES // parts + 1)
    refused = ask(HOST, BEARER, method="POST", body=(part,) * parts, receive_s=5.0)
    assert (refused.status, refused.passed) == (413, [])
    assert refused.headers["connection"] == "close"
    assert b'"too-large"' in refused.body
    assert refused.received == len(part) * parts


def test_a_body_without_end_is_not_read_for_ever() -> None:
    """After about a megabyte the answer is given, whatever still comes."""
    part = b"x" * MAX_BODY_BYTES
    refused = ask(HOST, BEARER, method="POST", body=(part,) * 1_000)
    assert refused.status == 413
    assert refused.received <= (1 << 20) + len(part)


@pytest.mark.parametrize("body", [(b"{",), (b"x" * (MAX_BODY_BYTES + 1),)])
def test_a_body_that_comes_too_slowly_is_refused(body: tuple[bytes, ...]) -> None:
    """Reading what is too large ends with the time limit, too."""
    refused = ask(HOST, BEARER, method="POST", body=body, then=never, receive_s=0.05)
    assert (refused.status, refused.passed) == (408, [])
    assert refused.headers["connection"] == "close"
    assert b'"too-slow"' in refused.body


def test_half_a_body_never_reaches_the_app() -> None:
    """A client that goes away in the middle has asked for nothing."""

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    assert ask(HOST, BEARER, method="POST", body=(b"{",), then=gone).passed == []


@pytest.mark.parametrize(
    ("headers", "more"),
    [
        ((HOST, BEARER), {}),
        ((HOST,), {}),
        ((("host", "evil.example"),), {}),
        ((HOST, BEARER), {"method": "POST", "body": (b"x" * (MAX_BODY_BYTES + 1),)}),
    ],
)
def test_every_answer_carries_the_security_headers(
    headers: tuple[tuple[str, str], ...], more: dict[str, Any]
) -> None:
    """Refusals as well as answers; nothing may be framed, stored or taken for another type."""
    answer = ask(*headers, **more)
    assert SECURITY_HEADERS.items() <= answer.headers.items()
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; frame-ancestors 'none'"
    )


def test_a_page_keeps_a_content_policy_of_its_own() -> None:
    """The strict default does not replace what a page allows itself."""
    own = ((b"content-security-policy", b"default-src 'self'"),)
    answer = ask(HOST, path="/", answer_headers=own)
    assert answer.headers["content-security-policy"] == "default-src 'self'"


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_what_is_not_http_gets_nothing(kind: str) -> None:
    """The API has no websockets: no check is passed by asking another way."""
    answer = ask(HOST, BEARER, kind=kind)
    assert (answer.status, answer.passed) == (None, [])
