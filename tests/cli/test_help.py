"""The help of every verb: it is there, says what the verb needs, and its examples run as printed."""

import csv
import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from gamekeeper._cli import GROUPS, VERBS, app, main

WITH_PROGRAM = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

NOT_RUN = {
    "gamekeeper guard --upstream http://127.0.0.1:8000": "runs until it is stopped",
    "gamekeeper guard --upstream http://127.0.0.1:8000 --policy guard.toml --enforce": "runs until it is stopped",
    "gamekeeper audit endpoint.toml --inputs pool.csv --out audit-http --per-second 10": "needs a model's endpoint",
    "gamekeeper audit chat.toml --prompts prompts.jsonl --out audit-chat --budget-usd 20": "needs a language model's endpoint",
    "gamekeeper audit --zoo --budget 3000 --out zoo": "takes an hour",
    "gamekeeper demo-live --minutes 4 --stay": "stays until it is stopped",
    "gamekeeper seal llm/ --to awskms:alias/models --to vault:transit/models --out llm.sealed": "needs AWS KMS and Vault",
    "gamekeeper open llm.sealed --key awskms:alias/models --out llm": "needs AWS KMS",
    "gamekeeper rewrap llm.sealed --key old.pem --add awskms:alias/models-2027": "needs AWS KMS",
    "gamekeeper encrypted serve scoring.he --port 8330": "runs until it is stopped",
    "gamekeeper encrypted keys http://127.0.0.1:8330/v2/encrypted/scoring --out he-keys": "needs `encrypted serve`",
    "GAMEKEEPER_KEY=$(cat api.key) gamekeeper encrypted query http://127.0.0.1:8330/v2/encrypted/scoring --inputs rows.csv": "needs `encrypted serve`",
    "gamekeeper encrypted query http://127.0.0.1:8330/v2/encrypted/scoring --inputs rows.npy --keys he-keys --key-file api.key --out scores.csv": "needs `encrypted serve`",
}
"""Examples that a test cannot run as they are, and why; other tests call these verbs with servers of their own."""

FINDS = {"hunt", "replay", "audit", "simulate"}
"""Verbs that exit 1 where they find something, and 5 where they could not have found anything."""

SLOW = {"hunt", "explain", "replay", "audit", "simulate", "demo"}
EXTRA = {"sign", "verify model", "encrypted compile", "encrypted serve"}


def verbs() -> Iterator[tuple[str, Callable[..., None]]]:
    """Each verb with its function; verbs of groups too."""
    for module in VERBS:
        yield module.NAME, module.run
    for group in GROUPS:
        for command in group.app.registered_commands:
            assert command.callback is not None
            name = command.name or command.callback.__name__.replace("_", "-")
            yield f"{group.NAME} {name}", command.callback


RUNS = dict(verbs())
GROUP_NAMES = [group.NAME for group in GROUPS]


def examples(verb: str) -> list[str]:
    """The commands that its help shows, each on one line."""
    _, _, block = (inspect.getdoc(RUNS[verb]) or "").partition("Example")
    return [" ".join(paragraph.split()) for paragraph in block.split("\n\n")[1:]]


def marked(verb: str) -> Any:
    marks = [
        *([pytest.mark.slow] if verb in SLOW else []),
        *([pytest.mark.extra] if verb in EXTRA else []),
    ]
    return pytest.param(verb, marks=marks, id=verb)


def call(*words: str) -> str:
    """Standard output of a call in this process, which must succeed."""
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0, (words, result.output, result.exception)
    return result.stdout


# What each verb's examples find in their folder. Names that the program makes up stand in the help as these
# words, and are put in by the test: {word in the help: name}.


