"""Which route a request is: exactly one, or none; what has none is refused, or passed in
the open, as the policy says.
"""

import re
from collections.abc import Sequence

from gamekeeper.base.errors import UsageError
from gamekeeper.guard.routes._paths import clean_path
from gamekeeper.guard.routes._route import Route
from gamekeeper.guard.routes.anthropic_count_tokens import AnthropicCountTokens
from gamekeeper.guard.routes.anthropic_messages import AnthropicMessages
from gamekeeper.guard.routes.azure import azure_routes
from gamekeeper.guard.routes.classifier import ClassifierRoute
from gamekeeper.guard.routes.harmless import HARMLESS, Harmless
from gamekeeper.guard.routes.kserve_infer import KserveInfer
from gamekeeper.guard.routes.openai_chat import OpenAiChat
from gamekeeper.guard.routes.openai_completions import OpenAiCompletions
from gamekeeper.guard.routes.openai_embeddings import OpenAiEmbeddings
from gamekeeper.guard.routes.openai_images import OpenAiImages
from gamekeeper.guard.routes.openai_moderations import OpenAiModerations
from gamekeeper.guard.routes.openai_responses import OpenAiResponses
from gamekeeper.guard.routes.openai_speech import OpenAiSpeech
from gamekeeper.guard.routes.openai_stored_responses import (
    OpenAiCancel,
    OpenAiDelete,
    OpenAiInputTokens,
    OpenAiRetrieve,
)
from gamekeeper.guard.routes.unjudged import UNJUDGED, Unjudged

_ENDS = (
    *("completions", "responses", "embeddings", "moderations", "images/generations"),
    *("audio/speech", "messages", "infer"),
)


def known_routes() -> tuple[Route, ...]:
    """Returns the routes that need no description; those of classifiers come from the policy."""
    return (
        OpenAiChat(),
        OpenAiCompletions(),
        OpenAiResponses(),
        OpenAiRetrieve(),
        OpenAiCancel(),
        OpenAiDelete(),
        OpenAiInputTokens(),
        OpenAiEmbeddings(),
        OpenAiModerations(),
        OpenAiImages(),
        OpenAiSpeech(),
        AnthropicMessages(),
        AnthropicCountTokens(),
        KserveInfer(),
    )


class Routes:
    """The routes of a guard.

    Args:
        routes: Each with its own name; no path may be that of two.

    Raises:
        UsageError: Two routes have one name, or one path.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = tuple(routes)
        names = [route.name for route in self._routes]
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f'two routes are called "{name}"; give one of them another name')
        self._all = (*self._routes, *azure_routes(self._routes))
        classifiers = [route for route in self._routes if isinstance(route, ClassifierRoute)]
        for route in classifiers:
            self._require_alone(route)
        own = [re.escape("/".join(_words(route.path))) for route in classifiers]
        self._alias = re.compile("|".join(rf"(?:^|/)(?:{end})(?:/|$)" for end in [*_ENDS, *own]))

    def _require_alone(self, route: ClassifierRoute) -> None:
        for other in self._all:
            if other is not route and other.matches("POST", route.path):
                raise UsageError(
                    f'"{route.path}" is the path of two routes: {route.name} and {other.name}'
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the routes, in their order."""
        return tuple(route.name for route in self._routes)

    def find(self, method: str, path: str, prefix: str = "") -> Route | None:
        """Returns the route of a request, None if it has none; see `clean_path` for `path` and
        `prefix`.
        """
        clean = clean_path(path, prefix)
        if clean is None:
            return None
        return next((route for route in self._all if route.matches(method, clean)), None)

    def find_harmless(self, method: str, path: str, prefix: str = "") -> Harmless | None:
        """Returns which harmless kind a request is, None if of no such kind."""
        clean = clean_path(path, prefix)
        if clean is None:
            return None
        return next((kind for kind in HARMLESS if kind.matches(method, clean)), None)

    def find_unjudged(self, method: str, path: str, prefix: str = "") -> Unjudged | None:
        """Returns which API a request belongs to that is known and not judged; None if to none."""
        clean = clean_path(path, prefix)
        if clean is None:
            return None
        return next((api for api in UNJUDGED if api.matches(method, clean)), None)

    def is_alias(self, path: str) -> bool:
        """Returns whether some server might take a path for that of a judged operation.

        Of paths that no route matches: `/api/v1/chat/completions`, `/engines/X/completions`,
        `/V1/Embeddings`, `/v1/chat/completions/x`, and all that `clean_path` refuses. Such a path
        is not passed, whatever the policy says of unknown ones.

        Args:
            path: As sent, without the query string.
        """
        clean = clean_path(path)
        return clean is None or self._alias.search("/".join(_words(clean))) is not None


def _words(path: str) -> list[str]:
    return re.findall("[a-z0-9_]+", path.lower())
