"""OpenAI responses: `POST /v1/responses`; input is text or items, the answer a list of items.

Reasoning items are emptied, not removed. Later turns send items back, and the upstream refuses a
function call whose reasoning item, known to it by id, is missing; and the SDKs find items by their
place in the stream. Emptied they hold an id and nothing else. Where the upstream keeps nothing
(`store: false`) an emptied item would be unknown to it, so `narrow` takes those out of the input
again. Log-probabilities withheld are an empty list: in this API's events the field is a list, never
null.
"""

from collections.abc import Callable
from typing import Any

from gamekeeper.guard.routes._conversation import (
    Conversation,
    conversation,
    plain_content,
    tools_of,
)
from gamekeeper.guard.routes._defaults import unchanged
from gamekeeper.guard.routes._fields import (
    a_list,
    a_text,
    an_object,
    flag,
    model_of,
    number,
    require_absent,
    text,
    tokens,
    whole,
    without,
    wrong,
)
from gamekeeper.guard.routes._openai import TRACES, OpenAiOperation, narrow_tokens
from gamekeeper.guard.routes._route import Json, Strip, UnreadableRequestError, Withheld
from gamekeeper.guard.routes._shape_responses import RESPONSES
from gamekeeper.guard.routes.query import Query, Usage

_ROLES = ("user", "assistant", "system", "developer")
_NO_USERS = (None, "assistant", "system", "developer")
_LOGPROBS = "message.output_text.logprobs"
_ENCRYPTED = "reasoning.encrypted_content"
_TRACE_EVENTS = "response.reasoning"
_OWN: dict[Any, tuple[str, ...]] = {
    None: ("content",),
    "message": ("content",),
    "reasoning": ("encrypted_content", "content"),
    "compaction": ("encrypted_content",),
    "image_generation_call": ("result",),
}
_OWN_OF_OTHERS = (
    *("output", "arguments", "input", "action", "actions", "code", "queries", "operation"),
    *("tools", "approval_request_id"),
)
"""By an item's type, the fields of which one must be there, or it is one by its id only."""
_KEPT_BY_ID = ("vector_store_ids", "file_ids", "file_id", "container_id")


class OpenAiResponses(OpenAiOperation):
    """The route `openai.responses`."""

    name = "openai.responses"
    operation = "responses"
    shape = RESPONSES
    object_ids = True

    def read(self, body: Json, path: str) -> Query:
        """See `Route`; `prompt`, a text stored with the upstream, is refused: the guard cannot see
        it.
        """
        require_absent(an_object(body, "body"), "prompt", "messages")
        _require_foreground(body)
        said = _said(body)
        top = whole(body, "top_logprobs", least=0)
        included = _include(body)
        continues = (
            body.get("previous_response_id") is not None or body.get("conversation") is not None
        )
        return Query(
            model=model_of(body),
            prompts=(said.prompt,),
            stream=flag(body, "stream"),
            system=said.system,
            turn=None if continues else said.turn,  # what was said before is with the upstream
            temperature=number(body, "temperature"),
            logprobs=_LOGPROBS in included or bool(top),
            tools=tools_of(body, "tools"),
            max_output_tokens=whole(body, "max_output_tokens", least=0),
        )

    def untag(self, body: Json, path: str, untag: Callable[[str], str]) -> tuple[Json, str]:
        """See `Route`."""
        body = _without_unknown(body)
        _require_own(body)
        earlier = text(body, "previous_response_id")
        return (
            (body, path)
            if earlier is None
            else (body | {"previous_response_id": untag(earlier)}, path)
        )

    def tag(self, document: Json, tag: Callable[[str], str]) -> Json:
        """See `Route`."""
        return tagged(document, tag)

    def narrow(self, body: Json, withheld: Withheld) -> Json:
        """See `Route`."""
        body = narrow_tokens(body, withheld)
        unwanted = {_LOGPROBS} if withheld.logprobs else set()
        unwanted |= {_ENCRYPTED} if withheld.reasoning else set()
        if unwanted & set(_include(body)):
            body = body | {"include": [name for name in _include(body) if name not in unwanted]}
        return _without_traces(body) if withheld.reasoning else body

    def strip(self, answer: Json, withheld: Withheld, query: Query) -> Json:
        """See `Route`."""
        if answer.get("output") is None or not (withheld.logprobs or withheld.reasoning):
            return answer
        output = [strip_item(item, withheld) for item in a_list(answer["output"], "output")]
        return answer | {"output": output}

    def stripper(self, withheld: Withheld, query: Query) -> Strip:
        """See `Route`; `sequence_number` stays as it was: a stream is resumed by it."""
        if not (withheld.logprobs or withheld.reasoning):
            return unchanged

        def strip(event: Json) -> Json | None:
            if withheld.reasoning and str(event.get("type")).startswith(_TRACE_EVENTS):
                return None
            if withheld.logprobs and event.get("logprobs"):
                event = event | {"logprobs": []}
            event = _inside(event, "item", withheld)
            event = _inside(event, "part", withheld)
            if event.get("response") is None:
                return event
            return event | {
                "response": self.strip(an_object(event["response"], "response"), withheld, query)
            }

        return strip

    def usage(self, answer: Json) -> Usage:
        """See `Route`."""
        response = answer.get("response")
        usage = (response if isinstance(response, dict) else answer).get("usage")
        return Usage(tokens(usage, "input_tokens"), tokens(usage, "output_tokens"))


