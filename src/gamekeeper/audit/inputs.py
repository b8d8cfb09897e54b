"""Reads inputs of the target's domain from a file: `.npy`, `.csv` or `.parquet`, one input a row,
only numbers.
"""

from pathlib import Path

import numpy as np
import polars as pl

from gamekeeper.audit.targets import Array
from gamekeeper.base.errors import InputError, UsageError, input_error

_EXPECTED = "rows of numbers: .npy of shape (n, width), .csv with a header, or .parquet"


def read_inputs(path: Path) -> Array:
    """Returns inputs, float64, shape (n, width).

    Raises:
        InputError: The file cannot be read, or contains something else; names the columns that are
            not numeric.
    """
    try:
        rows = _read(path)
    except (OSError, EOFError, ValueError, pl.exceptions.PolarsError) as error:
        raise _unusable(path, "the file cannot be read", str(error)) from error
    if rows.ndim != 2 or not rows.size:
        raise _unusable(
            path, "the file does not contain a table of inputs", f"an array of shape {rows.shape}"
        )
    if not np.isfinite(rows).all():
        first = int((~np.isfinite(rows).all(axis=1)).argmax())
        raise _unusable(
            f"{path}:{first + 1}",
            "the row contains NaN, infinity or a missing value",
            str(rows[first])[:200],
        )
    return rows


def read_labels(path: Path, rows: int) -> Array:
    """Returns true labels, int64, shape (n,): the first column of a file.

    Args:
        path: Of the file; an .npy may hold one row of numbers.
        rows: Inputs that they are of.

    Raises:
        InputError: As `read_inputs`.
        UsageError: Their number differs from `rows`, or they are not whole numbers from 0.
    """
    labels = read_inputs(path)[:, 0]
    if len(labels) != rows:
        raise UsageError(
            f"{path} contains {len(labels)} labels; expected one for each of {rows} inputs"
        )
    if labels.min() < 0 or (labels != np.round(labels)).any():
        raise UsageError(
            f"{path} contains labels that are not whole numbers from 0; number the classes as"
            " the target does"
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
        raise _unusable(path, "some columns are not numeric", ", ".join(others)[:200])
    return np.asarray(frame.cast(pl.Float64).fill_null(float("nan")).to_numpy(), np.float64)


def _unusable(where: Path | str, problem: str, found: str) -> InputError:
    return input_error(where, problem, found[:200], _EXPECTED)
