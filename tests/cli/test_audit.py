import json
import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_iris
from typer.testing import CliRunner

from gamekeeper._cli import app
from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.casebook import verify_casebook

MODULE = """
import numpy as np

def predict(inputs):
    scores = np.exp(inputs @ np.arange(1, 9).reshape(4, 2) / 9)
    return scores / scores.sum(axis=1, keepdims=True)

number = 3
"""
FEW = ["--budget", "500", "--seeds", "1", "--defence", "rounding"]
ALONE = [*FEW, "--attack", "learned-copy"]
"""One attack, where it does not matter which."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "scoring_model.py").write_text(MODULE)
    np.save(tmp_path / "pool.npy", np.random.default_rng(0).standard_normal((300, 4)))
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["audit", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_audit_says_what_a_copy_costs(here: Path) -> None:
    """In a sentence, in a table, and as a finding."""
    few = ["--budget", "500", "--seeds", "3", "--defence", "rounding"]
    code, printed = run("scoring_model:predict", "--inputs", "pool.npy", "--out", "audit", *few)
    assert code == 1
    assert "scoring_model:predict can be copied to a fidelity of 0.99 (agreement) for" in printed
    assert "rounding" in printed


def test_page_shows_it_and_the_log_holds_what_was_asked(here: Path) -> None:
    """A picture to look at, and traffic to find."""
    few = [
        *FEW,
        "--log",
        "--queries-per-day",
        "10",
        "--usd-per-label",
        "0.1",
        "--owner-usd",
        "5000",
    ]
    _, printed = run("scoring_model:predict", "--inputs", "pool.npy", "--out", "audit", *few)
    page = (here / "audit/report.html").read_text()
    assert (
        "can be copied to a fidelity of" in page
        and "AML.T0024.002" in page
        and 'id="defences"' in page
    )
    assert (
        "takes one account" in printed
        and "labelled by hand" in printed
        and "cost its owner $5,000" in printed
    )
    log = pl.read_parquet(here / "audit/exchanges.parquet")
    assert log.columns == ["time", "account", "features"] and log[
        "features"
    ].list.len().unique().to_list() == [4]
    assert "learned-copy-labels-0" in log["account"]


def test_log_splits_thieves_over_accounts(here: Path) -> None:
    """As many as are named, each a part of what the thief asked."""
    few = [*ALONE, "--log", "--log-accounts", "4"]
    run("scoring_model:predict", "--inputs", "pool.npy", "--out", "audit", *few)
    accounts = pl.read_parquet(here / "audit/exchanges.parquet")["account"]
    own = accounts.filter(accounts.str.starts_with("learned-copy-labels-0"))
    assert set(own) == {f"learned-copy-labels-0.{number}" for number in range(4)}


def test_json_has_every_curve_and_is_what_is_on_disk(here: Path) -> None:
    """For programs."""
    arguments = [
        "scoring_model:predict",
        "--inputs",
        "pool.npy",
        "--out",
        "audit",
        *FEW,
        "--json",
        "--exit-zero",
    ]
    code, printed = run(*arguments)
    document = json.loads(printed)
    assert code == 0 and document["schema"] == "gamekeeper/audit@1"
    assert document == json.loads((here / "audit/audit.json").read_bytes())
    names = {curve["attack"] for each in document["defences"] for curve in each["curves"]}
    assert names >= {"active-selection", "equation-solving", "learned-copy", "boundary-walk"}
    assert document["findings"] == [
        "the interface gives probabilities of 2 classes, with all their digits"
    ]
    code, again = run(*arguments)
    assert json.loads(again)["paid_queries"] == document["paid_queries"], (
        "an audit that is run again pays nothing"
    )


@pytest.mark.slow
def test_public_inputs_make_another_thief(here: Path) -> None:
    """Who has nothing of the domain."""
    np.save("public.npy", np.random.default_rng(5).uniform(-3, 3, (400, 4)))
    few = ["--budget", "2500", "--seeds", "1", "--defence", "rounding", "--json", "--exit-zero"]
    _, printed = run(
        "scoring_model:predict",
        "--inputs",
        "pool.npy",
        "--out",
        "audit",
        *few,
        "--public",
        "public.npy",
    )
    document = json.loads(printed)
    names = {curve["attack"] for curve in document["defences"][0]["curves"] if curve["points"]}
    assert names >= {"public-copy", "data-free"} and "public-copy" not in document["left_out"]


@pytest.mark.slow
def test_zoo_is_audited_without_a_target(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line a model, and the shares."""
    from gamekeeper.audit import zoo

    monkeypatch.setattr(zoo, "_data", lambda: {"iris": load_iris(return_X_y=True)})
    _, printed = run("--zoo", "--budget", "300", "--seeds", "1", "--out", "zoo")
    assert "copied to 0.90 for under $10" in printed
    assert len(json.loads((here / "zoo/zoo.json").read_bytes())["models"]) == 8


