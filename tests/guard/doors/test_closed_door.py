"""Nobody gets in by default: authentication, decisions and scopes hold on every path."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from gamekeeper.guard.assembly import Guard
from gamekeeper.guard.core import ONE_REQUEST
from gamekeeper.guard.decisions.decision import Decision
from gamekeeper.guard.doors import answers as answers_module
from gamekeeper.guard.doors.asgi import AUTHORIZE, DeniedError
from gamekeeper.guard.identity import Budget
from gamekeeper.guard.identity.entrance import account_prefix
from gamekeeper.guard.identity.keys import Keys
from gamekeeper.guard.policy import Allow, GuardPolicy, Identity, Issuer, PassedApi, State
from gamekeeper.verdict import Verdict

CHAT = {"model": "mini-1", "messages": [{"role": "user", "content": "hi"}]}
ANSWER = {
    "id": "x",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
PATHS = [
    ("GET", "/v1/models"), ("GET", "/v1/models/expensive"), ("GET", "/health"), ("HEAD", "/health"),
    ("GET", "/v2"), ("GET", "/v2/health/ready"), ("GET", "/v1/files"), ("DELETE", "/v1/files/f1"),
    ("POST", "/v1/batches"), ("POST", "/v1/images/generations"), ("POST", "/v1/images/edits"),
    ("POST", "/invocations"), ("POST", "/inference/v1/generate"), ("POST", "/v2/embed"),
    ("POST", "/openai/deployments/X/chat/completions"), ("POST", "/engines/X/chat/completions"),
    ("POST", "/api/v1/chat/completions"), ("GET", "/v1/responses/resp_1"),
    ("POST", "/v1/responses/resp_1/cancel"), ("GET", "/v1/threads"), ("OPTIONS", "/anything"),
    ("GET", "/docs"), ("POST", "/v1/chat/completions"), ("PUT", "/v1/chat/completions"),
    ("GET", "/metrics"), ("POST", "/v1/audio/transcriptions"), ("GET", "/"),
]  # fmt: skip
every_path = pytest.mark.parametrize(("method", "path"), PATHS)


@dataclass
class Reached:
    """A model server's app that notes what reaches it."""

    answer: Any = None
    scopes: list[Any] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        self.bodies.append((await receive())["body"])
        raw = orjson.dumps(ANSWER if self.answer is None else self.answer)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": raw})


@dataclass
class Asked:
    """An answer."""

    status: int
    headers: dict[bytes, bytes]
    body: Any


class Bench:
    """A guard and its door, without servers."""

    def __init__(self, folder: Path, **policy: Any) -> None:
        identity = policy.pop("identity", Identity(modes=("keys",)))
        self.guard = Guard(
            GuardPolicy(enforce=True, identity=identity, state=State(folder=str(folder)), **policy)
        )
        self.model = Reached()
        self.door = self.guard.door(self.model)

    def key(self, **fields: Any) -> str:
        assert self.guard.keys is not None
        return self.guard.keys.issue("acme", **fields)[1].reveal()

    def ask(
        self,
        path: str = "/v1/chat/completions",
        body: Any = CHAT,
        *,
        method: str = "POST",
        query: bytes = b"",
        **headers: str,
    ) -> Asked:
        raw = b"" if method in ("GET", "HEAD", "DELETE", "OPTIONS") else orjson.dumps(body)
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(),
            "query_string": query, "scheme": "http", "client": ("127.0.0.1", 5),
            "headers": [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()],
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.door(scope, receive, send))
        read = b"".join(message.get("body", b"") for message in sent[1:])
        document = orjson.loads(read) if read else None
        return Asked(sent[0]["status"], dict(sent[0]["headers"]), document)

    def decide(self, verdict: Verdict, account: str = "acme") -> None:
        now = self.guard.core.clock.now()
        fields: Any = {"reasons": ("a test",), "since": now, "until": now + 3600}
        self.guard.core.decide(Decision.make(f"account:{account}", verdict, "test", **fields))

    def close(self) -> None:
        self.guard.casebook.close()
        self.guard.store.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    made: list[Bench] = []

    def make(**policy: Any) -> Bench:
        made.append(Bench(tmp_path / str(len(made)), **policy))
        return made[-1]

    yield make
    for each in made:
        each.close()


UNKNOWN_PASS = {"unknown_routes": "pass"}


