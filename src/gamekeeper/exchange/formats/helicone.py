"""Helicone: requests, as its export, API and table have them.

    {"request_id", "request_created_at", "request_body", "response_body", "request_user_id", ...}

`request_user_id` is the header Helicone-User-Id, and properties are headers as well: the caller
writes them. The account is the key by which Helicone knew the caller. Bodies may be kept in a store
of their own (`signed_body_url`). Times are UTC. Source: Helicone, API reference of requests, and
schema of `request_response_rmt`.
"""

import re
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.dotted import gathered
from gamekeeper.exchange.formats.form import (
    EMBEDDINGS,
    FAILED,
    KEPT_ELSEWHERE,
    NO_BODY,
    OTHER_API,
    Format,
    PassedOver,
    Row,
)
from gamekeeper.exchange.formats.observed import (
    answered_in,
    asked_in,
    named_in,
    parameters_in,
    tokens_in,
)
from gamekeeper.exchange.messages import first, mapping

_PRINCIPALS = (
    "helicone_api_key_id",
    "helicone_proxy_key_id",
    "proxy_key_id",
    "api_key_id",
    "auth_hash",
    "request_auth_hash",
    "provider_api_key_id",
)
_OWNERS = ("organization_id", "helicone_org_id", "helicone_organization_id")
_CLAIMED = ("request_user_id", "user_id", "request_properties", "properties")
_FIRST_ERROR = 400
_OTHER_PATHS = ("/images", "/audio", "/moderations", "/files", "/models", "/rerank", "/vector")
_ELSEWHERE = ("signed_body_url", "storage_location", "body_url")


def sniff(record: Record) -> bool:
    """True if the record is a request of Helicone."""
    return "request_created_at" in record and (
        "request_body" in record or "request_id" in record or "request_body.messages" in record
    )


def row(record: Record) -> Row | PassedOver:
    """Returns the row of a request, or why it is not an exchange."""
    if _has_failed(record):
        return FAILED
    path = _path(record)
    if any(other in path for other in _OTHER_PATHS):
        return OTHER_API
    request = mapping(record.get("request_body"))
    if not request or "helicone_message" in request or "heliconeMessage" in request:
        return KEPT_ELSEWHERE if first(*map(record.get, _ELSEWHERE)) is not None else NO_BODY
    asked = asked_in(request)
    if isinstance(asked, PassedOver):
        return NO_BODY
    response = mapping(record.get("response_body"))
    return {
        **asked,
        **parameters_in(request),
        **tokens_in(record, response.get("usage")),
        "time": record.get("request_created_at"),
        "principals": named_in(record, _PRINCIPALS),
        "owners": named_in(record, _OWNERS),
        "claimed": named_in(record, _CLAIMED),
        "model": first(record.get("model"), record.get("request_model"), request.get("model")),
        "conversation": _property(record, "Helicone-Session-Id"),
        "answer": answered_in(response),
        "ip": first(record.get("request_ip"), record.get("client_ip")),
        "request_id": record.get("request_id"),
        "call": EMBEDDINGS if "/embeddings" in path else None,
    }


def _has_failed(record: Record) -> bool:
    status = first(record.get("response_status"), record.get("status"))
    if isinstance(status, str) and re.fullmatch(r"-?\d{1,6}", status):
        status = int(status)
    is_code = isinstance(status, int) and not isinstance(status, bool)
    return is_code and not 0 <= status < _FIRST_ERROR  # below 0: cancelled, or stopped as a threat


def _path(record: Record) -> str:
    path = first(record.get("request_path"), record.get("target_url"))
    return path if isinstance(path, str) else ""


def _property(record: Record, name: str) -> Any:
    held = mapping(first(record.get("request_properties"), record.get("properties")))
    return held.get(name)


FORMAT = Format(
    name="helicone",
    about="Helicone requests: export, API, table.",
    known_by="`request_created_at` with `request_body`",
    sniff=sniff,
    row=row,
    split=lambda record: (gathered(record),),
    zone="UTC",
    account_try=(
        "--account-field FIELD, one that Helicone sets: request_user_id is a header of the caller"
    ),
    prompt_try="export the bodies too (--include-body)",
)
