"""A request that is passed on without judgement, as a `Route`.

Authentication, decisions, scopes and budgets hold for it; what it asks, and what is answered, is
not read, but for the tokens that an answer states. An API that the policy names costs no others,
and has a budget of requests of its own. What the guard has no name for may be a model's answer: its
tokens are estimated.
"""

from typing import ClassVar

from gamekeeper.guard.routes._defaults import RouteDefaults
from gamekeeper.guard.routes._fields import tokens
from gamekeeper.guard.routes._route import Json
from gamekeeper.guard.routes._shape import Admitted
from gamekeeper.guard.routes.query import Query, Usage

UNKNOWN = "unknown"
"""Name of the route of requests that the guard has no name for, in scopes and access policies."""

_ERRORS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class UnjudgedRoute(RouteDefaults):
    """A route whose requests and answers are not read.

    Args:
        name: Of the API, such as `openai.files`; `unknown` for what the guard has no name for.
        parameters: Query parameters that are passed on, where others are not.
    """

    has_body: ClassVar[bool] = False
    is_exchange: ClassVar[bool] = False

    def __init__(self, name: str, parameters: frozenset[str] = frozenset()) -> None:
        self.name = name
        self.parameters = parameters
        self.answers_text = name == UNKNOWN

    def matches(self, method: str, path: str) -> bool:
        """Returns False: such a request is what no route matches."""
        return False

    def admit(self, body: Json, extra: frozenset[str], *, drop: bool) -> Admitted:
        """Returns the body as it is: it is not read."""
        return Admitted(body, ())

    def read(self, body: Json, path: str) -> Query:
        """Returns that nothing is known of what is asked."""
        return Query()

    def usage(self, answer: Json) -> Usage:
        """Returns the tokens that an answer states; an API with a name costs no others."""
        counts = answer.get("usage")
        input_tokens = tokens(counts, "prompt_tokens", "input_tokens")
        output_tokens = tokens(counts, "completion_tokens", "output_tokens")
        if self.answers_text:
            return Usage(input_tokens, output_tokens)
        return Usage(input_tokens or 0, output_tokens or 0)

    def refusal(self, status: int, code: str, message: str) -> Json:
        """Returns an error in the form that most SDKs read."""
        kind = _ERRORS.get(status, "server_error" if status >= 500 else "invalid_request_error")
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}
