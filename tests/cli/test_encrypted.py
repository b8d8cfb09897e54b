"""`gamekeeper encrypted`: compile, serve and query over loopback, and each exit code."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from typer.testing import CliRunner

from gamekeeper._cli import app
from gamekeeper._cli.encrypted._asking import Answer, description_at, exchanged
from gamekeeper._cli.encrypted._rows import write_scores
from gamekeeper.base.errors import Fault, GamekeeperError, InputError
from gamekeeper.encrypted.inference_client import EncryptingClient

INPUTS = np.random.default_rng(0).normal(size=(200, 5))
LABELS = (INPUTS @ np.arange(5.0) > 0).astype(int)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GAMEKEEPER_KEY", raising=False)
    joblib.dump(LogisticRegression().fit(INPUTS, LABELS), "model.joblib")
    np.save("pool.npy", INPUTS)
    np.savetxt("rows.csv", INPUTS[:7], delimiter=",", header="a,b,c,d,e", comments="")
    np.savetxt("labels.csv", LABELS, fmt="%d")


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(words))
    if isinstance(result.exception, GamekeeperError):
        return result.exception.exit_code, result.stdout, f"{result.stderr}{result.exception}"
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


COMPILE = (
    "encrypted",
    "compile",
    "model.joblib",
    "--trust-file",
    "--inputs",
    "pool.npy",
    "--out",
    "scoring.he",
)


def test_compile_says_what_a_linear_model_is_worth() -> None:
    """d + 1 answers determine it, and encryption changes nothing about that."""
    code, out, err = run(*COMPILE)
    assert code == 0 and "agreement" in out and "the best constant: 0." in out
    assert "measured on 40 held-out rows, of the 200 of --inputs" in out
    assert "no more free parameters than 4 answers have numbers: so many rows may suffice" in err
    assert "6 answers" not in err  # one number, the smaller one
    assert "does not stop extraction" in err
    assert Path("scoring.he").stat().st_mode & 0o777 == 0o600


def test_compile_prints_one_schema() -> None:
    """For scripts; with true labels, accuracy too."""
    code, out, _ = run(*COMPILE, "--labels", "labels.csv", "--json", "--quiet")
    document = json.loads(out)
    assert code == 0 and document["schema"] == "gamekeeper/he@1"
    assert document["compiled"]["determining_rows"] == 4  # -z and z are one score
    assert document["compiled"]["report"]["accuracy"] > 0.9


NAMES = ("a", "b", "c", "d", "e")


def dump_named(classes: np.ndarray = LABELS) -> None:
    """A model that was fitted to named columns, as one fitted to a DataFrame is."""
    model = LogisticRegression().fit(INPUTS, classes)
    model.feature_names_in_ = np.array(NAMES, dtype=object)
    joblib.dump(model, "model.joblib")


def write_csv(name: str, names: tuple[str, ...], rows: np.ndarray) -> None:
    np.savetxt(name, rows, delimiter=",", header=",".join(names), comments="")


def compiled(*words: str) -> dict[str, object]:
    code, out, err = run(*COMPILE, *words, "--json", "--quiet")
    assert code == 0, err
    report: dict[str, object] = json.loads(out)["compiled"]["report"]
    return report


def test_columns_are_matched_with_the_names_that_the_model_was_fitted_to() -> None:
    """In any order, which is said; another column is refused."""
    dump_named()
    write_csv("reversed.csv", NAMES[::-1], INPUTS[:, ::-1])
    code, _, err = run(*COMPILE, "--inputs", "reversed.csv", "--labels", "labels.csv")
    assert code == 0 and "columns are put into the order of the model" in err
    assert compiled("--inputs", "reversed.csv") == compiled("--inputs", "pool.npy")
    write_csv("other.csv", ("a", "b", "c", "d", "label"), INPUTS)
    code, _, err = run(*COMPILE, "--inputs", "other.csv")
    assert code == 3 and "missing: e; unknown: label" in err
    code, _, err = run(*COMPILE)
    assert code == 0 and "columns have no names here" in err


@pytest.mark.parametrize("first", ["", "0\n", "target\n"])
def test_labels_may_have_a_header_or_not(first: str) -> None:
    """The number of inputs tells: pandas names a column 0."""
    Path("labels.csv").write_text(first + "\n".join(map(str, LABELS)) + "\n")
    assert compiled("--labels", "labels.csv")["accuracy"] > 0.9  # type: ignore[operator]


@pytest.mark.parametrize("classes", [(3, 7), (-1, 1), ("no", "yes")])
def test_labels_are_the_classes_of_the_model(classes: tuple[object, object]) -> None:
    """By value: numbers of positions are refused where classes have others."""
    named = np.where(LABELS, classes[1], classes[0])
    dump_named(named)
    Path("named.csv").write_text("\n".join(map(str, named)) + "\n")
    report = compiled("--labels", "named.csv")
    assert report["accuracy"] > 0.9 > report["accuracy_constant"]  # type: ignore[operator]
    code, _, err = run(*COMPILE, "--labels", "labels.csv")
    assert code == 3 and "not classes of the model" in err
    np.savetxt("short.csv", LABELS[:-3], fmt="%d")
    code, _, err = run(*COMPILE, "--labels", "short.csv")
    assert code == 3 and "197" in err and "200" in err


def test_a_header_that_may_be_data_is_asked_for() -> None:
    """And stated by --header."""
    rows = np.random.default_rng(1).uniform(0, 1, size=(50, 5))
    write_csv("pool.csv", ("400", "410", "420", "430", "440"), rows)
    code, _, err = run(*COMPILE, "--inputs", "pool.csv")
    assert code == 3 and "--header yes" in err
    assert compiled("--inputs", "pool.csv", "--header", "yes")["rows_of_inputs"] == 50
    assert compiled("--inputs", "pool.csv", "--header", "no")["rows_of_inputs"] == 51


def test_a_regression_is_compared_by_its_values() -> None:
    """Printed with what a constant reaches; no agreement of classes."""
    joblib.dump(LinearRegression().fit(INPUTS, INPUTS @ np.arange(5.0)), "model.joblib")
    code, out, _ = run(*COMPILE)
    assert code == 0 and "R2 to original" in out and "a constant: 0" in out
    assert "agreement" not in out and "accuracy" not in out


def test_rows_that_stretch_a_range_are_warned_of() -> None:
    """With the feature, and what it is without them."""
    rows = INPUTS.copy()
    rows[5, 1] = 1e6
    write_csv("pool.csv", NAMES, rows)
    code, out, _ = run(*COMPILE, "--inputs", "pool.csv", "--labels", "labels.csv")
    assert code == 0 and "the range of inputs is stretched by 1 row of --inputs" in out
    assert "  b: " in out and "without these rows, measured on 39 rows" in out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("compile", "model.joblib", "--inputs", "pool.npy", "--out", "m.he"), 2, "--trust-file"),
        (("compile", "--inputs", "pool.npy", "--out", "m.he"), 2, "--hidden"),
        (
            (
                *("compile", "--hidden", "4", "--inputs", "pool.npy", "--out", "m.he"),
                *("--labels", "labels.csv", "--outputs", "values"),
            ),
            2,
            "trains classes",
        ),
        (("compile", "--hidden", "4", "--inputs", "pool.npy", "--out", "m.he"), 2, "--labels"),
        ((*COMPILE[1:], "--low", "1"), 2, "--low and --high"),
        ((*COMPILE[1:], "--error", "0"), 2, "--error"),
        (
            ("compile", "none.joblib", "--trust-file", "--inputs", "pool.npy", "--out", "m.he"),
            3,
            "none.joblib",
        ),
        (
            ("compile", "model.joblib", "--trust-file", "--inputs", "none.npy", "--out", "m.he"),
            3,
            "none.npy",
        ),
        (
            (
                "compile",
                "model.joblib",
                "--trust-file",
                "--inputs",
                "model.joblib",
                "--out",
                "m.he",
            ),
            3,
            "model.joblib",
        ),
        ((*COMPILE[1:], "--rows", "3"), 3, "layout"),
        (("serve", "none.he"), 3, "none.he"),
        (("serve", "model.joblib"), 3, "not a compiled model"),
        (("query", "http://127.0.0.1:9/v2/encrypted/m", "--inputs", "rows.csv"), 3, "127.0.0.1:9"),
        (("query", "ftp://x", "--inputs", "rows.csv"), 3, "not an HTTP URL"),
        (("keys", "http://127.0.0.1:9/v2/encrypted/m"), 3, "127.0.0.1:9"),
    ],
)
def test_wrong_usage_exits_2_and_wrong_input_3(
    words: tuple[str, ...], code: int, told: str
) -> None:
    """Each says where and what."""
    found, _, err = run("encrypted", *words)
    assert found == code
    assert told in err


@pytest.mark.parametrize(
    "reply",
    [
        b"no HTTP\r\n\r\n",
        b"HTTP/1.1 400 x\r\nconnection: close\r\n\r\n\x1b[2Jgone",
        b'HTTP/1.1 400 x\r\nconnection: close\r\n\r\n{"error": {"message": "\\u001b[2Jgone"}}',
    ],
)
def test_a_server_that_means_ill_gets_an_error_and_no_terminal(reply: bytes) -> None:
    """Whatever it answers; control characters are not passed on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        code, out, err = run(
            "encrypted", "keys", f"http://127.0.0.1:{listener.getsockname()[1]}/v2/encrypted/m"
        )
        thread.join()
    assert code == 3 and "cannot be used" in err
    assert "\x1b" not in out + err


