"""OpenAI responses that the upstream keeps: fetched, cancelled, deleted by their id.

What was withheld when a response was made is withheld when it is fetched. Its tokens were paid for
then; fetching it costs none.
"""

import re
from collections.abc import Callable
from typing import ClassVar

from gamekeeper.guard.routes._fields import a_list
from gamekeeper.guard.routes._route import Json, Withheld
from gamekeeper.guard.routes._shape import Shape
from gamekeeper.guard.routes._shape_responses import INPUT_TOKENS
from gamekeeper.guard.routes.openai_responses import OpenAiResponses, strip_item
from gamekeeper.guard.routes.query import Query, Usage

_INCLUDE = frozenset({"include", "include[]"})


class _StoredResponse(OpenAiResponses):
    """An operation on one response, which the path names; it has no body."""

    has_body = False
    is_exchange = False
    answers_text = False
    shape = Shape()
    method: ClassVar[str]
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"(?:/v1)?/responses/(?P<id>[^/]+)")
    below: ClassVar[str] = ""

    @property
    def request_line(self) -> str:
        """See `Route`."""
        return f"{self.method} /v1/responses/ID{self.below}"

    def matches(self, method: str, path: str) -> bool:
        """See `Route`."""
        return method == self.method and self.pattern.fullmatch(path) is not None

    def read(self, body: Json, path: str) -> Query:
        """See `Route`; nothing is asked."""
        return Query()

    def untag(self, body: Json, path: str, untag: Callable[[str], str]) -> tuple[Json, str]:
        """See `Route`."""
        found = self.pattern.fullmatch(path)
        assert found is not None  # it matched
        start, end = found.span("id")
        return body, path[:start] + untag(found["id"]) + path[end:]

    def narrow(self, body: Json, withheld: Withheld) -> Json:
        """See `Route`."""
        return body

    def usage(self, answer: Json) -> Usage:
        """See `Route`; what it states was charged when the response was made."""
        return Usage(0, 0)


class OpenAiRetrieve(_StoredResponse):
    """The route `openai.responses.retrieve`: a response, or the items of its input."""

    name = "openai.responses.retrieve"
    method = "GET"
    pattern = re.compile(r"(?:/v1)?/responses/(?P<id>[^/]+)(?:/input_items)?")
    below = "[/input_items]"
    parameters = _INCLUDE | {"after", "before", "limit", "order"}

    def strip(self, answer: Json, withheld: Withheld, query: Query) -> Json:
        """See `Route`; a list of items holds them in `data`."""
        answer = super().strip(answer, withheld, query)
        if answer.get("data") is None or not (withheld.logprobs or withheld.reasoning):
            return answer
        return answer | {"data": [strip_item(i, withheld) for i in a_list(answer["data"], "data")]}


class OpenAiCancel(_StoredResponse):
    """The route `openai.responses.cancel`."""

    name = "openai.responses.cancel"
    method = "POST"
    pattern = re.compile(r"(?:/v1)?/responses/(?P<id>[^/]+)/cancel")
    below = "/cancel"


class OpenAiDelete(_StoredResponse):
    """The route `openai.responses.delete`."""

    name = "openai.responses.delete"
    method = "DELETE"


class OpenAiInputTokens(OpenAiResponses):
    """The route `openai.responses.input_tokens`: how long a request would be."""

    name = "openai.responses.input_tokens"
    operation = "responses/input_tokens"
    shape = INPUT_TOKENS
    is_exchange = False
    answers_text = False

    def usage(self, answer: Json) -> Usage:
        """See `Route`; counting costs no tokens."""
        return Usage(0, 0)
