"""OpenAI's old completions: `POST /v1/completions`; a prompt or a list of prompts.

The suffix is judged as the end of each prompt: models that fill in read both.

A prompt of token ids is refused. Which text they stand for depends on the upstream's tokenizer,
which the guard does not have; passed unjudged, they would be the way around it.
"""

from typing import Any

from gamekeeper.guard.routes._conversation import lines
from gamekeeper.guard.routes._fields import (
    a_text,
    an_object,
    flag,
    model_of,
    number,
    require_absent,
    text,
    texts,
    whole,
    wrong,
)
from gamekeeper.guard.routes._openai import MAX_INPUTS, OpenAiChoices, require_choices
from gamekeeper.guard.routes._route import Json
from gamekeeper.guard.routes._shape_chat import COMPLETIONS
from gamekeeper.guard.routes.query import Query


class OpenAiCompletions(OpenAiChoices):
    """The route `openai.completions`."""

    name = "openai.completions"
    operation = "completions"
    shape = COMPLETIONS

    def read(self, body: Json, path: str) -> Query:
        """See `Route`."""
        require_absent(an_object(body, "body"), "prompt_embeds", "messages")
        prompts = prompts_of(body.get("prompt"), "prompt")
        suffix = text(body, "suffix")
        if suffix:
            prompts = tuple(lines((prompt, suffix)) for prompt in prompts)
        flag(body, "echo")
        logprobs = [whole(body, name, least=-1) for name in ("logprobs", "prompt_logprobs")]
        return Query(
            model=model_of(body),
            prompts=prompts,
            stream=flag(body, "stream"),
            temperature=number(body, "temperature"),
            n=require_choices(body),
            logprobs=any(
                count is not None for count in logprobs
            ),  # 0 gives those of the tokens chosen
            max_output_tokens=whole(body, "max_tokens", least=0),
        )


def prompts_of(value: Any, field: str) -> tuple[str, ...]:
    """Returns a text or a list of texts as such.

    Raises:
        UnreadableRequestError: It is anything else, tokens included.
    """
    if isinstance(value, str):
        return (a_text(value, field),)
    if not isinstance(value, list):
        raise wrong(field, value, "text or a list of texts")
    if value and isinstance(value[0], int | list):
        raise wrong(field, value, "text or a list of texts: token ids cannot be judged")
    return texts(value, field, MAX_INPUTS)
