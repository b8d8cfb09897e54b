"""Reads what a function, an estimator or an endpoint gave as answers.

    arrays, lists, tensors, series          numbers, truth values, or labels as text
    tables, and objects keyed by class      one column each, with its name
    [{label, score}, ...] for each input    one column for each label, in the order of their names:
                                            servers order them by rank, another for each input
    {label, score} for each input           the label

Nothing is filled in: a field, class or number that is missing is an error, and so are lists of
different lengths.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gamekeeper.audit.targets._target import Array, QueryError

_LABELS = ("label", "labels", "class")
_SCORES = ("score", "scores", "probability", "confidence", "prob")
_SHOWN = 120  # characters of an answer in a message


class AnswerReader:
    """Reads answers of one target, all in the same way.

    Args:
        name: By which messages call the target.
        names: Of the columns of answers that have names, in their order; empty for the order of
            their names.
    """

    def __init__(self, name: str, names: tuple[str, ...] = ()) -> None:
        self._name = name
        self._names = names
        self._remarks: list[str] = []
        self._has_numbers_as_text = False

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the columns, where answers have names; empty before the first answer."""
        return self._names if len(self._names) > 1 else ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was recognised in the answers, each a sentence for people."""
        return tuple(self._remarks)

    def read(self, answer: object, count: int) -> Array:
        """Returns answers as numbers, or as labels.

        Args:
            answer: What the target gave.
            count: Inputs that it was given.

        Returns:
            float64, shape (count,) or (count, width); or labels as text, shape (count,).

        Raises:
            QueryError: They are not that.
        """
        plain = _plain(answer)
        if isinstance(plain, Mapping):
            return self._of_columns(_parallel(plain), count)
        rows = plain if isinstance(plain, list) else None
        if rows and any(_has_objects(row) for row in rows):
            return self._of_rows(rows, count)
        return self._shaped(self._array(plain), count)

    def _of_columns(self, columns: Mapping[str, Any], count: int) -> Array:
        """Reads a table: one column for each name."""
        read = [self._array(_plain(column)) for column in columns.values()]
        if not read or any(column.shape != (count,) for column in read):
            fields = ", ".join(columns)
            raise self._odd(f"with fields {fields}, which are not one value for each input", count)
        if len(read) > 1 and any(column.dtype.kind == "U" for column in read):
            fields = ", ".join(columns)
            raise self._odd(f"with fields {fields}, some of them text; give only scores", count)
        if len(read) == 1:
            return read[0]
        return np.stack([read[at] for at in self._order(tuple(columns))], axis=1)

    def _of_rows(self, rows: list[Any], count: int) -> Array:
        """Reads one object, or one list of objects, for each input."""
        if len(rows) != count and count == 1 and all(map(_is_labelled, rows)):
            rows = [rows]  # what servers give for a single input
        named = [self._named(row) for row in rows]
        if len(named) != count:
            raise self._odd(f"with {len(named)} objects", count)
        order = self._names or tuple(_sorted(named[0]))
        for row in named:
            if set(row) != set(order):
                raise self._odd(
                    f"for {', '.join(row) or 'nothing'}, and for {', '.join(order)} before", count
                )
        self._names = order
        if len(order) == 1:
            return self._shaped(self._array([row[order[0]] for row in named]), count)
        return self._shaped(self._array([[row[name] for name in order] for row in named]), count)

    def _named(self, row: Any) -> dict[str, Any]:
        """Returns one input's answer as values by name."""
        if isinstance(row, Mapping) and _is_labelled(row):
            label, score = row[_first(row, _LABELS)], row[_first(row, _SCORES)]
            if isinstance(label, list) and isinstance(score, list) and len(label) == len(score):
                return self._distinct(list(zip(map(str, label), score, strict=True)))
            self._say("each answer is a label with its score: the label is read, the score is not")
            return {"label": label}
        if isinstance(row, Mapping):
            return {str(name): value for name, value in row.items()}
        if isinstance(row, list) and row and all(map(_is_labelled, row)):
            pairs = [(str(e[_first(e, _LABELS)]), e[_first(e, _SCORES)]) for e in row]
            self._say("scores are put into the order of their labels' names")
            return self._distinct(pairs)
        raise QueryError(f"{self._name} answered no numbers for an input: {_short(row)}")

    def _distinct(self, pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise QueryError(f"{self._name} answered the same label twice: {_short(pairs)}")
        return found

    def _order(self, names: tuple[str, ...]) -> list[int]:
        """Returns the columns' order as it was in the first answer."""
        known = self._names or names
        if set(known) != set(names):
            raise QueryError(
                f"{self._name} answered for {', '.join(names)}, and for {', '.join(known)} before"
            )
        self._names = known
        return [names.index(name) for name in known]

    def _array(self, value: Any) -> Array:
        """Returns numbers as float64, or texts as they are."""
        try:
            array = np.asarray(value)
        except ValueError as error:
            found = _short(value)
            raise QueryError(
                f"{self._name} did not answer with numbers: lists of different lengths: {found}"
            ) from error
        if array.dtype.kind == "S":
            array = np.char.decode(array, "utf-8", "replace")
        if array.dtype.kind in "UO" or isinstance(value, list):
            self._require_one_kind(array, value)
        if array.dtype.kind == "U" or (array.dtype.kind == "O" and _are_texts(array)):
            return self._texts(array.astype(str))
        if array.dtype.kind not in "biufO":
            raise QueryError(f"{self._name} answered values of type {array.dtype}, not numbers")
        try:
            return array.astype(np.float64)
        except (ValueError, TypeError) as error:
            raise QueryError(
                f"{self._name} did not answer with numbers: {_short(value)}"
            ) from error

    def _require_one_kind(self, array: Array, value: Any) -> None:
        """numpy reads null as NaN, and numbers beside text as text."""
        leaves = [*_leaves(value)] if isinstance(value, list) else array.ravel().tolist()
        if any(leaf is None for leaf in leaves):
            raise QueryError(f"{self._name} answered null: {_short(value)}")
        texts = sum(isinstance(leaf, str | bytes) for leaf in leaves)
        if texts not in (0, len(leaves)):
            raise QueryError(f"{self._name} answered text beside numbers: {_short(value)}")

    def _texts(self, texts: Array) -> Array:
        """Returns texts that are all numbers as numbers, others as they are: they are labels."""
        numbers = [_number(text.strip()) for text in texts.ravel().tolist()]
        if not numbers or None in numbers:
            if self._has_numbers_as_text:
                raise QueryError(f"{self._name} answered {_short(texts)}, and numbers before")
            return texts
        self._has_numbers_as_text = True
        example = str(texts.ravel()[0])
        self._say(f'answers are texts, such as "{example}", which is read as {numbers[0]:g}')
        return np.array(numbers, np.float64).reshape(texts.shape)

    def _shaped(self, array: Array, count: int) -> Array:
        if array.ndim == 0:
            raise QueryError(
                f"{self._name} gave one value, {_short(array.item())}, to {count} inputs;"
                " expected one for each"
            )
        if len(array) != count:
            raise self._odd(f"of shape {array.shape}", count)
        if array.ndim > 2:
            kept = [side for side in array.shape[1:] if side > 1]
            if len(kept) > 1:
                raise self._odd(f"of shape {array.shape}", count)
            array = array.reshape(count, *kept)
        if array.dtype.kind == "U" and array.ndim == 2:
            if array.shape[1] > 1:
                raise self._odd(
                    f"with {array.shape[1]} texts for each input, {_short(array)}", count
                )
            array = array[:, 0]
        return array

    def _odd(self, what: str, count: int) -> QueryError:
        return QueryError(f"{self._name} gave an answer {what} to {count} inputs")

    def _say(self, remark: str) -> None:
        if remark not in self._remarks:
            self._remarks.append(remark)


def _plain(value: Any) -> Any:
    """Returns tensors and series as arrays, tables as columns by name."""
    if hasattr(value, "detach"):  # of torch, on any device, with or without a gradient
        value = value.detach().cpu()
        is_short = str(value.dtype) == "torch.bfloat16"  # numpy has no such type
        return (value.float() if is_short else value).numpy()
    if hasattr(value, "columns") and hasattr(value, "to_numpy"):
        return _Columns({str(name): value[name].to_numpy() for name in value.columns})
    if hasattr(value, "to_numpy"):
        return value.to_numpy()
    if hasattr(value, "toarray"):  # scipy's sparse matrices
        return value.toarray()
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        return [_plain(item) for item in value] if value.ndim else value.item()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


class _Columns(dict[str, Any]):
    """Columns whose order means something, because a table has them in it."""


def _parallel(columns: Mapping[Any, Any]) -> dict[str, Any]:
    named = {str(name): column for name, column in columns.items()}
    return (
        named if isinstance(columns, _Columns) else {name: named[name] for name in _sorted(named)}
    )


def _sorted(names: Iterable[str]) -> list[str]:
    """Names in their order; numbers by their size."""
    names = list(names)
    are_numbers = all(name.isdecimal() for name in names)
    return sorted(names, key=int) if are_numbers else sorted(names)


def _has_objects(row: Any) -> bool:
    if isinstance(row, Mapping):
        return True
    return isinstance(row, list) and any(isinstance(each, Mapping) for each in row)


def _is_labelled(value: Any) -> bool:
    """Whether it is a label with its score, and nothing that is a prediction besides."""
    if not isinstance(value, Mapping) or not (_first(value, _LABELS) and _first(value, _SCORES)):
        return False
    return not any(isinstance(other, Mapping) for other in value.values())


def _first(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((name for name in names if name in row), "")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, np.ndarray):
        yield from value.ravel().tolist()
    else:
        yield value


def _are_texts(array: Array) -> bool:
    return bool(array.size) and all(isinstance(leaf, str) for leaf in array.ravel().tolist())


def _number(text: str) -> float | None:
    """A text as a number; of a percentage, the share."""
    share = text.endswith("%")
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        return None
    return number / 100 if share else number


def _short(value: Any) -> str:
    said = str(value.tolist() if isinstance(value, np.ndarray) else value)
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}..."
