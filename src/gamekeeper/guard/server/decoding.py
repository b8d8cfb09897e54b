"""Decodes answers that an upstream compresses although it was asked not to: behind it, they have to
be read.
"""

import sys
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from gamekeeper.base.errors import GamekeeperError

_PART_BYTES = 1 << 18
"""Most that is decoded at once: a kilobyte can stand for a megabyte."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS
_ZLIB_METHOD = 8  # RFC 1950: lower half of the first byte


class DecodingError(GamekeeperError):
    """An answer is not what its header content-encoding says."""


class Decoder(Protocol):
    """Decodes one answer."""

    def feed(self, coded: bytes) -> Iterator[bytes]:
        """Returns what the next bytes say, in parts.

        Raises:
            DecodingError: They are not in this encoding.
        """
        ...

    def finish(self) -> None:
        """Notes that the answer is whole.

        Raises:
            DecodingError: It is cut.
        """
        ...


class _Zlib:
    """`gzip`, and `deflate` with or without its header: servers send both."""

    def __init__(self) -> None:
        self._stream: Any = None

    def feed(self, coded: bytes) -> Iterator[bytes]:
        """See `Decoder`."""
        is_full = False  # the last part was: more may wait inside, although no input is left
        while coded or is_full:
            if self._stream is None:
                self._stream = self._begun(coded)
            try:
                decoded = self._stream.decompress(coded, _PART_BYTES)
            except zlib.error as error:
                raise DecodingError(str(error)) from error
            if decoded:
                yield decoded
            is_full = len(decoded) == _PART_BYTES
            coded = self._stream.unconsumed_tail
            if self._stream.eof:
                coded = self._stream.unused_data  # another member may follow
                self._stream = None
                is_full = False

    def finish(self) -> None:
        """See `Decoder`."""
        if self._stream is not None:
            raise DecodingError("it is cut")

    def _begun(self, coded: bytes) -> Any:
        return zlib.decompressobj(_GZIP_OR_ZLIB)


class _Deflate(_Zlib):
    def _begun(self, coded: bytes) -> Any:
        has_header = coded[0] & 0x0F == _ZLIB_METHOD
        return zlib.decompressobj(_GZIP_OR_ZLIB if has_header else _RAW_DEFLATE)


class _Zstd:
    """`zstd`, where Python or aiohttp brought a library for it."""

    def __init__(self, make: Any) -> None:
        self._make = make
        self._stream: Any = None

    def feed(self, coded: bytes) -> Iterator[bytes]:
        """See `Decoder`."""
        while coded:
            if self._stream is None:
                self._stream = self._make()
            try:
                yield from self._decoded(coded)
            except Exception as error:  # each library has a class of its own
                raise DecodingError(str(error)) from error
            coded = b""
            if self._stream.eof:
                coded = self._stream.unused_data
                self._stream = None

    def finish(self) -> None:
        """See `Decoder`."""
        if self._stream is not None:
            raise DecodingError("it is cut")

    def _decoded(self, coded: bytes) -> Iterator[bytes]:
        decoded = self._stream.decompress(coded, _PART_BYTES)
        while decoded:
            yield decoded
            if self._stream.eof or self._stream.needs_input:
                return
            decoded = self._stream.decompress(b"", _PART_BYTES)


def decoder_of(encoding: bytes) -> Decoder | None:
    """Returns a decoder for a value of the header content-encoding; None if there is none."""
    name = encoding.strip().lower()
    if name in (b"gzip", b"x-gzip"):
        return _Zlib()
    if name == b"deflate":
        return _Deflate()
    make = _zstd() if name == b"zstd" else None
    return _Zstd(make) if make is not None else None


def _zstd() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        return None
    return zstd.ZstdDecompressor
