"""ONNX files: the byte ranges of their initializers, in the file itself or in external data files.

The index has the initializers of the main graph that are stored as raw bytes. Others (lists of
numbers, tensors in nodes and subgraphs) are sealed like the rest of the file and opened with it.
Source: onnx/onnx.proto and docs/ExternalData.md of github.com/onnx/onnx.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts._protobuf import Field, ProtobufReader
from gamekeeper.sealing.artifacts.formats._format import suffix_of
from gamekeeper.sealing.artifacts.formats.pickles import calls_something
from gamekeeper.sealing.artifacts.formats.refused import require_downloaded
from gamekeeper.sealing.contents import (
    MAX_DIMS,
    ContentsError,
    Member,
    Tensor,
    is_safe_path,
    is_shape,
    tensor_bytes,
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
# Which fields of a message contain messages that may contain tensors.
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
_MAX_ALIGNMENT = 1 << 16  # to which onnx and onnxruntime align tensors in external data files
_OTHER_SUFFIXES = {"", ".pb"}


@dataclass(slots=True)
class _TensorProto:
    """The fields of one TensorProto message.

    Args:
        dims: Lengths of its axes.
        dtype: Its type as safetensors names it; None for a type that is not indexed.
        name: Its name.
        raw: Offsets in the file where its raw bytes begin and end.
        external: Keys and values that say where its bytes are in an external data file.
    """

    dims: list[int] = field(default_factory=list)
    dtype: str | None = None
    name: str = ""
    raw: tuple[int, int] | None = None
    external: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxFile:
    """The initializers of an ONNX file.

    Args:
        tensors: Those in the file itself; offsets count from its start.
        external: Those in external data files, by the path of that file; offsets count from that
            file's start.
        locations: Paths of the external data files by the spelling that the ONNX file has.
        ranges: Where all tensors of an external data file are, by the path of that file, also those
            that are not indexed: offset and length, or None for all that follows.
    """

    tensors: tuple[Tensor, ...]
    external: dict[str, tuple[Tensor, ...]]
    locations: dict[str, str]
    ranges: dict[str, tuple[tuple[int, int | None], ...]]

    def member(self, path: str, begin: int, length: int) -> Member:
        """Returns the ONNX file as a member of a payload."""
        tensors = _indexable(self.tensors, begin, length)
        return Member(path=path, kind="onnx", begin=begin, length=length, tensors=tensors)

    def external_tensors(self, path: str, begin: int, length: int) -> tuple[Tensor, ...]:
        """Returns the tensors in an external data file at this range of a payload."""
        return _indexable(self.external[path], begin, length)


def is_onnx(data: ByteSource, path: str) -> bool:
    """Returns whether a file is a Protocol Buffers message with ONNX's version and graph.

    Raises:
        ContentsError: Its name says that it is ONNX, and it is not.
    """
    is_named = suffix_of(path) == ".onnx"
    if not is_named and suffix_of(path) not in _OTHER_SUFFIXES:
        return False
    try:
        fields = {one.number for one in ProtobufReader(data).fields(0, data.size)}
    except ContentsError:
        fields = set()
    is_model = _MODEL_GRAPH in fields and _MODEL_VERSION in fields
    if not is_named:
        return is_model and not calls_something(data)
    if not is_model:
        require_downloaded(data, path)
        raise ContentsError("not an ONNX model as its name says, or not a whole one", "unknown")
    return True


def read_onnx(data: ByteSource) -> OnnxFile:
    """Finds the initializers of an ONNX file.

    Raises:
        ContentsError: It is not an ONNX file, or names files outside of its folder.
    """
    reader = ProtobufReader(data)
    model = Field(number=0, value=0, begin=0, end=data.size)
    internal: list[Tensor] = []
    external: dict[str, list[Tensor]] = {}
    locations: dict[str, str] = {}
    ranges: dict[str, list[tuple[int, int | None]]] = {}
    for path, message in _tensor_messages(reader, model, ("model",)):
        proto = _tensor_proto(reader, message)
        if "location" in proto.external:
            # a file with any tensor of the model belongs to it, also if the tensor is not indexed
            spelling = proto.external["location"]
            locations[spelling] = _location(spelling)
            tensors = external.setdefault(locations[spelling], [])
            ranges.setdefault(locations[spelling], []).extend(_stated_range(proto))
            if path == _INITIALIZER:
                tensors.extend(_tensor_at(proto, *_external_range(proto.external)))
        elif proto.raw and path == _INITIALIZER:
            internal.extend(_tensor_at(proto, *proto.raw))
    return OnnxFile(
        tensors=tuple(internal),
        external={path: tuple(tensors) for path, tensors in external.items()},
        locations=locations,
        ranges={path: tuple(found) for path, found in ranges.items()},
    )


def are_all_tensors(ranges: Iterable[tuple[int, int | None]], length: int) -> bool:
    """Returns whether a file has nothing but tensors, and what aligns them.

    Args:
        ranges: Offset and length of each tensor; None for all that follows.
        length: Length of the file in bytes.
    """
    end = 0
    for begin, count in sorted(ranges, key=lambda one: one[0]):
        stop = length if count is None else begin + count
        if stop > length or not _is_padding(end, begin):
            return False
        end = max(end, stop)
    return end > 0 and _is_padding(end, length)


def _is_padding(end: int, begin: int) -> bool:
    """Returns whether the bytes between two tensors only align the second one."""
    alignment = min(begin & -begin, _MAX_ALIGNMENT)
    return begin - end < max(alignment, 1)


def _tensor_messages(
    reader: ProtobufReader, message: Field, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Field]]:
    """Yields all tensors in a message, each with the names of the messages around it."""
    if len(path) > _MAX_DEPTH:
        raise ContentsError(f"messages in messages, more than {_MAX_DEPTH} deep")
    parts = _PARTS[path[-1]]
    for one in reader.fields(message.begin, message.end):
        part = parts.get(one.number) if one.is_bytes else None
        if part == "tensor":
            yield (*path, part), one
        elif part:
            yield from _tensor_messages(reader, one, (*path, part))


def _tensor_proto(reader: ProtobufReader, message: Field) -> _TensorProto:
    proto = _TensorProto()
    for one in reader.fields(message.begin, message.end):
        if one.number == _DIMS:
            proto.dims += reader.read_numbers(one, MAX_DIMS)
            if len(proto.dims) > MAX_DIMS:
                raise ContentsError(f"a tensor of more than {MAX_DIMS} axes")
        elif one.number == _TYPE:
            proto.dtype = DTYPES.get(one.value)
        elif one.number == _NAME:
            proto.name = reader.read_string(one)
        elif one.number == _RAW:
            proto.raw = (one.begin, one.end)
        elif one.number == _EXTERNAL:
            key, value = _key_and_value(reader, one)
            proto.external[key] = value
    return proto


def _key_and_value(reader: ProtobufReader, message: Field) -> tuple[str, str]:
    fields = reader.fields(message.begin, message.end)
    strings = {one.number: reader.read_string(one) for one in fields if one.is_bytes}
    return strings.get(1, ""), strings.get(2, "")


def _tensor_at(proto: _TensorProto, begin: int, end: int) -> list[Tensor]:
    """Returns the tensor at this range, or nothing if it has no name or no type that is indexed."""
    if proto.dtype is None or not proto.name:
        return []
    shape = tuple(proto.dims)
    return [
        Tensor(name=proto.name, dtype=proto.dtype, shape=shape, begin=begin, length=end - begin)
    ]


def _external_range(external: dict[str, str]) -> tuple[int, int]:
    try:
        begin = int(external.get("offset") or "0")
        length = int(external["length"])
    except (KeyError, ValueError):
        # The length may be omitted. An impossible range keeps such a tensor out of the index.
        return 0, -1
    return begin, begin + length


def _stated_range(proto: _TensorProto) -> list[tuple[int, int | None]]:
    """Returns offset and length of a tensor; nothing if they are not those of its shape."""
    try:
        begin = int(proto.external.get("offset") or "0")
        stated = proto.external.get("length")
        length = int(stated) if stated else None
    except ValueError:
        return []
    expected = length
    if proto.dtype is not None and is_shape(proto.dims):
        expected = tensor_bytes(proto.dtype, proto.dims)
    is_true = length in (None, expected)
    return [(begin, expected)] if is_true and begin >= 0 and (expected or 0) >= 0 else []


def _location(path: str) -> str:
    plain = path.removeprefix("./")
    if not is_safe_path(plain):
        raise ContentsError(
            f"a tensor in a file {ascii(path)[:80]}, outside of the model's folder", "missing"
        )
    return plain


def _indexable(tensors: tuple[Tensor, ...], begin: int, length: int) -> tuple[Tensor, ...]:
    """Returns the tensors that an index can hold, in the order of their offsets.

    These have distinct names and do not overlap, and are inside of the file. ONNX lets two names
    share their bytes; the second is not indexed but opened with the whole file.

    Args:
        tensors: All tensors of a file; offsets count from the start of the file.
        begin: Offset of the file in the payload.
        length: Length of the file in bytes.
    """
    kept: dict[str, Tensor] = {}
    end = 0
    for one in sorted(tensors, key=lambda tensor: (tensor.begin, tensor.length)):
        fits = (
            is_shape(one.shape)
            and end <= one.begin
            and 0 <= one.length == tensor_bytes(one.dtype, one.shape)
            and one.begin + one.length <= length
        )
        if fits and one.name not in kept:
            end = one.begin + one.length
            kept[one.name] = replace(one, begin=begin + one.begin)
    return tuple(kept.values())
