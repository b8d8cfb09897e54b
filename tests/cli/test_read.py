"""`gamekeeper read`: what a log holds, before anything is done with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gamekeeper._cli import app
from gamekeeper.base.errors import InputError
from gamekeeper.exchange import ReadOptions
from gamekeeper.exchange.mappings import read_mapping

ROW = {"created": 1_775_000_000, "model": "m", "messages": [{"role": "user", "content": "Hello?"}]}
SECRET = "sk-proj-4fQz9Lm2Xc7Vb1Nn8Ka3"


def log(folder: Path, *rows: dict[str, Any]) -> str:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def show(*words: str) -> tuple[str, str]:
    """Standard output and standard error of a call that succeeds."""
    result = CliRunner().invoke(app, ["read", *words, "--no-color"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout, result.stderr


def test_json_is_an_exchange_a_line_and_counts_last(tmp_path: Path) -> None:
    """Null columns are left out; the counts are one object on standard error."""
    path = log(tmp_path, {**ROW, "api_key_id": "k1"}, {**ROW, "api_key_id": "k2", "status": 429})
    out, err = show(path, "--json")
    (row,) = map(json.loads, out.splitlines())
    assert row["account"] == "k1" and row["time"] == "2026-03-31T23:33:20Z"
    assert "ip" not in row
    counts = json.loads(err.splitlines()[-1])
    assert counts["exchanges"] == 1 and counts["passed_over"] == {"failed calls": 1}
    assert counts["account_field"] == "api_key_id" and counts["format"] == "openai"


def test_people_see_format_account_counts_and_rows(tmp_path: Path) -> None:
    """All that decides how the log is judged is on one screen."""
    printed, _ = show(log(tmp_path, {**ROW, "api_key_id": "k1"}, {**ROW, "api_key_id": "k2"}))
    out = " ".join(printed.split())
    for part in ("openai", "api_key_id (2)", "2 exchanges of 2 accounts", "Hello?", "k2"):
        assert part in out


def test_keys_inside_texts_are_masked(tmp_path: Path) -> None:
    """What is printed ends up in tickets."""
    said = [{"role": "user", "content": f"Why does {SECRET} not work?"}]
    path = log(tmp_path, {**ROW, "api_key_id": "k1", "messages": said})
    assert SECRET not in "".join((*show(path, "--json"), *show(path)))


def test_a_log_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """With what was found and what to do."""
    with pytest.raises(InputError, match="try"):
        show(log(tmp_path, {"x": 1}))


def test_options_are_kept_in_a_file(tmp_path: Path) -> None:
    """What is written with --save-mapping is what --mapping reads."""
    path = log(tmp_path, {"who": "k1", "ts": "02.11.2026 09:14", "q": "Hello?"})
    options = ["--account-field", "who", "--time-field", "ts", "--prompt-field", "q"]
    options += ["--timezone", "UTC", "--time-format", "%d.%m.%Y %H:%M"]
    mapping = tmp_path / "app.toml"
    mapping.write_text(show(path, *options, "--save-mapping")[0], encoding="utf-8")
    kept = ReadOptions(**read_mapping(mapping))
    assert kept.fields == {"account": "who", "time": "ts", "prompt": "q"}
    out, _ = show(path, "--mapping", str(mapping), "--json")
    assert json.loads(out)["time"] == "2026-11-02T09:14:00Z"
