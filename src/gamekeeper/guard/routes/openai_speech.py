"""OpenAI speech: `POST /v1/audio/speech`; a text in, sound out, as bytes or as events.

Sound holds nothing that is withheld.
"""

from gamekeeper.guard.routes._fields import a_text, an_object, model_of, text, tokens
from gamekeeper.guard.routes._openai import OpenAiOperation
from gamekeeper.guard.routes._route import Json
from gamekeeper.guard.routes._shape import Shape
from gamekeeper.guard.routes.query import Query, Usage


class OpenAiSpeech(OpenAiOperation):
    """The route `openai.speech`."""

    name = "openai.speech"
    operation = "audio/speech"
    answers_text = False
    has_json_answer = False
    shape = Shape(
        *("model", "input", "instructions", "response_format", "speed", "stream_format"),
        voice=Shape("id"),
    )

    def read(self, body: Json, path: str) -> Query:
        """See `Route`."""
        model = model_of(an_object(body, "body"))
        said = a_text(body.get("input"), "input")
        return Query(
            model=model,
            prompts=(said,),
            system=text(body, "instructions"),
            stream=body.get("stream_format") == "sse",
        )

    def usage(self, answer: Json) -> Usage:
        """See `Route`; only a stream of events states it."""
        usage = answer.get("usage")
        return Usage(tokens(usage, "input_tokens"), tokens(usage, "output_tokens"))
