"""A Python callable as a target: `module:function`, the module searched on the Python path, then in
the current folder.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from gamekeeper.audit.targets._target import Array, TargetError
from gamekeeper.base.errors import UsageError


class CallableTarget:
    """See `Target`.

    Args:
        function: Takes float64 inputs, shape (n, width); returns scores or labels.
        name: By which reports call it.
    """

    def __init__(self, function: Callable[[Array], object], name: str) -> None:
        self._function = function
        self.name = name

    def ask(self, inputs: Array) -> Array:
        """See `Target`."""
        try:
            return np.asarray(self._function(inputs), np.float64)
        except Exception as error:
            raise TargetError(
                f"{self.name} failed on {len(inputs)} inputs: {type(error).__name__}: {error}"
            ) from error


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
        function = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f'there is no module "{error.name}" in this folder or on the Python path'
        ) from error
    except AttributeError as error:
        raise UsageError(f'module "{module}" has no "{name}"') from error
    if not callable(function):
        raise UsageError(
            f'"{name}" of module "{module}" is a {type(function).__name__}, which is not callable'
        )
    return function  # type: ignore[no-any-return]
