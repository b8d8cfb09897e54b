"""Reads inputs of the target's domain from a file, one input a row, and their true labels.

Columns of text become codes (see `gamekeeper.audit.columns`), values that are missing NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from gamekeeper.audit.columns import Columns
from gamekeeper.audit.targets import Array
from gamekeeper.base.errors import InputError, UsageError, input_error
from gamekeeper.base.tables import Header, read_table

_SHOWN = 10
_MOST_CODES = 1_000  # different texts of a column; with more it is not a category
_FREE_TEXT = 0.5  # of the rows have a text of their own: likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Inputs that were read.

    Args:
        rows: float64, shape (n, width): texts are codes, missing values NaN.
        columns: What the columns are.
        remarks: What was recognised, each a sentence for people.
    """

    rows: Array
    columns: Columns
    remarks: tuple[str, ...] = ()


def read_inputs(path: Path, header: Header = "auto", *, like: Columns | None = None) -> Inputs:
    """Reads inputs.

    Args:
        path: Of the file; see `gamekeeper.base.tables`.
        header: Whether the first line has names.
        like: Columns of other inputs: these have the same, and the same codes; None for any.

    Raises:
        InputError: The file cannot be read, a number is infinite, a column is free text, or columns
            differ from those that they should be like.
    """
    table = read_table(path, header=header)
    if like is not None and like.names:
        table = table.ordered(like.names, "the other inputs")
    known = like.categories if like is not None else (None,) * table.frame.width
    if len(known) != table.frame.width:
        expected = f"{len(known)} columns, as the other inputs have"
        raise input_error(path, "columns differ", f"{table.frame.width} columns", expected)
    codes = []
    categories: list[tuple[str, ...] | None] = []
    for series, expected_texts in zip(table.frame, known, strict=True):
        texts = _texts(path, series) if series.dtype == pl.String else None
        if like is not None:
            texts = _alike(path, series, texts, expected_texts)
        categories.append(texts)
        codes.append(_numbers(series, texts))
    rows = np.ascontiguousarray(np.stack(codes, axis=1))
    if np.isinf(rows).any():
        at = int(np.isinf(rows).any(axis=1).argmax())
        where = f"{path}:{at + table.first_line}"
        raise input_error(where, "a number is infinite", str(rows[at])[:200], "finite numbers")
    columns = Columns(
        names=table.names,
        categories=tuple(categories),
        missing=tuple(np.isnan(rows).any(axis=0).tolist()),
    )
    return Inputs(rows=rows, columns=columns, remarks=(*table.remarks, *_remarks(columns)))


def _texts(path: Path, series: pl.Series) -> tuple[str, ...]:
    """Returns the texts of a column in the order of their codes."""
    texts = tuple(sorted(series.drop_nulls().unique().to_list()))
    is_unique = len(texts) > _SHOWN and len(texts) > _FREE_TEXT * len(series)
    if is_unique or len(texts) > _MOST_CODES:
        raise input_error(
            path,
            f"column {series.name} is free text",
            f"{len(texts):,} different texts in {len(series):,} rows, such as {texts[0]!r}"[:200],
            "numbers, or texts that recur",
            "leave the column out, or audit the model behind it with --prompts",
        )
    return texts


