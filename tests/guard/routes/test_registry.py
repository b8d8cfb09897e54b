"""Which request is which route; above all, which is none."""

import pytest

from gamekeeper.base.errors import UsageError
from gamekeeper.guard.routes import ClassifierRoute, Routes, clean_path, known_routes
from guard.routes.builders import METHODS, PATHS

FOUND = Routes(known_routes())


@pytest.mark.parametrize(("name", "path"), PATHS.items())
def test_each_route_is_found_by_its_path_and_method_only(name: str, path: str) -> None:
    """One path, one method, one route."""
    right = METHODS.get(name, "POST")
    found = FOUND.find(right, path)
    assert found is not None and found.name == name
    for method in ("GET", "POST", "PUT", "post", "DELETE", "OPTIONS", "PATCH", "HEAD", ""):
        other = FOUND.find(method, path)
        assert method == right or other is None or other.name in METHODS


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions/",
        "//v1/chat/completions",
        "/v1//chat/completions",
        "/v1/./chat/completions",
        "/v1/x/../chat/completions",
        "/v1/%2e%2e/v1/chat/completions",
        "/v1/%2E/chat/completions",
        "/v1/chat%2fcompletions",
        "/v1/chat%2Fcompletions",
        "/v1/chat%5ccompletions",
        "/v1/chat\\completions",
        "/v1/chat/%2563ompletions",
        "/v1/chat/completions%00",
        "/v1/chat/completions%0a",
        "/v1/chat/completions\n",
        "/v1/chat/completions;x=1",
        "/v1/chat/completions%3bx",
        "/v1/chat/completions%3Fx=1",
        "/v1/chat/completions?x=1",
        "/v1/chat/completions#x",
        "/v1/chat/completions%20",
        "/v1/chat/completions ",
        "/V1/chat/completions",
        "/v1/Chat/Completions",
        "/v1/chat/ｃompletions",
        "/v1/chat/%c0%ae%c0%ae",
        "/v1/chat/completions%",
        "/v1/chat/completions%2",
        "/v1/chat/completions/extra",
        "/v2/chat/completions",
        "/x/v1/chat/completions",
        "v1/chat/completions",
        "http://host/v1/chat/completions",
        "/v1/messages/batches",
        "/messages",
        "/v1/responses/resp_1/items",
        "/v2/models/iris/infer/",
        "/v2/models//infer",
        "/v2/models/a/b/infer",
        "/v2/models/../infer",
        "/v2/models/a%2fb/infer",
        "/v2/models/a;b/infer",
        "/v2/models/iris/versions//infer",
        "/v2/models/iris/generate",
        "/v2/models/iris/generate_stream",
        "/v2/models/iris/INFER",
        "/",
        "",
        "/" + "a/" * 2000,
        "/v2/models/" + "a" * 2048 + "/infer",
        "/v2/models/" + "a" * 2048,
        "/v1/\ud800",
    ],
)
def test_what_is_almost_a_route_is_none(path: str) -> None:
    """Another server might clean such a path into one that was never judged."""
    for method in ("GET", "POST"):
        assert FOUND.find(method, path) is None
        assert FOUND.find_harmless(method, path) is None


@pytest.mark.parametrize("path", ["/v2/models/infer", "/v2/models/iris/versions/infer"])
def test_model_or_version_called_infer_can_be_looked_at_and_not_asked(path: str) -> None:
    """The last segment alone does not make it an inference."""
    assert FOUND.find("POST", path) is None and FOUND.find_harmless("POST", path) is None
    assert FOUND.find_harmless("GET", path) is not None


def test_percent_encoding_is_taken_off_once_and_what_is_forwarded_is_the_plain_path() -> None:
    """An encoded letter is that letter to every server; so it is to us, and only the letter goes
    on.
    """
    assert clean_path("/v1/chat/%63ompletions") == "/v1/chat/completions"
    assert clean_path("/v2/models/llama3%3A8b/infer") == "/v2/models/llama3:8b/infer"


def test_prefix_is_taken_off_whole_segments_only() -> None:
    """`/openaiv1` does not begin with the prefix `/openai`."""
    found = FOUND.find("POST", "/openai/v1/messages", prefix="/openai/")
    assert found is not None and found.name == "anthropic.messages"
    for path in (
        "/openaiv1/messages",
        "/v1/messages",
        "/openai",
        "/OpenAI/v1/messages",
        "/openai//v1/messages",
    ):
        assert FOUND.find("POST", path, prefix="/openai") is None
    deployed = FOUND.find(
        "POST", "/openai/deployments/m/chat/completions", prefix="/openai/deployments/m"
    )
    assert deployed is not None and deployed.name == "openai.chat"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/models", "models"),
        ("/models/m", "models"),
        ("/health", "health"),
        ("/v2", "kserve.server"),
        ("/v2/health/live", "kserve.live"),
        ("/v2/health/ready", "kserve.ready"),
        ("/v2/models/iris", "kserve.model"),
        ("/v2/models/iris/versions/3", "kserve.model"),
        ("/v2/models/iris/versions/3/ready", "kserve.model_ready"),
    ],
)
def test_what_carries_no_answer_is_harmless_but_only_as_get(path: str, name: str) -> None:
    """A listing is passed in the open; a POST to the same path is not."""
    kind = FOUND.find_harmless("GET", path)
    assert kind is not None and kind.name == name
    assert FOUND.find_harmless("POST", path) is None and FOUND.find("POST", path) is None


@pytest.mark.parametrize(
    "path", ["/v1/models/a/b", "/healthz", "/health/", "/v2/models", "/v2/models/iris/infer"]
)
def test_what_is_almost_harmless_is_not(path: str) -> None:
    """Only what is listed."""
    assert FOUND.find_harmless("GET", path) is None


def test_no_path_is_both_a_route_and_harmless() -> None:
    """A policy that opens the listing opens no route."""
    for path in PATHS.values():
        assert (
            FOUND.find_harmless("GET", path) is None and FOUND.find_harmless("POST", path) is None
        )


@pytest.mark.parametrize(
    "path", ["score", "/v1/score/", "/v1/../score", "/v1/score?x", "/v1/%73core", ""]
)
def test_classifier_at_an_odd_path_is_refused(path: str) -> None:
    """No request would ever match it."""
    with pytest.raises(UsageError, match="cannot be a path of a classifier"):
        ClassifierRoute(path)


def test_two_routes_of_one_name_or_one_path_are_refused() -> None:
    """Which of them judged would be chance."""
    with pytest.raises(UsageError, match="two routes are called"):
        Routes([ClassifierRoute("/a", name="x"), ClassifierRoute("/b", name="x")])
    with pytest.raises(UsageError, match="path of two routes"):
        Routes([*known_routes(), ClassifierRoute("/v1/messages")])
    with pytest.raises(UsageError, match="path of two routes"):
        Routes([ClassifierRoute("/v2/models/iris/infer"), *known_routes()])


def test_classifier_is_found_beside_the_known_routes() -> None:
    """Its name comes from its path unless given."""
    routes = Routes([*known_routes(), ClassifierRoute("/v1/score")])
    found = routes.find("POST", "/v1/score")
    assert found is not None and found.name == "classifier.v1.score"
    assert routes.names[-1] == "classifier.v1.score"