def tagged(document: Json, tag: Callable[[str], str]) -> Json:
    """Returns a response, or an event that may hold one, with the ids that its client may use."""
    given: Json = {
        name: tag(id)
        for name in ("id", "previous_response_id")
        if isinstance(id := document.get(name), str)
    }
    response = document.get("response")
    if isinstance(response, dict):
        given["response"] = tagged(response, tag)
    return document | given if given else document


def _require_foreground(body: Json) -> None:
    if flag(body, "background"):
        raise UnreadableRequestError(
            'field "background": background answers are not passed: send without background'
        )


def _require_own(body: Json) -> None:
    """Raises for what is kept at the upstream and whose account cannot be known by its id."""
    if body.get("conversation") is not None:
        raise UnreadableRequestError(
            'field "conversation": conversations kept at the upstream belong to no account here:'
            " send previous_response_id, or the items themselves"
        )
    given = body.get("input")
    for item in given if isinstance(given, list) else ():
        if _is_reference(item):
            raise UnreadableRequestError(
                'field "input": an item kept at the upstream belongs to no account here:'
                " send the item itself (with store: false, SDKs do), not its item_reference, or"
                " previous_response_id"
            )
        if isinstance(item, dict):
            _require_own_tools(item.get("tools"))
    _require_own_tools(body.get("tools"))


def _require_own_tools(tools: Any) -> None:
    """Raises for a tool that works on files or containers kept at the upstream."""
    for tool in tools if isinstance(tools, list) else [tools]:
        if not isinstance(tool, dict):
            continue
        held = [tool.get(name) for name in ("container", "environment", "input_image_mask")]
        named = any(isinstance(inner, str) and inner != "auto" for inner in held)
        inside = [tool, *(inner for inner in held if isinstance(inner, dict))]
        if named or any(inner.get(name) for inner in inside for name in _KEPT_BY_ID):
            raise UnreadableRequestError(
                'field "tools": files and containers kept at the upstream belong to no account'
                " here: send the tool without their ids"
            )


def _without_unknown(body: Json) -> Json:
    """A request without the reasoning items that an upstream which keeps nothing does not know."""
    given = body.get("input")
    if body.get("store") is not False or not isinstance(given, list):
        return body
    kept = [item for item in given if not (_is_emptied(item) and _is_reference(item))]
    return body if len(kept) == len(given) else body | {"input": kept}