@every_path
@pytest.mark.parametrize("policy", [{}, UNKNOWN_PASS], ids=["refuse", "pass"])
@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer made-up"}], ids=["no", "made-up"]
)
def test_nothing_is_reached_without_a_credential(
    make: Any, method: str, path: str, policy: Any, headers: Any
) -> None:
    """Whatever the path, and whether unknown ones pass."""
    bench = make(**policy)
    assert bench.ask(path, method=method, **headers).status == 401
    assert bench.model.scopes == []


@every_path
def test_revoked_key_and_denied_account_reach_nothing(make: Any, method: str, path: str) -> None:
    """Through no alias and no unknown route."""
    bench = make(**UNKNOWN_PASS)
    revoked = bench.key()
    bench.guard.keys.revoke(revoked.split("_")[1], "found in public")
    assert bench.ask(path, method=method, authorization=f"Bearer {revoked}").status == 401
    bench.decide(Verdict.DENY)
    denied = bench.ask(path, method=method, authorization=f"Bearer {bench.key()}")
    assert denied.status in (403, 404) and bench.model.scopes == []


@pytest.mark.parametrize(
    "path",
    ["/api/v1/chat/completions", "/engines/X/chat/completions", "/V1/Chat/Completions",
     "/v1/chat/completions/x/../../", "/x/v1/messages", "/proxy/v1/responses"],
)  # fmt: skip
def test_judged_operation_under_another_path_is_never_passed(make: Any, path: str) -> None:
    """It would be a way around judgement, for whoever has a key."""
    bench = make(**UNKNOWN_PASS)
    assert bench.ask(path, authorization=f"Bearer {bench.key()}").status == 404
    assert bench.model.scopes == []


def test_unknown_route_passes_after_authentication_and_is_charged(make: Any) -> None:
    """With the operator's leave, and under the account's budget."""
    bench = make(**UNKNOWN_PASS)
    key = f"Bearer {bench.key(budget=Budget(requests=2))}"
    asked = [bench.ask("/invocations", {"x": 1}, authorization=key).status for _ in range(3)]
    assert asked == [200, 200, 429]
    assert bench.model.bodies[0] == b'{"x":1}'


def test_known_api_that_cannot_be_judged_is_refused_by_name(make: Any) -> None:
    """And passes, with a budget of its own, where the policy names it."""
    bench = make()
    refused = bench.ask("/v1/files", method="GET", authorization=f"Bearer {bench.key()}")
    assert refused.status == 404 and '[passed."openai.files"]' in str(refused.body)
    bench = make(passed={"openai.files": PassedApi(requests=1)})
    key = f"Bearer {bench.key()}"
    asked = [bench.ask("/v1/files", method="GET", authorization=key).status for _ in range(2)]
    assert asked == [200, 429]
    assert bench.ask(authorization=key).status == 200, "its budget is its own"


@pytest.mark.parametrize("path", ["/key/list", "/v1/organization/users", "/v1/realtime/sessions"])
def test_what_administers_the_upstream_passes_by_its_name_only(make: Any, path: str) -> None:
    """It would be done with the operator's credential, for every caller."""
    bench = make(**UNKNOWN_PASS)
    assert bench.ask(path, authorization=f"Bearer {bench.key()}").status == 404
    assert bench.model.scopes == []


def test_unknown_route_is_charged_by_its_size_and_a_named_api_by_requests(make: Any) -> None:
    """What the guard has no name for may be a model's answer; an upload is no prompt."""
    bench = make(**UNKNOWN_PASS, passed={"openai.files": PassedApi()})
    key = f"Bearer {bench.key()}"
    account = bench.guard.core.accounts.of("acme")
    bench.ask("/v1/files", {"file": "x" * 4_000}, authorization=key)
    assert account.spent.tokens == 5, "what its answer states"
    bench.model.answer = {"id": "file-1"}
    bench.ask("/v1/files", {"file": "x" * 4_000}, authorization=key)
    assert account.spent.tokens == 5
    bench.ask("/nobody/knows", {"text": "x" * 4_000}, authorization=key)
    assert bench.guard.core.accounts.of("acme").spent.tokens > 900


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "CONNECT", "get"])
def test_other_methods_never_pass(make: Any, method: str) -> None:
    """The answer to TRACE is the request, the operator's credential in it."""
    bench = make(**UNKNOWN_PASS, passed={"openai.files": PassedApi()})
    key = f"Bearer {bench.key()}"
    for path in ("/v1/files", "/nobody/knows", "/v1/models", "/v1/chat/completions"):
        assert bench.ask(path, method=method, authorization=key).status == 404
    assert bench.model.scopes == []


