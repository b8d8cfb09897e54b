"""Azure API Management: the gateway's logs of language models, as a table export or a diagnostic
stream; and the request log of Azure OpenAI, which holds no prompts.

One exchange is several records with one correlation id: number 0 with model and token counts, then
the request and the response, cut into numbered parts of 32 KB. The account, and the caller's
address, are in the gateway's other log (ApiManagementGatewayLogs): give both, or join them in the
export. `TenantId` there is the log workspace, never the account. A call of another API of the
gateway has no parts of a request: it is counted once, whatever the number of its records.

Source: Azure Monitor reference, ApiManagementGatewayLlmLog, ApiManagementGatewayLogs and
AzureDiagnostics; API Management how-to on LLM logs.
"""

from collections.abc import Iterable
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.calls import (
    OTHER,
    QUESTION,
    api_of,
    asked_or_why_not,
    kind_of,
    settings,
)
from gamekeeper.exchange.formats.form import (
    NO_BODY,
    OTHER_API,
    OTHER_RECORD,
    Format,
    PassedOver,
    Row,
)
from gamekeeper.exchange.formats.outcomes import failed_unanswered
from gamekeeper.exchange.messages import (
    answer_of,
    first,
    listing,
    mapping,
    parsed,
    pick,
    texts_of,
)

_PRINCIPALS = {
    "ApimSubscriptionId": "apimsubscriptionid",
    "SubscriptionKeyId": "subscriptionkeyid",
    "UserId": "userid",
    "ProductId": "productid",
}
_PARTS = ("requestmessages", "responsemessages")
_LLM = ("sequencenumber", *_PARTS)
_OF_MODELS = (*_LLM, "modelname", "deploymentname", "prompttokens", "completiontokens")
_REQUESTS = ("requestmessages", "requestbody", "backendrequestbody", "input", "prompt")
_RESPONSES = ("responsemessages", "responsebody", "backendresponsebody", "output", "completion")
_KEPT_NOWHERE = ("requestresponse", "audit", "trace")
_OUTCOMES = ("responsecode", "backendresponsecode", "isrequestsuccess", "resultsignature")


def sniff(record: Record) -> bool:
    """True if there is a correlation id with a part of an exchange or an API Management
    subscription, or if it is a record of Azure OpenAI.
    """
    inner = record.get("records")
    if isinstance(inner, list):
        return any(
            isinstance(item, dict) and "records" not in item and sniff(item) for item in inner
        )
    flat = _flat(record)
    if "correlationid" not in flat:
        return False
    return any(key in flat for key in (*_LLM, "apimsubscriptionid")) or _is_of_openai(flat)


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
    if not isinstance(group, str) or _is_of_openai(record):
        return None
    if isinstance(number, str) and number.strip().isdecimal():
        number = int(number.strip()[:9])
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    is_number = isinstance(number, int) and not isinstance(number, bool)
    return group, number if is_number else None


def join(parts: list[Record]) -> list[Record]:
    """Returns one record of all parts: their fields, the earlier ones first, and both bodies in one
    piece.
    """
    whole: Record = {}
    for part in parts:
        whole = {**part, **{key: value for key, value in whole.items() if first(value) is not None}}
    for side in _PARTS:
        if pieces := [part[side] for part in parts if first(part.get(side)) is not None]:
            whole[side] = _rejoined(pieces)
    return [whole]


def row(record: Record) -> Row | PassedOver:
    """Returns the row of one joined exchange, or why it is not an exchange."""
    if _is_of_openai(record):
        operation = record.get("operationname")
        is_other = isinstance(operation, str) and api_of(operation) not in (None, QUESTION)
        return OTHER_API if is_other else NO_BODY
    response = parsed(pick(record, _RESPONSES))
    answer = _answer(response)
    outcome = {name: record[name] for name in _OUTCOMES if name in record}
    if (failed := failed_unanswered(answer, response, (outcome,))) is not None:
        return failed
    request = _request(record)
    if not request:
        return _without_messages(record)
    model = first(record.get("modelname"), record.get("deploymentname"), request.get("model"))
    kind = kind_of(request, response, model, record.get("url"))
    asked = asked_or_why_not(request, kind, is_table=True)
    if isinstance(asked, PassedOver):
        return asked
    return {
        **asked,
        **settings(request),
        "time": _time(record),
        "principals": {name: first(record.get(key)) for name, key in _PRINCIPALS.items()},
        "owners": {"UserId": first(record.get("userid"))},
        "model": model,
        "answer": answer,
        "input_tokens": first(record.get("prompttokens")),
        "output_tokens": first(record.get("completiontokens")),
        "ip": first(record.get("calleripaddress"), record.get("clientip")),
        "request_id": record.get("correlationid"),
    }


