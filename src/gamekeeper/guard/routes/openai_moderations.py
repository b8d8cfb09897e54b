"""OpenAI moderations: `POST /v1/moderations`; a text, texts, or one input of parts.

A classifier's scores are what the answer holds, in a form of its own: they are not rounded.
"""

from typing import Any, ClassVar

from gamekeeper.guard.routes._conversation import plain_content
from gamekeeper.guard.routes._fields import an_object, model_named
from gamekeeper.guard.routes._openai import OpenAiOperation
from gamekeeper.guard.routes._route import Json
from gamekeeper.guard.routes._shape import Shape
from gamekeeper.guard.routes.openai_completions import prompts_of
from gamekeeper.guard.routes.query import Query


class OpenAiModerations(OpenAiOperation):
    """The route `openai.moderations`."""

    name = "openai.moderations"
    operation: ClassVar[str] = "moderations"
    shape = Shape("model", input=Shape("type", "text", image_url=Shape("url")))

    def read(self, body: Json, path: str) -> Query:
        """See `Route`; the API has a model of its own where none is named."""
        named = an_object(body, "body").get("model")
        model = None if named is None else model_named(named)
        given = body.get("input")
        if isinstance(given, list) and given and isinstance(given[0], dict):
            return _of_parts(given, model)
        return Query(model=model, prompts=prompts_of(given, "input"))


def _of_parts(parts: list[Any], model: str | None) -> Query:
    """All parts are one input; pictures alone are one that cannot be read."""
    plain = plain_content(parts, "input")
    found = [part["text"] for part in plain if isinstance(part, dict) and part.get("text")]
    if not found:
        return Query(model=model, unseen=1)
    return Query(model=model, prompts=("\n".join(found),))