def test_idempotency_key_is_the_accounts_own(make: Any) -> None:
    """Behind one credential an upstream would answer one account with what another was told."""
    bench = make()
    other = f"Bearer {bench.guard.keys.issue('other')[1].reveal()}"
    for key in (f"Bearer {bench.key()}", f"Bearer {bench.key()}", other):
        bench.ask(authorization=key, idempotency_key="job-1")
    own, again, others = (
        dict(scope["headers"])[b"idempotency-key"] for scope in bench.model.scopes
    )
    assert own == again != others and b"job-1" not in (own, others)


def test_key_of_ours_in_another_header_is_left_out(make: Any) -> None:
    """A client may put it anywhere."""
    bench = make()
    key = bench.key()
    bench.ask(authorization=f"Bearer {key}", user_agent=f"a {key} b", x_stainless_lang=key)
    assert not any(b"gk_" in value for _, value in bench.model.scopes[0]["headers"])


@pytest.mark.parametrize("path", ["/openai/models/expensive", "/openai/v1/models/expensive"])
def test_scope_of_models_holds_on_every_path_of_a_model(make: Any, path: str) -> None:
    """Azure's too."""
    bench = make()
    key = f"Bearer {bench.key(models=['mini-*'])}"
    assert bench.ask(path, method="GET", authorization=key).status in (403, 404)
    assert bench.model.scopes == []


def test_server_that_answers_its_pages_to_anybody_accepts_no_credential(make: Any) -> None:
    """Only an answer of a model makes an account of a claim."""
    bench = make(identity=Identity(modes=("upstream",)), **UNKNOWN_PASS)
    for n in range(20):
        bench.ask("/docs", method="GET", authorization=f"Bearer made-up-{n}")
    assert len(bench.model.scopes) == 20 and len(bench.guard.core.accounts) == 0


def test_token_cannot_name_the_account_of_a_key() -> None:
    """Accounts of two sources are told apart by the issuer's name."""
    issuer = Issuer(issuer="https://id.example", audience="api", jwks="keys.json")
    identity = Identity(modes=("keys", "jwt"), issuers=(issuer,))
    both = GuardPolicy(identity=identity)
    alone = GuardPolicy(identity=identity.model_copy(update={"modes": ("jwt",)}))
    assert account_prefix(issuer, both) == "https://id.example|"
    assert account_prefix(issuer, alone) == ""


