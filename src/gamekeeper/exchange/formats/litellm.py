"""LiteLLM: spend logs (the table LiteLLM_SpendLogs) as JSON Lines, CSV or Parquet, and the standard
logging payload that its loggers write to S3, GCS and elsewhere.

The narrowest principal is the hash of the key: `api_key`, or `metadata.user_api_key_hash` of the
payload. The proxy knows the key's user, project, team and organisation as well. `end_user` is the
request's `user`, so it is what the client says. Times are written without a zone and are UTC.

Where the text is depends on the call: `messages` is filled by the payload, and in spend logs only
for some calls; the request as it came is `proxy_server_request`, with `messages`, `input` or
`prompt`. Both are there only with `store_prompts_in_spend_logs: true`; the proxy cuts each text to
2,048 characters there and says so inside it.

Source: LiteLLM schema.prisma (LiteLLM_SpendLogs), types/utils.py (StandardLoggingPayload,
CallTypes), proxy/spend_tracking/spend_tracking_utils.py.
"""

import re
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.calls import (
    OTHER,
    api_of,
    asked_or_why_not,
    kind_of,
    settings,
)
from gamekeeper.exchange.formats.form import (
    FAILED,
    KEPT_ELSEWHERE,
    NO_BODY,
    OTHER_API,
    Format,
    PassedOver,
    Row,
)
from gamekeeper.exchange.formats.outcomes import failed_unanswered
from gamekeeper.exchange.messages import answer_of, first, is_request, mapping, parsed

_CUT = re.compile(r"\(litellm_truncated[^)]*\)|\.\.\. \(truncated \d+ chars\)")
_HEALTH = "litellm-internal-health-check"
_CUT_WHOLE = "litellm_truncated"
_NAMES = {
    name.lower(): name
    for name in (
        *("startTime", "endTime", "completionStartTime", "call_type", "api_key", "request_id"),
        *("proxy_server_request", "messages", "response", "metadata", "model", "model_group"),
        *("end_user", "team_id", "organization_id", "session_id", "status", "prompt_tokens"),
        *("completion_tokens", "requester_ip_address", "model_parameters", "error_information"),
        *("error_str", "trace_id", "id", "user", "custom_llm_provider", "agent_id"),
    )
}


def sniff(record: Record) -> bool:
    """True if there is a start time in LiteLLM's spelling, and a key or a call type."""
    names = record.keys()
    if "startTime" not in names and "starttime" not in names and "STARTTIME" not in names:
        return False
    record = _spelt(record)
    if "api_key" in record or "call_type" in record:
        return True
    return any(str(name).startswith("user_api_key") for name in mapping(record.get("metadata")))


def row(record: Record) -> Row | PassedOver:
    """Returns the row of one call, or why it is not an exchange."""
    record = _spelt(record)
    metadata = mapping(record.get("metadata"))
    response = parsed(record.get("response"))
    answer = answer_of(response)
    if failed_unanswered(answer, response, map(_outcome, (record, metadata))):
        return FAILED
    call_type = record.get("call_type")
    if isinstance(call_type, str) and api_of(call_type) == OTHER:
        return OTHER_API
    if _HEALTH in (record.get("api_key"), metadata.get("user_api_key"), record.get("user")):
        return OTHER_API
    request = _request(record)
    if isinstance(call_type, str) and "pass" in call_type:
        request = _passed_through(request)
    route = metadata.get("user_api_key_request_route")
    kind = kind_of(request, response, record.get("model"), call_type, route)
    asked = asked_or_why_not(request, kind)
    if isinstance(asked, PassedOver):
        return _without_body(record, metadata) if asked is NO_BODY else asked
    return {
        **asked,
        **settings({**mapping(record.get("model_parameters")), **request}),
        **_callers(record, metadata),
        "time": record.get("startTime"),
        "model": first(record.get("model"), record.get("model_group"), request.get("model")),
        "conversation": first(record.get("session_id"), record.get("trace_id")),
        "answer": answer,
        "input_tokens": record.get("prompt_tokens"),
        "output_tokens": record.get("completion_tokens"),
        "ip": first(record.get("requester_ip_address"), metadata.get("requester_ip_address")),
        "client": _text(metadata.get("user_agent")),
        "request_id": _text(first(record.get("request_id"), record.get("id"))),
        "was_cut": _was_cut(asked["prompt"]),
    }


