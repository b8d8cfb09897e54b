"""Inputs of the target's domain, from a file: `.npy`, `.csv` or `.parquet`, a row an input, numbers
only.
"""

from pathlib import Path

import numpy as np
import polars as pl

from gamekeeper.audit.targets import Array
from gamekeeper.base.errors import Fault, InputError, UsageError

_EXPECTED = "rows of numbers: .npy of shape (n, width), .csv with a head, or .parquet"


def read_inputs(path: Path) -> Array:
    """Returns inputs, float64, shape (n, width).

    Raises:
        InputError: The file cannot be read, or holds something else; names the columns that are no
            numbers.
    """
    try:
        rows = _read(path)
    except (OSError, EOFError, ValueError, pl.exceptions.PolarsError) as error:
        raise InputError([_fault(path, "cannot be read", str(error))]) from error
    if rows.ndim != 2 or not rows.size:
        raise InputError(
            [_fault(path, "holds no table of inputs", f"an array of shape {rows.shape}")]
        )
    if not np.isfinite(rows).all():
        first = int((~np.isfinite(rows).all(axis=1)).argmax())
        raise InputError(
            [_fault(f"{path}:{first + 1}", "holds NaN, infinity or gaps", str(rows[first])[:200])]
        )
    return rows


def read_labels(path: Path, rows: int) -> Array:
    """Returns true labels, int64, shape (n,): the first column of a file.

    Args:
        path: Of the file; an .npy may hold one row of numbers.
        rows: Inputs that they are of.

    Raises:
        InputError: As `read_inputs`.
        UsageError: They are not as many, or no whole numbers from 0.
    """
    labels = read_inputs(path)[:, 0]
    if len(labels) != rows:
        raise UsageError(
            f"{path} holds {len(labels)} labels; expected one for each of {rows} inputs"
        )
    if labels.min() < 0 or (labels != np.round(labels)).any():
        raise UsageError(
            f"{path} holds labels that are no whole numbers from 0; number the classes as the"
            " target does"
        )
    return labels.astype(np.int64)


def _read(path: Path) -> Array:
    if path.suffix == ".npy":
        rows = np.asarray(np.load(path, allow_pickle=False), np.float64)
        return rows[:, None] if rows.ndim == 1 else rows
    frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
    if others := [
        name for name, kind in frame.schema.items() if not (kind.is_numeric() or kind == pl.Boolean)
    ]:
        raise InputError([_fault(path, "has columns that are no numbers", ", ".join(others)[:200])])
    return np.asarray(frame.cast(pl.Float64).fill_null(float("nan")).to_numpy(), np.float64)


def _fault(where: Path | str, problem: str, found: str) -> Fault:
    return Fault(where=str(where), problem=problem, found=found, expected=_EXPECTED)
