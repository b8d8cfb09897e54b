"""Calls of other people's code without their warnings on the terminal."""

import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def quietly(
    function: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs
) -> _Result:
    """Returns what a function returns; its warnings are dropped.

    They are about the model ("X does not have valid feature names"), not about the audit, come once
    for each batch, and cannot be acted on by anyone who only asks the model.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)
