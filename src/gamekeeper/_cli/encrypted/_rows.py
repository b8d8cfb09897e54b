"""Rows of numbers in files: the inputs, and the scores that come back."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gamekeeper._cli.encrypted._shared import SCHEMA, unreadable
from gamekeeper.base.files import write_private

if TYPE_CHECKING:
    from gamekeeper.encrypted.square_network import Array


def read_rows(path: Path) -> "tuple[Array, tuple[str, ...]]":
    """Rows of numbers, and the names of their columns where a CSV has a header."""
    import numpy as np
    import orjson

    names: tuple[str, ...] = ()
    try:
        if path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        elif path.suffix == ".json":
            values = np.asarray(orjson.loads(path.read_bytes()), np.float64)
        else:
            values, names = _read_csv(path)
    except (OSError, ValueError, TypeError) as error:
        raise unreadable(path, str(error)[:200], "rows of numbers: CSV, .npy or .json") from error
    shaped = values.reshape(-1, 1) if values.ndim == 1 else values
    if shaped.ndim != 2 or not shaped.size:
        raise unreadable(path, f"shape {values.shape}", "rows of numbers")
    return shaped.astype(np.float64), names


def _read_csv(path: Path) -> "tuple[Array, tuple[str, ...]]":
    import numpy as np

    with path.open(encoding="utf-8") as file:
        first = file.readline().strip().split(",")
    names = () if all(_is_number(cell) for cell in first) else tuple(cell.strip() for cell in first)
    return np.loadtxt(path, delimiter=",", skiprows=int(bool(names)), ndmin=2), names


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def write_scores(path: Path, scores: "Array", labels: list[str]) -> None:
    """Writes scores, in the format that the name says: whole or not at all, for their owner only.

    Unrounded scores reveal something about the secret key.
    """

    write_private(path, _as_file(path.suffix, scores, labels))


def _as_file(suffix: str, scores: "Array", labels: list[str]) -> bytes:
    import io

    import numpy as np
    import orjson

    if suffix == ".npy":
        file = io.BytesIO()
        np.save(file, scores)
        return file.getvalue()
    if suffix == ".json":
        return orjson.dumps({"schema": SCHEMA, "scores": scores.tolist(), "labels": labels})
    lines = [
        ",".join([*([label] if labels else []), *map(repr, row)])
        for label, row in _lines(labels, scores)
    ]
    return ("\n".join(lines) + "\n").encode()


def _lines(labels: list[str], scores: "Array") -> "Iterator[tuple[str, list[float]]]":
    yield from zip(labels or [""] * len(scores), scores.tolist(), strict=True)
