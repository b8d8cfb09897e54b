import json
from pathlib import Path

import polars as pl
import pytest

from gamekeeper.audit.language.prompts import read_prompts
from gamekeeper.base.errors import InputError

PROMPTS = ["one", "two", "three"]


def test_every_format_gives_the_same_prompts(tmp_path: Path) -> None:
    """Those that are empty or repeated are passed over."""
    (tmp_path / "p.txt").write_text("one\ntwo\n\none\nthree\n")
    (tmp_path / "p.jsonl").write_text(
        "\n".join(json.dumps({"prompt": p, "id": 1}) for p in PROMPTS)
    )
    frame = pl.DataFrame({"prompt": [*PROMPTS, None, " "]})
    frame.write_csv(tmp_path / "p.csv")
    frame.write_parquet(tmp_path / "p.parquet")
    assert all(
        read_prompts(tmp_path / f"p.{kind}") == PROMPTS
        for kind in ("txt", "jsonl", "csv", "parquet")
    )


def test_lines_end_where_files_end_them(tmp_path: Path) -> None:
    """Not at a separator within a prompt; a byte order mark is not text."""
    (tmp_path / "p.jsonl").write_text('\ufeff{"prompt": "a\u2028b"}\r\n{"prompt": "c"}\r\n')
    (tmp_path / "p.txt").write_text("\ufeffa\u2028b\r\nc\r\n", newline="")
    for name in ("p.jsonl", "p.txt"):
        assert read_prompts(tmp_path / name) == ["a\u2028b", "c"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("gone.txt", None, "cannot be read"),
        ("empty.txt", "\n\n", "contains no prompt"),
        (
            "bad.jsonl",
            '{"prompt": "a"}\n{"text": "b"}\nnot json\n',
            "bad.jsonl:2: the line is not a JSON object",
        ),
        ("other.csv", "text\na\n", 'no column "prompt"'),
        ("latin.txt", b"\xff\xfe\xfa", "cannot be read"),
    ],
    ids=["missing", "empty", "lines", "column", "bytes"],
)
def test_file_that_holds_no_prompts_is_named(
    name: str, content: str | bytes | None, said: str, tmp_path: Path
) -> None:
    """Where, what was found, what was expected; faults of lines come together."""
    if content is not None:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError, match=said) as raised:
        read_prompts(tmp_path / name)
    assert "expected" in str(raised.value) and (
        name != "bad.jsonl" or "bad.jsonl:3" in str(raised.value)
    )
