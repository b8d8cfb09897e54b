"""Requests that carry no model's answer: which models there are, and whether the server is well."""

import re
from dataclasses import dataclass

_MODEL = r"/v2/models/[^/]+(?:/versions/[^/]+)?"


@dataclass(frozen=True, slots=True)
class Harmless:
    """One kind of request that a policy may pass without judgement.

    Args:
        name: Unique; policies name it so.
        pattern: Of its clean path, whole.
    """

    name: str
    pattern: re.Pattern[str]

    def matches(self, method: str, path: str) -> bool:
        """Returns whether a request is of this kind; it has no body, so only GET is."""
        return method == "GET" and self.pattern.fullmatch(path) is not None


HARMLESS: tuple[Harmless, ...] = (
    Harmless("models", re.compile(r"(?:/v1)?/models(?:/[^/]+)?")),
    Harmless("health", re.compile(r"/health")),
    Harmless("kserve.live", re.compile(r"/v2/health/live")),
    Harmless("kserve.ready", re.compile(r"/v2/health/ready")),
    Harmless("kserve.server", re.compile(r"/v2")),
    Harmless("kserve.model", re.compile(_MODEL)),
    Harmless("kserve.model_ready", re.compile(_MODEL + r"/ready")),
)
"""All that we know of."""
