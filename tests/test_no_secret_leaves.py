"""Secrets in every column and every error are in no file, on no terminal and in no log."""

import json
import logging
import pickle
import random
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import gamekeeper
import gamekeeper._cli
from gamekeeper._cli import app
from gamekeeper.base.asgi import BodyError
from gamekeeper.base.errors import Fault, GamekeeperError, InputError, UsageError
from gamekeeper.base.log import get_logger
from gamekeeper.exchange import SCHEMA, LogReader, ReadOptions
from gamekeeper.simulate import simulate

BASE62 = string.ascii_letters + string.digits
SEEN = 10
FORMS = (
    "gk_abcdefghijkl_{}",
    "sk-{}",
    " sk-proj-{}",
    "Authorization: Bearer {}",
    "hf_{}",
    "AIza{}",
    "ghp_{}",
    "{}",
    "user {} of team 3",
    "https://api.example/v1?api_key={}",
)


def secret_of(number: int, length: int = 40) -> str:
    """A random part that occurs nowhere by itself; the same number gives the same."""
    rng = random.Random(f"secret {number}")
    return "".join(rng.choice(BASE62) for _ in range(length))


def in_form(number: int) -> str:
    return FORMS[number % len(FORMS)].format(secret_of(number))


def seen_in(text: str, secrets: set[str]) -> list[str]:
    """Those of the secrets of which ten neighbouring characters are in a text."""
    windows = {text[at : at + SEEN] for at in range(len(text) - SEEN + 1)}
    pieces = {one[at : at + SEEN]: one for one in secrets for at in range(len(one) - SEEN + 1)}
    return sorted({pieces[piece] for piece in windows & pieces.keys()})


@pytest.fixture(scope="module")
def hunted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str], str]:
    """A month in which each account is a key and each text holds one, hunted by the command."""
    folder = tmp_path_factory.mktemp("secrets")
    made = simulate(seed=1, scale=0.1)
    accounts = made.exchanges["account"].unique(maintain_order=True).to_list()
    names = {account: in_form(number) for number, account in enumerate(accounts)}
    # six keys: enough to be in what is shown, too few to make every prompt another one
    pasted = [secret_of(-number) for number in range(1, 7)]
    row = pl.int_range(pl.len()) % len(pasted)
    key = row.replace_strict(dict(enumerate(pasted)), return_dtype=pl.String)
    frame = made.exchanges.with_columns(
        pl.col("account").replace_strict(names),
        (pl.col("prompt") + " My key is sk-" + key).alias("prompt"),
        ("Use api_key=" + key).alias("system"),
        ("ft:" + key).alias("model"),
        ("sdk/1.0 " + key).alias("client"),
        ("tok_" + key).alias("payment"),
        ("sk-" + key).alias("conversation"),
    )
    log = folder / f"log-sk-{secret_of(-9)}.parquet"
    frame.select(name for name in SCHEMA if name in frame.columns).write_parquet(log)
    secrets = {secret_of(number) for number in range(len(accounts))} | set(pasted)
    secrets.add(secret_of(-9))
    printed = CliRunner().invoke(app, ["hunt", str(log), "--out", str(folder / "found"), "--json"])
    assert printed.exit_code == 1, printed.output
    return folder / "found", secrets, printed.stdout + printed.stderr


def texts_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file of a folder as text, Parquet's columns one by one."""
    for path in sorted(folder.rglob("*.*")):
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path)
            for column in frame.columns:
                yield f"{path.name}:{column}", "\n".join(map(str, frame[column].to_list()))
        elif path.is_file():
            yield path.name, path.read_text(encoding="utf-8")


def test_hunt_writes_and_prints_no_secret(hunted: tuple[Path, set[str], str]) -> None:
    """Verdicts, campaigns, evidence, the page, and what `--json` prints."""
    folder, secrets, printed = hunted
    shown = {name: seen_in(text, secrets) for name, text in texts_of(folder)}
    assert not {name: found for name, found in shown.items() if found}
    assert not seen_in(printed, secrets)


def test_masked_accounts_can_be_joined(hunted: tuple[Path, set[str], str]) -> None:
    """As many as there were, and the campaigns name them as the verdicts do."""
    folder, secrets, _ = hunted
    accounts = pl.read_parquet(folder / "verdicts.parquet")["account"]
    assert accounts.n_unique() == len(accounts) == len(secrets) - 7
    campaigns = json.loads((folder / "campaigns.json").read_text())["campaigns"]
    assert campaigns
    assert {name for one in campaigns for name in one["accounts"]} <= set(accounts.to_list())