def test_stream_of_an_account_ends_once_it_is_denied(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was answered until then is charged; the client sees that the stream is cut."""
    monkeypatch.setattr(answers_module, "_PROGRESS_S", 0.0)
    bench = make()
    key = f"Bearer {bench.key()}"
    event = b"data: " + orjson.dumps({"choices": [{"delta": {"content": "word "}}]}) + b"\n\n"
    went_out = 0

    async def streams(scope: Any, receive: Any, send: Any) -> None:
        nonlocal went_out
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for n in range(20):
            if n == 5:
                bench.decide(Verdict.DENY)
            await send({"type": "http.response.body", "body": event, "more_body": True})
            went_out += 1

    bench.door._app = streams
    with pytest.raises(DeniedError):
        bench.ask(body=CHAT | {"stream": True}, authorization=key)
    assert went_out == 5
    account = bench.guard.core.accounts.of("acme")
    assert account.spent.requests == 1 and account.spent.tokens > 5 and account.open == 0


def test_key_scoped_to_models_uses_nothing_that_is_not_judged_by_model(make: Any) -> None:
    """Which model an unknown route asks, nobody here knows."""
    bench = make(**UNKNOWN_PASS)
    key = f"Bearer {bench.key(models=['mini-*'])}"
    assert bench.ask("/invocations", authorization=key).status == 403
    assert bench.ask(authorization=key).status == 200


def test_key_scoped_to_models_may_name_an_api_besides(make: Any) -> None:
    """Whoever issued it has said so."""
    bench = make(passed={"openai.files": PassedApi()})
    named = bench.key(models=["mini-*"], routes=["openai.chat", "openai.files"])
    others = bench.key(models=["mini-*"], routes=["openai.*"])
    asked = [
        bench.ask("/v1/files", method="GET", authorization=f"Bearer {key}").status
        for key in (named, others)
    ]
    assert asked == [200, 403]


def test_budget_that_is_held_is_not_called_used_up(make: Any) -> None:
    """It is free again in seconds, not at midnight."""
    bench = make()
    key = f"Bearer {bench.key(budget=Budget(requests=1))}"
    account = bench.guard.core.accounts.of("acme")
    held = bench.guard.core.accounts.reserve(account, ONE_REQUEST)
    refused = bench.ask(authorization=key)
    assert refused.status == 429 and int(refused.headers[b"retry-after"]) < 10
    assert "under way" in str(refused.body)
    bench.guard.core.release(held)
    assert bench.ask(authorization=key).status == 200
    assert "used up" in str(bench.ask(authorization=key).body)


def test_limited_account_uses_nothing_that_cannot_be_limited(make: Any) -> None:
    """An answer that is not read cannot be stripped."""
    bench = make(**UNKNOWN_PASS)
    bench.decide(Verdict.LIMIT)
    assert bench.ask("/invocations", authorization=f"Bearer {bench.key()}").status == 403


def test_list_of_models_shows_what_the_key_may_ask(make: Any) -> None:
    """And no other name."""
    bench = make()
    bench.model.answer = {"object": "list", "data": [{"id": "mini-1"}, {"id": "expensive"}]}
    key = f"Bearer {bench.key(models=['mini-*'])}"
    assert bench.ask("/v1/models", method="GET", authorization=key).body["data"] == [
        {"id": "mini-1"}
    ]
    assert bench.ask("/v1/models/expensive", method="GET", authorization=key).status == 404
    everything = bench.ask("/v1/models", method="GET", authorization=f"Bearer {bench.key()}")
    assert len(everything.body["data"]) == 2


@pytest.mark.parametrize("modes", [("upstream",), ("keys", "upstream"), ("keys",)])
@pytest.mark.parametrize("header", ["authorization", "x_api_key", "api_key"])
def test_key_of_ours_is_never_forwarded(make: Any, modes: Any, header: str) -> None:
    """Not where it counts, not where keys are not accepted, not where it is wrong."""
    bench = make(identity=Identity(modes=modes))
    keys = bench.guard.keys or Keys(bench.guard.store, bench.guard.core.clock.now)
    text = keys.issue("acme")[1].reveal()
    for each in (text, text[:-1], "gk_nonsense"):
        value = f"Bearer {each}" if header == "authorization" else each
        status = bench.ask(**{header: value}).status
        assert status == (200 if each == text and "keys" in modes else 401)
    for scope in bench.model.scopes:
        assert not any(b"gk_" in value for _, value in scope["headers"])


def test_operators_credential_is_for_callers_that_the_guard_knows(make: Any) -> None:
    """Never for one whose credential only the upstream could check."""
    bench = make(identity=Identity(modes=("keys", "upstream")))
    bench.ask(authorization=f"Bearer {bench.key()}")
    bench.ask(authorization="Bearer sk-of-the-upstream")
    assert [scope[AUTHORIZE] for scope in bench.model.scopes] == [True, False]
    assert [b"authorization" in dict(scope["headers"]) for scope in bench.model.scopes] == [
        False,
        True,
    ]


def test_invented_credentials_leave_nothing_behind(make: Any) -> None:
    """In mode `upstream`, as long as the upstream has not accepted one."""
    bench = make(identity=Identity(modes=("upstream",)))

    async def refuses(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    bench.door._app = refuses
    for n in range(50):
        assert bench.ask(authorization=f"Bearer made-up-{n}").status == 401
    assert len(bench.guard.core.accounts) == 0 and not bench.guard.core.accounts._claims


@pytest.mark.parametrize("query", [b"model=expensive", b"api_key=x", b"key=x"])
def test_query_string_reaches_nobody_unread(make: Any, query: bytes) -> None:
    """It would ask another model than the one that was judged, or be another credential."""
    bench = make()
    key = f"Bearer {bench.key(models=['mini-*'])}"
    assert bench.ask(query=query, authorization=key).status == 400
    assert bench.model.scopes == []


def test_headers_that_steer_the_upstream_are_left_out(make: Any) -> None:
    """And cookies, and addresses that a client made up."""
    bench = make()
    bench.ask(
        authorization=f"Bearer {bench.key()}",
        x_portkey_custom_host="http://127.0.0.1:9",
        cookie="a=b",
        x_forwarded_for="1.2.3.4",
        openai_organization="org",
        connection="close, anthropic-beta",
        anthropic_beta="x",
        user_agent="sdk/1",
    )
    names = {name for name, _ in bench.model.scopes[0]["headers"]}
    assert names == {b"user-agent", b"content-type", b"content-length"}


@pytest.mark.parametrize("field", ["extra_body", "fallbacks", "api_base", "documents"])
def test_unknown_field_is_refused_or_taken_out_in_the_open(make: Any, field: str) -> None:
    """What is judged is what is answered."""
    hidden = CHAT | {field: {"messages": [{"role": "user", "content": "HIDDEN"}]}}
    bench = make()
    refused = bench.ask(body=hidden, authorization=f"Bearer {bench.key()}")
    assert refused.status == 400 and field in str(refused.body) and bench.model.bodies == []
    bench = make(allow=Allow(unknown="drop"))
    passed = bench.ask(body=hidden, authorization=f"Bearer {bench.key()}")
    assert passed.status == 200 and passed.headers[b"x-gamekeeper-dropped"] == field.encode()
    asked = bench.ask(query=b"model=x", authorization=f"Bearer {bench.key()}")
    assert asked.headers[b"x-gamekeeper-dropped"] == b"?model"
    assert b"HIDDEN" not in bench.model.bodies[0]


def test_policy_may_allow_a_field(make: Any) -> None:
    """For servers that take more."""
    bench = make(allow=Allow(fields={"openai.chat": ("documents",)}))
    asked = bench.ask(body=CHAT | {"documents": ["x"]}, authorization=f"Bearer {bench.key()}")
    assert asked.status == 200 and b"documents" in bench.model.bodies[0]


RESPONSE = {
    "id": "resp_1",
    "output": [{"type": "reasoning", "id": "r", "summary": [{"text": "SECRET"}]}],
    "usage": {"input_tokens": 3, "output_tokens": 2},
}


def test_stored_response_belongs_to_the_account_that_asked_for_it(make: Any) -> None:
    """Behind one operator's credential the upstream would give it to anybody."""
    bench = make()
    bench.model.answer = RESPONSE
    own = f"Bearer {bench.key()}"
    other = f"Bearer {bench.guard.keys.issue('other')[1].reveal()}"
    body = {"model": "m", "input": "hi"}
    id = bench.ask("/v1/responses", body, authorization=own).body["id"]
    assert id.startswith("resp_1.") and id != "resp_1"
    assert bench.ask(f"/v1/responses/{id}", method="GET", authorization=own).status == 200
    assert bench.model.scopes[-1]["path"] == "/v1/responses/resp_1"
    for who, named in ((other, id), (other, "resp_1"), (own, "resp_1")):
        assert bench.ask(f"/v1/responses/{named}", method="GET", authorization=who).status == 404
        continued = body | {"previous_response_id": named}
        assert bench.ask("/v1/responses", continued, authorization=who).status == 404
    assert bench.ask("/v1/responses", body | {"previous_response_id": id}, authorization=own)
    assert b'"previous_response_id":"resp_1"' in bench.model.bodies[-1]


def test_stored_response_is_stripped_as_a_new_one_is(make: Any) -> None:
    """Traces that the ladder took away do not come back by its id."""
    bench = make()
    bench.model.answer = RESPONSE
    key = f"Bearer {bench.key()}"
    id = bench.ask("/v1/responses", {"model": "m", "input": "hi"}, authorization=key).body["id"]
    bench.decide(Verdict.LIMIT)
    found = bench.ask(f"/v1/responses/{id}", method="GET", authorization=key)
    assert found.status == 200 and "SECRET" not in str(found.body)


def test_background_response_is_refused(make: Any) -> None:
    """Nobody would be charged for it."""
    bench = make()
    body = {"model": "m", "input": "hi", "background": True}
    asked = bench.ask("/v1/responses", body, authorization=f"Bearer {bench.key()}")
    assert asked.status == 400 and bench.model.scopes == []
