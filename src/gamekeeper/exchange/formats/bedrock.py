"""Amazon Bedrock model invocation logs (ModelInvocationLog), from S3 or CloudWatch.

The account is the caller's ARN. Of an assumed role it is the role without the session: the client
that assumes the role names the session, and could name each one differently. Sessions of AWS IAM
Identity Center are named by AWS and stay. `--account-field identity.arn` keeps whole ARNs. Source:
Amazon Bedrock user guide, model invocation logging.
"""

from collections.abc import Iterable
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.form import Format, Row
from gamekeeper.exchange.messages import (
    conversation_of,
    first,
    listing,
    mapping,
    text_of,
    texts_of,
    tools_hash,
)

_SCHEMA_TYPE = "ModelInvocationLog"
_NAMED_BY_AWS = "AWSReservedSSO_"


def sniff(record: Record) -> bool:
    """True if the record says so itself."""
    return record.get("schemaType") == _SCHEMA_TYPE or _inside(record) is not None


def split(record: Record) -> Iterable[Record]:
    """Takes the log out of CloudWatch's envelope."""
    return (_inside(record) or record,)


def row(record: Record) -> Row | None:
    """Returns the row of one invocation; None for one that failed before the model saw it."""
    if record.get("errorCode") and not mapping(record.get("input")):
        return None
    asked = mapping(record.get("input"))
    given = mapping(record.get("output"))
    body = mapping(asked.get("inputBodyJson"))
    return {
        **_asked(body),
        "time": record.get("timestamp"),
        "account": first(
            _caller(mapping(record.get("identity")).get("arn")), record.get("accountId")
        ),
        "model": record.get("modelId"),
        "conversation": first(mapping(record.get("requestMetadata")).get("session")),
        "answer": _answer(parsed_body(given)),
        "input_tokens": asked.get("inputTokenCount"),
        "output_tokens": given.get("outputTokenCount"),
        "temperature": first(
            body.get("temperature"), *(mapping(body.get(k)).get("temperature") for k in _CONFIGS)
        ),
        "tools": tools_hash(first(body.get("tools"), mapping(body.get("toolConfig")).get("tools"))),
        "request_id": record.get("requestId"),
    }


_CONFIGS = ("inferenceConfig", "textGenerationConfig")


def parsed_body(given: Record) -> list[Record]:
    """Returns the answer's body as a list: the parts of a stream, or the one object."""
    body = given.get("outputBodyJson")
    return [part for part in listing(body) if isinstance(part, dict)] or [mapping(body)]


def _inside(record: Record) -> Record | None:
    for key in ("message", "@message"):
        inner = mapping(record.get(key)) if isinstance(record.get(key), (str, dict)) else {}
        if inner.get("schemaType") == _SCHEMA_TYPE:
            return inner
    return None


def _caller(arn: Any) -> Any:
    if not isinstance(arn, str) or ":assumed-role/" not in arn or f"/{_NAMED_BY_AWS}" in arn:
        return arn
    return "/".join(arn.split("/")[:2])


def _asked(body: Record) -> Row:
    if body.get("messages") is not None:  # Anthropic, Converse, Nova
        return conversation_of(body["messages"], body.get("system"))
    asked = first(body.get("inputText"), body.get("prompt"))  # Titan; Llama, Mistral
    return {"prompt": None if asked is None else text_of(asked), "turn": None, "system": None}


def _answer(parts: list[Record]) -> str | None:
    if len(parts) > 1:
        return "".join(map(_delta, parts)) or None
    body = parts[0]
    results = listing(body.get("results"))
    answer: str | None = first(
        texts_of([mapping(mapping(body.get("output")).get("message"))]),  # Converse
        texts_of([body]),  # Anthropic
        "\n".join(text_of(mapping(result).get("outputText")) for result in results),  # Titan
        body.get("generation"),  # Llama
    )
    return answer


def _delta(part: Record) -> str:
    """Returns the text of one part of a stream: Anthropic's `delta`, or Converse's
    `contentBlockDelta`.
    """
    part = mapping(part.get("contentBlockDelta")) or part
    text = first(
        mapping(part.get("delta")).get("text"), part.get("outputText"), part.get("generation")
    )
    return text if isinstance(text, str) else ""


FORMAT = Format(
    name="bedrock",
    about="Amazon Bedrock model invocation logs.",
    sniff=sniff,
    row=row,
    split=split,
    account_try="--account-field accountId",
    prompt_try=(
        "log text data; bodies above 100 KB are stored as objects of their own (inputBodyS3Path)"
    ),
)
