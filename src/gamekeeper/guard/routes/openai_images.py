"""OpenAI images: `POST /v1/images/generations`; a text in, pictures out.

A stream is as it came: it holds as many pictures as `narrow` left. Edits and variations of pictures
are forms with files, which the guard cannot judge: see `unjudged`.
"""

from gamekeeper.guard.routes._fields import (
    a_list,
    a_text,
    an_object,
    flag,
    model_named,
    tokens,
    whole,
)
from gamekeeper.guard.routes._openai import OpenAiOperation
from gamekeeper.guard.routes._route import Json, Withheld
from gamekeeper.guard.routes._shape import TOKEN, Shape
from gamekeeper.guard.routes.query import Query, Usage

MAX_IMAGES = 10
"""Pictures to one prompt: the API's own bound."""


class OpenAiImages(OpenAiOperation):
    """The route `openai.images`."""

    name = "openai.images"
    operation = "images/generations"
    answers_text = False
    shape = Shape(
        *("model", "prompt", "n", "stream", "size", "quality", "background", "user"),
        *("response_format", "output_format", "output_compression", "partial_images"),
        *("moderation", "safety_identifier", "complexity", "frame_count", "frame_duration_ms"),
        style=TOKEN,  # dall-e-3 knows two; other servers put it into the prompt
        svg=Shape(reasoning=Shape("effort")),
    )

    def read(self, body: Json, path: str) -> Query:
        """See `Route`; the API has a model of its own where none is named."""
        named = an_object(body, "body").get("model")
        return Query(
            model=None if named is None else model_named(named),
            prompts=(a_text(body.get("prompt"), "prompt"),),
            stream=flag(body, "stream"),
            n=whole(body, "n", least=1, most=MAX_IMAGES) or 1,
        )

    def narrow(self, body: Json, withheld: Withheld) -> Json:
        """See `Route`."""
        n = body.get("n")
        if withheld.choices is None or n is None:
            return body
        most = max(withheld.choices, 1)
        return body | {"n": most} if n > most else body

    def strip(self, answer: Json, withheld: Withheld, query: Query) -> Json:
        """See `Route`."""
        if withheld.choices is None or answer.get("data") is None:
            return answer
        most = max(withheld.choices, 1)
        given = a_list(answer["data"], "data")
        return answer if len(given) <= most else answer | {"data": given[:most]}

    def usage(self, answer: Json) -> Usage:
        """See `Route`."""
        usage = answer.get("usage")
        return Usage(tokens(usage, "input_tokens"), tokens(usage, "output_tokens"))
