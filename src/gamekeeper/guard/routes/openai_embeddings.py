"""OpenAI embeddings: `POST /v1/embeddings`; vectors as lists of numbers or as base64 of float32.

Inputs of token ids, which some clients send by default, are counted and not read: which text they
stand for depends on the upstream's tokenizer.
"""

from base64 import b64decode, b64encode
from typing import Any

from gamekeeper.guard.routes._defaults import unchanged
from gamekeeper.guard.routes._fields import (
    a_list,
    an_object,
    model_of,
    numbers,
    only,
    require_absent,
    text,
    without,
    wrong,
)
from gamekeeper.guard.routes._openai import MAX_INPUTS, OpenAiOperation
from gamekeeper.guard.routes._route import Json, Strip, UnreadableRequestError, Withheld
from gamekeeper.guard.routes._shape import ANY, TOKEN, Shape
from gamekeeper.guard.routes._unstreamed import unstreamed
from gamekeeper.guard.routes.openai_completions import prompts_of
from gamekeeper.guard.routes.query import Query

_ANSWER = frozenset({"id", "object", "created", "data", "model", "usage", "error"})
_ITEM = frozenset({"object", "index", "embedding"})
"""What is kept where numbers are rounded: others hold vectors under other names."""


class OpenAiEmbeddings(OpenAiOperation):
    """The route `openai.embeddings`."""

    name = "openai.embeddings"
    operation = "embeddings"
    answers_text = False
    shape = Shape(
        *("model", "encoding_format", "dimensions", "user"),
        *("truncate_prompt_tokens", "add_special_tokens", "embed_dtype", "endianness"),
        input_type=TOKEN,
        task=TOKEN,
        input=ANY,  # the route reads all of it
    )

    def read(self, body: Json, path: str) -> Query:
        """See `Route`."""
        require_absent(an_object(body, "body"), "messages", "prompt_embeds")
        text(body, "encoding_format")
        model = model_of(body)
        given = body.get("input")
        if isinstance(given, list) and given and isinstance(given[0], int | list):
            counts = _token_counts(given)
            return Query(model=model, unseen=len(counts), input_tokens=sum(counts))
        return Query(model=model, prompts=prompts_of(given, "input"))

    def narrow(self, body: Json, withheld: Withheld) -> Json:
        """See `Route`; forms of number that `strip` could not round are not asked for."""
        if withheld.decimals is None:
            return body
        body = without(body, "embed_dtype", "endianness")
        known = body.get("encoding_format") in (None, "float", "base64")
        return body if known else without(body, "encoding_format")

    def strip(self, answer: Json, withheld: Withheld, query: Query) -> Json:
        """See `Route`."""
        if withheld.decimals is None:
            return answer
        answer = only(answer, _ANSWER)
        if answer.get("data") is None:
            return answer
        data = [
            _rounded(an_object(item, "data"), withheld.decimals)
            for item in a_list(answer["data"], "data")
        ]
        return answer | {"data": data}

    def stripper(self, withheld: Withheld, query: Query) -> Strip:
        """See `Route`."""
        return unchanged if withheld.decimals is None else unstreamed


def _token_counts(given: list[Any]) -> list[int]:
    """How many token ids each input has.

    Raises:
        UnreadableRequestError: It is neither a list of ids nor a list of such lists.
    """
    inputs = given if isinstance(given[0], list) else [given]
    if len(inputs) > MAX_INPUTS:
        raise UnreadableRequestError(
            f'field "input": found {len(inputs)} items, expected 1 to {MAX_INPUTS}'
        )
    for ids in inputs:
        if set(map(type, a_list(ids, "input"))) != {int}:
            raise wrong("input", ids, "token ids only: whole numbers, at least one")
    return [len(ids) for ids in inputs]


def _rounded(item: Json, decimals: int) -> Json:
    item = only(item, _ITEM)
    vector = item.get("embedding")
    if isinstance(vector, str):
        return item | {"embedding": _rounded_base64(vector, decimals)}
    if not isinstance(vector, list):
        raise wrong("embedding", vector, "a list of numbers, or base64 of float32")
    return item | {"embedding": _rounded_list(vector, decimals)}


def _rounded_list(vector: list[Any], decimals: int) -> list[float]:
    import numpy as np

    rounded: list[float] = np.round(np.array(numbers(vector, "embedding")), decimals).tolist()
    return rounded


def _rounded_base64(vector: str, decimals: int) -> str:
    import numpy as np

    try:
        found = np.frombuffer(b64decode(vector, validate=True), dtype="<f4")
    except ValueError:  # binascii's is one
        raise UnreadableRequestError('field "embedding": expected base64 of float32') from None
    if not np.isfinite(found).all():
        raise UnreadableRequestError('field "embedding": found a number that is not finite')
    return b64encode(np.round(found, decimals).astype("<f4").tobytes()).decode()
