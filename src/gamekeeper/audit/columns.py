"""The columns of a table of inputs: their names, the texts that codes mean, and the way back from
numbers to what a model was trained on.

An audit computes with numbers. A column of text is therefore a column of codes, 0 and up, in the
order of the texts; a value that is missing is NaN. Before the model is asked, codes become text
again: rounded, and clipped to the texts that there are.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gamekeeper.base.errors import UsageError

if TYPE_CHECKING:
    from gamekeeper.audit.targets import Target

Array = np.ndarray

_SHOWN = 300  # characters of a target's words


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of a table of inputs.

    Args:
        names: Their names; empty if the table has none.
        categories: For each column its texts, in the order of their codes; None for numbers.
        missing: For each column whether values are missing in the table.
    """

    names: tuple[str, ...]
    categories: tuple[tuple[str, ...] | None, ...]
    missing: tuple[bool, ...]

    @property
    def width(self) -> int:
        """Their number."""
        return len(self.categories)

    @property
    def has_text(self) -> bool:
        """Whether a column is text."""
        return any(texts is not None for texts in self.categories)

    @property
    def shown(self) -> tuple[str, ...]:
        """A name for each column, for messages."""
        return self.names or tuple(f"column {at + 1}" for at in range(self.width))

    @property
    def texts(self) -> tuple[str, ...]:
        """Names of the columns of text."""
        pairs = zip(self.shown, self.categories, strict=True)
        return tuple(name for name, texts in pairs if texts is not None)

    @property
    def digest(self) -> str:
        """A digest of what makes a row of numbers mean what it means: names and texts."""
        said = json.dumps([self.names, self.categories]).encode()
        return hashlib.blake2b(said, digest_size=16).hexdigest()

    def reordered(self, order: Sequence[int]) -> "Columns":
        """Returns the columns at these positions."""
        return replace(
            self,
            names=tuple(self.names[at] for at in order) if self.names else (),
            categories=tuple(self.categories[at] for at in order),
            missing=tuple(self.missing[at] for at in order),
        )

    def named(self, names: Sequence[str]) -> "Columns":
        """Returns the same columns with other names."""
        return replace(self, names=tuple(names))

    def column(self, rows: Array, at: int) -> list[Any]:
        """Returns the values of one column: numbers, or texts; None where one is missing.

        Args:
            rows: float64, shape (n, width).
            at: Position of the column.
        """
        values = rows[:, at]
        texts = self.categories[at]
        known = ~np.isnan(values)
        if texts is None:
            cells = zip(values.tolist(), known.tolist(), strict=True)
            return [value if is_known else None for value, is_known in cells]
        codes = np.where(known, values, 0).round().clip(0, len(texts) - 1).astype(int)
        pairs = zip(codes.tolist(), known.tolist(), strict=True)
        return [texts[code] if is_known else None for code, is_known in pairs]

    def cells(self, rows: Array) -> list[list[Any]]:
        """Returns rows as lists of numbers and texts; None where one is missing.

        Args:
            rows: float64, shape (n, width).
        """
        columns = [self.column(rows, at) for at in range(self.width)]
        return [list(row) for row in zip(*columns, strict=True)]

    def frame(self, rows: Array) -> Any:
        """Returns rows as a data frame: of pandas, or of polars where pandas is not installed.

        Args:
            rows: float64, shape (n, width).
        """
        columns = {
            name: rows[:, at] if texts is None else self.column(rows, at)
            for at, (name, texts) in enumerate(zip(self.shown, self.categories, strict=True))
        }
        if not has_pandas():
            kinds = [pl.Float64 if texts is None else pl.String for texts in self.categories]
            return pl.DataFrame(columns, dict(zip(columns, kinds, strict=True)))
        import pandas

        # as pandas reads a file: a text that is missing is NaN
        held = {
            name: [np.nan if value is None else value for value in column]
            if isinstance(column, list)
            else column
            for name, column in columns.items()
        }
        return pandas.DataFrame(held)

    def missing_in(self, rows: Array) -> str:
        """Returns the names of columns in which values of these rows are missing."""
        gaps = np.isnan(rows).any(axis=0)
        return ", ".join(name for name, gap in zip(self.shown, gaps, strict=True) if gap)


def has_pandas() -> bool:
    """Whether pandas is installed, whose frames models are trained on."""
    return find_spec("pandas") is not None


def with_columns(target: "Target", columns: Columns) -> "Target":
    """Returns a target that is asked with what it was made for: a data frame in the order of its
    own columns, an array, or text as it is.

    Args:
        target: Any target; one that does not know of columns is asked with numbers.
        columns: Of the inputs.

    Raises:
        InputError: The target was trained on columns of other names.
        UsageError: It takes numbers only, and a column is text.
    """
    for_columns = getattr(target, "for_columns", None)
    if for_columns is not None:
        prepared: Target = for_columns(columns)
        return prepared
    if columns.has_text:
        texts = ", ".join(columns.texts)
        raise UsageError(f"{target.name} takes numbers only; columns of text: {texts}")
    return target


def unnamed(width: int) -> Columns:
    """Returns columns of numbers without names."""
    return Columns(names=(), categories=(None,) * width, missing=(False,) * width)


def blamed(error: object, rows: Array, columns: Columns | None) -> str:
    """Returns a target's words on why it failed, with the columns in which inputs have gaps.

    Args:
        error: What it raised.
        rows: What it was asked, shape (n, width).
        columns: Of the inputs; None if they are not known.
    """
    said = str(error).strip().split("\n")[0][:_SHOWN]  # libraries add whole pages of advice
    if isinstance(error, Exception):
        said = f"{type(error).__name__}: {said}"
    gaps = (columns or unnamed(rows.shape[1])).missing_in(rows)
    return f"{said} (values are missing in {gaps})" if gaps else said
