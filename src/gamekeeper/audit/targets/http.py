"""A model behind HTTP as a target: rows and scores as JSON, or a model of a KServe v2 server.

    rows_as = "lists"      {"instances": [[1, 2], ...]}
    rows_as = "records"    {"instances": [{"age": 1, "income": 2}, ...]}
    rows_as = "list"       {"instances": [1, 2]}, one input a request
    rows_as = "record"     {"instances": {"age": 1, "income": 2}}, one input a request

A value that is missing is sent as null, a text as it is.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gamekeeper.audit.columns import Columns, unnamed
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.audit.targets._kserve import KServeModel
from gamekeeper.audit.targets._target import Array, QueryError, TargetError
from gamekeeper.audit.targets.description import Endpoint
from gamekeeper.audit.targets.posting import Poster, plain_address
from gamekeeper.audit.targets.reading import AnswerReader
from gamekeeper.base.errors import UsageError

_USUAL = "predictions"


class HttpTarget:
    """An endpoint as a target.

    Args:
        endpoint: Where it is.
        sleep: Waits, in seconds.
    """

    def __init__(self, endpoint: Endpoint, sleep: Callable[[float], None] = time.sleep) -> None:
        self._endpoint = endpoint
        self._sleep = sleep
        self.name = plain_address(endpoint.url)
        self.batch = 1 if endpoint.takes_one else endpoint.batch
        self._poster = Poster(self.name, endpoint.headers, endpoint.timeout_s, sleep)
        self._reader = AnswerReader(self.name)
        self._kserve = (
            None if endpoint.kserve is None else KServeModel(endpoint, self._poster, self.name)
        )
        self._columns: Columns | None = None
        self.columns: Columns | None = None  # see `columns_of`

    @property
    def answers(self) -> AnswerKind | None:
        """See `Target`: what its description says."""
        return self._endpoint.answers

    @property
    def classes(self) -> tuple[str, ...]:
        """See `classes_of`."""
        return self._reader.classes

    @property
    def remarks(self) -> tuple[str, ...]:
        """See `remarks_of`."""
        said = self._kserve.remarks if self._kserve else ()
        return (*said, *self._reader.remarks)

    def for_columns(self, columns: Columns) -> "HttpTarget":
        """Returns the same endpoint for inputs with these columns.

        Raises:
            UsageError: It is asked with numbers only, and a column is text; or its description
                names other columns.
        """
        if columns.has_text and self._kserve is not None:
            texts = ", ".join(columns.texts)
            raise UsageError(f"a KServe model is asked with one tensor of numbers; text: {texts}")
        named = self._endpoint.columns
        if isinstance(named, tuple) and len(named) != columns.width:
            raise UsageError(
                f"{self.name}: its description names {len(named)} columns, and inputs have"
                f" {columns.width}"
            )
        target = HttpTarget(self._endpoint, self._sleep)
        target._columns = columns
        if columns.has_text or named or self._endpoint.rows_as in ("records", "record"):
            target.columns = columns
        return target

    def ask(self, inputs: Array) -> Array:
        """See `Target`."""
        parts = [
            self._answered(inputs[at : at + self.batch]) for at in range(0, len(inputs), self.batch)
        ]
        try:
            return np.concatenate(parts) if parts else np.empty((0, 1))
        except ValueError as error:
            raise QueryError(f"{self.name} gave scores of different lengths: {error}") from error

    def _answered(self, inputs: Array) -> Array:
        if self._kserve is not None:
            return self._reader.read(self._kserve.infer(inputs), len(inputs))
        answer = self._poster.post(self._endpoint.url, self._document(inputs))
        found = self._found(answer)
        if self._endpoint.takes_one:
            found = _of_one(found)
        return self._reader.read(found, len(inputs))

    def _document(self, inputs: Array) -> Any:
        endpoint = self._endpoint
        columns = self._columns or unnamed(inputs.shape[1])
        cells = columns.cells(inputs)
        rows: list[Any] = cells
        if endpoint.rows_as in ("records", "record"):
            names = self._names(columns)
            rows = [dict(zip(names, row, strict=True)) for row in cells]
        sent = rows[0] if endpoint.takes_one else rows
        document = _nested(endpoint.rows, sent)
        if endpoint.columns and endpoint.rows_as == "lists":
            beside = ".".join([*endpoint.rows.split(".")[:-1], "columns"])
            document = _merged(document, _nested(beside, list(self._names(columns))))
        return _merged(endpoint.request, document) if endpoint.request else document

    def _names(self, columns: Columns) -> Sequence[str]:
        stated = self._endpoint.columns
        if isinstance(stated, tuple):
            if columns.names and set(columns.names) != set(stated):
                raise TargetError(
                    f"{self.name}: its description names the columns {', '.join(stated)}; inputs"
                    f" have {', '.join(columns.names)}"
                )
            return columns.names or stated
        if not columns.names:
            raise TargetError(
                f"{self.name} is asked with names of columns, and the inputs have none; name them"
                ' in its description: columns = ["...", "..."]'
            )
        return columns.names

    def _found(self, answer: Any) -> Any:
        path = self._endpoint.scores
        if path is None:
            is_usual = isinstance(answer, Mapping) and _USUAL in answer
            path = _USUAL if is_usual or not isinstance(answer, list) else ""
        return _at(answer, path.split(".") if path else [], path, self.name)


def _of_one(found: Any) -> Any:
    """The answer to one input, which may be in a list of its own, as the list of all answers."""
    if isinstance(found, list) and len(found) == 1:
        return found
    return [found]


def _nested(path: str, value: Any) -> Any:
    for name in reversed(path.split(".")) if path else ():
        value = {name: value}
    return value


def _merged(one: Any, other: Any) -> Any:
    """Objects with the fields of both; the other's where both have one."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return other
    both = {name: _merged(one[name], other[name]) for name in one.keys() & other.keys()}
    return {**one, **other, **both}


def _at(value: Any, parts: Sequence[str], path: str, name: str) -> Any:
    """What is at a dotted path; a part that is not a number applies to each item of a list."""
    if not parts:
        return value
    part, *rest = parts
    if isinstance(value, Mapping) and part in value:
        return _at(value[part], rest, path, name)
    if isinstance(value, list) and part.isdecimal():
        if int(part) < len(value):
            return _at(value[int(part)], rest, path, name)
    elif isinstance(value, list):
        return [_at(item, parts, path, name) for item in value]
    where = f'"{path}"' if path == part else f'"{part}" of "{path}"'
    raise QueryError(f"{name}: the answer has no {where}; it has {', '.join(_shape(value))}")


def _shape(value: Any) -> Iterator[str]:
    """What is there instead, for a message."""
    if isinstance(value, Mapping):
        yield from (f"{name}: {str(item)[:60]}" for name, item in [*value.items()][:10])
    elif isinstance(value, list):
        yield f"a list of {len(value)}: {str(value)[:60]}"
    else:
        yield str(value)[:100]
