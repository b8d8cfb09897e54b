"""OpenAI chat completions: `POST /v1/chat/completions`, as OpenAI, vLLM, DeepSeek, OpenRouter and
others serve it.

Reasoning is withheld from the answer, not from the model: `reasoning_effort` is left as asked for,
because it changes how good the answer is and says nothing about the trace. A trace that a server
leaves inside the text itself (`<think>`) is not told from the text: configure the server's
reasoning parser.
"""

from gamekeeper.guard.routes._conversation import conversation, tools_of
from gamekeeper.guard.routes._fields import (
    a_list,
    an_object,
    flag,
    model_of,
    number,
    require_absent,
    whole,
    without,
)
from gamekeeper.guard.routes._openai import OpenAiChoices, require_choices
from gamekeeper.guard.routes._route import Json, Withheld
from gamekeeper.guard.routes._shape_chat import CHAT
from gamekeeper.guard.routes.query import Query

_ROLES = ("user", "assistant", "system", "developer", "tool", "function")


class OpenAiChat(OpenAiChoices):
    """The route `openai.chat`."""

    name = "openai.chat"
    operation = "chat/completions"
    shape = CHAT

    def read(self, body: Json, path: str) -> Query:
        """See `Route`; `chat_template` is refused, because it can hold the question itself."""
        require_absent(an_object(body, "body"), "chat_template", "prompt_embeds")
        said = conversation(a_list(body.get("messages"), "messages"), "messages", roles=_ROLES)
        limits = [whole(body, name, least=0) for name in ("max_completion_tokens", "max_tokens")]
        top, of_prompt = (
            whole(body, name, least=-1) for name in ("top_logprobs", "prompt_logprobs")
        )
        return Query(
            model=model_of(body),
            prompts=(said.prompt,),
            stream=flag(body, "stream"),
            system=said.system,
            turn=said.turn,
            temperature=number(body, "temperature"),
            n=require_choices(body),
            logprobs=flag(body, "logprobs") or bool(top) or of_prompt is not None,
            tools=tools_of(body, "tools", "functions"),
            max_output_tokens=max((limit for limit in limits if limit is not None), default=None),
        )

    def narrow(self, body: Json, withheld: Withheld) -> Json:
        """See `Route`."""
        body = super().narrow(body, withheld)
        return _without_traces(body) if withheld.reasoning else body


def _without_traces(body: Json) -> Json:
    body = without(body, "include_reasoning")
    wish = body.get("reasoning")
    if (
        not isinstance(wish, dict)
        or (fewer := without(wish, "summary", "generate_summary")) is wish
    ):
        return body
    return body | {"reasoning": fewer}