def _logs(folder: Path) -> dict[str, str]:
    from gamekeeper.simulate import simulate

    made = simulate(seed=1, scale=0.1, days=10)
    kept = made.labels.filter(pl.col("campaign").is_null() | (pl.col("campaign") == "judge-de"))
    log = made.exchanges.join(kept, on="account", how="semi")
    (folder / "logs").mkdir()
    log.write_parquet(folder / "logs" / "month.parquet")
    log.write_parquet(folder / "month.parquet")
    made.labels.write_parquet(folder / "labels.parquet")
    time = pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    log.head(500).select("account", "prompt", time).write_ndjson(folder / "2026-11.jsonl")
    subprocess.run(["zstd", "-q", "2026-11.jsonl"], cwd=folder, check=True)
    spend = log.head(500).select(pl.col("account").alias("team_id"), "time", "prompt")
    spend.with_columns(pl.col("time").dt.strftime("%Y-%m-%d %H:%M:%S")).write_csv(
        folder / "spend.csv"
    )
    (folder / "guard.toml").write_text("enforce = true\n")
    return {}


def _readable(folder: Path) -> dict[str, str]:
    (folder / "logs").mkdir()
    own = '{"time": "2026-11-02T09:14:03Z", "account": "a", "prompt": "Hello?"}\n'
    (folder / "logs" / "a.jsonl").write_text(own)
    made = {"metadata": {"user_api_key_team_id": "t1"}, "startTime": "2026-11-02 09:14:03"}
    made |= {"api_key": "9f2c", "call_type": "acompletion"}
    made |= {"messages": [{"role": "user", "content": "Hello?"}]}
    (folder / "spend.csv").write_text(f"{as_csv(made)}")
    (folder / "app.jsonl").write_text('{"ts": 1793610843, "auth": {"key": "k1"}, "prompt": "Hi"}\n')
    return {}


