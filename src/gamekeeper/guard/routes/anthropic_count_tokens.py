"""Anthropic's count of tokens: `POST /v1/messages/count_tokens`, of a request of messages."""

from gamekeeper.guard.routes._route import Json
from gamekeeper.guard.routes.anthropic_messages import AnthropicMessages
from gamekeeper.guard.routes.query import Usage


class AnthropicCountTokens(AnthropicMessages):
    """The route `anthropic.count_tokens`."""

    name = "anthropic.count_tokens"
    is_exchange = False
    answers_text = False

    @property
    def request_line(self) -> str:
        """See `Route`."""
        return "POST /v1/messages/count_tokens"

    def matches(self, method: str, path: str) -> bool:
        """See `Route`."""
        return method == "POST" and path == "/v1/messages/count_tokens"

    def usage(self, answer: Json) -> Usage:
        """See `Route`; counting costs no tokens."""
        return Usage(0, 0)
