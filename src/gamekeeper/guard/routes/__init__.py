"""The APIs that the guard understands, one file each; `Routes` finds the one that a request is."""

from gamekeeper.guard.routes._paths import clean_path
from gamekeeper.guard.routes._route import (
    Json,
    Route,
    Scores,
    Strip,
    UnreadableRequestError,
    Withheld,
)
from gamekeeper.guard.routes.bodies import parse, serialise
from gamekeeper.guard.routes.classifier import ClassifierRoute
from gamekeeper.guard.routes.harmless import HARMLESS, Harmless
from gamekeeper.guard.routes.registry import Routes, known_routes

__all__ = [
    "HARMLESS",
    "ClassifierRoute",
    "Harmless",
    "Json",
    "Route",
    "Routes",
    "Scores",
    "Strip",
    "UnreadableRequestError",
    "Withheld",
    "clean_path",
    "known_routes",
    "parse",
    "serialise",
]