def as_csv(row: dict[str, Any]) -> str:
    """A header and one row, objects as JSON text."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(row))
    writer.writeheader()
    writer.writerow({k: v if isinstance(v, str) else json.dumps(v) for k, v in row.items()})
    return text.getvalue()


def _few_days(folder: Path) -> dict[str, str]:
    from gamekeeper.simulate import simulate

    made = simulate(seed=1, scale=0.02, days=1)  # each search of the log takes seconds
    (folder / "logs").mkdir()
    made.exchanges.write_parquet(folder / "logs" / "month.parquet")
    made.exchanges.write_parquet(folder / "month.parquet")
    made.labels.write_parquet(folder / "labels.parquet")
    return _policy(folder)


def _found(folder: Path) -> dict[str, str]:
    _logs(folder)
    call("hunt", "logs", "--out", "found", "--exit-zero", "--quiet")
    account = json.loads((folder / "found" / "campaigns.json").read_bytes())["campaigns"][0]
    first = account["accounts"][0]
    return {"acct_000123": first, "9f2c41": first}


def _policy(folder: Path) -> dict[str, str]:
    (folder / "guard.toml").write_text("enforce = true\n")
    return {}


def _target(folder: Path) -> dict[str, str]:
    import joblib
    from sklearn.linear_model import LogisticRegression

    inputs = np.random.default_rng(0).normal(size=(400, 4))
    joblib.dump(
        LogisticRegression().fit(inputs, (inputs.sum(axis=1) > 0).astype(int)),
        folder / "model.joblib",
    )
    np.save(folder / "pool.npy", inputs)
    pl.DataFrame(inputs, schema=list("abcd")).write_parquet(folder / "pool.parquet")
    (folder / "scoring.py").write_text(
        "import numpy as np\n\n\ndef predict(inputs):\n"
        "    p = 1 / (1 + np.exp(-inputs.sum(axis=1)))\n    return np.stack([1 - p, p], axis=1)\n"
    )
    return {}


def _model(folder: Path) -> dict[str, str]:
    from sealing.builders import write_model

    write_model(folder / "model.safetensors")
    (folder / "llm").mkdir(exist_ok=True)
    write_model(folder / "llm/model.safetensors")
    for name in ("optimizer.pt", "extra.bin"):
        (folder / "llm" / name).write_bytes(bytes(range(256)))
    return {}


def _sealed(folder: Path) -> dict[str, str]:
    _model(folder)
    call("keypair", "serving.pem", "--quiet")
    call("keypair", "owner.pem", "--signing", "--quiet")
    words = ("--to", "serving.pub.pem", "--sign", "owner.pem", "--quiet")
    call("seal", "model.safetensors", *words)
    call("seal", "model.safetensors", *words, "--out", "llm.sealed")
    return {}


def _sealed_alone(folder: Path) -> dict[str, str]:
    _sealed(folder)
    (folder / "model.safetensors").unlink()  # `open` replaces no file
    return {}


def _rewrapped(folder: Path) -> dict[str, str]:
    _model(folder)
    for name in ("old", "lost", "new"):
        call("keypair", f"{name}.pem", "--quiet")
    call(
        *("seal", "model.safetensors", "--out", "llm.sealed", "--quiet"),
        *("--to", "old.pub.pem", "--to", "lost.pub.pem"),
    )
    recipients = json.loads(call("inspect", "llm.sealed", "--json"))["recipients"]
    return {"mlkem768-x25519:3fa9": recipients[1]["name"]}


def _signer(folder: Path) -> dict[str, str]:
    from sealing.provenance.signing import make_certificate, make_key, make_model

    (folder / "models").mkdir()
    make_model(folder).rename(folder / "models" / "fraud")
    authority = make_key(folder, "ca-key")
    make_certificate(folder / "ca.pem", authority, ("ca", authority), "ca", is_ca=True)
    company = make_key(folder, "company")
    certificate = folder / "company.crt.pem"
    make_certificate(certificate, company, ("ca", authority), "company", is_ca=False)
    return {}


def _signed(folder: Path) -> dict[str, str]:
    _signer(folder)
    call("keypair", "signer.pem", "--signing", "--curve", "p256", "--quiet")
    (folder / "models/fraud/.git").mkdir()
    (folder / "models/fraud/.git/HEAD").write_text("ref: refs/heads/main")
    model = ("sign", "models/fraud", "--quiet")
    call(*model, "--key", "signer.pem", "--out", "fraud.sig")
    company = ("--key", "company.pem", "--certificate", "company.crt.pem", "--chain", "ca.pem")
    call(*model, *company, "--ignore", ".git", "--out", "company.sig")
    return {}


def _rows(folder: Path) -> dict[str, str]:
    _target(folder)
    pool = np.load(folder / "pool.npy")
    np.savetxt(folder / "pool.csv", pool, delimiter=",", header="a,b,c,d", comments="")
    np.savetxt(folder / "labels.csv", pool.sum(axis=1) > 0, fmt="%d")
    return {}


def _casebook(folder: Path) -> dict[str, str]:
    from casebook.builders import lines_of, make_casebook

    book = make_casebook(folder / "casebook", (5, 6, 4))
    shutil.copy2(book / "key.pub.pem", folder / "key.pub.pem")
    (folder / "kept.json").write_bytes(lines_of(book / "heads.jsonl")[1])
    return {}


def _client_key(folder: Path) -> dict[str, str]:
    from sealing.provenance.signing import make_key

    make_key(folder, "client")
    return {}


def _api_key(folder: Path) -> dict[str, str]:
    made = json.loads(call("keys", "issue", "acme", "--quiet", "--json"))
    return {"q3vd2k7xw4ab": made["key"]["id"]}


def _decision(folder: Path) -> dict[str, str]:
    _api_key(folder)
    words = ("add", "account:acme", "slow", "--why", "they asked", "--by", "ada", "--json")
    made = json.loads(call("decisions", *words))
    return {"4f0c2a9be1d7": made["decision"]["id"]}


PREPARED: dict[str, Callable[[Path], dict[str, str]]] = {
    "read": _readable,
    "hunt": _logs,
    "replay": _few_days,
    "explain": _found,
    "guard": _policy,
    "audit": _target,
    "seal": _model,
    "open": _sealed_alone,
    "inspect": _sealed,
    "verify sealed": _sealed,
    "rewrap": _rewrapped,
    "sign": _signer,
    "verify model": _signed,
    "encrypted compile": _rows,
    "verify casebook": _casebook,
    "keys issue": _client_key,
    "keys list": _api_key,
    "keys rotate": _api_key,
    "keys revoke": _api_key,
    "decisions list": _api_key,
    "decisions add": _api_key,
    "decisions delete": _decision,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("verb", [marked(verb) for verb in RUNS])
def test_examples_of_the_help_run(verb: str, folder: Path) -> None:
    """As they are printed, in their order, in one folder."""
    made_up = PREPARED.get(verb, lambda _: {})(folder)
    for example in examples(verb):
        if example in NOT_RUN:
            continue
        command = example
        for word, name in made_up.items():
            command = command.replace(word, name)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=folder,
            env=os.environ | WITH_PROGRAM,
            capture_output=True,
            text=True,
        )
        assert done.returncode in ((0, 1, 5) if verb in FINDS else (0,)), (
            command,
            done.stdout[-500:],
            done.stderr[-1_500:],
        )


def test_every_example_not_run_is_still_in_a_help() -> None:
    """The list of exceptions holds nothing else."""
    assert set(NOT_RUN) <= {example for verb in RUNS for example in examples(verb)}


@pytest.mark.parametrize("verb", RUNS)
def test_help_says_what_the_verb_does_and_needs(verb: str) -> None:
    """One sentence, what it needs, an example; each option with its meaning."""
    text = inspect.getdoc(RUNS[verb]) or ""
    first = text.split("\n\n")[0]
    assert first.endswith(".")
    assert re.search(r"\bNeeds?\b", text), "says what it needs"
    assert examples(verb)
    result = CliRunner().invoke(app, [*verb.split(), "--help"])
    assert result.exit_code == 0 and "Example" in result.stdout
    options = re.split(r"\n(?=  -)", result.stdout.partition("Options:")[2])
    assert not [option for option in options[1:] if len(option.split()) < 3]


@pytest.mark.parametrize("group", GROUP_NAMES)
def test_help_of_a_group_lists_its_verbs_and_an_example(group: str) -> None:
    """And exits 0."""
    result = CliRunner().invoke(app, [group, "--help"])
    verbs_of = [verb.split()[1] for verb in RUNS if verb.startswith(f"{group} ")]
    assert result.exit_code == 0 and "Start: gamekeeper" in result.stdout
    assert all(verb in result.stdout for verb in verbs_of)


def test_one_name_has_one_meaning() -> None:
    """Options that verbs share are declared once."""
    shared = {"--json", "--quiet", "--no-color", "--exit-zero", "--seed", "--policy", "--host"}
    meanings: dict[str, set[str]] = {name: set() for name in shared}
    for run in RUNS.values():
        for name, parameter in inspect.signature(run, eval_str=False).parameters.items():
            option = "--" + name.replace("_", "-")
            if option in shared:
                meanings[option].add(repr(parameter.annotation.__metadata__[0].help))
    assert {option: len(texts) for option, texts in meanings.items()} == dict.fromkeys(shared, 1)


@pytest.mark.parametrize(
    "words", [("he",), ("he", "--help"), ("he", "compile", "--help"), ("he", "serve", "m.he")]
)
def test_the_old_name_of_encrypted_says_where_it_went(words: tuple[str, ...]) -> None:
    """With the whole command as it is called now; exit 2."""
    done = subprocess.run(
        [sys.executable, "-m", "gamekeeper", *words], capture_output=True, text=True
    )
    now = " ".join(["gamekeeper", "encrypted", *words[1:]])
    assert done.returncode == 2 and not done.stdout
    assert f"`gamekeeper he` is now `gamekeeper encrypted`: {now}" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("list", "signals", "--debug"),
        ("--debug", "list", "signals"),
        ("list", "--debug", "signals"),
    ],
)
def test_debug_is_taken_anywhere_and_shows_where_a_fault_happened(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without it a fault of our own ends in one line and exit 4, with it in its traceback."""
    monkeypatch.setattr("gamekeeper.signals.CARDS", None)
    monkeypatch.setattr(sys, "argv", ["gamekeeper", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 4
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["gamekeeper", "list", "signals"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 4
    assert "Traceback" not in capsys.readouterr().err


def test_debug_behind_two_dashes_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with every option."""
    monkeypatch.setattr(sys, "argv", ["gamekeeper", "inspect", "--", "--debug"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
