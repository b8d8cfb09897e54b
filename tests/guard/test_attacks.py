"""A real guard process in front of a hostile upstream and hostile clients, by raw sockets."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from gamekeeper.guard.identity.keys import Keys
from gamekeeper.guard.store import SqliteStore

BODY = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
# It says that the connection ends here: a kept one that ends may be used once more first.
GOOD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b'content-length: 14\r\n\r\n{"choices":[]}'
)
UNAUTHORIZED = b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"


class Upstream:
    """A model server that answers whatever a test puts there, byte for byte.

    What the guard asks it by itself, with an invented credential, is not among its requests.
    """

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.answer: bytes | Callable[[socket.socket], None] | None = GOOD
        self.requests: list[bytes] = []
        Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            connection, _ = self.socket.accept()
            Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            request = _whole_request(connection)
            if b"Bearer invented-" in request:
                connection.sendall(UNAUTHORIZED)
                return
            self.requests.append(request)
            if self.answer is None:
                time.sleep(30)  # hangs
            elif callable(self.answer):
                self.answer(connection)
            else:
                connection.sendall(self.answer)


def _whole_request(connection: socket.socket) -> bytes:
    """A request with its body: a connection closed with bytes unread is reset, answer and all."""
    read = b""
    while b"\r\n\r\n" not in read and (more := connection.recv(65_536)):
        read += more
    head, _, body = read.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    while length and len(body) < int(length[1]) and (more := connection.recv(65_536)):
        body += more
    return head + b"\r\n\r\n" + body


POLICY = (
    'enforce = true\n[identity]\nmodes = ["keys", "upstream"]\n[limits]\nbody_bytes = 4096\n'
    "receive_s = 1\nanswer_s = 2\nidle_s = 2\n[admin]\nport = 0\n"
)


class Running:
    """The guard, as a user starts it."""

    def __init__(self, folder: Path, upstream: Upstream, text: str = POLICY) -> None:
        policy = folder / "guard.toml"
        policy.write_text(text)
        words = ("guard", "--upstream", upstream.url, "--policy", str(policy), "--port", "0")
        words = (*words, "--state", str(folder / "state"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gamekeeper", *words], stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        first = self.process.stderr.readline()
        self.port = int(first.split("http://127.0.0.1:")[2].split()[0])
        page = self.process.stderr.readline()
        self.admin_port = int(page.split("http://127.0.0.1:")[1].split("/")[0])
        self.said = [first, page]
        self._drain = Thread(target=self._read, daemon=True)
        self._drain.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(self.process.stderr)

    def send(self, raw: bytes, *, is_all: bool = True) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            client.sendall(raw)
            if is_all:
                client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65_536), b""))

    def ask(
        self, *headers: bytes, body: bytes = BODY, path: bytes = b"/v1/chat/completions"
    ) -> bytes:
        lines = [b"POST " + path + b" HTTP/1.1", b"host: x", b"connection: close", *headers]
        return self.send(
            b"\r\n".join([*lines, b"content-length: %d" % len(body), b"", body]), is_all=False
        )

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends it by a signal, unless it has ended."""
        assert self.process.stderr is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(20)
        self._drain.join(5)
        self.process.stderr.close()


@pytest.fixture(scope="module")
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture(scope="module")
def guard(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("guard"), upstream)
    yield running
    running.end()


@pytest.fixture(autouse=True)
def _answers_well(upstream: Upstream) -> None:
    upstream.answer = GOOD
    upstream.requests.clear()


BEARER = b"authorization: Bearer sk-of-the-upstream"


def test_request_passes(guard: Running, upstream: Upstream) -> None:
    """The straight path, so that what is refused below is refused for its reason."""
    assert guard.ask(BEARER).startswith(b"HTTP/1.1 200") and BEARER in upstream.requests[0]


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: +4\r\n\r\nabcd",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization : Bearer k\r\n\r\n",
        b"POST /v1/chat/completions\r\n\r\n",
        b"\x16\x03\x01\x00\xff",
    ],
)
def test_smuggled_request_reaches_nobody(guard: Running, upstream: Upstream, raw: bytes) -> None:
    """Two lengths, odd lengths, spaces before colons: what two servers read differently is not
    passed.
    """
    assert not guard.send(raw).startswith(b"HTTP/1.1 2")
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ((), BODY, 401),
        ((BEARER, BEARER), BODY, 401),
        ((BEARER, b"x-api-key: other"), BODY, 401),
        ((BEARER, b"x_api_key: other"), BODY, 401),
        ((b"authorization: Bearer gk_aaaaaaaaaaaa_" + b"b" * 50,), BODY, 401),
        ((BEARER,), b"{", 400),
        ((BEARER,), b"[1]", 400),
        ((BEARER,), b'{"messages": "hi"}', 400),
        ((BEARER,), b"x" * 5_000, 413),
        ((BEARER, b"content-encoding: gzip"), BODY, 415),
    ],
)
def test_what_cannot_be_judged_is_refused(
    guard: Running, upstream: Upstream, headers: tuple[bytes, ...], body: bytes, status: int
) -> None:
    """With the right status, and the upstream hears nothing of it."""
    assert guard.ask(*headers, body=body).startswith(b"HTTP/1.1 %d" % status)
    assert upstream.requests == []


