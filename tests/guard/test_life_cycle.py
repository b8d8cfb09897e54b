"""A real guard process over its life: late and abandoned answers, absurd usage, signals."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest

from gamekeeper.guard.identity.keys import Keys
from gamekeeper.guard.store import SqliteStore
from guard.test_attacks import BODY, GOOD, Running, Upstream, eventually

LIMITS = "receive_s = 5\nanswer_s = 60\nidle_s = 1\ndrain_s = {drain_s}\n"
STREAM = BODY[:-1] + b',"stream":true}'
EVENTS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"and so on "}}]}\n\n'


def policy(drain_s: float = 25, more: str = "") -> str:
    return (
        f'enforce = true\n{more}[identity]\nmodes = ["keys"]\n[limits]\n'
        f"{LIMITS.format(drain_s=drain_s)}[admin]\nport = 0\n"
    )


class Guard:
    """A guard process, its state, and a key of the account acme."""

    def __init__(self, folder: Path, upstream: Upstream, text: str) -> None:
        self.running = Running(folder, upstream, text)
        self.policy = folder / "guard.toml"
        self.state = folder / "state"
        self.store = SqliteStore(self.state / "guard.sqlite")
        self.bearer = self.key("acme")

    def key(self, account: str) -> bytes:
        secret = Keys(self.store, time.time).issue(account)[1].reveal()
        bearer = b"authorization: Bearer " + secret.encode()
        assert eventually(lambda: not self.running.ask(bearer).startswith(b"HTTP/1.1 401"), 20)
        return bearer

    def status(self, bearer: bytes | None = None, path: bytes = b"/v1/chat/completions") -> int:
        return int(self.running.ask(bearer or self.bearer, path=path).split()[1])

    def opened(self, body: bytes = BODY, *headers: bytes) -> socket.socket:
        """A connection on which a request was sent."""
        lines = [b"POST /v1/chat/completions HTTP/1.1", b"host: x", self.bearer, *headers]
        client = socket.create_connection(("127.0.0.1", self.running.port), timeout=30)
        client.sendall(b"\r\n".join([*lines, b"content-length: %d" % len(body), b"", body]))
        return client

    def admin(self, path: str) -> tuple[int, dict[str, object]]:
        with socket.create_connection(("127.0.0.1", self.running.admin_port), timeout=10) as client:
            client.sendall(
                f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode()
            )
            raw = b"".join(iter(lambda: client.recv(65_536), b""))
        head, _, body = raw.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    def tokens(self, account: str = "acme") -> int:
        spent = self.store.spent(time.strftime("%Y-%m-%d", time.gmtime())).get(account)
        return spent.tokens if spent else 0

    def has_said(self, text: str) -> bool:
        return eventually(lambda: text in "".join(self.running.said), 20)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def start(upstream: Upstream, tmp_path: Path) -> Iterator[Callable[..., Guard]]:
    started: list[Guard] = []

    def start(text: str | None = None) -> Guard:
        started.append(Guard(tmp_path, upstream, text or policy()))
        return started[-1]

    yield start
    for each in started:
        each.running.end(signal.SIGKILL)
        each.store.close()


class Endless:
    """An upstream's stream without end; notes when the guard has ended it."""

    def __init__(self) -> None:
        self.began = Event()
        self.ended = Event()

    def __call__(self, connection: socket.socket) -> None:
        connection.sendall(EVENTS)
        try:
            while True:
                connection.sendall(b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
                self.began.set()
                time.sleep(0.01)
        except OSError:
            self.ended.set()


def test_answer_that_begins_after_the_longest_pause_is_given(
    start: Callable[..., Guard], upstream: Upstream
) -> None:
    """`idle_s` is 1 here: it is the longest pause inside an answer, not before one."""
    guard = start()

    def late(connection: socket.socket) -> None:
        time.sleep(2.5)
        connection.sendall(GOOD)

    upstream.answer = late
    assert guard.status() == 200
    health = guard.admin("/healthz")[1]
    assert health["status"] == "ok"
    assert isinstance(health["upstream"], dict) and health["upstream"]["last"] == "2xx"


def test_request_that_is_abandoned_before_the_first_byte_ends_at_the_upstream(
    start: Callable[..., Guard], upstream: Upstream
) -> None:
    """Nobody waits for the answer: no machine works for it."""
    guard = start()
    asked = Event()
    ended = Event()

    def waits(connection: socket.socket) -> None:
        asked.set()
        connection.settimeout(30)
        if connection.recv(1) == b"":
            ended.set()

    upstream.answer = waits
    client = guard.opened()
    assert asked.wait(20)
    client.close()
    assert ended.wait(10)
    # it was passed on, so it is charged
    assert eventually(lambda: guard.tokens() > 0, 20)


def test_offer_of_http2_is_answered_by_http1(
    start: Callable[..., Guard], upstream: Upstream
) -> None:
    """As JDK's HttpClient sends it: head and body in packets of their own."""
    guard = start()
    with socket.create_connection(("127.0.0.1", guard.running.port), timeout=10) as client:
        lines = [
            b"POST /v1/chat/completions HTTP/1.1",
            b"Connection: Upgrade, HTTP2-Settings",
            b"Content-Length: %d" % len(BODY),
            b"Host: x",
            b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
            b"Upgrade: h2c",
            guard.bearer,
        ]
        client.sendall(b"\r\n".join([*lines, b"", b""]))
        time.sleep(0.05)
        client.sendall(BODY)
        assert client.recv(20).startswith(b"HTTP/1.1 200")
    assert BODY in upstream.requests[-1]


def test_absurd_usage_keeps_no_decision_from_taking_effect(
    start: Callable[..., Guard], upstream: Upstream
) -> None:
    """An upstream states 2^63-1 tokens; then a person denies another account."""
    guard = start()
    other = guard.key("other")
    body = b'{"choices":[],"usage":{"prompt_tokens":9223372036854775807,"completion_tokens":1}}'
    upstream.answer = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )
    for _ in range(3):
        assert guard.status() == 200
    upstream.answer = GOOD
    assert guard.status(other) == 200
    assert eventually(lambda: guard.tokens("other") > 0, 20)
    words = ["decisions", "add", "account:other", "deny", "--why", "a test", "--by", "ada"]
    subprocess.run(
        [sys.executable, "-m", "gamekeeper", *words, "--state", str(guard.state)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert eventually(lambda: guard.status(other) == 403, 20)
    assert guard.admin("/healthz")[1]["tasks_down"] == []


def test_endless_stream_ends_with_the_drain_and_is_charged(
    start: Callable[..., Guard], upstream: Upstream
) -> None:
    """SIGTERM: the guard says that it drains, ends the stream after `drain_s`, and stores its
    cost.
    """
    guard = start(policy(drain_s=6))
    upstream.answer = endless = Endless()
    with guard.opened(STREAM) as client:
        assert endless.began.wait(20)
        guard.running.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: guard.admin("/readyz")[0] == 503, 3)
        status, health = guard.admin("/healthz")
        assert (status, health["draining"]) == (200, True)
        assert guard.running.process.wait(30) == 0
        client.settimeout(10)
        while client.recv(65_536):
            pass
    assert endless.ended.wait(10)
    assert guard.tokens() > 0


def test_second_signal_ends_at_once(start: Callable[..., Guard], upstream: Upstream) -> None:
    """An operator who asks again does not want to wait; what was streamed is stored all the same."""
    guard = start(policy(drain_s=3_600))
    upstream.answer = endless = Endless()
    with guard.opened(STREAM):
        assert endless.began.wait(20)
        guard.running.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: guard.admin("/readyz")[0] == 503, 20)
        guard.running.process.send_signal(signal.SIGTERM)
        assert guard.running.process.wait(30) == 0
    assert guard.tokens() > 0


