"""What a span or a log record is: a call of a model, a part of one, or something else.

    call        a call of a language model; an exchange
    outer       a call of an SDK that makes one or more calls of a model, and says the same
    embeddings  a call of an embedding model
    event       a log record with a part of a call: a message, a choice
    details     a log record with a whole call
    prompt      a log record with what somebody typed into a coding assistant
    other       tools, agents, workflows, vector stores, web requests, ...

Sources: OpenTelemetry semantic conventions for generative AI, versions 1.28 to 1.41 and 0.1 of
their own repository; OpenInference and OpenLLMetry conventions; Vercel AI SDK, telemetry; Langfuse,
LangSmith and MLflow, OpenTelemetry attributes; monitoring pages of coding assistants.
"""

import re
from typing import Any

from gamekeeper.exchange.containers import Record

CALL = "call"
OUTER = "outer"
EMBED = "embeddings"
EVENT = "event"
DETAILS = "details"
PROMPT = "prompt"
OTHER = "other"

_CALL = re.compile(
    r"(chat|text|completion|generat|message|response|llm|inference)"
    r"(?!.*(image|speech|audio|video|moderation|rerank|transcri|count_?token|token_?count)).*"
)
_EMBED = re.compile(r"embed.*")
_VERCEL = re.compile(r"ai\.(generate|stream)(Text|Object|UI|Agent)\w*(\.do(Generate|Stream))?")
_VERCEL_EMBED = re.compile(r"ai\.embed(Many)?\.doEmbed")  # the span around it says the same
_MESSAGE = re.compile(r"gen_ai\.(system|user|assistant|tool)\.message|gen_ai\.choice")
_DETAILS = ("gen_ai.client.inference.operation.details", "gen_ai.content.prompt")
_PROMPT = re.compile(r"([\w-]+\.)?user_prompt")
_ASSISTANTS = ("gemini-cli", "qwen-code")  # their other events say the prompt again
_KINDS = (
    "openinference.span.kind",
    "traceloop.span.kind",
    "llm.request.type",
    "langfuse.observation.type",
    "langsmith.span.kind",
    "mlflow.spanType",
    "lmnr.span.type",
)
_STORES = ("db.system", "db.system.name", "db.vector.query.top_k", "vector_db.vendor")
_MODELS = ("gen_ai.request.model", "gen_ai.response.model", "llm.model_name", "gen_ai.system")


def role_of(record: Record, attributes: Record) -> str:
    """Returns the role of a flat span or log record.

    Args:
        record: The record, its fields in `span`.
        attributes: Its own attributes, without those of its resource.
    """
    event = record["span"]["eventName"]
    if isinstance(event, str) or "body" in record["span"]:
        return _role_of_log(event, record, attributes)
    operation = attributes.get("gen_ai.operation.name")
    if isinstance(operation, str) and operation:
        return _role_named(operation)
    if name := vercel_name(attributes):
        return _role_of_vercel(name)
    return _role_by_kind(record["span"], attributes)


def vercel_name(attributes: Record) -> str | None:
    """Returns the operation of a span of the Vercel AI SDK: `ai.generateText.doGenerate`."""
    for key in ("ai.operationId", "operation.name"):
        if isinstance(name := attributes.get(key), str) and name.startswith("ai."):
            return name.split(" ")[0]
    return None


def _role_named(name: str) -> str:
    name = name.strip('"').lower()
    if _CALL.fullmatch(name):
        return CALL
    return EMBED if _EMBED.fullmatch(name) else OTHER


def _role_of_vercel(name: str) -> str:
    if match := _VERCEL.fullmatch(name):
        return CALL if match[3] else OUTER
    return EMBED if _VERCEL_EMBED.fullmatch(name) else OTHER


def _role_by_kind(span: Record, attributes: Record) -> str:
    """Returns the role by the kind that an instrumentation gives, else by what only calls have."""
    for key in _KINDS:
        if isinstance(kind := attributes.get(key), str) and kind.lower() != "unknown":
            return _role_named(kind)
    if span.get("kind") in ("LLM", "EMBEDDING"):  # Phoenix
        return _role_named(span["kind"])
    if any(key in attributes for key in _STORES):
        return OTHER
    if any(key in attributes for key in _MODELS):
        return CALL
    return CALL if isinstance(attributes.get("request_data"), (str, dict)) else OTHER


def _role_of_log(event: Any, record: Record, attributes: Record) -> str:
    body = record["span"].get("body")
    names = [name for name in (event, body) if isinstance(name, str)]
    if any(map(_PROMPT.fullmatch, names)):
        return PROMPT
    if record.get("service.name") in _ASSISTANTS:
        return OTHER
    if any(map(_MESSAGE.fullmatch, names)):
        return EVENT
    if event in _DETAILS or "gen_ai.input.messages" in attributes:
        return DETAILS
    if isinstance(body, dict) and isinstance(body.get("input"), dict):
        return DETAILS if "messages" in body["input"] else OTHER
    return OTHER
