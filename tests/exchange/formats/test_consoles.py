"""What the SDK of OpenTelemetry itself prints."""

import io
import json
from pathlib import Path

import pytest

from exchange.builders import read, write
from exchange.formats.test_traces import CALL, QUESTION

pytest.importorskip("opentelemetry.sdk", reason='needs the extra "otel"')

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor


def printed(events: bool) -> str:
    out = io.StringIO()
    provider = TracerProvider(resource=Resource({"service.name": "app"}))
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=out)))
    tracer = provider.get_tracer("test")
    held = {key: value for key, value in CALL.items() if key != "enduser.id"}
    if events:
        held.pop("gen_ai.input.messages")
    with (
        tracer.start_as_current_span("POST /chat", attributes={"enduser.id": "ann"}),
        tracer.start_as_current_span("chat m", attributes=held) as span,
    ):
        if events:
            message = json.dumps({"role": "user", "content": QUESTION})
            span.add_event("gen_ai.user.message", {"gen_ai.event.content": message})
    return out.getvalue()


@pytest.mark.parametrize("events", [False, True])
def test_what_the_console_exporter_prints_is_read(tmp_path: Path, events: bool) -> None:
    """Indented objects, one after another; the account is on the parent."""
    row = read(write(tmp_path, "console.json", printed(events).encode())).row(0, named=True)
    assert (row["prompt"], row["account"], row["model"]) == (QUESTION, "ann", "m")
