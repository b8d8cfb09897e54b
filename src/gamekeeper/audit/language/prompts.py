"""Reads prompts of the target's domain from a file: `.txt`, one a line, or `.jsonl`, `.csv` or
`.parquet` with `prompt`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from gamekeeper.base.errors import Fault, InputError, input_error

_EXPECTED = 'prompts: .txt with one a line, or .jsonl, .csv or .parquet with a column "prompt"'
_MOST_FAULTS = 5


def read_prompts(path: Path) -> list[str]:
    """Returns prompts unchanged, without those that are empty or repeat an earlier one.

    Raises:
        InputError: The file cannot be read, or contains something else; says where.
    """
    try:
        prompts = _read(path)
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise input_error(path, "the file cannot be read", str(error), _EXPECTED) from error
    kept = list(dict.fromkeys(prompt for prompt in prompts if prompt.strip()))
    if not kept:
        raise input_error(path, "the file contains no prompt", f"{len(prompts)} rows", _EXPECTED)
    return kept


def _read(path: Path) -> list[str]:
    if path.suffix in (".jsonl", ".ndjson"):
        return _lines(path)
    if path.suffix not in (".csv", ".parquet"):
        return _split(path)
    frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
    if frame.schema.get("prompt") != pl.String:
        columns = ", ".join(frame.columns)[:200]
        raise input_error(path, 'there is no column "prompt" with text', columns, _EXPECTED)
    return frame["prompt"].drop_nulls().to_list()


def _lines(path: Path) -> list[str]:
    prompts: list[str] = []
    faults: list[Fault] = []
    for number, line in enumerate(_split(path), 1):
        for said in _prompt(line) if line.strip() else ():
            if said is None:
                faults.append(_not_a_prompt(f"{path}:{number}", line))
            else:
                prompts.append(said)
    if faults:
        raise InputError(faults[:_MOST_FAULTS])
    return prompts


def _split(path: Path) -> list[str]:
    """Lines as files have them: some characters within a prompt, such as U+2028, end no line."""
    text = path.read_text(encoding="utf-8-sig")
    return [line.removesuffix("\r") for line in text.split("\n")]


def _prompt(line: str) -> Iterator[str | None]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    prompt = row.get("prompt") if isinstance(row, dict) else None
    yield prompt if isinstance(prompt, str) else None


def _not_a_prompt(where: str, line: str) -> Fault:
    problem = "the line is not a JSON object with a text `prompt`"
    return Fault(where=where, problem=problem, found=line[:200], expected=_EXPECTED)
