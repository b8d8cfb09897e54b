"""What the operations of the OpenAI form share: choices, what is asked of single tokens, errors.

Servers that speak this form add fields of their own; those that give away what we withhold are
named here in requests: `prompt_logprobs`, `allowed_token_ids`, `guided_*` (vLLM). Of answers the
names differ by server and by month (`reasoning_content`, `reasoning_details`, `thinking_blocks`,
`extra_content`, `completion_probabilities`), so what is kept is named, and the rest goes.
"""

from typing import Any, ClassVar

from gamekeeper.guard.routes._defaults import RouteDefaults, unchanged
from gamekeeper.guard.routes._fields import a_list, an_object, only, tokens, whole, without
from gamekeeper.guard.routes._route import Json, Strip, Withheld
from gamekeeper.guard.routes.query import Query, Usage

MAX_INPUTS = 2048
"""Texts in one request: the API's own bound."""
MAX_CHOICES = 128
"""Answers to one input: the API's own bound."""

_LOGPROBS = ("logprobs", "top_logprobs", "prompt_logprobs", "logprob_token_ids")
_LOGIT_BIAS = (
    *("logit_bias", "allowed_token_ids", "bad_words", "logits_processors"),
    *("guided_choice", "guided_regex", "guided_grammar", "guided_json", "structured_outputs"),
    *("return_token_ids", "return_tokens_as_token_ids"),
)
_FORMS = ("text", "json_object", "json_schema")
"""Forms of answer that leave the tokens to the model; others are choices and grammars."""
TRACES = (
    *("reasoning_content", "reasoning", "reasoning_details", "reasoning_text"),
    *("reasoning_summary", "thinking", "thinking_blocks", "thought", "thoughts", "extra_content"),
)
"""Names under which servers give traces."""
_ANSWER = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "system_fingerprint"}
    | {"service_tier", "provider", "error", "citations", "prompt_filter_results", "obfuscation"}
)
_CHOICE = frozenset(
    {"index", "message", "delta", "text", "logprobs", "finish_reason", "stop_reason"}
    | {"native_finish_reason", "matched_stop", "content_filter_results", "error"}
)
_SAID = frozenset(
    {"role", "content", "tool_calls", "function_call", "refusal", "audio", "annotations", "name"}
)
_CALL = frozenset({"id", "type", "index", "function", "custom"})
_PARTS = (None, "text", "output_text", "refusal", "image_url", "reference")
_PART = frozenset({"type", "text", "refusal", "image_url", "reference_ids", "annotations"})
_ERRORS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class OpenAiOperation(RouteDefaults):
    """What the operations of the OpenAI form do alike; a subclass reads its own requests.

    Attributes:
        operation: End of the operation's path. Before it comes the version, unless the policy's
            prefix holds that.
    """

    operation: ClassVar[str]

    @property
    def request_line(self) -> str:
        """See `Route`."""
        return f"POST /v1/{self.operation}"

    def matches(self, method: str, path: str) -> bool:
        """See `Route`."""
        return method == "POST" and path in (f"/v1/{self.operation}", f"/{self.operation}")

    def usage(self, answer: Json) -> Usage:
        """See `Route`; a stream states it in its last chunk if `stream_options.include_usage` was
        asked for.
        """
        usage = answer.get("usage")
        return Usage(tokens(usage, "prompt_tokens"), tokens(usage, "completion_tokens"))

    def refusal(self, status: int, code: str, message: str) -> Json:
        """See `Route`; the SDKs of this form choose the exception by the status."""
        kind = _ERRORS.get(status, "server_error" if status >= 500 else "invalid_request_error")
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}


class OpenAiChoices(OpenAiOperation):
    """An operation that answers with choices; its streams state token counts only if asked to."""

    def narrow(self, body: Json, withheld: Withheld) -> Json:
        """See `Route`."""
        return narrow_choices(narrow_tokens(body, withheld), withheld)

    def strip(self, answer: Json, withheld: Withheld, query: Query) -> Json:
        """See `Route`."""
        return strip_choices(answer, withheld, query)

    def stripper(self, withheld: Withheld, query: Query) -> Strip:
        """See `Route`."""
        return strip_chunks(withheld, query)

    def with_usage(self, body: Json) -> Json | None:
        """See `Route`."""
        options = body.get("stream_options")
        asked = options is not None and an_object(options, "stream_options").get("include_usage")
        if body.get("stream") is not True or asked:
            return None
        return body | {"stream_options": (options or {}) | {"include_usage": True}}

    def is_usage_event(self, document: Json) -> bool:
        """See `Route`; it is the one without choices."""
        return document.get("usage") is not None and not document.get("choices")


def require_choices(body: Json) -> int:
    """Returns the number of answers asked for to each input."""
    whole(body, "best_of", least=1, most=MAX_CHOICES)
    return whole(body, "n", least=1, most=MAX_CHOICES) or 1


def narrow_tokens(body: Json, withheld: Withheld) -> Json:
    """Returns a request without what it must not ask of single tokens."""
    if withheld.logprobs:
        body = without(body, *_LOGPROBS)
    if not withheld.logit_bias:
        return body
    body = without(body, *_LOGIT_BIAS)
    form = body.get("response_format")
    if form is None or (isinstance(form, dict) and form.get("type") in _FORMS):
        return body
    return without(body, "response_format")