def test_audit_of_nothing_says_what_it_wants(here: Path) -> None:
    """A target and inputs, or the zoo."""
    with pytest.raises(UsageError, match="--zoo"):
        run("--out", "audit")


RECIPE = """
import numpy as np

def train(inputs, labels, seed):
    def answer(some):
        far = ((some[:, None] - inputs) ** 2).sum(axis=2)
        sure = np.exp(-far.min(axis=1))[:, None]
        return np.eye(2)[labels[far.argmin(axis=1)]] * sure * 0.9 + (1 - 0.9 * sure) / 2
    return answer
"""


def test_training_that_remembers_its_rows_is_told(here: Path) -> None:
    """How surely, with its interval, and what poison adds."""
    (here / "our_training.py").write_text(RECIPE)
    np.save("labels.npy", np.random.default_rng(1).integers(2, size=(300, 1)))
    told = ["--train", "our_training:train", "--labels", "labels.npy", "--shadows", "6"]
    _, printed = run(
        "scoring_model:predict", "--inputs", "pool.npy", "--out", "audit", *ALONE, *told
    )
    assert "are found at 1.0% false alarms" in printed and "mislabelled copies" in printed
    assert (
        "screens that look at 1.5 times" in printed
        and "left out: inversion: it needs 400 queries" in printed
    )
    assert "What it reveals about its training data" in (here / "audit/report.html").read_text()
    document = json.loads((here / "audit/audit.json").read_bytes())
    assert max(leak["auc"] for leak in document["privacy"]["leaks"]) > 0.9


def test_classes_are_reconstructed_where_labels_are_named(here: Path) -> None:
    """Without training; said in words, drawn on the page, whole in the document."""
    np.save("labels.npy", (np.load("pool.npy") @ [2, 2, 2, 2] > 0).astype(int))
    few = ["--budget", "1700", "--seeds", "1", "--defence", "rounding", "--picture", "2x2"]
    _, printed = run(
        "scoring_model:predict",
        "--inputs",
        "pool.npy",
        "--out",
        "audit",
        *few,
        "--labels",
        "labels.npy",
    )
    assert "from 200 answers a class, 2 of 2 inputs" in printed and "chance gives 50%" in printed
    page = (here / "audit/report.html").read_text()
    assert page.count('alt="What the target reveals about') == 2 and "class 1: recognisable" in page
    document = json.loads((here / "audit/audit.json").read_bytes())
    told = document["privacy"]
    assert document["paid_queries"] <= 1_700
    assert len(told["inversion"]["shown"][1]["values"]) == 4 and told["leaks"] == []


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1] * 100, "the number of rows differs"),
        ([0, 0.5] * 150, "not a whole number"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: list[float], said: str, here: Path) -> None:
    """As soon as it is known what the target answers; what was paid for is kept."""
    np.save("labels.npy", np.array(labels))
    with pytest.raises(InputError, match=said):
        run(
            "scoring_model:predict",
            "--inputs",
            "pool.npy",
            "--out",
            "audit",
            "--labels",
            "labels.npy",
        )


