"""OpenAI moderations: `POST /v1/moderations`; a text, texts, or one input of parts.

The answer holds a score for each category. Where a classifier's scores are withheld, each becomes
1 or 0, as the category is flagged or not; other defences are for scores of which one wins.
"""

from typing import Any

from gamekeeper.guard.routes._conversation import plain_content
from gamekeeper.guard.routes._defaults import unchanged
from gamekeeper.guard.routes._fields import a_list, an_object, model_named, only
from gamekeeper.guard.routes._openai import OpenAiOperation
from gamekeeper.guard.routes._route import Json, Strip, Withheld
from gamekeeper.guard.routes._shape import Shape
from gamekeeper.guard.routes._unstreamed import unstreamed
from gamekeeper.guard.routes.openai_completions import prompts_of
from gamekeeper.guard.routes.query import Query

_ANSWER = frozenset({"id", "object", "created", "model", "results", "usage", "error"})
_RESULT = frozenset({"flagged", "categories", "category_scores", "category_applied_input_types"})
"""What is kept where scores are withheld."""


class OpenAiModerations(OpenAiOperation):
    """The route `openai.moderations`."""

    name = "openai.moderations"
    operation = "moderations"
    answers_text = False
    shape = Shape("model", input=Shape("type", "text", image_url=Shape("url")))

    def read(self, body: Json, path: str) -> Query:
        """See `Route`; the API has a model of its own where none is named."""
        named = an_object(body, "body").get("model")
        model = None if named is None else model_named(named)
        given = body.get("input")
        if isinstance(given, list) and given and isinstance(given[0], dict):
            return _of_parts(given, model)
        return Query(model=model, prompts=prompts_of(given, "input"))

    def strip(self, answer: Json, withheld: Withheld, query: Query) -> Json:
        """See `Route`."""
        if withheld.scores is None:
            return answer
        answer = only(answer, _ANSWER)
        if answer.get("results") is None:
            return answer
        results = a_list(answer["results"], "results")
        return answer | {"results": [_flagged_only(an_object(r, "results")) for r in results]}

    def stripper(self, withheld: Withheld, query: Query) -> Strip:
        """See `Route`."""
        return unchanged if withheld.scores is None else unstreamed


def _flagged_only(result: Json) -> Json:
    """A result whose scores say no more than its categories do."""
    flagged = an_object(result.get("categories"), "categories")
    scores = an_object(result.get("category_scores"), "category_scores")
    result = only(result, _RESULT)
    return result | {"category_scores": {name: float(flagged.get(name) is True) for name in scores}}


def _of_parts(parts: list[Any], model: str | None) -> Query:
    """All parts are one input; pictures alone are one that cannot be read."""
    plain = plain_content(parts, "input")
    found = [part["text"] for part in plain if isinstance(part, dict) and part.get("text")]
    if not found:
        return Query(model=model, unseen=1)
    return Query(model=model, prompts=("\n".join(found),))
