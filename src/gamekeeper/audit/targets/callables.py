"""A Python callable as a target: `module:function`, the module searched on the Python path, then in
the current folder.
"""

import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from gamekeeper.audit.columns import Columns, blamed
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.audit.targets._quiet import quietly
from gamekeeper.audit.targets._target import Array, QueryError
from gamekeeper.audit.targets.reading import AnswerReader
from gamekeeper.base.errors import UsageError

_OF_TYPES = re.compile(r"float|double|dtype|type", re.IGNORECASE)


class CallableTarget:
    """A function as a target.

    It is asked with float64. A function that fails on that because of the type, and answers
    float32, is asked with float32 from then on.

    Args:
        function: Takes inputs, shape (n, width), as an array; as a data frame if columns are text.
            Returns scores, values or labels.
        name: By which reports call it.
    """

    answers: AnswerKind | None = None

    def __init__(self, function: Callable[[Any], object], name: str) -> None:
        self._function = function
        self.name = name
        self._reader = AnswerReader(name)
        self._columns: Columns | None = None
        self._is_tried = False
        self._type: type[np.floating[Any]] = np.float64

    @property
    def classes(self) -> tuple[str, ...]:
        """See `classes_of`."""
        return self._reader.classes

    @property
    def remarks(self) -> tuple[str, ...]:
        """See `remarks_of`."""
        said = [*self._reader.remarks]
        if self._columns is not None and self._columns.has_text:
            texts = ", ".join(self._columns.texts)
            said.append(f"{self.name} is asked with data frames, because columns are text: {texts}")
        if self._type is np.float32:
            said.append(f"{self.name} is asked with float32: it does not take float64")
        return tuple(said)

    @property
    def columns(self) -> Columns | None:
        """See `columns_of`."""
        return self._columns if self._columns is not None and self._columns.has_text else None

    def for_columns(self, columns: Columns) -> "CallableTarget":
        """Returns the same function for inputs with these columns."""
        target = CallableTarget(self._function, self.name)
        target._columns = columns
        return target

    def ask(self, inputs: Array) -> Array:
        """See `Target`."""
        try:
            answer = quietly(self._function, self._given(inputs, self._type))
        except Exception as error:
            if self._is_tried or not _is_about_types(error):
                raise self._failed(inputs, error) from error
            answer = self._retried(inputs, error)
        self._is_tried = True
        return self._reader.read(answer, len(inputs))

    def _retried(self, inputs: Array, error: Exception) -> object:
        try:
            answer = quietly(self._function, self._given(inputs, np.float32))
        except Exception:
            raise self._failed(inputs, error) from error
        self._type = np.float32
        return answer

    def _given(self, inputs: Array, kind: type[np.floating[Any]]) -> Any:
        if self._columns is not None and self._columns.has_text:
            return self._columns.frame(inputs)
        return inputs.astype(kind)

    def _failed(self, inputs: Array, error: Exception) -> QueryError:
        said = blamed(error, inputs, self._columns)
        return QueryError(f"{self.name} failed on {len(inputs)} inputs: {said}")


def callable_target(spec: str) -> CallableTarget:
    """Returns the target that `module:function` names.

    Raises:
        UsageError: There is no such module or function.
    """
    return CallableTarget(named_function(spec), spec)


def named_function(spec: str) -> Callable[..., Any]:
    """Returns the function that `module:function` names.

    Raises:
        UsageError: There is no such module or function.
    """
    module, _, name = spec.partition(":")
    if not module or not name:
        raise UsageError(f'"{spec}" is not a target; expected MODULE:FUNCTION, or a file')
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        function = getattr(quietly(import_module, module), name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f'there is no module "{error.name}" in this folder or on the Python path'
        ) from error
    except AttributeError as error:
        raise UsageError(f'module "{module}" has no "{name}"') from error
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise UsageError(f'module "{module}" cannot be imported: {said}') from error
    if not callable(function):
        raise UsageError(
            f'"{name}" of module "{module}" is a {type(function).__name__}, which is not callable'
        )
    return function  # type: ignore[no-any-return]


def _is_about_types(error: Exception) -> bool:
    is_check = isinstance(error, AssertionError | TypeError)
    return is_check or _OF_TYPES.search(str(error)) is not None
