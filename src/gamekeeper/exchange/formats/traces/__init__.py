"""OpenTelemetry spans and log records of generative AI, in the spellings of those who write them.

A record is an export, or one span or log record (`exports`); `fields` gives their fields one name
each. What a span is (`roles`), what was asked and answered (`contents`), who asked (`accounts`),
and what comes from other spans of the trace (`joins`) are apart from each other, since
instrumentations mix them freely.
"""

from gamekeeper.exchange.formats.form import Format
from gamekeeper.exchange.formats.traces.exports import sniff, split
from gamekeeper.exchange.formats.traces.joins import is_whole, join, late, part_key
from gamekeeper.exchange.formats.traces.rows import row

__all__ = ["FORMAT"]

FORMAT = Format(
    name="otel",
    about=(
        "OpenTelemetry spans and log records of generative AI: OTLP JSON, Jaeger, Zipkin, Tempo,"
        " consoles of SDKs, tables; GenAI, OpenInference, OpenLLMetry, Vercel AI SDK, assistants."
    ),
    known_by="`resourceSpans`, `resourceLogs`, or `trace_id` with `attributes`",
    sniff=sniff,
    row=row,
    split=split,
    zone="UTC",
    part_key=part_key,
    join=join,
    is_whole=is_whole,
    late=late,
    account_try=(
        "--account-field ATTRIBUTE, a span or resource attribute that names who was authenticated"
    ),
    prompt_try=(
        "record contents: OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true (coding"
        " assistants: OTEL_LOG_USER_PROMPTS=1), or read the log records together with the spans"
    ),
)
