"""What tools that observe applications have in common: a call as `input`, `output`, and metadata.

Source: the export formats of the tools, each named in its own module.
"""

from collections.abc import Iterable
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.form import NO_CONTENT, TOOL_RESULTS, PassedOver, Row
from gamekeeper.exchange.messages import (
    answer_of,
    first,
    listing,
    mapping,
    parsed,
    prompt_of,
    tools_hash,
)
from gamekeeper.exchange.placeholders import is_redacted

USERS = ("api_key_id", "key_id", "account_id", "user_id", "userId", "user.id", "user", "user_email")
TENANTS = ("organization_id", "org_id", "tenant_id", "tenantId", "customer_id", "team_id")
_MASK_CHARS = 40
_INPUT_TOKENS = ("input", "prompt_tokens", "input_tokens", "promptTokens", "inputTokens")
_OUTPUT_TOKENS = (
    "output",
    "completion_tokens",
    "output_tokens",
    "completionTokens",
    "outputTokens",
)


def asked_in(value: Any) -> Row | PassedOver:
    """Returns `prompt`, `system`, `turn` of a call's input, or why there is no question in it."""
    held = parsed(value)
    if isinstance(held, dict) and "prompts" in held and "messages" not in held:  # LangChain's LLM
        held = "\n".join(text for text in listing(held["prompts"]) if isinstance(text, str))
    if held is None or held == "" or held == {} or held == []:
        return NO_CONTENT
    asked = prompt_of(value if isinstance(held, str) and isinstance(value, str) else held)
    if asked.get("only_tools"):
        return TOOL_RESULTS
    prompt = asked.get("prompt")
    if isinstance(prompt, str) and len(prompt) <= _MASK_CHARS and is_redacted(prompt):
        return NO_CONTENT
    if prompt is None and not asked.get("without_text") and isinstance(value, (str, dict)):
        return _only_text(held, value)
    return asked


def _only_text(held: Any, value: Any) -> Row | PassedOver:
    """Returns what a function was asked whose arguments are not those of a model."""
    texts = (
        [text for text in held.values() if isinstance(text, str)] if isinstance(held, dict) else []
    )
    prompt = "\n".join(texts) if texts else value
    if not isinstance(prompt, str) or not prompt.strip():
        return NO_CONTENT
    return {"prompt": prompt, "system": None, "turn": None}


def answered_in(value: Any) -> str | None:
    """Returns the text of a call's output."""
    return answer_of(value)


def tokens_in(*usages: Any) -> Row:
    """Returns `input_tokens` and `output_tokens` of the first usage that has them."""
    held = [mapping(usage) for usage in usages]
    return {
        "input_tokens": first(*_values(held, _INPUT_TOKENS)),
        "output_tokens": first(*_values(held, _OUTPUT_TOKENS)),
    }


def parameters_in(value: Any) -> Row:
    """Returns `temperature`, `n` and `tools` of a call's parameters."""
    held = mapping(value)
    return {
        "temperature": held.get("temperature"),
        "n": held.get("n"),
        "tools": tools_hash(first(held.get("tools"), held.get("functions"))),
    }


def named_in(held: Record, names: Iterable[str], prefix: str = "") -> Record:
    """Returns the fields of an object that hold something, under the paths that lead to them."""
    found: Record = {}
    for name in names:
        value = held.get(name)
        if value is not None and value != "" and not isinstance(value, (dict, list)):
            found[prefix + name] = value
    return found


def _values(held: list[Record], names: Iterable[str]) -> list[Any]:
    return [usage.get(name) for usage in held for name in names]