@pytest.mark.parametrize(
    "path", [b"//v1/chat/completions", b"/v1/chat%2fcompletions", b"/V1/chat/completions", b"/x"]
)
def test_unknown_route_is_refused(guard: Running, upstream: Upstream, path: bytes) -> None:
    """In the open: 404."""
    assert guard.ask(BEARER, path=path).startswith(b"HTTP/1.1 404") and upstream.requests == []


def test_body_that_comes_too_slowly_is_given_up(guard: Running) -> None:
    """After a second, by this policy."""
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
        + BEARER
        + b"\r\ncontent-length: 100\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", guard.port), timeout=5) as client:
        client.sendall(head)
        assert client.recv(100).startswith(b"HTTP/1.1 408")


def test_head_without_end_is_cut(guard: Running) -> None:
    """64 KiB of headers are enough."""
    with socket.create_connection(("127.0.0.1", guard.port), timeout=5) as client:
        try:
            client.sendall(b"POST / HTTP/1.1\r\n" + (b"a: " + b"b" * 1_000 + b"\r\n") * 200)
            answer = client.recv(1)
        except ConnectionError:
            answer = b""
    assert answer == b""


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (None, b"504"),
        (b"", b"502"),
        (b"garbage\r\n\r\n", b"502"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n", b"502"),
    ],
)
def test_upstream_that_fails_is_told(
    guard: Running, upstream: Upstream, answer: bytes | None, status: bytes
) -> None:
    """Hangs, resets, garbage."""
    upstream.answer = answer
    assert guard.ask(BEARER).startswith(b"HTTP/1.1 " + status)


def test_upstream_that_lies_about_its_length_does_not_look_whole(
    guard: Running, upstream: Upstream
) -> None:
    """The client sees that the answer is cut."""
    upstream.answer = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"choices":'
    answer = guard.ask(BEARER)
    assert b"content-length: 500" in answer.lower() and len(answer.partition(b"\r\n\r\n")[2]) < 500


NAP_S = 0.05


def eventually(holds: Callable[[], bool], seconds: float = 5) -> bool:
    """Whether it holds after at most so much waiting, counted in naps: a busy machine has longer."""
    for _ in range(int(seconds / NAP_S)):
        if holds():
            return True
        time.sleep(NAP_S)
    return holds()


@pytest.fixture
def start(upstream: Upstream, tmp_path: Path) -> Iterator[Callable[[], Running]]:
    """Starts guards on one state; what still runs after the test is ended."""
    started: list[Running] = []

    def start() -> Running:
        started.append(Running(tmp_path, upstream))
        return started[-1]

    yield start
    for each in started:
        each.end()


def test_kill_loses_no_revocation_and_at_most_a_second_of_counters(
    start: Callable[[], Running], tmp_path: Path
) -> None:
    """`kill -9` in the middle of things; then the same state again."""
    guard = start()
    store = SqliteStore(tmp_path / "state" / "guard.sqlite")
    keys = Keys(store, time.time)
    record, secret = keys.issue("acme")
    bearer = b"authorization: Bearer " + secret.reveal().encode()
    assert eventually(lambda: guard.ask(bearer).startswith(b"HTTP/1.1 200"))
    for _ in range(20):
        assert guard.ask(bearer).startswith(b"HTTP/1.1 200")
    day = time.strftime("%Y-%m-%d", time.gmtime())
    # stored twice a second; a machine that runs other tests meanwhile takes longer to come to it
    assert eventually(lambda: store.spent(day).get("acme", (0,))[0] >= 21, 30)
    keys.revoke(record.id, "found in public")
    guard.end(signal.SIGKILL)
    assert start().ask(bearer).startswith(b"HTTP/1.1 401")
    assert store.spent(day)["acme"][0] >= 21