def _is_reference(item: Any) -> bool:
    """Whether an item is one by its id only, whatever it says it is."""
    if not isinstance(item, dict):
        return False
    kind = item.get("type")
    if "reference" in str(kind).lower():
        return True
    if item.get("id") is None:
        return False
    own = _OWN.get(kind) if kind is None or isinstance(kind, str) else ()
    if own is None:  # a tool may be called without arguments, and answer nothing
        return not any(item.get(name) or item.get(name) == "" for name in _OWN_OF_OTHERS)
    return not any(item.get(name) for name in own)


def _said(body: Json) -> Conversation:
    """The conversation of `input`; items that are no messages do not count.

    What has a user's role or content counts as a message, whatever type it claims.
    """
    given = body.get("input")
    system = text(body, "instructions")
    if isinstance(given, str):
        return Conversation(a_text(given, "input"), system, 0)
    if not isinstance(given, list):
        raise wrong("input", given, "text or a list of items")
    items = [an_object(item, f"input[{at}]") for at, item in enumerate(given)]
    messages = [item for item in items if _is_message(item)]
    if not items or (messages and messages[-1] is items[-1]):
        return conversation(messages, "input", roles=_ROLES, system=system)
    # The last item is not a message; its text is the prompt where no user says anything, as that of
    # a message would be.
    last = {"role": "assistant", "content": plain_content(_output_of(items[-1]), "input.output")}
    return conversation([*messages, last], "input", roles=_ROLES, system=system)


def _is_message(item: Json) -> bool:
    kind = item.get("type")
    if kind is None:
        return "role" in item or "content" in item
    if kind == "message" or item.get("role") not in _NO_USERS:
        return True
    return kind != "reasoning" and item.get("content") is not None


def _output_of(item: Json) -> Any:
    output = item.get("output")
    return output if isinstance(output, str | list) else None


def _include(body: Json) -> list[str]:
    given = body.get("include")
    return [] if given is None else [a_text(name, "include") for name in a_list(given, "include")]


def _without_traces(body: Json) -> Json:
    wish = body.get("reasoning")
    if (
        isinstance(wish, dict)
        and (fewer := without(wish, "summary", "generate_summary")) is not wish
    ):
        body = body | {"reasoning": fewer}
    given = body.get("input")
    if body.get("store") is False and isinstance(given, list) and any(map(_is_emptied, given)):
        body = body | {"input": [item for item in given if not _is_emptied(item)]}
    return body


def _is_emptied(item: Any) -> bool:
    return (
        isinstance(item, dict)
        and item.get("type") == "reasoning"
        and not item.get("encrypted_content")
    )


def _inside(event: Json, name: str, withheld: Withheld) -> Json:
    """An event with the item or part that it holds stripped."""
    if event.get(name) is None:
        return event
    strip = strip_item if name == "item" else _strip_part
    kept = strip(event[name], withheld)
    return event if kept is event[name] else event | {name: kept}


def strip_item(given: Any, withheld: Withheld) -> Json:
    """Returns an item of an answer without what is withheld."""
    item = an_object(given, "output")
    if withheld.reasoning and item.get("type") == "reasoning":
        return {name: item[name] for name in ("id", "type", "status") if name in item} | {
            "summary": []
        }
    if withheld.reasoning:
        item = without(item, *TRACES)
    if not isinstance(item.get("content"), list):
        return item
    content = [_strip_part(part, withheld) for part in item["content"]]
    same = all(new is old for new, old in zip(content, item["content"], strict=True))
    return item if same else item | {"content": content}


def _strip_part(given: Any, withheld: Withheld) -> Json:
    part = an_object(given, "content")
    if withheld.reasoning and part.get("type") in ("reasoning_text", "summary_text"):
        return part | {"text": ""} if part.get("text") else part
    return part | {"logprobs": []} if withheld.logprobs and part.get("logprobs") else part
