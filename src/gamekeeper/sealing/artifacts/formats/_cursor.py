"""Reads a file from its start to its end through a window, whatever its length."""

from typing import Literal

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.contents import ContentsError

_WINDOW_BYTES = 1 << 20
ByteOrder = Literal["little", "big"]


class Cursor:
    """A place in a file that moves forward.

    Args:
        data: The file.
        at: Offset of the place.
        order: Byte order of its numbers.
        window_bytes: How much is read at once.
    """

    def __init__(
        self,
        data: ByteSource,
        at: int = 0,
        order: ByteOrder = "little",
        window_bytes: int = _WINDOW_BYTES,
    ) -> None:
        self.at = at
        self._data = data
        self._order = order
        self._window_bytes = window_bytes
        self._window = b""
        self._start = 0

    @property
    def left(self) -> int:
        """Number of bytes from the place to the end of the file."""
        return self._data.size - self.at

    def take(self, length: int) -> bytes:
        """Returns the next bytes.

        Raises:
            ContentsError: The file ends before.
        """
        self._require(length)
        begin = self.at - self._start
        if not 0 <= begin <= begin + length <= len(self._window):
            self._window = self._data.read(self.at, max(length, self._window_bytes))
            self._start = self.at
            begin = 0
        self.at += length
        return self._window[begin : begin + length]

    def peek(self) -> bytes:
        """Returns the next byte and stays at it.

        Raises:
            ContentsError: The file has ended.
        """
        found = self.take(1)
        self.at -= 1
        return found

    def skip(self, length: int) -> None:
        """Moves the place.

        Raises:
            ContentsError: The file ends before.
        """
        self._require(length)
        self.at += length

    def skip_line(self) -> None:
        """Moves the place behind the next end of a line, or to the end of the file."""
        while self.left:
            begin = self.at - self._start
            if not 0 <= begin < len(self._window):
                self._window = self._data.read(self.at, self._window_bytes)
                self._start = self.at
                begin = 0
            end = self._window.find(b"\n", begin)
            if end >= 0:
                self.at = self._start + end + 1
                return
            self.at = self._start + len(self._window)

    def unsigned(self, length: int) -> int:
        """Returns the next bytes as an integer that is not negative."""
        return int.from_bytes(self.take(length), self._order)

    def signed(self, length: int) -> int:
        """Returns the next bytes as an integer."""
        return int.from_bytes(self.take(length), self._order, signed=True)

    def _require(self, length: int) -> None:
        if not 0 <= length <= self.left:
            raise ContentsError(f"it ends at byte {self._data.size:,}, in the middle of a value")
