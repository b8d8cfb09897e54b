"""The wire format of Protocol Buffers: fields are visited by offset, without loading the message.

The onnx package reads a whole model into memory and does not say at which offsets its tensors are.
Source: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.contents import ContentsError

_WINDOW_BYTES = 1 << 16
_VARINT_BYTES = 10
_MAX_FIELDS = 5_000_000  # about ten seconds; the largest models have some hundred thousand
_CUT_SHORT = "not a message of Protocol Buffers, or one that is cut short"
_VARINT = 0
_FIXED64 = 1
_LENGTH = 2
_FIXED32 = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a message.

    Args:
        number: Its field number.
        value: Its value if it is a varint; 0 for all other types.
        begin: Offset at which the bytes of a message, string or bytes field begin.
        end: Offset at which they end; 0 for all other types.
    """

    number: int
    value: int
    begin: int
    end: int

    @property
    def is_bytes(self) -> bool:
        """Whether it is a message, string or bytes field."""
        return self.end > 0


class ProtobufReader:
    """Reads fields of a file through a window of 64 KiB.

    Args:
        data: The file.
        is_canonical: Whether integers with more bytes than they need are refused; no program writes
            them.
    """

    def __init__(self, data: ByteSource, *, is_canonical: bool = False) -> None:
        self._data = data
        self._is_canonical = is_canonical
        self._window = b""
        self._at = 0
        self._visited = 0

    def fields(self, begin: int, end: int) -> Iterator[Field]:
        """Iterates over the fields of the message between two offsets.

        Raises:
            ContentsError: There is no message, or it has more fields than any real model.
        """
        while begin < end:
            self._visited += 1
            if self._visited > _MAX_FIELDS:
                raise ContentsError(f"a message of more than {_MAX_FIELDS:,} fields")
            key, begin = self._varint(begin, end)
            field, begin = self._field(key, begin, end)
            yield field

    def read_string(self, field: Field, max_bytes: int = 1 << 14) -> str:
        """Returns the value of a string field.

        Raises:
            ContentsError: It is longer than `max_bytes`.
        """
        length = field.end - field.begin
        if length > max_bytes:
            raise ContentsError(f"a name of {length:,} bytes")
        return self._read(field.begin, length).decode("utf-8", "replace")

    def read_numbers(self, field: Field, max_count: int) -> list[int]:
        """Returns the integers of a repeated field, packed or not.

        Raises:
            ContentsError: The field is too long for `max_count` numbers.
        """
        if not field.is_bytes:
            return [field.value]
        if field.end - field.begin > max_count * _VARINT_BYTES:
            raise ContentsError(f"more than {max_count} numbers in a list")
        found = []
        at = field.begin
        while at < field.end:
            value, at = self._varint(at, field.end)
            found.append(value)
        return found

    def _field(self, key: int, at: int, end: int) -> tuple[Field, int]:
        number = key >> 3
        kind = key & 7
        if number == 0:
            raise ContentsError("not a message of Protocol Buffers")
        if kind == _VARINT:
            value, at = self._varint(at, end)
            return Field(number=number, value=value, begin=0, end=0), at
        length = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _LENGTH:
            length, at = self._varint(at, end)
        if length is None or at + length > end:
            raise ContentsError(_CUT_SHORT)
        end_of_bytes = at + length if kind == _LENGTH else 0
        return Field(number=number, value=0, begin=at, end=end_of_bytes), at + length

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        data = self._read(at, min(_VARINT_BYTES, end - at))
        value = 0
        for place, byte in enumerate(data):
            value |= (byte & 0x7F) << (7 * place)
            if byte == 0 and place and self._is_canonical:
                raise ContentsError("an integer with more bytes than it needs")
            if byte < 0x80:
                return value, at + place + 1
        raise ContentsError(_CUT_SHORT)

    def _read(self, at: int, length: int) -> bytes:
        if not self._at <= at <= at + length <= self._at + len(self._window):
            self._window = self._data.read(at, max(length, _WINDOW_BYTES))
            self._at = at
        start = at - self._at
        return self._window[start : start + length]
