"""Which route a request is: exactly one, or none; what is none is refused, never passed
unjudged.
"""

from collections.abc import Sequence

from gamekeeper.base.errors import UsageError
from gamekeeper.guard.routes._paths import clean_path
from gamekeeper.guard.routes._route import Route
from gamekeeper.guard.routes.anthropic_messages import AnthropicMessages
from gamekeeper.guard.routes.classifier import ClassifierRoute
from gamekeeper.guard.routes.harmless import HARMLESS, Harmless
from gamekeeper.guard.routes.kserve_infer import KserveInfer
from gamekeeper.guard.routes.openai_chat import OpenAiChat
from gamekeeper.guard.routes.openai_completions import OpenAiCompletions
from gamekeeper.guard.routes.openai_embeddings import OpenAiEmbeddings
from gamekeeper.guard.routes.openai_responses import OpenAiResponses


def known_routes() -> tuple[Route, ...]:
    """Returns the routes that need no description; those of classifiers come from the policy."""
    return (
        OpenAiChat(),
        OpenAiCompletions(),
        OpenAiResponses(),
        OpenAiEmbeddings(),
        AnthropicMessages(),
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
        for route in self._routes:
            if isinstance(route, ClassifierRoute):
                self._require_alone(route)

    def _require_alone(self, route: ClassifierRoute) -> None:
        for other in self._routes:
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
        return next((route for route in self._routes if route.matches(method, clean)), None)

    def find_harmless(self, method: str, path: str, prefix: str = "") -> Harmless | None:
        """Returns which harmless kind a request is, None if it is none."""
        clean = clean_path(path, prefix)
        if clean is None:
            return None
        return next((kind for kind in HARMLESS if kind.matches(method, clean)), None)
