"""Azure OpenAI: the operations of the OpenAI form at Azure's paths.

    /openai/deployments/NAME/chat/completions?api-version=...    the deployment is the model
    /openai/v1/chat/completions, /openai/responses               the body names the model

A deployment's name is what scopes and prices see; a body that names another model is refused. A
policy's `prefix` is taken off before, so that it may still hold any of this.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

from gamekeeper.guard.routes._fields import an_object
from gamekeeper.guard.routes._route import Json, Route, UnreadableRequestError
from gamekeeper.guard.routes.query import Query

_DEPLOYED = re.compile(
    r"(?P<before>/openai/deployments/(?P<name>[^/]+))"
    r"(?P<inner>/(?:chat/completions|completions|embeddings|images/generations|audio/speech))"
)
_OTHER = re.compile(r"(?P<before>/openai)(?P<inner>/v1/.+|/responses(?:/.+)?)")


class _Place(NamedTuple):
    """A path of Azure: what is before the operation, its path elsewhere, and the model named."""

    before: str
    inner: str
    deployment: str | None


class AzureRoute:
    """A route at Azure's paths; all that is not said here is as the route itself has it."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self.parameters = route.parameters | {"api-version"}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._route, name)

    def matches(self, method: str, path: str) -> bool:
        """See `Route`."""
        place = _place(path)
        return place is not None and self._route.matches(method, place.inner)

    def read(self, body: Json, path: str) -> Query:
        """See `Route`."""
        place = _require_place(path)
        if place.deployment is None:
            return self._route.read(body, place.inner)
        if an_object(body, "body").get("model") not in (None, place.deployment):
            raise UnreadableRequestError(
                'field "model": expected none, or the name of the deployment in the path'
            )
        return self._route.read(body | {"model": place.deployment}, place.inner)

    def untag(self, body: Json, path: str, untag: Callable[[str], str]) -> tuple[Json, str]:
        """See `Route`."""
        place = _require_place(path)
        body, inner = self._route.untag(body, place.inner, untag)
        return body, place.before + inner


def azure_routes(routes: Iterable[Route]) -> tuple[Route, ...]:
    """Returns the routes of the OpenAI form, at Azure's paths."""
    return tuple(
        cast(Route, AzureRoute(route)) for route in routes if route.name.startswith("openai.")
    )


def _place(path: str) -> _Place | None:
    if found := _DEPLOYED.fullmatch(path):
        return _Place(found["before"], found["inner"], found["name"])
    found = _OTHER.fullmatch(path)
    return _Place(found["before"], found["inner"], None) if found else None


def _require_place(path: str) -> _Place:
    place = _place(path)
    assert place is not None  # it matched
    return place
