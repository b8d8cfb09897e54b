"""Anthropic messages: `POST /v1/messages`; content is a list of blocks, streamed block by block.

Thinking blocks are removed whole: emptied ones would be sent back in the next turn, and refused for
their signature. The SDKs append each block that starts and then find it by its index, so in a
stream the indexes of the blocks after a removed one are counted down. What asks for thinking is
removed from the request, with what the upstream accepts only beside it.
"""

from typing import Any

from gamekeeper.guard.routes._conversation import conversation, tools_of
from gamekeeper.guard.routes._defaults import RouteDefaults, unchanged
from gamekeeper.guard.routes._fields import (
    a_list,
    an_object,
    flag,
    model_of,
    number,
    tokens,
    whole,
    without,
    wrong,
)
from gamekeeper.guard.routes._route import Json, Strip, Withheld
from gamekeeper.guard.routes._shape_anthropic import MESSAGES
from gamekeeper.guard.routes.query import Query, Usage

_ROLES = ("user", "assistant", "system")
_THINKING = ("thinking", "redacted_thinking")
_TRACES = ("thinking_delta", "signature_delta")
_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_ERRORS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicMessages(RouteDefaults):
    """The route `anthropic.messages`."""

    name = "anthropic.messages"
    shape = MESSAGES
    parameters = frozenset({"beta"})

    @property
    def request_line(self) -> str:
        """See `Route`."""
        return "POST /v1/messages"

    def matches(self, method: str, path: str) -> bool:
        """See `Route`."""
        return method == "POST" and path == "/v1/messages"

    def read(self, body: Json, path: str) -> Query:
        """See `Route`."""
        messages = a_list(an_object(body, "body").get("messages"), "messages")
        said = conversation(messages, "messages", roles=_ROLES, system=body.get("system"))
        if (thinking := body.get("thinking")) is not None:
            an_object(thinking, "thinking")
        return Query(
            model=model_of(body),
            prompts=(said.prompt,),
            stream=flag(body, "stream"),
            system=said.system,
            turn=said.turn,
            temperature=number(body, "temperature"),
            tools=tools_of(body, "tools"),
            max_output_tokens=whole(body, "max_tokens", least=0),
        )

    def narrow(self, body: Json, withheld: Withheld) -> Json:
        """See `Route`."""
        return _without_clearing(without(body, "thinking")) if withheld.reasoning else body

    def strip(self, answer: Json, withheld: Withheld, query: Query) -> Json:
        """See `Route`."""
        if not withheld.reasoning or answer.get("content") is None:
            return answer
        blocks = [an_object(block, "content") for block in a_list(answer["content"], "content")]
        kept = [block for block in blocks if block.get("type") not in _THINKING]
        return answer if len(kept) == len(blocks) else answer | {"content": kept}

    def stripper(self, withheld: Withheld, query: Query) -> Strip:
        """See `Route`."""
        return _Blocks(self, withheld, query) if withheld.reasoning else unchanged

    def usage(self, answer: Json) -> Usage:
        """See `Route`; tokens written to and read from the cache count as input."""
        message = answer.get("message")
        usage = (message if isinstance(message, dict) else answer).get("usage")
        return Usage(tokens(usage, *_INPUT), tokens(usage, "output_tokens"))

    def refusal(self, status: int, code: str, message: str) -> Json:
        """See `Route`; this form has no place for the code."""
        kind = _ERRORS.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": message}}


class _Blocks:
    """Drops the thinking blocks of one stream and counts down the indexes of those that follow."""

    def __init__(self, route: AnthropicMessages, withheld: Withheld, query: Query) -> None:
        self._route = route
        self._withheld = withheld
        self._query = query
        self._dropped: set[int] = set()

    def __call__(self, event: Json) -> Json | None:
        if event.get("message") is not None:
            message = an_object(event["message"], "message")
            kept = self._route.strip(message, self._withheld, self._query)
            return event if kept is message else event | {"message": kept}
        if event.get("index") is None:
            return event
        return self._block(event, self._index(event))

    def _block(self, event: Json, index: int) -> Json | None:
        if _kind(event, "content_block") in _THINKING:
            self._dropped.add(index)
        if index in self._dropped or _kind(event, "delta") in _TRACES:
            return None
        before = sum(dropped < index for dropped in self._dropped)
        return event | {"index": index - before} if before else event

    def _index(self, event: Json) -> int:
        if type(event["index"]) is not int:
            raise wrong("index", event["index"], "a whole number")
        return int(event["index"])


def _kind(event: Json, name: str) -> Any:
    inner = event.get(name)
    return None if inner is None else an_object(inner, name).get("type")


def _without_clearing(body: Json) -> Json:
    """A request without the order to forget earlier thinking, which is accepted only where thinking
    is on.
    """
    management = body.get("context_management")
    if not isinstance(management, dict) or not isinstance(edits := management.get("edits"), list):
        return body
    if not any(map(_clears_thinking, edits)):
        return body
    kept = [edit for edit in edits if not _clears_thinking(edit)]
    return (
        body | {"context_management": management | {"edits": kept}}
        if kept
        else without(body, "context_management")
    )


def _clears_thinking(edit: Any) -> bool:
    return isinstance(edit, dict) and str(edit.get("type")).startswith("clear_thinking")
