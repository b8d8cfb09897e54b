"""Every parameter of the vendors' own clients: the guard takes it, or says here why it does not."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any, get_args, get_type_hints

import pytest

from gamekeeper.guard.routes import UnreadableRequestError
from gamekeeper.guard.routes._shape import ANY, Rule, Shape
from guard.routes.builders import BODIES, ROUTES

MODEL = "it names another model"
HOST = "it leads to another host, with a key of the client's"
KEPT = "it names what is kept at the upstream, for all accounts together"
ASKS = "it holds a question that is not judged"
LATER = "it is answered later, or elsewhere"
ACCOUNT = "it claims what belongs to the operator's account"

TOOLS = {
    "tools.authorization": HOST,
    "tools.connector_id": HOST,
    "tools.container.network_policy.domain_secrets": HOST,
    "tools.environment.network_policy.domain_secrets": HOST,
    "tools.environment.skills.source": ASKS,
    "tools.headers": HOST,
    "tools.model": MODEL,
    "tools.server_url": HOST,
    "tools.svg.model": MODEL,
    "tools.tunnel_id": HOST,
}
ALL_TOOLS = TOOLS | {f"input.{name}": why for name, why in TOOLS.items()}
REFUSED: dict[str, dict[str, str]] = {
    "openai.chat": {"moderation": MODEL},
    "openai.images": {"svg.model": MODEL},
    "openai.responses": ALL_TOOLS
    | {
        "access_programs": ACCOUNT,
        "background_options": LATER,
        "moderation": MODEL,
        "prompt": KEPT,
        "prompt_cache_options.comparison_response_id": KEPT,
    },
    "openai.responses.input_tokens": ALL_TOOLS,
    "anthropic.messages": {
        "container": KEPT,
        "diagnostics": KEPT,
        "user_profile_id": ACCOUNT,
        "workspace_id": ACCOUNT,
    },
    "anthropic.count_tokens": {"user_profile_id": ACCOUNT, "workspace_id": ACCOUNT},
}
BETA = REFUSED["anthropic.messages"] | {
    "betas": "the SDK sends it as a header",
    "billing_policy": ACCOUNT,
    "compaction": ASKS,
    "fallback_credit_token": ACCOUNT,
    "fallbacks": MODEL,
    "mcp_servers": HOST,
    "thread": KEPT,
}

PARAMETERS = {
    "openai.chat": "openai.types.chat.completion_create_params.CompletionCreateParams",
    "openai.completions": "openai.types.completion_create_params.CompletionCreateParams",
    "openai.responses": "openai.types.responses.response_create_params.ResponseCreateParams",
    "openai.responses.input_tokens": "openai.types.responses.InputTokenCountParams",
    "openai.embeddings": "openai.types.embedding_create_params.EmbeddingCreateParams",
    "openai.moderations": "openai.types.moderation_create_params.ModerationCreateParams",
    "openai.images": "openai.types.image_generate_params.ImageGenerateParams",
    "openai.speech": "openai.types.audio.speech_create_params.SpeechCreateParams",
    "anthropic.messages": "anthropic.types.message_create_params.MessageCreateParams",
    "anthropic.count_tokens": "anthropic.types.MessageCountTokensParams",
}


def typed_dicts(hint: Any) -> Iterator[type]:
    """The objects that a type may be, however they are nested in unions and lists."""
    if isinstance(hint, type) and hasattr(hint, "__total__"):
        yield hint
    for part in get_args(hint):
        yield from typed_dicts(part)


def unknown(rule: Rule, hint: Any, path: str = "", seen: frozenset[Any] = frozenset()) -> set[str]:
    """Paths of the parameters that a rule does not take."""
    found: set[str] = set()
    for params in typed_dicts(hint):
        if rule is ANY or (id(rule), params) in seen:
            continue
        if not isinstance(rule, Shape):
            return {path}
        inner = seen | {(id(rule), params)}
        for name, held in get_type_hints(params).items():
            where = f"{path}.{name}".lstrip(".")
            if name not in rule.fields:
                found.add(where)
            else:
                found |= unknown(rule.fields[name], held, where, inner)
    return found


@pytest.mark.extra
@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_the_sdk_are_taken_or_refused_for_a_reason(name: str) -> None:
    """What the vendor adds in a new version fails here, and is then decided."""
    module, _, kind = PARAMETERS[name].rpartition(".")
    pytest.importorskip(module.partition(".")[0])
    params = getattr(import_module(module), kind)
    refused = set(REFUSED.get(name, {}))
    shape = ROUTES[name].shape  # type: ignore[attr-defined]
    assert unknown(shape, params) == refused


@pytest.mark.extra
def test_beta_parameters_of_anthropic_are_taken_or_refused_for_a_reason() -> None:
    """Of the first level: what is below changes with every beta."""
    beta = pytest.importorskip("anthropic.types.beta.message_create_params")
    names = {
        name for params in typed_dicts(beta.MessageCreateParams) for name in get_type_hints(params)
    }
    shape = ROUTES["anthropic.messages"].shape  # type: ignore[attr-defined]
    assert names - set(shape.fields) == set(BETA)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_parameters_are_refused(name: str) -> None:
    """The list above says what happens: a reason for what is taken would be wrong."""
    for path in REFUSED[name]:
        value: Any = 1
        for part in reversed(path.split(".")):
            value = {part: value}
        with pytest.raises(UnreadableRequestError, match=path):
            ROUTES[name].admit(BODIES[name] | value, frozenset(), drop=False)
