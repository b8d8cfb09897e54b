"""A real LiteLLM proxy with the guardrail, in front of a model server: every API it serves, under
every verdict.

LiteLLM runs in a process of its own, by this interpreter or by the one that
GAMEKEEPER_LITELLM_PYTHON names.
"""

import hashlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from gamekeeper.guard.decisions.decision import Decision
from gamekeeper.guard.decisions.register import Decisions
from gamekeeper.guard.policy import Ladder
from gamekeeper.guard.store import open_store
from gamekeeper.verdict import Verdict
from guard.doors.apis import BY_PATH, CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES, Api

PYTHON = os.environ.get("GAMEKEEPER_LITELLM_PYTHON") or (
    sys.executable if importlib.util.find_spec("litellm") else None
)
pytestmark = [
    pytest.mark.extra,
    pytest.mark.slow,
    pytest.mark.skipif(
        PYTHON is None, reason="litellm is not installed; GAMEKEEPER_LITELLM_PYTHON names none"
    ),
]
KEY = "sk-test-of-the-guardrail"
ACCOUNT = hashlib.sha256(
    b"litellm_proxy_master_key"
).hexdigest()  # the name LiteLLM gives its master key
SERVED = [CHAT, COMPLETIONS, RESPONSES, EMBEDDINGS, MESSAGES]
CALLS = [(api, stream) for api in SERVED for stream in ((False, True) if api.events else (False,))]
every_call = pytest.mark.parametrize(
    ("api", "stream"),
    CALLS,
    ids=[f"{api.name}-{'stream' if stream else 'whole'}" for api, stream in CALLS],
)
POLICY = """\
enforce = true
[identity]
modes = ["host"]
[state]
folder = "{folder}"
[ladder.slow]
requests_per_minute = 120
requests_per_day = 1000000
burst = 1
"""
WAIT_S = 0.5

CONFIG = """\
model_list:
  - {{model_name: m, litellm_params: {{model: openai/m, api_base: "{model}/v1", api_key: sk-model}}}}
  - {{model_name: t, litellm_params: {{model: text-completion-openai/m, api_base: "{model}/v1", api_key: sk-model}}}}
  - {{model_name: a, litellm_params: {{model: anthropic/m, api_base: "{model}", api_key: sk-model}}}}
guardrails:
  - guardrail_name: gamekeeper
    litellm_params: {{guardrail: gamekeeper_guardrail.Guardrail, mode: [pre_call, post_call], default_on: true}}
litellm_settings: {{telemetry: false, num_retries: 0}}
"""
MODELS = {"openai.completions": "t", "anthropic.messages": "a"}


class Model(BaseHTTPRequestHandler):
    """Answers by the samples."""

    asked: ClassVar[list[str]] = []
    bodies: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append(self.path)
        self.bodies.append(body)
        api = BY_PATH["POST", self.path]
        streams = bool(body.get("stream"))
        answer = b"".join(api.sse) if streams else json.dumps(api.answer).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if streams else "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@dataclass
