"""Prompts of the target's domain, from a file: `.txt`, one a line, or `.jsonl`, `.csv` or
`.parquet` with `prompt`.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from gamekeeper.base.errors import Fault, InputError

_EXPECTED = 'prompts: .txt with one a line, or .jsonl, .csv or .parquet with a column "prompt"'
_MOST_FAULTS = 5


def read_prompts(path: Path) -> list[str]:
    """Returns prompts as they stand, without those that are empty or repeat an earlier one.

    Raises:
        InputError: The file cannot be read, or holds something else; says where.
    """
    try:
        prompts = _read(path)
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        raise InputError([_fault(str(path), "cannot be read", str(error))]) from error
    kept = list(dict.fromkeys(prompt for prompt in prompts if prompt.strip()))
    if not kept:
        raise InputError([_fault(str(path), "holds no prompt", f"{len(prompts)} rows")])
    return kept


def _read(path: Path) -> list[str]:
    if path.suffix in (".jsonl", ".ndjson"):
        return _lines(path)
    if path.suffix not in (".csv", ".parquet"):
        return path.read_text(encoding="utf-8").splitlines()
    frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
    if frame.schema.get("prompt") != pl.String:
        raise InputError(
            [_fault(str(path), 'has no column "prompt" with text', ", ".join(frame.columns)[:200])]
        )
    return frame["prompt"].drop_nulls().to_list()


def _lines(path: Path) -> list[str]:
    prompts: list[str] = []
    faults: list[Fault] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for said in _prompt(line) if line.strip() else ():
            if said is None:
                faults.append(
                    _fault(f"{path}:{number}", "is no JSON object with a text `prompt`", line[:200])
                )
            else:
                prompts.append(said)
    if faults:
        raise InputError(faults[:_MOST_FAULTS])
    return prompts


def _prompt(line: str) -> Iterator[str | None]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    prompt = row.get("prompt") if isinstance(row, dict) else None
    yield prompt if isinstance(prompt, str) else None


def _fault(where: str, problem: str, found: str) -> Fault:
    return Fault(where=where, problem=problem, found=found, expected=_EXPECTED)