def narrow_choices(body: Json, withheld: Withheld) -> Json:
    """Returns a request for at most as many answers as are given."""
    if withheld.choices is None:
        return body
    most = max(withheld.choices, 1)
    fewer = {
        name: most for name in ("n", "best_of") if body.get(name) is not None and body[name] > most
    }
    return body | fewer if fewer else body


def strip_choices(answer: Json, withheld: Withheld, query: Query) -> Json:
    """Returns a whole answer without what is withheld of its choices; log-probabilities asked for
    are null.

    Raises:
        UnreadableRequestError: `choices` is not a list of objects.
    """
    answer = _kept(answer, _ANSWER, withheld)
    if answer.get("choices") is None:
        return answer
    choices = _stripped(answer["choices"], withheld, query)
    if withheld.logprobs and query.logprobs:
        choices = [
            choice if "logprobs" in choice else choice | {"logprobs": None} for choice in choices
        ]
    return answer | {"choices": choices}


def strip_chunks(withheld: Withheld, query: Query) -> Strip:
    """Returns what strips streamed chunks; a chunk of which nothing is left is dropped."""
    if not (withheld.logprobs or withheld.reasoning or withheld.choices is not None):
        return unchanged

    def strip(event: Json) -> Json | None:
        kept = _kept(event, _ANSWER, withheld)
        if not event.get("choices"):
            return kept
        choices = _stripped(event["choices"], withheld, query)
        if len(choices) == len(event["choices"]) and all(map(_same, choices, event["choices"])):
            return kept
        if event.get("usage") is None and all(map(_is_hollow, choices)):
            return None
        return kept | {"choices": choices}

    return strip


def _same(one: Any, other: Any) -> bool:
    return one is other


def _is_hollow(choice: Json) -> bool:
    delta = choice.get("delta")
    return delta is not None and choice.get("finish_reason") is None and not any(delta.values())


def _kept(given: Json, names: frozenset[str], withheld: Withheld) -> Json:
    return only(given, names) if withheld.logprobs or withheld.reasoning else given


def _stripped(choices: Any, withheld: Withheld, query: Query) -> list[Json]:
    found = [an_object(choice, "choices") for choice in a_list(choices, "choices")]
    if withheld.choices is not None:
        found = _first_of(found, max(withheld.choices, 1) * query.inputs)
    return [_strip_choice(choice, withheld) for choice in found]


def _first_of(choices: list[Json], most: int) -> list[Json]:
    """The choices of the first indexes; of those that share one, the first: they count as one."""
    found: dict[int, Json] = {}
    for at, choice in enumerate(choices):
        index = _index(choice, at)
        if 0 <= index < most:
            found.setdefault(index, choice)
    return list(found.values())


def _index(choice: Json, place: int) -> int:
    index = choice.get("index")
    return index if type(index) is int else place


def _strip_choice(choice: Json, withheld: Withheld) -> Json:
    choice = _kept(choice, _CHOICE, withheld)
    if withheld.logprobs and choice.get("logprobs") is not None:
        choice = choice | {"logprobs": None}
    if not (withheld.logprobs or withheld.reasoning):
        return choice
    for name in ("message", "delta"):
        if choice.get(name) is None:
            continue
        said = _strip_said(an_object(choice[name], name), withheld)
        choice = choice if said is choice[name] else choice | {name: said}
    return choice


def _strip_said(said: Json, withheld: Withheld) -> Json:
    if withheld.logprobs:
        said = without(said, *_LOGPROBS)
    return _without_traces(said) if withheld.reasoning else said


def _without_traces(said: Json) -> Json:
    kept = only(said, _SAID)
    content = kept.get("content")
    if isinstance(content, list):
        kept = _with_list(
            kept, "content", [_plain_part(part) for part in content if _is_said(part)]
        )
    elif isinstance(content, dict):
        kept = kept | {"content": None}
    calls = kept.get("tool_calls")
    if isinstance(calls, list):
        kept = _with_list(kept, "tool_calls", [_plain_call(call) for call in calls])
    return kept


def _with_list(said: Json, name: str, new: list[Any]) -> Json:
    """A message with another list, or the same object if it is the same list."""
    same = len(new) == len(said[name]) and all(map(_same, new, said[name]))
    return said if same else said | {name: new}


def _is_said(part: Any) -> bool:
    return isinstance(part, str) or (isinstance(part, dict) and part.get("type") in _PARTS)


def _plain_part(part: Any) -> Any:
    return only(part, _PART) if isinstance(part, dict) else part


def _plain_call(call: Any) -> Json:
    """A call of a tool without what servers add; Gemini's signature is sent back, and no trace."""
    found = an_object(call, "tool_calls")
    kept = only(found, _CALL)
    if kept is found:
        return found
    google = found.get("extra_content")
    google = google.get("google") if isinstance(google, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    if not isinstance(signature, str):
        return kept
    return kept | {"extra_content": {"google": {"thought_signature": signature}}}
