"""OpenTelemetry spans of judged requests, by the semantic conventions for generative AI; extra
`otel`.

One span a request, with what it asked for, what was decided, and what the answer cost; never what
was said. The account is there as a keyed digest: who reads traces can tell accounts apart, and
not who they are. Which requests get a span is drawn here: a caller's own trace flags and ids decide
nothing, so that nobody can hide from the sample, or fill it.

Source: OpenTelemetry semantic conventions, "Generative AI spans" (status: development).
"""

import hmac
import random
from threading import Thread
from typing import TYPE_CHECKING, Any

from gamekeeper import __version__
from gamekeeper.base.errors import MissingExtraError
from gamekeeper.base.text import clean
from gamekeeper.guard.decisions.ladder import Refusal
from gamekeeper.guard.policy import Telemetry as Wanted
from gamekeeper.guard.routes.query import Query, Usage

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

    from gamekeeper.guard.core import Judgement

_OPERATIONS = {
    "openai.chat": "chat",
    "openai.responses": "chat",
    "openai.completions": "text_completion",
    "openai.embeddings": "embeddings",
    "anthropic.messages": "chat",
}
_OTHER = "classify"
_DIGEST_BYTES = 12
_SEND_S = 2.0
_CLOSE_S = 3.0
_NAME_CHARS = 200
"""Of a model's name, which a client may make up."""


class Span:
    """The span of one request; ended by the first of its methods that is called.

    Args:
        span: OpenTelemetry's.
    """

    __slots__ = ("_span",)

    def __init__(self, span: Any) -> None:
        self._span = span

    def answered(self, usage: Usage) -> None:
        """Notes what an answer cost."""
        for kind, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if tokens is not None:
                self._span.set_attribute(f"gen_ai.usage.{kind}_tokens", tokens)
        self._span.end()

    def refused(self, refusal: Refusal) -> None:
        """Notes that the request was not passed on."""
        self._span.set_attribute("gamekeeper.refusal", refusal.code)
        self._span.set_attribute("http.response.status_code", refusal.status)
        self._span.end()

    def failed(self) -> None:
        """Notes that there was no answer."""
        from opentelemetry.trace import StatusCode

        self._span.set_attribute("error.type", "upstream")
        self._span.set_status(StatusCode.ERROR)
        self._span.end()


class Telemetry:
    """The exporter of one span for each judged request.

    Args:
        processor: Takes spans that ended.
        key: Secret that accounts are digested with.
        sample: Share of requests that get a span, 0..1.
        rng: Draws them.
    """

    def __init__(
        self,
        processor: "SpanProcessor",
        key: bytes,
        sample: float = 1.0,
        rng: random.Random | None = None,
    ) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        resource = Resource.create({"service.name": "gamekeeper", "service.version": __version__})
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("gamekeeper", __version__)
        self._key = key
        self._sample = sample
        self._rng = rng or random.Random()

    @classmethod
    def wanted(cls, wanted: Wanted, key: bytes) -> "Telemetry | None":
        """Returns what a policy asks for; None if it names nowhere to send spans.

        Args:
            wanted: The policy's part; `otlp` is called as it is, such as
                `http://collector:4318/v1/traces`.
            key: Secret that accounts are digested with.

        Raises:
            MissingExtraError: OpenTelemetry is not installed.
        """
        if wanted.otlp is None:
            return None
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise MissingExtraError("sending spans", "otel") from error
        exporter = OTLPSpanExporter(endpoint=str(wanted.otlp), timeout=_SEND_S)
        return cls(BatchSpanProcessor(exporter), key, wanted.sample)

    def begin(
        self,
        route: str,
        query: Query,
        account: str,
        judgement: "Judgement",
        traceparent: str | None,
    ) -> Span | None:
        """Returns the span of a request that was just judged; None if it is not in the sample.

        Args:
            route: Name of the route.
            query: What is asked.
            account: Who is charged.
            judgement: What was found and is done.
            traceparent: The caller's trace, a header as it came (W3C Trace Context); an
                invalid one is ignored.
        """
        if self._rng.random() >= self._sample:
            return None
        operation = _OPERATIONS.get(route, _OTHER)
        model = clean((query.model or "")[:_NAME_CHARS])
        attributes = _asked(operation, route, model, query) | self._decided(account, judgement)
        return Span(self._started(f"{operation} {model}".rstrip(), attributes, traceparent))

    def close(self) -> None:
        """Sends what waits, and ends; blocks for seconds at most, whatever the collector does."""
        closing = Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSE_S)

    def _started(self, name: str, attributes: dict[str, Any], traceparent: str | None) -> Any:
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = Context()
        if traceparent is not None:
            parent = TraceContextTextMapPropagator().extract({"traceparent": traceparent}, parent)
        return self._tracer.start_span(name, parent, SpanKind.CLIENT, attributes)

    def _decided(self, account: str, judgement: "Judgement") -> dict[str, Any]:
        decision = judgement.decision
        return {
            "gamekeeper.account": hmac.digest(self._key, account.encode(), "sha256")[
                :_DIGEST_BYTES
            ].hex(),
            "gamekeeper.verdict": str(decision.verdict) if decision else "allow",
            "gamekeeper.action": judgement.would.action,
            "gamekeeper.enforced": judgement.act.action == judgement.would.action,
        }


def _asked(operation: str, route: str, model: str, query: Query) -> dict[str, Any]:
    asked = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": route.partition(".")[0],
        "gen_ai.request.model": model or None,
        "gen_ai.request.temperature": query.temperature,
        "gen_ai.request.choice.count": query.n if query.n > 1 else None,
        "gen_ai.request.stream": query.stream,
    }
    return {name: value for name, value in asked.items() if value is not None}
