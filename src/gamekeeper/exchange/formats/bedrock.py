"""Amazon Bedrock model invocation logs (ModelInvocationLog), from S3, CloudWatch, Athena or a SIEM.

The account is the caller's ARN. Of an assumed role it is the role without the session: the client
that assumes the role names the session, and could name each one differently. Sessions of AWS IAM
Identity Center are named by AWS and stay. `--account-field identity.arn` keeps whole ARNs.

Bodies above 100 KB are objects of their own in S3, which the record names. Athena writes names in
lower case and bodies as JSON text; a SIEM flattens names (`input.inputBodyJson`).

Source: Amazon Bedrock user guide, model invocation logging; its API reference for Converse, and the
parameters of the models of Anthropic, Amazon, Meta, Mistral, Cohere, AI21 and DeepSeek.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.calls import (
    asked_or_why_not,
    kind_of,
    settings,
)
from gamekeeper.exchange.formats.form import (
    KEPT_ELSEWHERE,
    NO_BODY,
    OTHER_RECORD,
    Format,
    PassedOver,
    Row,
)
from gamekeeper.exchange.formats.outcomes import failed_unanswered
from gamekeeper.exchange.messages import answer_of, first, mapping, parsed

_SCHEMA_TYPE = "ModelInvocationLog"
_NAMED_BY_AWS = "AWSReservedSSO_"
_SIDES = ("input", "output", "identity", "requestmetadata")


def sniff(record: Record) -> bool:
    """True if the record says so itself, or has its fields."""
    if record.get("schemaType") == _SCHEMA_TYPE or _inside(record) is not None:
        return True
    names = {name.lower(): name for name in record if isinstance(name, str)}
    if record.get(names.get("schematype", "")) == _SCHEMA_TYPE:
        return True
    has_input = any(name == "input" or name.startswith("input.") for name in names)
    return "modelid" in names and "requestid" in names and has_input


def split(record: Record) -> Iterable[Record]:
    """Takes the log out of CloudWatch's envelope."""
    return (_inside(record) or record,)


def row(record: Record) -> Row | PassedOver:
    """Returns the row of one invocation, or why it is not an exchange."""
    log = _nested(record)
    asked_side, given = log.get("input", {}), log.get("output", {})
    if log.get("modelid") is None and not asked_side:
        return OTHER_RECORD
    response = parsed(given.get("outputbodyjson"))
    answer = answer_of(response)
    if (failed := failed_unanswered(answer, response, (log, given))) is not None:
        return failed
    body = mapping(asked_side.get("inputbodyjson"))
    if not body:
        is_elsewhere = first(asked_side.get("inputbodys3path"), asked_side.get("s3path"))
        return KEPT_ELSEWHERE if is_elsewhere else NO_BODY
    operation = log.get("operation")
    named = operation if isinstance(operation, str) and not _may_be_any(operation) else None
    kind = kind_of(body, response, log.get("modelid"), named)
    asked = asked_or_why_not(body, kind)
    if isinstance(asked, PassedOver):
        return asked
    arn = log.get("identity", {}).get("arn")
    metadata = log.get("requestmetadata", {})
    return {
        **asked,
        **settings(body),
        "time": log.get("timestamp"),
        "principals": {"identity.arn": _caller(arn), "accountId": log.get("accountid")},
        "owners": {"accountId": log.get("accountid")},
        "claimed": _claimed(arn, metadata),
        "model": log.get("modelid"),
        "conversation": first(metadata.get("session")),
        "answer": answer,
        "input_tokens": asked_side.get("inputtokencount"),
        "output_tokens": given.get("outputtokencount"),
        "request_id": log.get("requestid"),
    }


def _may_be_any(operation: str) -> bool:
    """InvokeModel calls models of all kinds; only the body says of which."""
    return operation.lower().startswith("invokemodel") and "bidirectional" not in operation.lower()


def _inside(record: Record) -> Record | None:
    for key in ("message", "@message"):
        inner = mapping(record.get(key)) if isinstance(record.get(key), str | dict) else {}
        if inner.get("schemaType") == _SCHEMA_TYPE:
            return inner
    return None


def _nested(record: Record) -> Record:
    """Returns a record with names in lower case, and flattened names put into their objects."""
    log: Record = {}
    for name, value in record.items():
        lowered, side, inner = _place_of(str(name))
        if side is None:
            log[lowered] = value
        elif not inner:
            log[side] = _lowered(value) | log.get(side, {})
        else:
            log[side] = log.get(side, {}) | _under(str(name), value, inner)
    return log


@lru_cache(maxsize=1024)
def _place_of(name: str) -> tuple[str, str | None, str]:
    """Returns a name in lower case, which side of a record it is of, and the rest of the name."""
    lowered = name.lower()
    side, _, inner = lowered.partition(".")
    return lowered, side if side in _SIDES else None, inner


def _under(name: str, value: Any, inner: str) -> Record:
    """Returns what a flattened name holds; a SIEM may have flattened the body as well."""
    field, _, deeper = inner.partition(".")
    if not deeper:
        return {field: value}
    last = name.rpartition(".")[2]
    is_list_of_messages = field == "inputbodyjson" and deeper == last.lower()
    return {field: {last: value}} if is_list_of_messages else {}


def _lowered(value: Any) -> Record:
    return {_place_of(str(name))[0]: held for name, held in mapping(value).items()}


def _caller(arn: Any) -> Any:
    if not isinstance(arn, str) or ":assumed-role/" not in arn or f"/{_NAMED_BY_AWS}" in arn:
        return arn
    return "/".join(arn.split("/")[:2])


def _claimed(arn: Any, metadata: Record) -> Row:
    """Returns what the client chooses: the session of a role, and the metadata of a request."""
    session = arn.rpartition("/")[2] if isinstance(arn, str) and arn != _caller(arn) else None
    return {"identity.arn (session)": session} | {
        f"requestMetadata.{name}": value for name, value in metadata.items()
    }


FORMAT = Format(
    name="bedrock",
    about=(
        "Amazon Bedrock model invocation logs: S3, CloudWatch, Athena, flattened; the account is"
        " the caller's ARN, of an assumed role without the session."
    ),
    known_by="`schemaType` with `ModelInvocationLog`, or an identity with an input body",
    sniff=sniff,
    row=row,
    split=split,
    account_try="--account-field accountId",
    prompt_try=(
        "log text data; bodies above 100 KB are stored as objects of their own (inputBodyS3Path)"
    ),
)
