"""Calls of models as services keep them, each a table of where its parts are.

    sagemaker    {"captureData": {"endpointInput": {"data", "encoding"}}, "eventMetadata"}
    snowflake    {"QUERY_TEXT": "select snowflake.cortex.complete('m', '...')", "USER_NAME"}
    openrouter   {"generation_id", "created_at", "model_permaslug", "api_key_name"}
    cloudtrail   {"eventSource": "bedrock.amazonaws.com", "eventName": "InvokeModel"}

The last two never hold what was asked: their calls are counted, and it is said where prompts can be
turned on.

Source: Amazon SageMaker, data capture; Snowflake, QUERY_HISTORY and usage views of Cortex;
OpenRouter, activity and generations; AWS CloudTrail, events of Amazon Bedrock.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.calls import OTHER, QUESTION, fold, kind_of, names_of
from gamekeeper.exchange.formats.form import (
    EMBEDDINGS,
    NO_BODY,
    OTHER_API,
    OTHER_RECORD,
    PassedOver,
)
from gamekeeper.exchange.formats.shapes import Shape, format_of
from gamekeeper.exchange.messages import mapping, parsed
from gamekeeper.exchange.paths import dig

__all__ = ["FORMATS"]

# --- Amazon SageMaker -----------------------------------------------------------------------------

_MAX_BASE64 = 64 << 20


def _is_sagemaker(record: Record) -> bool:
    return "captureData" in record and "eventMetadata" in record


def _captured(record: Record) -> Iterator[Record]:
    """Yields a capture with its bodies decoded, as `request` and `response`."""
    captured = mapping(record.get("captureData"))
    yield {
        **record,
        "request": _decoded(captured.get("endpointInput")),
        "response": _decoded(captured.get("endpointOutput")),
    }


def _decoded(body: Any) -> Any:
    """Returns the object that a captured body holds, its text, or None if it is neither."""
    held = mapping(body)
    data = held.get("data")
    if not isinstance(data, str):
        return data
    if held.get("encoding") not in ("BASE64", "base64") or len(data) > _MAX_BASE64:
        return parsed(data)
    try:
        return parsed(base64.b64decode(data).decode())
    except (binascii.Error, ValueError):
        return None


def _of_sagemaker(record: Record) -> PassedOver | str | None:
    request = record.get("request")
    if request is None:
        return NO_BODY
    if not isinstance(request, dict):
        return OTHER_API  # a row of numbers, an image: of a model that is not asked in words
    kind = kind_of(request, record.get("response"), request.get("model"))
    if kind == OTHER:
        return OTHER_API
    return None if kind == QUESTION else EMBEDDINGS


_SAGEMAKER = Shape(
    name="sagemaker",
    about="Amazon SageMaker data capture of endpoints that serve language models.",
    known_by="`captureData` with `eventMetadata`",
    sniff=_is_sagemaker,
    why_not=_of_sagemaker,
    split=_captured,
    times=("eventMetadata.inferenceTime",),
    requests=("request",),
    responses=("response",),
    models=("request.model", "response.model"),
    parameters=("request.parameters", "request"),
    claimed=("eventMetadata.inferenceId", "request.user"),
    input_tokens=("response.usage.prompt_tokens",),
    output_tokens=("response.usage.completion_tokens",),
    ids=("eventMetadata.eventId",),
    account_try=(
        "--account-field request.FIELD, one that your server writes into the request: SageMaker"
        " does not capture who called"
    ),
    prompt_try="capture the input of the endpoint (CaptureMode Input)",
)


# --- Snowflake Cortex -----------------------------------------------------------------------------

_CORTEX = re.compile(
    r"\b(?:(?:snowflake\s*\.\s*)?cortex\s*\.\s*\w+|ai_\w+|embed_text_\d+)\s*\(", re.IGNORECASE
)
_COMPLETE = re.compile(
    r"\b(?:cortex\s*\.\s*(?:try_)?complete|ai_complete)\s*\(\s*(?:model\s*=>\s*)?"
    r"'(?P<model>[^'\\]{1,200})'\s*,\s*(?:prompt\s*=>\s*)?"
    r"(?:'(?P<text>(?:[^'\\]|''|\\.)*)'|\$\$(?P<raw>.*?)\$\$|(?P<list>\[\s*\{.*?\}\s*\]))",
    re.IGNORECASE | re.DOTALL,
)
_ASKS = re.compile(r"\b(?:cortex\s*\.\s*(?:try_)?complete|ai_complete)\s*\(", re.IGNORECASE)
_OF_QUERIES = ("executionstatus", "querytype", "warehousename", "rolename", "warehouseid")
_ESCAPED = re.compile(r"''|\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def _is_snowflake(record: Record) -> bool:
    names = names_of(record)
    if "querytext" in names:
        return "queryid" in names and any(name in names for name in _OF_QUERIES)
    return "functionname" in names and "modelname" in names and "tokencredits" in names


def _with_call(record: Record) -> Iterator[Record]:
    """Yields a query with the model and the prompt that its text holds as literals."""
    text = dig(record, "query_text")
    match = _COMPLETE.search(text) if isinstance(text, str) else None
    prompt = None if match is None else _literal(match)
    if match is None or prompt is None:
        yield record
    else:
        yield {**record, "cortex_model": match["model"], "cortex_prompt": prompt}


def _literal(match: re.Match[str]) -> Any:
    """Returns the prompt of a call: a text, or messages; None if they cannot be read."""
    if match["text"] is not None:
        return _unescaped(match["text"])
    if match["raw"] is not None:
        return match["raw"]
    messages = parsed(match["list"].replace("''", "\\'"))
    return messages if isinstance(messages, list) else None


def _unescaped(literal: str) -> str:
    return _ESCAPED.sub(lambda m: "'" if m[1] is None else _ESCAPES.get(m[1], m[1]), literal)


def _of_snowflake(record: Record) -> PassedOver | str | None:
    text = dig(record, "query_text")
    if not isinstance(text, str):
        return NO_BODY  # a view of usage
    if "cortex_prompt" in record:
        return None
    if _ASKS.search(text):
        return NO_BODY  # of the column of a table
    return OTHER_API if _CORTEX.search(text) else OTHER_RECORD


_SNOWFLAKE = Shape(
    name="snowflake",
    about="Snowflake query history with calls of Cortex; prompts that are literals of the query.",
    known_by="`QUERY_TEXT` with `QUERY_ID`",
    sniff=_is_snowflake,
    why_not=_of_snowflake,
    split=_with_call,
    times=("start_time",),
    requests=("cortex_prompt",),
    models=("cortex_model",),
    errors=("error_code", "error_message"),
    statuses=("execution_status",),
    principals=("user_name",),
    owners=("account_name",),
    conversations=("session_id",),
    ids=("query_id",),
    zone=None,
    account_try="--account-field USER_NAME, exported with the query history",
    prompt_try=(
        "Snowflake keeps prompts in QUERY_HISTORY alone, if they are literals: export QUERY_TEXT,"
        " or log what your application sends"
    ),
)


# --- logs that never hold what was asked ----------------------------------------------------------


def _question(_record: Record) -> None:
    return None


def _is_openrouter(record: Record) -> bool:
    names = names_of(record)
    return "modelpermaslug" in names or "nativetokensprompt" in names


_OPENROUTER = Shape(
    name="openrouter",
    about="OpenRouter activity and generations; they hold no prompts.",
    known_by="`model_permaslug` or `native_tokens_prompt`",
    sniff=_is_openrouter,
    why_not=_question,
    times=("created_at", "date"),
    requests=("input", "messages", "prompt", "request"),
    responses=("output", "completion", "response"),
    models=("model_permaslug", "model"),
    errors=("error", "cancelled"),
    principals=("api_key_id", "api_key_name", "api_key_label", "user_id"),
    owners=("org_id", "workspace_id"),
    claimed=("user", "external_user", "app_name"),
    input_tokens=("tokens_prompt", "native_tokens_prompt"),
    output_tokens=("tokens_completion", "native_tokens_completion"),
    ids=("generation_id", "id"),
    account_try="--account-field api_key_name",
    prompt_try=(
        "OpenRouter's exports hold none: turn on Broadcast, and read the OpenTelemetry traces that"
        " it sends"
    ),
)

_RUNTIMES = ("bedrock", "sagemaker")
_INVOKES = ("invokemodel", "converse", "invokeendpoint", "invokeagent", "invokeinlineagent")


def _is_cloudtrail(record: Record) -> bool:
    names = names_of(record)
    return "eventsource" in names and "eventname" in names and "useridentity" in names


def _of_cloudtrail(record: Record) -> PassedOver:
    source, name = dig(record, "eventSource"), dig(record, "eventName")
    if not isinstance(source, str) or not source.startswith(_RUNTIMES):
        return OTHER_RECORD
    name = fold(name) if isinstance(name, str) else ""
    return NO_BODY if name.startswith(_INVOKES) else OTHER_API


_CLOUDTRAIL = Shape(
    name="cloudtrail",
    about="AWS CloudTrail events of Amazon Bedrock and SageMaker; they hold no prompts.",
    known_by="`eventSource`, `eventName` and `userIdentity`",
    sniff=_is_cloudtrail,
    why_not=_of_cloudtrail,
    times=("eventTime",),
    errors=("errorCode", "errorMessage"),
    principals=("userIdentity.arn", "userIdentity.principalId"),
    account_try="--account-field userIdentity.arn",
    prompt_try=(
        "CloudTrail holds none: turn on model invocation logging of Amazon Bedrock, and read that"
    ),
)

FORMATS = tuple(map(format_of, (_SAGEMAKER, _SNOWFLAKE, _OPENROUTER, _CLOUDTRAIL)))