def _request(record: Record) -> Record:
    """Returns the body of a request: its messages, or the whole body as the gateway logged it."""
    held = parsed(pick(record, _REQUESTS))
    if isinstance(held, list):
        return {"messages": held} if held else {}
    if isinstance(held, dict):
        return held
    return {"prompt": held} if isinstance(held, str) and held.strip() else {}


def _without_messages(record: Record) -> PassedOver:
    """Says why there is no request: a model was called and its messages are not logged, or another
    API was called, which has no messages. The log itself does not tell these apart: both are a row
    of tokens. If nothing else is in the log, messages are not logged at all.
    """
    url = record.get("url")
    if isinstance(url, str) and api_of(url) not in (None, QUESTION):
        return OTHER_API
    if any(first(record.get(key)) is not None for key in _OF_MODELS):
        return NO_BODY
    return OTHER_API if "correlationid" in record else OTHER_RECORD


def _answer(response: Any) -> str | None:
    said = parsed(response)
    if isinstance(said, list):
        return texts_of([mapping(item).get("message") or item for item in listing(said)])
    return answer_of(said)


def _time(record: Record) -> Any:
    names = ("timegenerated", "timegenerated [utc]", "time", "timestamp", "timestamp [utc]")
    return pick(record, names)


def _is_of_openai(flat: Record) -> bool:
    """Whether a record is of Azure OpenAI's own diagnostics, which never hold a prompt."""
    category = first(flat.get("category"), "")
    operation = first(flat.get("operationname"), "")
    if any(key in flat for key in (*_LLM, "apimsubscriptionid")) or not isinstance(category, str):
        return False
    is_category = category.lower() in _KEPT_NOWHERE
    is_known = isinstance(operation, str) and api_of(operation) not in (None, OTHER)
    return is_category or is_known


def _flat(record: Record) -> Record:
    """Returns the fields of a record and of its properties by their names in lower case; those of
    AzureDiagnostics end in their type (`modelName_s`).
    """
    flat = {**record, **mapping(record.get("properties"))}
    return {_plain(str(key)): value for key, value in flat.items()}


def _plain(key: str) -> str:
    name = key.lower()
    stem, _, kind = name.rpartition("_")
    return stem if stem and kind in ("s", "d", "g", "b", "t") else name


def _rejoined(pieces: list[Any]) -> Any:
    """Returns the messages of all pieces: cut text is joined, then parsed; whole arrays follow each
    other.
    """
    if all(isinstance(piece, str) for piece in pieces):
        whole = parsed("".join(pieces))
        if not isinstance(whole, str):
            return whole
        if any(not isinstance(parsed(piece), list) for piece in pieces):
            return whole
    return [item for piece in pieces for item in listing(piece)]


FORMAT = Format(
    name="azure",
    about=(
        "Azure API Management logs of language models, parts rejoined: tables, portal CSV, Event"
        " Hub."
    ),
    known_by="a correlation id with a part of an exchange, or with a subscription",
    sniff=sniff,
    row=row,
    split=split,
    zone="UTC",
    part_key=part_key,
    join=join,
    account_try=(
        "give ApiManagementGatewayLogs too: its ApimSubscriptionId is joined by CorrelationId"
    ),
    prompt_try=(
        "log request messages: diagnostic setting of the API in API Management, Log messages; Azure"
        " OpenAI's own log never holds a prompt"
    ),
)