def _was_cut(prompt: str | None) -> bool:
    return prompt is not None and "trunc" in prompt and _CUT.search(prompt) is not None


def _spelt(record: Record) -> Record:
    """Returns a record with LiteLLM's own spelling; warehouses change the case of names."""
    if "startTime" in record:
        return record
    return {_NAMES.get(str(name).lower(), name): value for name, value in record.items()}


_OUTCOMES = ("status", "error_information", "error_str", "exception")


def _outcome(record: Record) -> Record:
    """Returns what the proxy says of how a call ended; other fields may be the client's."""
    return {name: record[name] for name in _OUTCOMES if name in record}


def _request(record: Record) -> Record:
    """Returns what was asked, from whichever field holds it; `{}` stands for nothing in all."""
    request = mapping(record.get("proxy_server_request"))
    request = mapping(request.get("body")) or request
    messages = parsed(record.get("messages"))
    if isinstance(messages, dict):
        messages = messages if is_request(messages) else None
    if isinstance(messages, dict):
        return messages | {"model": request.get("model")}
    if messages:
        return {**request, "messages": messages}
    if is_request(request):
        return request
    inner = mapping(mapping(record.get("metadata")).get("proxy_server_request"))
    return mapping(inner.get("body")) or inner or request


def _passed_through(request: Record) -> Record:
    """Returns the body that the proxy passed on unread: it logs it as the text of one message."""
    messages = request.get("messages")
    if not isinstance(messages, list) or len(messages) != 1 or not isinstance(messages[0], dict):
        return request
    body = mapping(messages[0].get("content"))
    return body if is_request(body) else request


def _without_body(record: Record, metadata: Record) -> PassedOver:
    """Says why a call that a model answered has no text.

    Its body may be in another store. Otherwise nothing was stored, which is the default of the
    proxy. A log in which that changes half way is still read; one without any text is refused by
    the reader, with the setting that stores them.
    """
    whole = record.get("proxy_server_request")
    is_cut = _CUT_WHOLE in whole if isinstance(whole, str) else _CUT_WHOLE in mapping(whole)
    return KEPT_ELSEWHERE if is_cut or metadata.get("cold_storage_object_key") else NO_BODY


def _callers(record: Record, metadata: Record) -> Row:
    """Returns who called: the key, its user, project, team and organisation."""
    key, user = metadata.get("user_api_key_hash"), metadata.get("user_api_key_user_id")
    team, org = metadata.get("user_api_key_team_id"), metadata.get("user_api_key_org_id")
    return {
        "principals": {
            "api_key": record.get("api_key"),
            "metadata.user_api_key_hash": first(key, metadata.get("user_api_key")),
            "metadata.user_api_key_user_id": user,
            "user": record.get("user"),
            "metadata.user_api_key_project_id": metadata.get("user_api_key_project_id"),
            "team_id": record.get("team_id"),
            "metadata.user_api_key_team_id": team,
            "organization_id": record.get("organization_id"),
            "metadata.user_api_key_org_id": org,
        },
        "owners": {
            "organization_id": first(record.get("organization_id"), org),
            "team_id": first(record.get("team_id"), team),
            "metadata.user_api_key_project_id": metadata.get("user_api_key_project_id"),
        },
        "claimed": {
            "end_user": record.get("end_user"),
            "metadata.user_api_key_end_user_id": metadata.get("user_api_key_end_user_id"),
        },
        "alias": _text(
            first(metadata.get("user_api_key_alias"), metadata.get("user_api_key_team_alias"))
        ),
    }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


FORMAT = Format(
    name="litellm",
    about=(
        "LiteLLM spend logs and standard logging payloads; the account is the hash of the key, and"
        " `end_user` is what the client says."
    ),
    known_by="`startTime` with a key or a call type",
    sniff=sniff,
    row=row,
    zone="UTC",
    account_try="--account-field team_id, or another field that the proxy sets",
    prompt_try="set store_prompts_in_spend_logs: true under general_settings of LiteLLM",
)
