import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk", reason='needs the extra "otel"')

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from gamekeeper.base.errors import MissingExtraError
from gamekeeper.guard.gate import Gate, Request, StoppedError
from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.policy import Telemetry as Wanted
from gamekeeper.guard.routes import known_routes, serialise
from gamekeeper.guard.routes.query import Usage
from gamekeeper.guard.telemetry.spans import Telemetry
from gamekeeper.verdict import Verdict
from guard.builders import HERE, KEY, make_core, make_decision, make_principal
from guard.routes.builders import BODIES, PATHS, chat

pytestmark = pytest.mark.extra

ROUTES = {route.name: route for route in known_routes()}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Traced:
    """A gate whose spans are kept."""

    def __init__(self, tmp_path: Path, *, sample: float = 1.0, enforce: bool = True) -> None:
        self._kept = InMemorySpanExporter()
        self.telemetry = Telemetry(SimpleSpanProcessor(self._kept), KEY, sample, random.Random(5))
        self.core = make_core(tmp_path, GuardPolicy(enforce=enforce))
        self.gate = Gate(self.core, telemetry=self.telemetry)

    def enter(
        self, route: str = "openai.chat", body: dict[str, Any] | None = None, **fields: Any
    ) -> Any:
        """Lets a request in."""
        principal = make_principal(fields.pop("account", "acme"))
        raw = serialise(body or BODIES[route])
        request = Request(
            route=ROUTES[route],
            path=PATHS[route],
            raw=raw,
            principal=principal,
            caller=HERE,
            **fields,
        )
        return self.gate.enter(request)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Those that ended."""
        return self._kept.get_finished_spans()

    @property
    def attributes(self) -> dict[str, Any]:
        """Of the only one."""
        (span,) = self.spans
        return dict(span.attributes or {})


def test_answered_request_has_one_span_with_what_it_asked_and_cost(tmp_path: Path) -> None:
    """By the names of the semantic conventions, so that any backend shows it."""
    traced = Traced(tmp_path)
    passage = traced.enter(body=chat(temperature=0.5, n=3, stream=True))
    assert traced.spans == ()
    traced.gate.leave(passage, Usage(12, 34))
    assert traced.spans[0].name == "chat m"
    account = traced.attributes.pop("gamekeeper.account")
    assert len(account) == 24
    assert traced.attributes | {"gamekeeper.account": ""} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.choice.count": 3,
        "gen_ai.request.stream": True,
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 34,
        "gamekeeper.account": "",
        "gamekeeper.verdict": "allow",
        "gamekeeper.action": "pass",
        "gamekeeper.enforced": True,
    }


@pytest.mark.parametrize(
    ("route", "operation", "provider"),
    [
        ("openai.completions", "text_completion", "openai"),
        ("openai.responses", "chat", "openai"),
        ("openai.embeddings", "embeddings", "openai"),
        ("anthropic.messages", "chat", "anthropic"),
        ("kserve.infer", "classify", "kserve"),
    ],
)
def test_every_route_says_its_operation(
    tmp_path: Path, route: str, operation: str, provider: str
) -> None:
    """One that the conventions have no word for says what it does."""
    traced = Traced(tmp_path)
    traced.gate.leave(traced.enter(route), Usage())
    assert traced.attributes["gen_ai.operation.name"] == operation
    assert traced.attributes["gen_ai.provider.name"] == provider
    assert "gen_ai.usage.input_tokens" not in traced.attributes


def test_no_span_holds_a_prompt_or_an_account(tmp_path: Path) -> None:
    """Traces go to more people than prompts may."""
    traced = Traced(tmp_path)
    said = {"role": "system", "content": "TOP-SECRET"}, {"role": "user", "content": "TOP-SECRET"}
    traced.gate.leave(traced.enter(body=chat(messages=said), account="acme-inc"), Usage())
    told = traced.spans[0].to_json()
    assert "TOP-SECRET" not in told and "acme-inc" not in told


def test_account_has_the_same_digest_in_every_span_and_another_key_another(tmp_path: Path) -> None:
    """Otherwise names could be tried against the traces."""
    traced = Traced(tmp_path)
    for account in ("a", "a", "b"):
        traced.gate.leave(traced.enter(account=account), Usage())
    first, again, other = ((span.attributes or {})["gamekeeper.account"] for span in traced.spans)
    assert first == again != other
    foreign = Telemetry(SimpleSpanProcessor(InMemorySpanExporter()), b"1" * 32)
    judgement: Any = SimpleNamespace(
        decision=None, act=SimpleNamespace(action="pass"), would=SimpleNamespace(action="pass")
    )
    assert foreign._decided("a", judgement)["gamekeeper.account"] != first


def test_refused_request_has_a_span_that_says_why(tmp_path: Path) -> None:
    """It ends at once: there is no answer to wait for."""
    traced = Traced(tmp_path)
    traced.core.decide(make_decision(Verdict.DENY))
    with pytest.raises(StoppedError):
        traced.enter()
    found = traced.attributes
    assert (found["gamekeeper.verdict"], found["gamekeeper.action"]) == ("deny", "deny")
    assert (found["gamekeeper.refusal"], found["http.response.status_code"]) == ("suspended", 403)


def test_dry_run_is_told_from_enforcing(tmp_path: Path) -> None:
    """The span says what would have been done, and that it was not."""
    traced = Traced(tmp_path, enforce=False)
    traced.core.decide(make_decision(Verdict.DENY))
    traced.gate.leave(traced.enter(), Usage())
    assert (traced.attributes["gamekeeper.action"], traced.attributes["gamekeeper.enforced"]) == (
        "deny",
        False,
    )


def test_request_without_answer_has_a_span_with_an_error(tmp_path: Path) -> None:
    """The upstream failed, or the client went away."""
    traced = Traced(tmp_path)
    traced.gate.drop(traced.enter())
    assert traced.spans[0].status.status_code is StatusCode.ERROR
    assert traced.attributes["error.type"] == "upstream"


def test_span_continues_the_callers_trace(tmp_path: Path) -> None:
    """By the header `traceparent`."""
    traced = Traced(tmp_path)
    traced.gate.leave(traced.enter(trace=PARENT), Usage())
    (span,) = traced.spans
    assert span.parent is not None and span.context is not None
    assert format(span.context.trace_id, "032x") == "0af7651916cd43dd8448eb211c80319c"
    assert format(span.parent.span_id, "016x") == "b7ad6b7169203331"


@pytest.mark.parametrize(
    "trace", ["", "00-0-0-01", "x" * 10_000, PARENT.replace("0af7651916cd43dd", "0" * 16)]
)
def test_trace_that_is_none_is_no_parent_or_at_least_no_fault(tmp_path: Path, trace: str) -> None:
    """A client may send anything."""
    traced = Traced(tmp_path)
    traced.gate.leave(traced.enter(trace=trace), Usage())
    assert len(traced.spans) == 1


@pytest.mark.parametrize(
    ("sample", "spans"), [(0.0, range(0, 1)), (0.25, range(15, 36)), (1.0, range(100, 101))]
)
def test_sample_is_drawn_here_whatever_the_caller_says(
    tmp_path: Path, sample: float, spans: range
) -> None:
    """A caller whose trace says "sampled" is drawn like everybody."""
    traced = Traced(tmp_path, sample=sample)
    for _ in range(100):
        traced.gate.leave(traced.enter(trace=PARENT), Usage())
    assert len(traced.spans) in spans


def test_nothing_is_loaded_where_no_spans_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not trace needs no OpenTelemetry; who does is told what to install."""
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    assert Telemetry.wanted(Wanted(), KEY) is None
    with pytest.raises(MissingExtraError, match=r"\.\[otel\]"):
        Telemetry.wanted(Wanted.model_validate({"otlp": "http://127.0.0.1:9/v1/traces"}), KEY)