class Proxy:
    """A running proxy."""

    url: str
    folder: Path

    def ask(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def linked(self) -> list[dict[str, Any]]:
        """The log that linking reads."""
        logs = (self.folder / "state" / "traffic").glob("*.jsonl")
        return [json.loads(line) for log in logs for line in log.read_text().splitlines()]

    def call(self, api: Api, stream: bool) -> tuple[int, bytes]:
        return self.ask(api.path, api.asked(stream) | {"model": MODELS.get(api.name, "m")})


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("litellm")
    model = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    Thread(target=model.serve_forever, daemon=True).start()
    (folder / "guard.toml").write_text(POLICY.format(folder=folder / "state"))
    (folder / "config.yaml").write_text(
        CONFIG.format(model=f"http://127.0.0.1:{model.server_port}")
    )
    (folder / "gamekeeper_guardrail.py").write_text(
        "from gamekeeper.guard.doors.litellm import Guardrail as Guardrail\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "LITELLM_MASTER_KEY": KEY,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
    }
    settings |= {"GAMEKEEPER_POLICY": str(folder / "guard.toml"), "NO_PROXY": "127.0.0.1"}
    command = [
        str(Path(str(PYTHON)).parent.absolute() / "litellm"),
        "--config",
        "config.yaml",
        "--host",
        "127.0.0.1",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env=os.environ | settings,
            stdout=log,
            stderr=log,
        )
    try:
        _await_port(port, process, folder / "log")
        yield Proxy(f"http://127.0.0.1:{port}", folder)
    finally:
        process.terminate()
        process.wait(30)
        model.shutdown()
        model.server_close()


def _await_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ends = time.monotonic() + 120
    while time.monotonic() < ends and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError(log.read_text()[-3000:])


def _await(holds: Callable[[], bool]) -> None:
    """Waits until it holds, at most half a minute."""
    ends = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends, "it never happened"
        time.sleep(0.1)


def _is_held(proxy: Proxy, verdict: Verdict, shown: set[bytes]) -> bool:
    """Whether the running guard acts on a verdict; `shown` is what is withheld under a limit."""
    began = time.monotonic()
    status, body = proxy.call(CHAT, False)
    if verdict is Verdict.SLOW:
        return time.monotonic() - began >= WAIT_S * 0.8
    if verdict is Verdict.LIMIT:
        return not any(text in body for text in shown)
    return status != 200


def _decided(proxy: Proxy, verdict: Verdict, **fields: Any) -> Iterator[None]:
    """Decides from outside, as a second process does; a running guard looks twice a second."""
    _, body = proxy.call(CHAT, False)  # the guard starts with the first call
    shown = {text.encode() for text in CHAT.withheld if text.encode() in body}
    assert shown
    store = open_store(str(proxy.folder / "state"))
    now = time.time()
    decisions = Decisions(store, Ladder())
    decision = Decision.make(
        f"account:{ACCOUNT}",
        verdict,
        "test",
        reasons=("a test",),
        since=now,
        until=now + 600,
        **fields,
    )
    assert decisions.add(decision)
    _await(lambda: _is_held(proxy, verdict, shown))
    yield
    decisions.lift(decision.id, by="test", why="over", now=time.time())
    store.close()
    _await(lambda: not _is_held(proxy, verdict, shown))


@pytest.fixture(scope="module")
def decided(request: pytest.FixtureRequest, proxy: Proxy) -> Iterator[tuple[Proxy, Verdict]]:
    verdict = request.param
    for _ in _decided(
        proxy, verdict, **({"challenge": "proof"} if verdict is Verdict.CHALLENGE else {})
    ):
        yield proxy, verdict


def under(*verdicts: Verdict) -> pytest.MarkDecorator:
    """One verdict after the other: a fixture of the module goes when its parameter changes."""
    return pytest.mark.parametrize("decided", verdicts, ids=str, indirect=True, scope="module")


HIDDEN = {"messages": [{"role": "user", "content": "HIDDEN QUESTION"}]}


@pytest.mark.parametrize(
    "field",
    [
        {"extra_body": HIDDEN},
        {"fallbacks": [{"model": "a", **HIDDEN}], "timeout": 0.001},
        {"timeout": 0.001},
        {"api_base": "http://127.0.0.1:9"},
        {"mock_response": "x"},
        {"extra_headers": {"x-model": "a"}},
        {"models": ["a"]},
    ],
    ids=lambda field: next(iter(field)),
)
def test_field_that_could_hide_another_question_or_model_reaches_no_model(
    proxy: Proxy, field: dict[str, Any]
) -> None:
    """LiteLLM acts on each of them; the guard would have judged something else."""
    Model.bodies.clear()
    status, body = proxy.ask(CHAT.path, CHAT.body | {"model": "m"} | field)
    if status == 200:  # LiteLLM itself takes some out before a guardrail sees them
        (asked,) = Model.bodies
        assert asked["messages"] == CHAT.body["messages"] and not field.keys() & asked.keys()
    else:
        assert status >= 400 and Model.bodies == [], body


@every_call
def test_a_call_without_decision_is_answered_whole(proxy: Proxy, api: Api, stream: bool) -> None:
    """Nothing is withheld from an account that nothing is held against."""
    status, body = proxy.call(api, stream)

    assert status == 200, body
    assert api.kept.encode() in body


@every_call
@under(Verdict.DENY, Verdict.CHALLENGE)
def test_a_refused_call_does_not_reach_the_model(
    decided: tuple[Proxy, Verdict], api: Api, stream: bool
) -> None:
    """Neither a denied nor a challenged account gets an answer."""
    proxy, verdict = decided
    Model.asked.clear()

    status, body = proxy.call(api, stream)

    assert (status, Model.asked) == (403 if verdict is Verdict.DENY else 429, []), body
    assert not [text for text in (*api.withheld, api.kept) if text.encode() in body]


@every_call
@under(Verdict.SLOW)
def test_a_slowed_account_waits_for_its_whole_answer(
    decided: tuple[Proxy, Verdict], api: Api, stream: bool
) -> None:
    """Slowing withholds nothing; it is felt before the model is asked."""
    proxy, _ = decided
    began = time.monotonic()
    proxy.call(api, stream)  # takes what the bucket holds

    status, body = proxy.call(api, stream)

    assert status == 200, body
    assert api.kept.encode() in body
    assert time.monotonic() - began >= WAIT_S * 0.8


@every_call
@under(Verdict.LIMIT)
def test_a_limited_account_gets_its_answer_without_what_is_withheld(
    decided: tuple[Proxy, Verdict], api: Api, stream: bool
) -> None:
    """What is withheld is not asked for, and is in no byte that leaves, whole or streamed."""
    proxy, _ = decided

    status, body = proxy.call(api, stream)

    assert status == 200, body
    assert api.kept.encode() in body
    assert Model.bodies[-1].get("n", 1) == 1
    # LiteLLM calls each of its choices the first
    is_unnumbered = stream and api.name == "openai.completions"
    withheld = {*api.withheld} - ({"SECRET-SECOND"} if is_unnumbered else set())
    assert not [text for text in withheld if text.encode() in body], body


def test_an_operation_that_cannot_be_judged_is_refused(proxy: Proxy) -> None:
    """A call type that the guard does not know does not reach the model."""
    Model.asked.clear()

    status, body = proxy.ask("/v1/moderations", {"model": "m", "input": "Two?"})

    assert (status, Model.asked) == (404, []), body


def _index_of(proxy: Proxy, prompt: str) -> int:
    """Asks a question that no other test asks, waits for it to be logged, and says in what row."""
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
    assert proxy.ask("/v1/chat/completions", body)[0] == 200

    def rows() -> list[int]:
        return [i for i, row in enumerate(proxy.linked()) if row["prompt"] == prompt]

    _await(lambda: bool(rows()))
    (row,) = rows()
    return row


def test_what_was_answered_is_linked(proxy: Proxy) -> None:
    """An answered exchange of each API is in the log that linking reads, under the account that
    LiteLLM knows.
    """
    before = _index_of(proxy, "the first mark")
    for api, stream in CALLS:
        assert proxy.call(api, stream)[0] == 200
    after = _index_of(proxy, "the second mark")

    linked = proxy.linked()[before + 1 : after]

    assert {row["account"] for row in linked} == {ACCOUNT}
    assert [row["model"] for row in linked] == [
        MODELS.get(api.name, "m") for api, _ in CALLS for _ in range(api.rows)
    ]
