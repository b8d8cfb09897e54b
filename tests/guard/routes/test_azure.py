"""Azure OpenAI's paths: the deployment is the model, and there is one model."""

import pytest

from gamekeeper.guard.routes import Routes, UnreadableRequestError, known_routes
from guard.routes.builders import BODIES, EVERYTHING, chat, user

FOUND = Routes(known_routes())
DEPLOYED = {
    "chat/completions": "openai.chat",
    "completions": "openai.completions",
    "embeddings": "openai.embeddings",
    "images/generations": "openai.images",
    "audio/speech": "openai.speech",
}


@pytest.mark.parametrize(("operation", "name"), DEPLOYED.items())
def test_deployment_is_the_model(operation: str, name: str) -> None:
    """Scopes and prices see it, named again in the body or not."""
    path = f"/openai/deployments/mini-1/{operation}"
    route = FOUND.find("POST", path)
    assert route is not None and route.name == name
    assert route.parameters == frozenset({"api-version"})
    body = {field: value for field, value in BODIES[name].items() if field != "model"}
    assert route.read(body, path).model == "mini-1"
    assert route.read(body | {"model": "mini-1"}, path).model == "mini-1"
    for other in ("expensive", "", ["mini-1"], "MINI-1"):
        with pytest.raises(UnreadableRequestError, match="model"):
            route.read(body | {"model": other}, path)
    assert route.untag(body, path, str) == (body, path)


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/openai/v1/chat/completions", "openai.chat"),
        ("POST", "/openai/v1/embeddings", "openai.embeddings"),
        ("POST", "/openai/v1/moderations", "openai.moderations"),
        ("POST", "/openai/responses", "openai.responses"),
        ("POST", "/openai/v1/responses", "openai.responses"),
        ("GET", "/openai/responses/resp_1", "openai.responses.retrieve"),
        ("POST", "/openai/responses/resp_1/cancel", "openai.responses.cancel"),
        ("DELETE", "/openai/v1/responses/resp_1", "openai.responses.delete"),
    ],
)
def test_other_paths_of_azure_name_the_model_in_the_body(method: str, path: str, name: str) -> None:
    """As the vendor's own paths do."""
    route = FOUND.find(method, path)
    assert route is not None and route.name == name and "api-version" in route.parameters
    assert route.read(BODIES[name], path).model == BODIES[name].get("model")


@pytest.mark.parametrize(
    "path",
    [
        "/openai/deployments/m/chat/completions/x",
        "/openai/deployments/m/n/chat/completions",
        "/openai/deployments/m/responses",
        "/openai/deployments/m/v1/chat/completions",
        "/openai/deployments/m/extensions/chat/completions",
        "/openai/chat/completions",
        "/openai/v1/messages",
        "/openai/openai/v1/chat/completions",
        "/OpenAI/deployments/m/chat/completions",
        "/deployments/m/chat/completions",
    ],
)
def test_what_is_almost_a_path_of_azure_is_none_and_never_passed(path: str) -> None:
    """It ends like a judged operation."""
    assert FOUND.find("POST", path) is None and FOUND.find_unjudged("POST", path) is None
    assert FOUND.is_alias(path)


def test_model_is_read_from_the_path_by_the_rules_for_models() -> None:
    """A comma names several."""
    path = "/openai/deployments/a,b/chat/completions"
    route = FOUND.find("POST", path)
    assert route is not None
    with pytest.raises(UnreadableRequestError, match="model"):
        route.read(chat(model=None), path)


def test_all_else_is_as_the_route_itself_has_it() -> None:
    """Fields, narrowing, stripping, streams."""
    route = FOUND.find("POST", "/openai/deployments/m/chat/completions")
    plain = FOUND.find("POST", "/v1/chat/completions")
    assert route is not None and plain is not None
    body = chat(logprobs=True, n=5, stream=True)
    assert route.narrow(body, EVERYTHING) == plain.narrow(body, EVERYTHING) != body
    assert route.with_usage(body) == plain.with_usage(body) is not None
    hidden = chat(messages=[user()], data_sources=[{}])
    assert route.admit(hidden, frozenset(), drop=True).dropped == ("data_sources",)
    assert (route.has_body, route.is_exchange, route.object_ids) == (True, True, False)


def test_name_of_a_route_is_its_own_only_once() -> None:
    """Scopes and policies name a route, whatever path it came by."""
    assert len(FOUND.names) == len(set(FOUND.names)) == len(known_routes())
