"""Requests that carry no model's answer: which models there are, and whether the server is well."""

import re
from dataclasses import dataclass

_LISTING = frozenset({"api-version", "limit", "after_id", "before_id"})  # Azure's and Anthropic's
_MODEL = r"/v2/models/[^/]+(?:/versions/[^/]+)?"


@dataclass(frozen=True, slots=True)
class Harmless:
    """One kind of request that a policy may pass without judgement.

    Args:
        name: Unique; policies name it so.
        paths: As people write them.
        pattern: Of its clean path, whole.
        parameters: Query parameters that it takes.
    """

    name: str
    paths: str
    pattern: re.Pattern[str]
    parameters: frozenset[str] = frozenset()

    def matches(self, method: str, path: str) -> bool:
        """Returns whether a request is of this kind; only what has no body is."""
        return method in ("GET", "HEAD") and self.pattern.fullmatch(path) is not None


HARMLESS: tuple[Harmless, ...] = (
    Harmless(
        "models",
        "/v1/models, /v1/models/NAME",
        re.compile(r"(?:/openai)?(?:/v1)?/models(?:/[^/]+)?"),
        _LISTING,
    ),
    Harmless("health", "/health", re.compile(r"/health")),
    Harmless("kserve.live", "/v2/health/live", re.compile(r"/v2/health/live")),
    Harmless("kserve.ready", "/v2/health/ready", re.compile(r"/v2/health/ready")),
    Harmless("kserve.server", "/v2", re.compile(r"/v2")),
    Harmless("kserve.model", "/v2/models/NAME", re.compile(_MODEL)),
    Harmless("kserve.model_ready", "/v2/models/NAME/ready", re.compile(_MODEL + r"/ready")),
)
"""All that we know of."""
