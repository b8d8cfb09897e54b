"""All APIs that the guard knows, for `gamekeeper list routes` and the documentation."""

from typing import Literal, NamedTuple

from gamekeeper.guard.routes._route import Route
from gamekeeper.guard.routes.harmless import HARMLESS
from gamekeeper.guard.routes.registry import known_routes
from gamekeeper.guard.routes.unjudged import UNJUDGED

Treatment = Literal["judged", "passed if named", "harmless"]


class Api(NamedTuple):
    """One API.

    Args:
        name: As policies and scopes have it.
        path: As people write it.
        treatment: What happens to its requests. All are authenticated.
        why: What its requests are, or why they are not judged.
    """

    name: str
    path: str
    treatment: Treatment
    why: str


def _about(route: Route) -> str:
    if route.is_exchange:
        return "its prompts are judged, its answers charged"
    return "no model answers it again; decisions and budgets hold"


def apis() -> list[Api]:
    """Returns all APIs, those that are judged first."""
    judged = [
        Api(route.name, route.request_line, "judged", _about(route)) for route in known_routes()
    ]
    named = [Api(api.name, api.paths, "passed if named", api.why) for api in UNJUDGED]
    harmless = [Api(kind.name, kind.paths, "harmless", "no model answers it") for kind in HARMLESS]
    return [*judged, *named, *harmless]
