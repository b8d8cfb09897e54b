"""A tensor of the KServe protocol -> its elements, row by row; data nested as its shape says, or
flat.
"""

from itertools import chain
from math import prod
from typing import Any, NamedTuple

from gamekeeper.guard.routes._fields import a_list, a_text, an_object, numbers, wrong
from gamekeeper.guard.routes._route import Json, UnreadableRequestError

MAX_ELEMENTS = 1 << 24
_MAX_DIMENSIONS = 8
_FLOATS = ("FP16", "FP32", "FP64", "BF16")
_INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")


class Tensor(NamedTuple):
    """What a tensor holds.

    Args:
        name: Its name.
        kind: `float`, `integer`, `boolean` or `text`.
        rows: Length of its first dimension: the batch.
        elements: All of it, last dimension fastest; numbers, or texts.
    """

    name: str
    kind: str
    rows: int
    elements: tuple[Any, ...]

    @property
    def width(self) -> int:
        """Elements in a row."""
        return len(self.elements) // self.rows

    def row(self, at: int) -> tuple[Any, ...]:
        """Returns the elements of one row."""
        return self.elements[at * self.width : (at + 1) * self.width]


def tensor_of(value: Any, field: str) -> Tensor:
    """Reads a tensor.

    Raises:
        UnreadableRequestError: It is not of the protocol's form, or its data is not in the JSON.
    """
    tensor = an_object(value, field)
    name = a_text(tensor.get("name"), f"{field}.name")
    kind = _kind(tensor.get("datatype"), f"{field}.datatype")
    shape = _shape(tensor.get("shape"), f"{field}.shape")
    flat = _flat(a_list(tensor.get("data"), f"{field}.data"), shape, f"{field}.data")
    return Tensor(name, kind, shape[0], _elements(flat, kind, f"{field}.data"))


def _kind(datatype: Any, field: str) -> str:
    if datatype in _FLOATS:
        return "float"
    if datatype in _INTEGERS:
        return "integer"
    if datatype in ("BOOL", "BYTES"):
        return "boolean" if datatype == "BOOL" else "text"
    raise UnreadableRequestError(
        f'field "{field}": expected BOOL, BYTES or one of {", ".join(_FLOATS + _INTEGERS)}'
    )


def _shape(shape: Any, field: str) -> list[int]:
    sizes = a_list(shape, field)
    if not 1 <= len(sizes) <= _MAX_DIMENSIONS or any(
        type(size) is not int or size < 1 for size in sizes
    ):
        raise UnreadableRequestError(
            f'field "{field}": expected 1 to {_MAX_DIMENSIONS} whole numbers of at least 1'
        )
    if prod(sizes) > MAX_ELEMENTS:
        raise UnreadableRequestError(f'field "{field}": expected at most {MAX_ELEMENTS} elements')
    return sizes


def _flat(data: list[Any], shape: list[int], field: str) -> list[Any]:
    if len(data) == prod(shape) and not any(isinstance(item, list) for item in data):
        return data
    for size in shape[1:]:
        if not all(isinstance(item, list) and len(item) == size for item in data):
            raise UnreadableRequestError(
                f'field "{field}": expected data flat, or nested as its shape says'
            )
        data = list(chain.from_iterable(data))
    if len(data) != prod(shape):
        raise UnreadableRequestError(
            f'field "{field}": found {len(data)} elements, expected {prod(shape)}'
        )
    return data


def _elements(flat: list[Any], kind: str, field: str) -> tuple[Any, ...]:
    if kind == "text":
        return tuple(a_text(value, field) for value in flat)
    if kind == "boolean":
        for value in flat:
            if not isinstance(value, bool):
                raise wrong(field, value, "true or false")
        return tuple(map(float, flat))
    return numbers(flat, field)


def filled(tensor: Json, elements: list[Any]) -> Json:
    """Returns a tensor with other elements, nested as its data was."""
    data = tensor["data"]
    shape = tensor["shape"]
    for size in reversed(shape[1:] if isinstance(data[0], list) else []):
        elements = [elements[at : at + size] for at in range(0, len(elements), size)]
    return tensor | {"data": elements}