def test_an_api_key_that_is_none_is_shown_nowhere() -> None:
    """HTTP's own error would print the header."""
    headers = {"authorization": "Bearer " + "_".join(["gk", "secret"]) + "\nmore"}
    with pytest.raises(InputError) as caught:
        exchanged("GET", "http://127.0.0.1:9/x", None, headers)
    assert "gk_secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("name", ["s.csv", "s.npy", "s.json"])
def test_scores_are_for_their_owner_and_whole(name: str) -> None:
    """Unrounded they tell of the secret key."""
    write_scores(Path(name), np.array([[0.5, 1.5]]), ["a"])
    assert Path(name).stat().st_mode & 0o777 == 0o600
    if name == "s.npy":
        assert np.load(name).tolist() == [[0.5, 1.5]]
    else:
        assert "0.5" in Path(name).read_text() and "1.5" in Path(name).read_text()


@pytest.mark.extra
def test_serve_refuses_to_start_without_a_budget() -> None:
    """No key, and keys without a budget of rows, are the same."""
    pytest.importorskip("tenseal")
    run(*COMPILE)
    run("keys", "issue", "acme", "--requests-per-day", "5")
    code, _, err = run("encrypted", "serve", "scoring.he", "--port", "0")
    assert code == 2 and "--encrypted-rows" in err


