"""LiteLLM spend logs: the table LiteLLM_SpendLogs as JSON Lines, CSV or Parquet.

The account is `api_key`, which holds the hash of the key. Times are written without a zone and are
UTC. Prompts are there only with `store_prompts_in_spend_logs: true`. Source: LiteLLM schema.prisma,
model LiteLLM_SpendLogs.
"""

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.form import Format, Row
from gamekeeper.exchange.formats.openai import settings
from gamekeeper.exchange.messages import answer_of, conversation_of, first, listing, mapping


def sniff(record: Record) -> bool:
    """True if there is a start time in LiteLLM's spelling, and a key or a call type."""
    return "startTime" in record and ("api_key" in record or "call_type" in record)


def row(record: Record) -> Row:
    """Returns the row of one spend log."""
    request = mapping(record.get("proxy_server_request"))
    request = mapping(request.get("body")) or request
    asked = first(listing(record.get("messages")) or None, request.get("messages"))
    return {
        **settings({**mapping(record.get("model_parameters")), **request}),
        **conversation_of(asked, request.get("system")),
        "time": record.get("startTime"),
        "account": first(record.get("api_key")),
        "model": first(record.get("model"), record.get("model_group")),
        "conversation": record.get("session_id"),
        "answer": answer_of(record.get("response")),
        "input_tokens": record.get("prompt_tokens"),
        "output_tokens": record.get("completion_tokens"),
        "ip": first(record.get("requester_ip_address")),
        "request_id": record.get("request_id"),
    }


FORMAT = Format(
    name="litellm",
    about="LiteLLM spend logs, as JSON Lines, CSV or Parquet.",
    sniff=sniff,
    row=row,
    zone="UTC",
    account_try="--account-field team_id, or another field that the proxy sets",
    prompt_try="set store_prompts_in_spend_logs: true under general_settings of LiteLLM",
)
