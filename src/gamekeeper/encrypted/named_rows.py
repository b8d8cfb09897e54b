"""Rows of numbers whose columns may have names: matched by name wherever both sides have some."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gamekeeper.base.errors import input_error
from gamekeeper.base.tables import column_order
from gamekeeper.encrypted.square_network import Array


def rows_of(inputs: Any, features: Sequence[str], owner: str) -> Array:
    """Returns rows as float64.

    Args:
        inputs: An array, shape (n, d), whose columns are in order; or a DataFrame of pandas or
            polars, whose columns are put in order by their names.
        features: Names of the columns in their order; empty if there are none.
        owner: Whose names they are, for messages.

    Raises:
        InputError: Columns are missing, unknown, or not numbers.
    """
    names = _names(inputs)
    try:
        values = np.asarray(inputs, np.float64)
    except (ValueError, TypeError) as error:
        found = str(error)[:200]
        raise input_error("inputs", "not numbers", found, "rows of numbers") from error
    if not features or not names:
        return values
    return np.ascontiguousarray(values[:, column_order(names, features, "inputs", owner)])


def _names(inputs: Any) -> list[str]:
    """Returns the names of a DataFrame's columns; numbers that pandas counts are not names."""
    columns = getattr(inputs, "columns", None)
    names = [] if columns is None or callable(columns) else list(columns)
    return names if all(isinstance(name, str) for name in names) else []
