"""The APIs that the guard understands, one file each; `Routes` finds the one that a request is."""

from gamekeeper.guard.routes._defaults import RouteDefaults
from gamekeeper.guard.routes._paths import clean_path
from gamekeeper.guard.routes._route import (
    Json,
    Route,
    Scores,
    Strip,
    UnreadableRequestError,
    Withheld,
)
from gamekeeper.guard.routes._shape import Admitted, Shape
from gamekeeper.guard.routes.apis import Api, apis
from gamekeeper.guard.routes.bodies import parse, serialise
from gamekeeper.guard.routes.classifier import ClassifierRoute
from gamekeeper.guard.routes.harmless import HARMLESS, Harmless
from gamekeeper.guard.routes.registry import Routes, known_routes
from gamekeeper.guard.routes.unjudged import UNJUDGED, Unjudged, unjudged_names
from gamekeeper.guard.routes.unjudged_route import UNKNOWN, UnjudgedRoute

__all__ = [
    "HARMLESS",
    "UNJUDGED",
    "UNKNOWN",
    "Admitted",
    "Api",
    "ClassifierRoute",
    "Harmless",
    "Json",
    "Route",
    "RouteDefaults",
    "Routes",
    "Scores",
    "Shape",
    "Strip",
    "Unjudged",
    "UnjudgedRoute",
    "UnreadableRequestError",
    "Withheld",
    "apis",
    "clean_path",
    "known_routes",
    "parse",
    "serialise",
    "unjudged_names",
]
