"""Builders of casebooks: short ones, with a clock that ticks once a look."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gamekeeper.casebook import Casebook

START_S = 1_793_579_400.25
BODY = {
    "verdict": "slow",
    "p_benign": 0.001,
    "families": ["content", "shape"],
    "note": "näive\u202e\x1b[31m",
}


def ticking(start_s: float = START_S, step_s: float = 1.0) -> Callable[[], float]:
    """A clock that moves by one step at each look."""
    now = [start_s]

    def look() -> float:
        now[0] += step_s
        return now[0]

    return look


def add(book: Casebook, count: int, **body: Any) -> None:
    for _ in range(count):
        book.append("verdict", f"acct-{book.size}", BODY | body)


def make_casebook(folder: Path, batches: Sequence[int] = (3, 4, 2), **body: Any) -> Path:
    """A closed casebook: one signed head over the header, then one behind each batch of entries."""
    with Casebook.open(folder, clock=ticking()) as book:
        for count in batches:
            add(book, count, **body)
            book.sign()
    return folder


def rewritten(folder: Path, to: Path, batches: Sequence[int], **body: Any) -> Path:
    """What the holder of a casebook's key can do: another history, signed by the same key."""
    to.mkdir()
    for name in ("key.pem", "key.pub.pem"):
        shutil.copy2(folder / name, to / name)
    return make_casebook(to, batches, **body)


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)
