"""A real server on loopback, which is as bad as servers are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.builders import linear_scores, make_inputs
from audit.server import Server, in_turn
from gamekeeper.audit.targets import TargetError
from gamekeeper.audit.targets.description import Endpoint, read_endpoint
from gamekeeper.audit.targets.http import HttpTarget
from gamekeeper.base.errors import InputError


def scoring(document: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
    return (
        200,
        json.dumps(
            {"predictions": linear_scores(np.array(document["instances"])).tolist()}
        ).encode(),
        {},
    )


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(scoring)
    yield made
    made.close()


def make_target(server: Server, slept: list[float] | None = None, **fields: Any) -> HttpTarget:
    spec = Endpoint(**{"url": server.url, **fields})
    return HttpTarget(spec, sleep=(slept if slept is not None else []).append)


def test_scores_come_back_in_the_order_of_inputs(server: Server) -> None:
    """In batches, whose size is said."""
    inputs = make_inputs(100)
    assert np.allclose(make_target(server, batch=30).ask(inputs), linear_scores(inputs))
    assert [len(document["instances"]) for _, document, _ in server.asked] == [30, 30, 30, 10]


def test_dotted_paths_reach_into_lists(server: Server) -> None:
    """An answer with an object for each input."""

    def script(document: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        scores = linear_scores(np.array(document["data"]["rows"])).tolist()
        return 200, json.dumps({"results": [{"p": row} for row in scores]}).encode(), {}

    server.script = script
    inputs = make_inputs(5)
    assert np.allclose(
        make_target(server, rows="data.rows", scores="results.p").ask(inputs), linear_scores(inputs)
    )


def test_kserve_model_is_asked_in_its_protocol(server: Server) -> None:
    """Tensors flat, shapes beside them, and the input as its metadata name it."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [-1, 6]}
    server.pages = {"/v2/models/iris": {"inputs": [tensor], "outputs": []}}

    def script(document: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        (tensor,) = document["inputs"]
        scores = linear_scores(np.array(tensor["data"]).reshape(tensor["shape"]))
        output = {
            "name": "p",
            "shape": list(scores.shape),
            "datatype": "FP64",
            "data": scores.ravel().tolist(),
        }
        return 200, json.dumps({"outputs": [output]}).encode(), {}

    server.script = script
    inputs = make_inputs(5)
    target = make_target(server, url=server.url.removesuffix("/score"), kserve="iris")
    assert np.allclose(target.ask(inputs), linear_scores(inputs))
    path, document, _ = server.asked[0]
    assert path == "/v2/models/iris/infer"
    assert (document["inputs"][0]["name"], document["inputs"][0]["datatype"]) == ("x", "FP32")


def test_rate_limit_is_waited_for_as_long_as_it_says(server: Server) -> None:
    """And a busy server a little longer each time."""
    server.script = in_turn(
        scoring, (429, b"", {"retry-after": "7"}), (503, b"", {}), (502, b"", {})
    )
    slept: list[float] = []
    assert len(make_target(server, slept).ask(make_inputs(3))) == 3
    assert slept == [7.0, 2.0, 4.0]


def test_server_that_stays_busy_ends_the_audit(server: Server) -> None:
    """What was paid for is the journal's matter."""
    server.script = lambda document: (429, b"", {"retry-after": "120"})
    slept: list[float] = []
    with pytest.raises(TargetError, match="still busy"):
        make_target(server, slept).ask(make_inputs(3))
    assert slept == [120.0] * 5


def test_limit_of_the_day_is_not_sat_through(server: Server) -> None:
    """It is said when to come back."""
    server.script = lambda document: (429, b"", {"retry-after": "9999"})
    slept: list[float] = []
    with pytest.raises(
        TargetError, match="asks to wait 9,999 s; run the same audit again after that"
    ):
        make_target(server, slept).ask(make_inputs(3))
    assert len(server.asked) == 1 and not slept


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, b"", {}), "refused the credential"),
        ((403, b"", {}), "refused the credential"),
        ((422, b"width 5 wanted", {}), "422: width 5 wanted"),
        ((200, b"<html>", {}), "not answer with JSON"),
        ((200, b'{"scores": []}', {}), 'has no "predictions"'),
        ((200, b'{"predictions": [["a"]]}', {}), r"\(1, 1\) to 2 inputs"),
        ((200, b'{"predictions": [[1, 2], [1]]}', {}), "not answer with numbers"),
    ],
    ids=["401", "403", "422", "html", "path", "text", "ragged"],
)
def test_what_is_no_answer_is_said(
    answer: tuple[int, bytes, dict[str, str]], said: str, server: Server
) -> None:
    """At once, for asking again would change nothing."""
    server.script = lambda document: answer
    with pytest.raises(TargetError, match=said):
        make_target(server).ask(make_inputs(2))
    assert len(server.asked) == 1


def test_server_that_is_not_there_is_named(server: Server) -> None:
    """After a few tries."""
    slept: list[float] = []
    with pytest.raises(TargetError, match="cannot be reached"):
        make_target(server, slept, url="http://127.0.0.1:9/score").ask(make_inputs(2))
    assert len(slept) == 4


def test_description_is_read_with_its_secrets(server: Server, tmp_path: Path) -> None:
    """From the environment; they are sent, and never printed."""
    path = tmp_path / "target.toml"
    path.write_text(
        f'format = "gamekeeper/target@1"\nurl = "{server.url}"\nheaders = {{authorization = "env:MODEL_KEY"}}\n'
    )
    target = HttpTarget(read_endpoint(path, {"MODEL_KEY": "Bearer hush"}))
    target.ask(make_inputs(2))
    assert {name.lower(): value for name, value in server.asked[0][2].items()}[
        "authorization"
    ] == "Bearer hush"
    assert "hush" not in repr(target._endpoint)


def test_all_faults_of_a_description_come_together(tmp_path: Path) -> None:
    """Format, address, a setting that is not there, one of another kind."""
    path = tmp_path / "target.toml"
    path.write_text('url = "ftp://x"\nrow = "a"\nbatch = "many"\n')
    with pytest.raises(InputError) as raised:
        read_endpoint(path, {})
    wanted = ("not the description", "url is not an", "setting row", "batch has the wrong type")
    assert all(words in str(raised.value) for words in wanted)


def test_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    """Better than a request without a credential."""
    path = tmp_path / "target.toml"
    path.write_text(
        'format = "gamekeeper/target@1"\nurl = "http://x"\nheaders = {authorization = "env:NO_SUCH"}\n'
    )
    with pytest.raises(InputError, match="authorization: the environment has no such variable"):
        read_endpoint(path, {})


def test_address_is_named_without_its_password() -> None:
    """Names go into reports and casebooks."""
    assert (
        HttpTarget(Endpoint(url="https://me:hush@host:8/score?key=hush")).name
        == "https://host:8/score"
    )