def _alike(
    path: Path, series: pl.Series, texts: tuple[str, ...] | None, known: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    """Returns the texts of a column as other inputs have them, so that codes mean the same."""
    new = [text for text in texts or () if text not in (known or ())]
    if new or (texts is None) != (known is None):
        found = _listed(new) if texts is not None else "numbers"
        expected = "numbers" if known is None else f"texts such as {_listed(known)}"
        problem = f"column {series.name} has values that the other inputs do not have"
        raise input_error(path, problem, found, expected)
    return known


def _numbers(series: pl.Series, texts: tuple[str, ...] | None) -> Array:
    if texts is not None:
        codes = {text: float(code) for code, text in enumerate(texts)}
        values = [float("nan") if text is None else codes[text] for text in series.to_list()]
        return np.array(values, np.float64)
    return np.asarray(series.fill_null(float("nan")).to_numpy(), np.float64)


def _remarks(columns: Columns) -> list[str]:
    said = []
    if columns.has_text:
        said.append(
            f"columns of text are varied among the texts that occur: {_listed(columns.texts)}"
        )
    gaps = [name for name, gap in zip(columns.shown, columns.missing, strict=True) if gap]
    if gaps:
        said.append(
            f"values are missing in {_listed(gaps)}: the target is asked with missing values"
        )
    return said


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueLabels:
    """True labels or values of inputs, as a file has them.

    Args:
        path: The file.
        given: Numbers, float64, or texts, shape (n,).
        remarks: What was recognised in the file.
    """

    path: Path
    given: Array
    remarks: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether they are text."""
        return self.given.dtype.kind == "U"

    @property
    def values(self) -> Array:
        """Numbers as they are, float64, shape (n,): for a target that predicts values.

        Raises:
            InputError: They are text.
        """
        if self.is_text:
            found = _listed(np.unique(self.given).tolist())
            raise input_error(self.path, "true values are text", found, "numbers")
        return self.given

    def numbered(self, names: Sequence[str] = (), classes: int | None = None) -> "NumberedLabels":
        """Returns labels as numbers of the target's classes.

        Texts are matched with names, and numbers with names that are numbers; nothing is matched by
        its order. Only numbers 0 to k - 1 are positions, of a target whose k classes have no names.
        A class may have no label; each label must have a class.

        Args:
            names: Of the target's classes, in their order: texts, or numbers as text; empty if it
                does not name them.
            classes: Their number; None if it is not known. Without names and number labels are not
                those of a target, and are numbered in their own order.

        Raises:
            InputError: A label is not one of the target's classes, or not a whole number where
                classes have no names.
        """
        if names:
            return self._by_names(names)
        if classes is not None:
            return self._by_positions(classes)
        return self._by_order()

    def _by_names(self, names: Sequence[str]) -> "NumberedLabels":
        known: Sequence[object] = names if self.is_text else _as_values(names) or ()
        places = {name: at for at, name in enumerate(known)}
        found = np.unique(self.given).tolist()
        if any(label not in places for label in found):
            raise self._differ(f"{len(names)} classes: {_listed(names)}", "have the target's names")
        numbers = np.array([places[label] for label in self.given.tolist()], np.int64)
        if not self.is_text and np.array_equal(numbers, self.given):
            how = ""
        else:
            how = "name" if self.is_text else f"value: {_listed(names)}"
        without = [name for at, name in enumerate(names) if at not in numbers]
        said = [f"labels are matched with the target's classes by {how}"] if how else []
        said += [f"classes of the target without a label: {_listed(without)}"] if without else []
        return NumberedLabels(numbers, "; ".join(said))

    def _by_positions(self, classes: int) -> "NumberedLabels":
        expected = f"the target's {classes} classes, which have no names: 0 to {classes - 1}"
        if self.is_text:
            raise self._differ(expected, "are the positions of their scores, from 0")
        self._require_whole()
        if self.given.min() < 0 or self.given.max() >= classes:
            raise self._differ(expected, "are the positions of their scores, from 0")
        remark = f"labels are taken as positions of the target's {classes} classes, from 0"
        return NumberedLabels(self.given.astype(np.int64), remark)

    def _by_order(self) -> "NumberedLabels":
        if not self.is_text:
            self._require_whole()
        found, numbers = np.unique(self.given, return_inverse=True)
        if not self.is_text and np.array_equal(numbers, self.given):
            return NumberedLabels(numbers.astype(np.int64), "")
        order = "the order of their names" if self.is_text else "ascending order, from 0"
        remark = f"labels are numbered in {order}: {_listed(found.tolist())}"
        return NumberedLabels(numbers.astype(np.int64), remark)

    def _require_whole(self) -> None:
        is_other = self.given != np.round(self.given)
        if is_other.any():
            found = f"{self.given[is_other][0]:g}"
            expected = "whole numbers, or names of classes"
            raise input_error(self.path, "a label is not a whole number", found, expected)

    def _differ(self, expected: str, wanted: str) -> InputError:
        labels = np.unique(self.given).tolist()
        kinds = "text" if self.is_text else "numbers"
        return input_error(
            self.path,
            "labels are not classes of the target",
            f"{len(labels)} different labels, {kinds}: {_listed(labels)}",
            expected,
            f"write a file of labels that {wanted}; which class a label means is not guessed",
        )


@dataclass(frozen=True, slots=True)
class NumberedLabels:
    """Labels as numbers of the target's classes.

    Args:
        numbers: int64, shape (n,).
        remark: How they were matched, a sentence; empty if they were such numbers.
    """

    numbers: Array
    remark: str


def read_labels(path: Path, rows: int, header: Header = "auto") -> TrueLabels:
    """Reads true labels, or true values: a file of one column.

    Args:
        path: Of the file; an .npy may hold one row of numbers.
        rows: Inputs that they are of.
        header: Whether the first line has a name.

    Raises:
        InputError: As `read_inputs`; or their number differs from `rows`, or one is missing.
        UsageError: The file has several columns.
    """
    try:
        table = read_table(path, header=header, rows=rows)
    except InputError:
        turned = _turned(path, rows)
        if turned is None:
            raise
        return TrueLabels(path=path, given=turned)
    if table.frame.width != 1:
        raise UsageError(
            f"{path} has {table.frame.width} columns ({_listed(table.frame.columns)}); labels are"
            " read from a file of one column"
        )
    series = table.frame.to_series()
    if series.null_count():
        at = int(series.is_null().to_numpy().argmax())
        where = f"{path}:{at + table.first_line}"
        raise input_error(where, "a label is missing", "nothing", "a label for each input")
    is_text = series.dtype == pl.String
    given = np.array(series.to_list(), np.str_) if is_text else series.to_numpy()
    return TrueLabels(path=path, given=given, remarks=table.remarks)


def _turned(path: Path, rows: int) -> Array | None:
    """Labels of an .npy that holds them as one row."""
    if path.suffix != ".npy":
        return None
    table = read_table(path)
    return table.numbers()[0] if table.frame.shape == (1, rows) else None


def _as_values(names: Sequence[str]) -> list[float] | None:
    """Names of classes as numbers, where all of them are."""
    truth = {"False": 0.0, "True": 1.0}
    try:
        return [truth[name] if name in truth else float(name) for name in names] or None
    except ValueError:
        return None


def _listed(names: Sequence[object]) -> str:
    said = [f"{name:g}" if isinstance(name, float) else str(name) for name in names]
    more = f" and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
    return f"{', '.join(said[:_SHOWN])}{more}"