@pytest.mark.extra
def test_serve_takes_no_identity_but_keys() -> None:
    """An account that brings its own credential has no budget for life."""
    pytest.importorskip("tenseal")
    run(*COMPILE)
    Path("guard.toml").write_text(
        'format = "gamekeeper/policy@1"\n[identity]\nmodes = ["upstream"]\n'
    )
    code, _, err = run("encrypted", "serve", "scoring.he", "--policy", "guard.toml")
    assert code == 2 and "identity.modes" in err


@pytest.fixture
def named_served() -> Iterator[tuple[str, str]]:
    """As `served`, of a model that names its columns."""
    dump_named()
    yield from serving()


@pytest.fixture
def served() -> Iterator[tuple[str, str]]:
    """URL of a model that `encrypted serve` serves in a process of its own, and an API key for ten
    rows.
    """
    yield from serving()


def serving() -> Iterator[tuple[str, str]]:
    pytest.importorskip("tenseal")
    run(*COMPILE)
    _, key, _ = run("keys", "issue", "acme", "--encrypted-rows", "10", "--quiet")
    serve = [sys.executable, "-m", "gamekeeper", "encrypted", "serve", "scoring.he", "--port", "0"]
    process = subprocess.Popen(
        serve, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert process.stderr is not None
    told = ""
    while not (found := re.search(r"answering scoring at (\S+)", told)):
        line = process.stderr.readline()
        assert line, told
        told += line
    assert "warning: key" in told and "may suffice to copy a model" in told
    yield found.group(1), key.strip()
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.extra
@pytest.mark.slow
def test_rows_are_answered_until_the_budget_is_used_up(
    served: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over loopback with the real server: seven rows, then three of seven; the eleventh row is
    refused.
    """
    url, key = served
    Path("api.key").write_text(key)
    assert run("encrypted", "keys", url)[0] == 0
    assert Path("he-keys/secret.key").stat().st_mode & 0o777 == 0o600
    code, out, err = run(
        "encrypted",
        "query",
        url,
        "--inputs",
        "rows.csv",
        "--keys",
        "he-keys",
        "--key-file",
        "api.key",
    )
    assert code == 0 and "7 of 7 rows answered, 7 charged" in err
    assert out.split() == [str(label) for label in LABELS[:7]]
    monkeypatch.setenv("GAMEKEEPER_KEY", key)
    code, out, err = run("encrypted", "query", url, "--inputs", "rows.csv", "--json", "--quiet")
    assert code == 3 and "3 rows left, where 7 would be charged" in err and not out
    np.save("one.npy", np.where(np.arange(5) == 2, 1e6, INPUTS[:1]))
    for _ in range(3):
        code, _, err = run("encrypted", "query", url, "--inputs", "one.npy", "--out", "scores.csv")
        assert code == 0 and "1 number (row 1, column 3) clipped" in err
    code, _, err = run("encrypted", "query", url, "--inputs", "one.npy")
    assert code == 3 and "10 of 10" in err


@pytest.mark.extra
@pytest.mark.slow
def test_columns_of_a_query_are_matched_by_name(
    named_served: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows in another order have the same answers; what does not fit is not charged."""
    url, key = named_served
    monkeypatch.setenv("GAMEKEEPER_KEY", key)
    wanted = [str(label) for label in LABELS[:4]]
    write_csv("r.csv", NAMES[::-1], INPUTS[:4, ::-1])
    code, out, err = run("encrypted", "query", url, "--inputs", "r.csv")
    assert code == 0 and out.split() == wanted
    assert "order of the model" in err and "4 charged" in err
    write_csv("x.csv", (*NAMES, "label"), np.column_stack([INPUTS[:4], LABELS[:4]]))
    code, _, err = run("encrypted", "query", url, "--inputs", "x.csv")
    assert code == 3 and "unknown: label" in err
    write_csv("counted.csv", ("0", "1", "2", "3", "4"), INPUTS[:4])
    code, out, err = run("encrypted", "query", url, "--inputs", "counted.csv")
    assert code == 0 and out.split() == wanted
    assert "header without names" in err and "4 of 4 rows answered, 4 charged" in err
    client = EncryptingClient(description_at(url))
    frame = pl.DataFrame(INPUTS[:4], schema=list(NAMES))
    assert client.encrypt(frame.select(reversed(NAMES))).given == 4
    with pytest.raises(InputError, match="missing: a"):
        client.encrypt(frame.rename({"a": "z"}))


@pytest.mark.extra
@pytest.mark.slow
def test_query_without_a_key_is_refused(
    served: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here, and by the server."""
    url, _ = served
    code, _, err = run("encrypted", "query", url, "--inputs", "rows.csv")
    assert code == 2 and "GAMEKEEPER_KEY" in err
    monkeypatch.setenv("GAMEKEEPER_KEY", "wrong")
    code, _, err = run("encrypted", "query", url, "--inputs", "rows.csv")
    assert code == 3 and "401" in err


@pytest.mark.parametrize("verb", ["compile", "serve", "keys", "query"])
def test_help_of_each_verb(verb: str) -> None:
    """A sentence, examples, options."""
    code, out, _ = run("encrypted", verb, "--help")
    assert code == 0 and "Example" in out and "gamekeeper " in out


def test_keys_that_the_server_let_go_are_sent_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others ask too, and the server holds so many; a second refusal is told."""
    from gamekeeper._cli.encrypted import query

    calls: list[str] = []

    def exchanged(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        calls.append(method)
        if method == "POST" and calls.count("POST") in refused:
            raise InputError(
                [Fault(where=url, problem="-", found="409: no keys are held", expected="an answer")]
            )
        return Answer(b"answer", None)

    monkeypatch.setattr(query, "exchanged", exchanged)
    client = SimpleNamespace(keys=lambda: b"keys")
    refused = {1}
    assert query._answer("http://h", client, b"asked", {}) == b"answer"  # type: ignore[arg-type]
    assert calls == ["POST", "PUT", "POST"]
    refused = {3, 4}
    calls[:] = ["POST", "POST"]
    with pytest.raises(InputError, match="409"):
        query._answer("http://h", client, b"asked", {})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["pool.npy", "model.joblib", "labels.csv", "link.npy"])
def test_a_compiled_model_replaces_no_input(name: str) -> None:
    """By identity: a hard link is the same file."""
    Path("link.npy").hardlink_to("pool.npy")
    before = Path(name).read_bytes()
    code, _, err = run(*COMPILE[:-1], name, "--labels", "labels.csv")
    assert code == 2 and "this is the input itself" in err and Path(name).read_bytes() == before


def test_a_compiled_model_replaces_an_earlier_one_and_nothing_else() -> None:
    """A table of somebody else may have that name."""
    assert run(*COMPILE)[0] == 0 and run(*COMPILE)[0] == 0
    for name in ("rows.csv", "."):
        code, _, err = run(*COMPILE[:-1], name)
        assert code == 3 and "already in use" in err
    assert Path("rows.csv").read_text().startswith("a,b,c,d,e")


@pytest.mark.parametrize("name", ["rows.csv", "api.key", "keys/secret.key", "keys/public.keys"])
def test_scores_replace_no_input_of_a_query(name: str) -> None:
    """Before anything is asked and charged."""
    Path("keys").mkdir()
    for each in ("api.key", "keys/secret.key", "keys/public.keys"):
        Path(each).write_text("secret")
    before = Path(name).read_bytes()
    words = ("--inputs", "rows.csv", "--keys", "keys", "--key-file", "api.key", "--out", name)
    code, _, err = run("encrypted", "query", "http://127.0.0.1:9/v2/encrypted/x", *words)
    assert code == 2 and "this is the input itself" in err and Path(name).read_bytes() == before
