"""Azure API Management: the gateway's logs of language models, as a table export or a diagnostic
stream.

One exchange is several records with one correlation id: number 0 with model and token counts, then
the request and the response, cut into numbered parts of 32 KB. The account, and the caller's
address, are in the gateway's other log (ApiManagementGatewayLogs): give both, or join them in the
export. `TenantId` there is the log workspace, never the account. Source: Azure Monitor reference,
ApiManagementGatewayLlmLog; API Management how-to on LLM logs.
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
    parsed,
    pick,
    texts_of,
)

_ACCOUNTS = ("apimsubscriptionid", "subscriptionkeyid", "userid")
_LLM = ("sequencenumber", "requestmessages", "responsemessages")


def sniff(record: Record) -> bool:
    """True if there is a correlation id with a part of an exchange or an API Management
    subscription.
    """
    flat = _flat(record)
    return "correlationid" in flat and any(key in flat for key in (*_LLM, "apimsubscriptionid"))


def split(record: Record) -> Iterable[Record]:
    """Yields the record, or those in its envelope, flat and with keys in lower case: exports differ
    there.
    """
    inner = record.get("records")
    return map(
        _flat,
        [item for item in inner if isinstance(item, dict)] if isinstance(inner, list) else [record],
    )


def part_key(record: Record) -> tuple[str, int | None] | None:
    """Returns correlation id and sequence number; the number is None in the gateway's own log."""
    group = record.get("correlationid")
    number = record.get("sequencenumber")
    if not isinstance(group, str):
        return None
    if isinstance(number, str) and number.isdecimal():
        number = int(number[:9])
    return group, number if isinstance(number, int) else None


def join(parts: list[Record]) -> Record:
    """Returns one record of all parts: their fields, the earlier ones first, and both bodies in one
    piece.
    """
    whole: Record = {}
    for part in parts:
        whole = {**part, **{key: value for key, value in whole.items() if first(value) is not None}}
    for side in ("requestmessages", "responsemessages"):
        whole[side] = _rejoined([part[side] for part in parts if first(part.get(side)) is not None])
    return whole


def row(record: Record) -> Row | None:
    """Returns the row of one joined exchange; None for calls of the gateway that no model
    answered.
    """
    if not any(first(record.get(key)) is not None for key in _LLM):
        return None
    answers = [
        mapping(item).get("message") or item for item in listing(record.get("responsemessages"))
    ]
    return {
        **conversation_of(record.get("requestmessages")),
        "time": first(record.get("timegenerated"), record.get("time")),
        "account": pick(record, _ACCOUNTS),
        "model": first(record.get("modelname"), record.get("deploymentname")),
        "answer": texts_of(answers),
        "input_tokens": first(record.get("prompttokens")),
        "output_tokens": first(record.get("completiontokens")),
        "ip": first(record.get("calleripaddress")),
        "request_id": record.get("correlationid"),
    }


def _flat(record: Record) -> Record:
    flat = {**record, **mapping(record.get("properties"))}
    return {key.lower(): value for key, value in flat.items()}


def _rejoined(pieces: list[Any]) -> Any:
    """Returns the messages of all pieces: cut text is joined, then parsed; whole arrays follow each
    other.
    """
    if all(isinstance(piece, str) for piece in pieces):
        whole = parsed("".join(pieces))
        if not isinstance(whole, str):
            return whole
    return [item for piece in pieces for item in listing(piece)]


FORMAT = Format(
    name="azure",
    about="Azure API Management logs of language models, parts rejoined.",
    sniff=sniff,
    row=row,
    split=split,
    zone="UTC",
    part_key=part_key,
    join=join,
    account_try=(
        "give ApiManagementGatewayLogs too: its ApimSubscriptionId is joined by CorrelationId"
    ),
    prompt_try="log request messages: diagnostic setting of the API, Log messages",
)