def test_hangup_reads_the_policy_again_and_keeps_the_old_one_where_it_has_faults(
    start: Callable[..., Guard],
) -> None:
    """Nothing dies; the log names the fault; the next good policy holds."""
    guard = start()
    process = guard.running.process
    assert guard.status(path=b"/x") == 404
    guard.policy.write_text(policy(more='unknown_routes = "pass"\n'))
    process.send_signal(signal.SIGHUP)
    assert eventually(lambda: guard.status(path=b"/x") == 200, 20)
    for faulty in ("unknown_routes = 7\n", "not toml", 'unknown_routes = "refuse"\n[[', "\0"):
        guard.running.said.clear()
        guard.policy.write_text(faulty)
        process.send_signal(signal.SIGHUP)
        assert guard.has_said("the policy was not changed")
        assert guard.has_said("guard.toml")
        assert guard.status(path=b"/x") == 200
    guard.policy.unlink()
    guard.running.said.clear()
    process.send_signal(signal.SIGHUP)
    assert guard.has_said("the policy was not changed")
    guard.policy.write_text(policy())
    process.send_signal(signal.SIGHUP)
    assert eventually(lambda: guard.status(path=b"/x") == 404, 20)
    assert process.poll() is None


def test_token_of_the_page_is_not_in_the_log(start: Callable[..., Guard]) -> None:
    """Standard error of a service is a log; it names the file that holds the token."""
    guard = start()
    token = (guard.state / "admin.token").read_text().strip()
    said = "".join(guard.running.said)
    assert token not in said and "admin.token" in said
