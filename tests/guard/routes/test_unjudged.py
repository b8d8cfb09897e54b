"""APIs that are known and not judged, aliases of those that are, and the list of all."""

import pytest

from gamekeeper.guard.routes import (
    HARMLESS,
    UNJUDGED,
    ClassifierRoute,
    Routes,
    apis,
    known_routes,
    unjudged_names,
)
from guard.routes.builders import METHODS, PATHS

FOUND = Routes(known_routes())


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/files", "openai.files"),
        ("/v1/files/file_1/content", "openai.files"),
        ("/files", "openai.files"),
        ("/openai/files", "openai.files"),
        ("/openai/v1/files", "openai.files"),
        ("/api/v1/files", "openai.files"),
        ("/V1/Files", "openai.files"),
        ("/v1/batches/b_1/cancel", "openai.batches"),
        ("/openai/batches", "openai.batches"),
        ("/v1/uploads/u/parts", "openai.uploads"),
        ("/v1/vector_stores/v/search", "openai.vector_stores"),
        ("/v1/conversations/c/items", "openai.conversations"),
        ("/v1/containers", "openai.containers"),
        ("/v1/fine_tuning/jobs", "openai.fine_tuning"),
        ("/v1/images/edits", "openai.images.edits"),
        ("/v1/images/variations", "openai.images.edits"),
        ("/openai/deployments/m/images/edits", "openai.images.edits"),
        ("/v1/audio/transcriptions", "openai.transcriptions"),
        ("/openai/deployments/m/audio/translations", "openai.transcriptions"),
        ("/v1/assistants", "openai.assistants"),
        ("/v1/threads/t/messages", "openai.threads"),
        ("/v1/realtime/sessions", "openai.realtime"),
        ("/v1/evals/e/runs", "openai.evals"),
        ("/v1/responses/compact", "openai.responses.compact"),
        ("/v1/organization/admin_api_keys", "openai.organization"),
        ("/v1/messages/batches", "anthropic.batches"),
        ("/v1/messages/batches/b/results", "anthropic.batches"),
        ("/v1/complete", "anthropic.complete"),
        ("/invocations", "vllm.generate"),
        ("/inference/v1/generate", "vllm.generate"),
        ("/v2/embed", "vllm.pooling"),
        ("/v1/models/iris:predict", "kserve.v1"),
        ("/v2/models/iris/generate_stream", "kserve.generate"),
        ("/v1beta/models/g:generateContent", "gemini"),
        ("/key/generate", "litellm.admin"),
    ],
)
def test_known_api_has_its_name_by_every_method(path: str, name: str) -> None:
    """The name by which the policy would pass it."""
    for method in ("GET", "POST", "DELETE", "PUT"):
        found = FOUND.find_unjudged(method, path)
        assert found is not None and found.name == name and found.why
    assert FOUND.find("POST", path) is None and name in unjudged_names()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files/chat/completions",
        "/user/v1/chat/completions",
        "/key/v1/embeddings",
        "/v1/batches/responses",
        "/model/m/infer",
        "/v1/filesystem",
        "/v1/my/files",
    ],
)
def test_name_of_an_api_opens_nothing_else(path: str) -> None:
    """What ends like a judged operation is not below it."""
    assert FOUND.find_unjudged("POST", path) is None


def test_no_judged_path_is_unjudged() -> None:
    """Whoever passes an API by name opens no judged one."""
    for name, path in PATHS.items():
        assert FOUND.find_unjudged(METHODS.get(name, "POST"), path) is None


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/chat/completions",
        "/engines/x/chat/completions",
        "/engines/x/completions",
        "/V1/Chat/Completions",
        "/v1/chat/completions/",
        "/v1/chat/completions/extra",
        "/v1/chat/completions;x=1",
        "/v1/chat/completions%2f",
        "/v1/chat/%43OMPLETIONS",
        "/v1/embeddings.json",
        "/x/responses",
        "/x/responses/resp_1",
        "/proxy/anthropic/v1/messages",
        "/v1/images/generations:submit",
        "/x/audio/speech",
        "/x/moderations",
        "/v2/models/a/b/infer",
        "/v1//files",
        "/v1/../files",
    ],
)
def test_path_that_a_server_might_take_for_a_judged_one_is_an_alias(path: str) -> None:
    """In any spelling, under any prefix, with whatever behind; and what no server reads alike."""
    assert FOUND.is_alias(path)


@pytest.mark.parametrize("path", ["/score", "/x/y", "/v1/complaints", "/v1/audio/x", "/speech"])
def test_path_of_another_kind_is_no_alias(path: str) -> None:
    """A policy may pass it."""
    assert not FOUND.is_alias(path)


def test_path_of_a_classifier_has_aliases_too() -> None:
    """By all of its segments."""
    routes = Routes([*known_routes(), ClassifierRoute("/v1/fraud")])
    assert routes.is_alias("/api/v1/fraud") and routes.is_alias("/V1/Fraud/x")
    assert not routes.is_alias("/fraud")


def test_list_of_apis_names_each_once_with_its_treatment() -> None:
    """What people and the documentation are shown."""
    shown = apis()
    names = [api.name for api in shown]
    assert len(names) == len(set(names))
    assert len(names) == len(known_routes()) + len(UNJUDGED) + len(HARMLESS)
    assert {api.treatment for api in shown} == {"judged", "passed if named", "harmless"}
    assert all(api.path and api.why for api in shown)


def test_head_is_harmless_where_get_is() -> None:
    """Load balancers ask so."""
    for path in ("/v1/models", "/health", "/openai/models"):
        assert FOUND.find_harmless("HEAD", path) is not None
        assert FOUND.find_harmless("POST", path) is None