def test_training_without_labels_is_refused(here: Path) -> None:
    """With what is missing."""
    with pytest.raises(UsageError, match="--labels"):
        run(
            "scoring_model:predict",
            "--inputs",
            "pool.npy",
            "--out",
            "audit",
            *FEW,
            "--train",
            "scoring_model:predict",
        )


def test_casebook_says_who_ran_it(here: Path) -> None:
    """An audit is for one's own model, and leaves a trace."""
    run("scoring_model:predict", "--inputs", "pool.npy", "--out", "audit", *ALONE, "--quiet")
    assert verify_casebook(here / "audit/casebook").entries >= 2


def test_pickled_estimator_wants_a_word(here: Path) -> None:
    """Reading one runs what stands in it."""
    from sklearn.linear_model import LogisticRegression

    inputs = np.load("pool.npy")
    model = LogisticRegression().fit(inputs, np.where(inputs[:, 0] > 0, "yes", "no"))
    (here / "model.pkl").write_bytes(pickle.dumps(model))
    arguments = ["model.pkl", "--inputs", "pool.npy", "--out", "audit", *ALONE, "--quiet"]
    with pytest.raises(UsageError, match="--trust-file"):
        run(*arguments)
    assert run(*arguments, "--trust-file")[0] == 1


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere:predict", 'no module "nowhere"'),
        ("scoring_model:nothing", 'has no "nothing"'),
        ("scoring_model:number", "is a int"),
        ("scoring_model:", "is not a target"),
    ],
)
def test_target_that_is_none_is_named(target: str, said: str, here: Path) -> None:
    """Nothing is written."""
    with pytest.raises(UsageError, match=said):
        run(target, "--inputs", "pool.npy", "--out", "audit")
    assert not (here / "audit").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("lines.csv", "a,b\n1,2\n3,4,5\n", "lines.csv"),
        ("nothing.npy", "", "cannot be read"),
        ("missing.csv", None, "cannot be read"),
    ],
)
def test_inputs_that_are_none_are_named(
    name: str, content: str | None, said: str, here: Path
) -> None:
    """Where, what was found, what was expected."""
    if content is not None:
        Path(name).write_text(content)
    with pytest.raises(InputError, match=said):
        run("scoring_model:predict", "--inputs", name, "--out", "audit")


def test_named_attacks_alone_are_played(here: Path) -> None:
    """And a name that is none is refused before a query is made."""
    arguments = ["scoring_model:predict", "--inputs", "pool.npy", "--out", "audit", *FEW]
    _, printed = run(*arguments, "--attack", "equation-solving", "--json")
    document = json.loads(printed)
    assert {curve["attack"] for each in document["defences"] for curve in each["curves"]} == {
        "equation-solving"
    }
    assert not document["left_out"]
    with pytest.raises(UsageError, match="unknown attack: hope; known are equation-solving"):
        run(*arguments, "--attack", "hope")


def test_unknown_defence_names_those_there_are(here: Path) -> None:
    """A wrong word costs no queries."""
    with pytest.raises(UsageError, match="labels-only"):
        run("scoring_model:predict", "--inputs", "pool.npy", "--out", "audit", "--defence", "hope")


@pytest.mark.parametrize("name", ["audit.json", "report.html", "exchanges.parquet"])
def test_an_input_is_not_replaced_by_what_an_audit_writes(here: Path, name: str) -> None:
    """By any of its files."""
    (here / "out").mkdir()
    (here / "out" / name).hardlink_to(here / "pool.npy")
    before = (here / "pool.npy").read_bytes()
    with pytest.raises(UsageError, match="this is the input itself"):
        run("scoring_model:predict", "--inputs", "pool.npy", "--out", "out", *FEW)
    assert (here / "pool.npy").read_bytes() == before