def test_account_is_explained_by_the_name_of_the_log(hunted: tuple[Path, set[str], str]) -> None:
    """A user who has the key need not know how it is masked; the answer does not repeat it."""
    folder, secrets, _ = hunted
    explained = CliRunner().invoke(app, ["explain", in_form(1), "--in", str(folder)])
    assert explained.exit_code == 0, explained.output
    assert not seen_in(explained.output, secrets)
    unknown = CliRunner().invoke(app, ["explain", f"sk-{secret_of(99_999)}", "--in", str(folder)])
    assert isinstance(unknown.exception, UsageError)
    assert not seen_in(f"{unknown.output}{unknown.exception}", {secret_of(99_999)})


@pytest.mark.parametrize("column", SCHEMA)
@pytest.mark.parametrize("form", FORMS)
def test_fault_of_a_row_shows_no_secret(tmp_path: Path, column: str, form: str) -> None:
    """A value of the wrong type, a row without an account, a row that is no JSON."""
    secret = secret_of(len(form))
    text = form.format(secret)
    whole = {"time": "2026-11-02T12:00:00Z", "account": "a", "prompt": "what?"}
    rows = [
        json.dumps(whole | {column: {text: text}}),
        json.dumps({"time": "2026-11-02T12:00:00Z", "prompt": text, column: text, "account": None}),
        f'{{"account": "{text}", "time": ',
    ]
    for number, row in enumerate(rows):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(f"{row}\n")
        reader = LogReader([str(path)], ReadOptions(format="gamekeeper"))
        said = ""
        try:
            list(reader.batches())
        except InputError as error:
            said = str(error)
        assert said or number == 0, "an object in place of text may be a field of the log's own"
        assert secret not in said + " ".join(reader.summary.remarks)


@pytest.mark.parametrize("form", FORMS)
def test_error_shows_no_secret_whoever_makes_it(form: str) -> None:
    """Each kind of error cleans its message, each fault its fields."""
    secret = secret_of(7)
    text = f"no such thing: {form.format(secret)}"
    fault = Fault(where=text, problem=text, found=text, expected=text, try_=text)
    for error in (GamekeeperError(text), UsageError(text), InputError([fault])):
        assert not seen_in(f"{error}{error.args}{error!r}{vars(error)}", {secret})


@pytest.mark.parametrize("form", FORMS)
def test_log_line_shows_no_secret(form: str, caplog: pytest.LogCaptureFixture) -> None:
    """In its message, its arguments and its traceback."""
    secret = secret_of(8)
    log = get_logger("gamekeeper.test")
    with caplog.at_level(logging.INFO, logger="gamekeeper.test"):
        log.info("%s and %s", form.format(secret), "b")
        try:
            raise ValueError(form.format(secret))
        except ValueError:
            log.exception("it failed")
    assert len(caplog.records) == 2
    assert not seen_in(caplog.text, {secret})


def test_every_logger_of_the_package_is_cleaned() -> None:
    """A module that takes the plain logger would show what it logs as it is."""
    source = Path(gamekeeper.__file__).parent
    plain = re.compile(r"""logging\.getLogger\(["']gamekeeper""")
    files = sorted(source.rglob("*.py"))
    assert files
    assert not [path.name for path in files if plain.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(
    "words", [("{}",), ("hunt", "--{}"), ("list", "{}"), ("explain", "C1", "--in", "{}")]
)
def test_words_of_a_call_are_shown_without_secrets(words: tuple[str, ...]) -> None:
    """A key pasted into the wrong place of a command does not get into its terminal's history."""
    secret = f"sk-proj-{secret_of(11)}"
    call = [sys.executable, "-m", "gamekeeper", *(word.format(secret) for word in words)]
    called = subprocess.run(call, capture_output=True, text=True, check=False)
    assert called.returncode in (2, 3)
    assert not seen_in(called.stdout + called.stderr, {secret_of(11)})


def test_fault_of_our_own_is_shown_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither in its line nor in the traceback that `--debug` prints."""

    def fail(*words: object, **options: object) -> None:
        raise ValueError(f"sk-{secret_of(12)} \x1b[31m")

    monkeypatch.setattr(gamekeeper._cli, "app", fail)
    monkeypatch.setattr(sys, "argv", ["gamekeeper", "hunt", "--debug"])
    with pytest.raises(SystemExit) as ended:
        gamekeeper._cli.main()
    printed = capsys.readouterr().err
    assert ended.value.code == 4
    assert "Traceback" in printed and "\x1b" not in printed
    assert not seen_in(printed, {secret_of(12)})


def test_error_passes_between_processes() -> None:
    """Whatever its constructor takes."""
    fault = Fault(where="a", problem="b", found="c", expected="d")
    for error in (InputError([fault]), UsageError("u"), BodyError(413, "too_large", "m")):
        same = pickle.loads(pickle.dumps(error))
        assert type(same) is type(error) and str(same) == str(error)
        assert vars(same) == vars(error)
