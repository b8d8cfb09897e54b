"""ONNX files: where their initializers lie, in the file or in files beside it.

Indexed are initializers of the graph itself whose numbers stand as raw bytes; others (lists of
numbers, tensors in nodes and subgraphs) are sealed like the rest of the file and opened with it.
Source: onnx/onnx.proto and docs/ExternalData.md of github.com/onnx/onnx.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from gamekeeper.sealing.artifacts._bytes import Bytes
from gamekeeper.sealing.artifacts._wire import Field, Wire
from gamekeeper.sealing.contents import (
    DTYPE_BITS,
    MAX_DIMS,
    ContentsError,
    Member,
    Tensor,
    is_safe_path,
    is_shape,
)

DTYPES = {
    1: "F32",
    2: "U8",
    3: "I8",
    4: "U16",
    5: "I16",
    6: "I32",
    7: "I64",
    9: "BOOL",
    10: "F16",
    11: "F64",
    12: "U32",
    13: "U64",
    14: "C64",
    16: "BF16",
    17: "F8_E4M3",
    19: "F8_E5M2",
}
_MODEL_GRAPH = 7
_MODEL_VERSION = 1
# Which fields of a message hold messages in which tensors may lie.
_PARTS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
}
_INITIALIZER = ("model", "graph", "tensor")
_DIMS = 1
_TYPE = 2
_NAME = 8
_RAW = 9
_EXTERNAL = 13
_MAX_DEPTH = 100


@dataclass(slots=True)
class _Found:
    """A tensor as it stands in the file."""

    dims: list[int] = field(default_factory=list)
    dtype: str | None = None
    name: str = ""
    raw: tuple[int, int] | None = None
    external: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxFile:
    """What was found in an ONNX file.

    Args:
        tensors: Those in the file itself; places count from its start.
        outside: Those in files beside it, by the path of that file; places count from that file's
            start.
    """

    tensors: tuple[Tensor, ...]
    outside: dict[str, tuple[Tensor, ...]]

    def member(self, path: str, begin: int, length: int) -> Member:
        """Returns the file as a member of a payload."""
        placed = _placed(self.tensors, begin, length)
        return Member(path=path, kind="onnx", begin=begin, length=length, tensors=placed)

    def beside(self, path: str, begin: int, length: int) -> Member:
        """Returns a file beside it as a member of a payload."""
        return Member(
            path=path,
            kind="file",
            begin=begin,
            length=length,
            tensors=_placed(self.outside[path], begin, length),
        )


def is_onnx(data: Bytes) -> bool:
    """Whether a file is a message with ONNX's version and graph."""
    try:
        fields = {one.number for one in Wire(data).fields(0, data.size)}
    except ContentsError:
        return False
    return _MODEL_GRAPH in fields and _MODEL_VERSION in fields


def read_onnx(data: Bytes) -> OnnxFile:
    """Finds the tensors of an ONNX file.

    Raises:
        ContentsError: It is none, or names files outside of its folder.
    """
    wire = Wire(data)
    inside: list[Tensor] = []
    outside: dict[str, list[Tensor]] = {}
    for way, place in _tensors(wire, Field(number=0, value=0, begin=0, end=data.size), ("model",)):
        found = _found(wire, place)
        if "location" in found.external:
            kept = outside.setdefault(_location(found.external["location"]), [])
            kept.extend(_at(found, *_span(found.external)) if way == _INITIALIZER else ())
        elif found.raw and way == _INITIALIZER:
            inside.extend(_at(found, *found.raw))
    return OnnxFile(
        tensors=tuple(inside), outside={path: tuple(ones) for path, ones in outside.items()}
    )


def _tensors(
    wire: Wire, message: Field, way: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Field]]:
    """All tensors of a message, each with the messages that lead to it."""
    if len(way) > _MAX_DEPTH:
        raise ContentsError(f"messages in messages, more than {_MAX_DEPTH} deep")
    parts = _PARTS[way[-1]]
    for one in wire.fields(message.begin, message.end):
        part = parts.get(one.number) if one.is_bytes else None
        if part == "tensor":
            yield (*way, part), one
        elif part:
            yield from _tensors(wire, one, (*way, part))


def _found(wire: Wire, place: Field) -> _Found:
    found = _Found()
    for one in wire.fields(place.begin, place.end):
        if one.number == _DIMS:
            found.dims += wire.numbers(one, MAX_DIMS)
            if len(found.dims) > MAX_DIMS:
                raise ContentsError(f"a tensor of more than {MAX_DIMS} axes")
        elif one.number == _TYPE:
            found.dtype = DTYPES.get(one.value)
        elif one.number == _NAME:
            found.name = wire.text(one)
        elif one.number == _RAW:
            found.raw = (one.begin, one.end)
        elif one.number == _EXTERNAL:
            key, value = _entry(wire, one)
            found.external[key] = value
    return found


def _entry(wire: Wire, place: Field) -> tuple[str, str]:
    parts = {
        one.number: wire.text(one) for one in wire.fields(place.begin, place.end) if one.is_bytes
    }
    return parts.get(1, ""), parts.get(2, "")


def _at(found: _Found, begin: int, end: int) -> list[Tensor]:
    if found.dtype is None or not found.name:
        return []
    shape = tuple(found.dims)
    return [
        Tensor(name=found.name, dtype=found.dtype, shape=shape, begin=begin, length=end - begin)
    ]


def _span(external: dict[str, str]) -> tuple[int, int]:
    try:
        begin = int(external.get("offset") or "0")
        length = int(external["length"])
    except (KeyError, ValueError):
        return 0, -1  # the length is left out where it is that of the shape: not indexed
    return begin, begin + length


def _location(path: str) -> str:
    plain = path.removeprefix("./")
    if not is_safe_path(plain):
        raise ContentsError(f"a tensor in a file {ascii(path)[:80]}, outside of the model's folder")
    return plain


def _placed(tensors: tuple[Tensor, ...], begin: int, length: int) -> tuple[Tensor, ...]:
    """Those that an index can hold, in the order of their places: one name and one place each,
    inside of the file.

    ONNX lets two names share their bytes; the second is opened with the file.
    """
    kept: dict[str, Tensor] = {}
    end = 0
    for one in sorted(tensors, key=lambda tensor: (tensor.begin, tensor.length)):
        fits = (
            is_shape(one.shape)
            and end <= one.begin
            and 0 <= one.length == _size(one)
            and one.begin + one.length <= length
        )
        if fits and one.name not in kept:
            end = one.begin + one.length
            kept[one.name] = Tensor(
                name=one.name,
                dtype=one.dtype,
                shape=one.shape,
                begin=begin + one.begin,
                length=one.length,
            )
    return tuple(kept.values())


def _size(tensor: Tensor) -> int:
    count = 1
    for length in tensor.shape:
        count *= length
    return -(-count * DTYPE_BITS[tensor.dtype] // 8)
