"""What the graph of an ONNX file says of its outputs: the operator that makes each, and the names
of classes.

onnxruntime runs a graph and does not show it; the onnx package is not needed for these few fields.
Sources: onnx.proto of ONNX; protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}
# field numbers of ModelProto, GraphProto, NodeProto and AttributeProto
_GRAPH, _NODE = 7, 1
_NODE_INPUT, _NODE_OUTPUT, _OPERATOR, _ATTRIBUTE = 1, 2, 4, 5
_ATTRIBUTE_NAME, _INTS, _STRINGS = 1, 8, 9
_CLASSES = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")
# operators that pass on what they are given, in another form
_PASSING = ("Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "ZipMap", "Concat")


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxGraph:
    """The operators of a graph.

    Args:
        makers: For each value the operator that makes it, and that operator's first input.
        classes: Names of classes, in the order of scores; empty if the graph has none.
    """

    makers: Mapping[str, tuple[str, str]]
    classes: tuple[str, ...]

    def operator(self, output: str) -> str:
        """Returns the operator that computes an output; those that only pass it on are skipped."""
        name = ""
        for _ in range(len(self.makers)):
            name, given = self.makers.get(output, ("", ""))
            if name not in _PASSING:
                return name
            output = given
        return name


def read_graph(model: bytes) -> OnnxGraph:
    """Reads the graph of a model.

    Raises:
        ValueError: It is not one.
    """
    makers: dict[str, tuple[str, str]] = {}
    classes: tuple[str, ...] = ()
    view = memoryview(model)
    for graph in _parts(view, _GRAPH):
        for node in _parts(graph, _NODE):
            inputs = [_text(part) for part in _parts(node, _NODE_INPUT)]
            operator = "".join(_text(part) for part in _parts(node, _OPERATOR))
            for output in _parts(node, _NODE_OUTPUT):
                makers[_text(output)] = operator, inputs[0] if inputs else ""
            classes = classes or _classes(node)
    return OnnxGraph(makers=makers, classes=classes)


def _classes(node: memoryview) -> tuple[str, ...]:
    for attribute in _parts(node, _ATTRIBUTE):
        if "".join(_text(part) for part in _parts(attribute, _ATTRIBUTE_NAME)) in _CLASSES:
            names = tuple(_text(part) for part in _parts(attribute, _STRINGS))
            return names or tuple(str(number) for number in _numbers(attribute, _INTS))
    return ()


def _parts(message: memoryview, number: int) -> Iterator[memoryview]:
    for found, value in _fields(message):
        if found == number and isinstance(value, memoryview):
            yield value


def _numbers(message: memoryview, number: int) -> Iterator[int]:
    """Numbers of a repeated field, packed or not."""
    for found, value in _fields(message):
        if found == number and isinstance(value, int):
            yield value
        elif found == number and isinstance(value, memoryview):
            at = 0
            while at < len(value):
                each, at = _varint(value, at)
                yield each


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        size = _SIZES.get(kind, 0)
        if kind == _LENGTH:
            size, at = _varint(message, at)
        if (not size and kind != _LENGTH) or at + size > len(message):
            raise ValueError("not a message of Protocol Buffers")
        if kind == _LENGTH:
            yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at + place >= len(message):
            break
        byte = message[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value - (1 << 64) * (value >> 63), at + place + 1
    raise ValueError("not a message of Protocol Buffers")


def _text(part: memoryview) -> str:
    return bytes(part).decode("utf-8", "replace")
