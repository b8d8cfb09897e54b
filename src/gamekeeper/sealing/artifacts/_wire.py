"""The wire format of Protocol Buffers, walked by place: fields are visited, not loaded.

The onnx package would read a model whole, and says not where its tensors lie.
Source: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gamekeeper.sealing.artifacts._bytes import Bytes
from gamekeeper.sealing.contents import ContentsError

_WINDOW_BYTES = 1 << 16
_VARINT_BYTES = 10
_MAX_FIELDS = 5_000_000  # about ten seconds; the largest models have some hundred thousand
_VARINT = 0
_FIXED64 = 1
_LENGTH = 2
_FIXED32 = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a message.

    Args:
        number: Its number.
        value: Of a whole number; 0 for all others.
        begin: Where its bytes begin, of a message, text or bytes.
        end: Where they end.
    """

    number: int
    value: int
    begin: int
    end: int

    @property
    def is_bytes(self) -> bool:
        """Whether it is a message, text or bytes."""
        return self.end > 0


class Wire:
    """Reads fields of a file; keeps a window of it."""

    def __init__(self, data: Bytes) -> None:
        self._data = data
        self._window = b""
        self._at = 0
        self._visited = 0

    def fields(self, begin: int, end: int) -> Iterator[Field]:
        """Visits the fields of the message between two places.

        Raises:
            ContentsError: There is no message, or more fields than any model has.
        """
        while begin < end:
            self._visited += 1
            if self._visited > _MAX_FIELDS:
                raise ContentsError(f"a message of more than {_MAX_FIELDS:,} fields")
            key, begin = self._varint(begin, end)
            field, begin = self._field(key, begin, end)
            yield field

    def content(self, field: Field, most: int) -> bytes:
        """Returns the bytes of a field.

        Raises:
            ContentsError: There are more than `most`.
        """
        if field.end - field.begin > most:
            raise ContentsError(f"a name of {field.end - field.begin:,} bytes")
        return self._read(field.begin, field.end - field.begin)

    def text(self, field: Field, most: int = 1 << 14) -> str:
        """Returns the text of a field."""
        return self.content(field, most).decode("utf-8", "replace")

    def numbers(self, field: Field, most: int) -> list[int]:
        """Returns the whole numbers of a repeated field, packed or not.

        Raises:
            ContentsError: There are more than `most`.
        """
        if not field.is_bytes:
            return [field.value]
        if field.end - field.begin > most * _VARINT_BYTES:
            raise ContentsError(f"more than {most} numbers in a list")
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
            raise ContentsError("no message of Protocol Buffers")
        if kind == _VARINT:
            value, at = self._varint(at, end)
            return Field(number=number, value=value, begin=0, end=0), at
        length = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _LENGTH:
            length, at = self._varint(at, end)
        if length is None or at + length > end:
            raise ContentsError("no message of Protocol Buffers, or one that is cut short")
        is_bytes = kind == _LENGTH
        return Field(
            number=number, value=0, begin=at, end=at + length if is_bytes else 0
        ), at + length

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        data = self._read(at, min(_VARINT_BYTES, end - at))
        value = 0
        for place, byte in enumerate(data):
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                return value, at + place + 1
        raise ContentsError("no message of Protocol Buffers, or one that is cut short")

    def _read(self, at: int, length: int) -> bytes:
        if not self._at <= at <= at + length <= self._at + len(self._window):
            self._window = self._data.read(at, max(length, _WINDOW_BYTES))
            self._at = at
        start = at - self._at
        return self._window[start : start + length]
