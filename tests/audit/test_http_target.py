"""A real server on loopback, which is as bad as servers are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.builders import linear_scores, make_inputs
from audit.server import Server, in_turn
from gamekeeper.audit.columns import Columns, with_columns
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.audit.targets import QueryError, TargetError
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


def answering(answer: Any) -> Any:
    return lambda document: (200, json.dumps(answer).encode(), {})


@pytest.mark.parametrize(
    ("answer", "path", "numbers"),
    [
        ([[0.1, 0.9], [0.4, 0.6]], None, [[0.1, 0.9], [0.4, 0.6]]),
        ([0.1, 0.9], None, [0.1, 0.9]),
        ([0.1, 0.9], "", [0.1, 0.9]),
        ({"predictions": [{"p": [0.1, 0.9]}, {"p": [0.4, 0.6]}]}, "predictions.p.1", [0.9, 0.6]),
        ({"outputs": [{"name": "p", "data": [0.1, 0.9]}]}, "outputs.0.data", [0.1, 0.9]),
        (
            [[{"label": "b", "score": 0.9}, {"label": "a", "score": 0.1}]] * 2,
            None,
            [[0.1, 0.9], [0.1, 0.9]],
        ),
        (
            {"predictions": [{"label": "fraud", "probability": p} for p in (0.1, 0.9)]},
            "predictions.probability",
            [0.1, 0.9],
        ),
    ],
    ids=["list", "flat", "whole", "position-within", "position", "pipeline", "probability"],
)
def test_answers_of_many_servers_are_read(
    answer: Any, path: str | None, numbers: list[Any], server: Server
) -> None:
    """A list as it is, `predictions`, or what a path names."""
    server.script = answering(answer)
    assert make_target(server, scores=path).ask(make_inputs(2)).tolist() == numbers


def test_missing_field_is_never_a_number(server: Server) -> None:
    """One row of two has another field: what is there is said."""
    server.script = answering({"predictions": [{"p": 0.1}, {"error": "too old"}]})
    with pytest.raises(TargetError, match=r'has no "p" of "predictions.p"; it has error: too old'):
        make_target(server, scores="predictions.p").ask(make_inputs(2))


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"rows": "data.rows"}, {"data": {"rows": [[1.0, None, "Oslo"]]}}),
        ({"rows": ""}, [[1.0, None, "Oslo"]]),
        (
            {"rows": "dataframe_split.data", "columns": True},
            {"dataframe_split": {"data": [[1.0, None, "Oslo"]], "columns": ["a", "b", "city"]}},
        ),
        (
            {"rows": "dataframe_records", "rows_as": "records"},
            {"dataframe_records": [{"a": 1.0, "b": None, "city": "Oslo"}]},
        ),
        ({"rows": "", "rows_as": "record"}, {"a": 1.0, "b": None, "city": "Oslo"}),
        ({"rows": "x", "rows_as": "list"}, {"x": [1.0, None, "Oslo"]}),
        (
            {"request": {"model": "m", "params": {"raw": True}}},
            {"model": "m", "params": {"raw": True}, "instances": [[1.0, None, "Oslo"]]},
        ),
    ],
    ids=["lists", "whole", "split", "records", "record", "list", "request"],
)
def test_rows_are_sent_as_the_endpoint_takes_them(
    settings: dict[str, Any], sent: Any, server: Server
) -> None:
    """Text as it is, a missing value as null."""
    server.script = answering([[0.1, 0.9]])
    columns = Columns(
        names=("a", "b", "city"),
        categories=(None, None, ("Lima", "Oslo")),
        missing=(False, True, False),
    )
    with_columns(make_target(server, **settings), columns).ask(np.array([[1, np.nan, 1.2]]))
    assert server.asked[0][1] == sent


def test_names_that_are_not_there_are_asked_for(server: Server) -> None:
    """Inputs without names, for an endpoint that takes records."""
    with pytest.raises(TargetError, match=r'columns = \["...", "..."\]'):
        make_target(server, rows_as="records").ask(make_inputs(2))
    named = make_target(server, rows_as="records", columns=tuple("abcdef"))
    server.script = answering({"predictions": [0.1, 0.2]})
    assert len(named.ask(make_inputs(2))) == 2
    assert [*server.asked[-1][1]["instances"][0]] == [*"abcdef"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('kserve = "m"\nrows = "x"', "the setting rows does not apply to an endpoint with kserve"),
        ('chat = "m"\nbatch = 3', "the setting batch does not apply to an endpoint with chat"),
        ("parallel = 3", "the setting parallel does not apply to an endpoint with rows and scores"),
        ('system = "be brief"', "the setting system does not apply"),
        ('embeddings = "m"\nanswers = "score"', "the setting answers does not apply"),
        ('chat = "m"\nkserve = "m"', "more than one kind of target: chat"),
        ('answers = "number"', "answers is not a kind of answer"),
        ('rows_as = "table"', "rows_as is not a form of rows"),
        ('rows_as = "record"\nbatch = 9', "sends one input a request"),
        ('rows_as = "records"\ncolumns = false', "records need names"),
        ('rows = ""\nrequest = {a = 1}', "inputs are the whole request"),
        ("columns = [1]", "columns has the wrong type"),
    ],
)
def test_settings_that_do_not_apply_are_refused(lines: str, said: str, tmp_path: Path) -> None:
    """Ignored, they would seem to be in force."""
    path = tmp_path / "target.toml"
    path.write_text(f'format = "gamekeeper/target@1"\nurl = "http://x"\n{lines}\n')
    with pytest.raises(InputError, match=said.partition(":")[0]):
        read_endpoint(path, {})


def test_kind_of_answers_can_be_said(tmp_path: Path) -> None:
    """By the owner, who knows."""
    path = tmp_path / "target.toml"
    path.write_text('format = "gamekeeper/target@1"\nurl = "http://x"\nanswers = "score"\n')
    assert HttpTarget(read_endpoint(path, {})).answers is AnswerKind.SCORE


def kserve(server: Server, **fields: Any) -> HttpTarget:
    return make_target(server, url=server.url.removesuffix("/score"), kserve="m", **fields)


def described(*inputs: tuple[str, str, list[int]]) -> dict[str, Any]:
    tensors = [{"name": n, "datatype": kind, "shape": shape} for n, kind, shape in inputs]
    return {"/v2/models/m": {"name": "m", "inputs": tensors, "outputs": []}}


LABEL = {"name": "label", "datatype": "INT64", "shape": [2], "data": [1, 0]}
PROBABILITIES = {
    "name": "probabilities",
    "datatype": "FP32",
    "shape": [2, 2],
    "data": [0.1, 0.9, 0.6, 0.4],
}


def test_kserve_scores_are_read_behind_the_label(server: Server) -> None:
    """The first output of a converted classifier is its label."""
    server.pages = described(("float_input", "FP32", [-1, 6]))
    server.script = answering({"outputs": [LABEL, PROBABILITIES]})
    target = kserve(server)
    assert target.ask(make_inputs(2)).tolist() == [[0.1, 0.9], [0.6, 0.4]]
    assert any("output probabilities is read, not label" in said for said in target.remarks)
    assert kserve(server, output="label").ask(make_inputs(2)).tolist() == [1, 0]


def test_kserve_outputs_that_do_not_tell_are_asked_for(server: Server) -> None:
    """Two of numbers."""
    server.pages = described(("x", "FP32", [-1, 6]))
    outputs = [PROBABILITIES | {"name": name} for name in ("a", "b")]
    server.script = answering({"outputs": outputs})
    with pytest.raises(TargetError, match=r'several outputs, a \(FP32\), b \(FP32\).*output = "'):
        kserve(server).ask(make_inputs(2))
    assert len(kserve(server, output="b").ask(make_inputs(2))) == 2


def test_kserve_input_is_sent_in_its_type_and_shape(server: Server) -> None:
    """Whole numbers, and the sides of a picture."""
    server.pages = described(("pixels", "INT32", [-1, 1, 2, 3]))
    server.script = answering({"outputs": [LABEL]})
    kserve(server).ask(np.arange(12.0).reshape(2, 6))
    (tensor,) = server.asked[0][1]["inputs"]
    assert (tensor["shape"], tensor["datatype"]) == ([2, 1, 2, 3], "INT32")
    assert tensor["data"] == [*range(12)] and isinstance(tensor["data"][0], int)
    with pytest.raises(TargetError, match="takes whole numbers"):
        kserve(server).ask(np.full((2, 6), 0.5))


def test_kserve_model_with_several_inputs_is_refused(server: Server) -> None:
    """By name, with what can be done."""
    server.pages = described(("age", "FP32", [-1, 1]), ("city", "BYTES", [-1, 1]))
    with pytest.raises(TargetError, match=r"takes 2 inputs \(age, city\)"):
        kserve(server).ask(make_inputs(2))


def test_kserve_server_without_metadata_is_asked_for_its_input(server: Server) -> None:
    """And goes on once it is named."""
    with pytest.raises(TargetError, match='datatype = "FP32"'):
        kserve(server).ask(make_inputs(2))
    server.script = answering({"outputs": [PROBABILITIES]})
    assert len(kserve(server, input="x", datatype="FP32").ask(make_inputs(2))) == 2


def test_bad_request_about_the_key_is_not_of_the_queries(server: Server) -> None:
    """Asking one by one would not help."""
    server.script = lambda document: (400, b'{"error": "API key not valid"}', {})
    with pytest.raises(TargetError) as raised:
        make_target(server).ask(make_inputs(2))
    assert not isinstance(raised.value, QueryError)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("is_kserve", [False, True])
def test_redirect_is_not_followed_and_its_address_is_named(
    server: Server, status: int, is_kserve: bool
) -> None:
    """The credential would go to a host that its owner did not name; neither is it shown."""
    other = Server(scoring, {"/elsewhere": {"inputs": []}})
    place = f"{other.url.replace('/score', '/elsewhere')}?token=of-others"
    server.script = lambda document: (status, b"", {"location": place})
    fields = {"kserve": "m", "input": "x", "datatype": "FP32"} if is_kserve else {}
    target = make_target(server, headers={"authorization": "Bearer my-key"}, **fields)
    with pytest.raises(TargetError, match=f"{status} and redirects to .*/elsewhere") as raised:
        target.ask(make_inputs(3))
    assert not isinstance(raised.value, QueryError)
    assert "my-key" not in str(raised.value) and "of-others" not in str(raised.value)
    assert len(server.asked) == 1 and not other.asked
    other.close()
