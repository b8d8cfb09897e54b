"""`gamekeeper read`: what a log holds, before anything is done with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from gamekeeper.exchange.mappings import read_mapping

from gamekeeper._cli import read as verb
from gamekeeper.base.errors import InputError
from gamekeeper.exchange import ReadOptions

ROW = {"created": 1_775_000_000, "model": "m", "messages": [{"role": "user", "content": "Hello?"}]}
SECRET = "sk-proj-4fQz9Lm2Xc7Vb1Nn8Ka3"


def log(folder: Path, *rows: dict[str, Any]) -> str:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def show(path: str, **options: Any) -> None:
    plain: dict[str, Any] = {
        "save_mapping": False,
        "json": False,
        "quiet": False,
        "no_color": True,
        **dict.fromkeys(("mapping", "sql", "database", "calls")),
    }
    verb.run(logs=[path], **(given() | plain | options))


def given() -> dict[str, Any]:
    names = ("account", "owner", "time", "prompt", "model")
    fields: dict[str, Any] = {f"{name}_field": None for name in names}
    others = ("field", "timezone", "time_format", "max_bad_rows")
    return fields | dict.fromkeys(others) | {"format": "auto"}


def test_json_is_an_exchange_a_line_and_counts_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Null columns are left out; the counts are one object on standard error."""
    path = log(tmp_path, {**ROW, "api_key_id": "k1"}, {**ROW, "api_key_id": "k2", "status": 429})
    show(path, json=True)
    out, err = capsys.readouterr()
    (row,) = map(json.loads, out.splitlines())
    assert row["account"] == "k1" and row["time"] == "2026-03-31T23:33:20Z"
    assert "ip" not in row
    counts = json.loads(err.splitlines()[-1])
    assert counts["exchanges"] == 1 and counts["passed_over"] == {"failed calls": 1}
    assert counts["account_field"] == "api_key_id" and counts["format"] == "openai"


def test_people_see_format_account_counts_and_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that decides how the log is judged is on one screen."""
    show(log(tmp_path, {**ROW, "api_key_id": "k1"}, {**ROW, "api_key_id": "k2"}))
    out = " ".join(capsys.readouterr().out.split())
    for part in ("openai", "api_key_id (2)", "2 exchanges of 2 accounts", "Hello?", "k2"):
        assert part in out


def test_keys_inside_texts_are_masked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed ends up in tickets."""
    said = [{"role": "user", "content": f"Why does {SECRET} not work?"}]
    path = log(tmp_path, {**ROW, "api_key_id": "k1", "messages": said})
    show(path, json=True)
    show(path)
    assert SECRET not in "".join(capsys.readouterr())


def test_a_log_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """With what was found and what to do."""
    with pytest.raises(InputError, match="try"):
        show(log(tmp_path, {"x": 1}))


def test_options_are_kept_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is written with --save-mapping is what --mapping reads."""
    path = log(tmp_path, {"who": "k1", "ts": "02.11.2026 09:14", "q": "Hello?"})
    options = {"account_field": "who", "time_field": "ts", "prompt_field": "q"}
    options |= {"timezone": "UTC", "time_format": "%d.%m.%Y %H:%M"}
    show(path, **options, save_mapping=True)
    mapping = tmp_path / "app.toml"
    mapping.write_text(capsys.readouterr().out, encoding="utf-8")
    kept = ReadOptions(**read_mapping(mapping))
    assert kept.fields == {"account": "who", "time": "ts", "prompt": "q"}
    show(path, mapping=mapping, json=True)
    assert json.loads(capsys.readouterr().out)["time"] == "2026-11-02T09:14:00Z"
