"""Takes compression off, recognised by its first bytes and not by the suffix: logs are renamed more
often than they are recompressed. Nothing is kept but the chunk that is being read.
"""

import bz2
import gzip
import importlib
import lzma
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, TypeAlias, cast

from gamekeeper.base.zstd import ZstdError, ZstdFile
from gamekeeper.exchange.containers.streams import Stream
from gamekeeper.exchange.faults import UnreadableFileError, unreadable

MAX_LAYERS = 3
_DAMAGE = (OSError, ValueError, zlib.error, lzma.LZMAError, ZstdError, RuntimeError)

Opener: TypeAlias = Callable[[BinaryIO], Any]


def _open_lz4(stream: BinaryIO) -> Any:
    return importlib.import_module("lz4.frame").LZ4FrameFile(stream)


_KINDS: tuple[tuple[bytes, str, Opener], ...] = (
    (b"\x1f\x8b", "gzip", lambda stream: gzip.GzipFile(fileobj=stream)),
    (b"\x28\xb5\x2f\xfd", "zstd", ZstdFile),
    (b"BZh", "bzip2", bz2.BZ2File),
    (b"\xfd7zXZ\x00", "xz", lzma.LZMAFile),
    (b"\x5d\x00\x00\x80\x00", "lzma", lzma.LZMAFile),
    (b"\x04\x22\x4d\x18", "lz4", _open_lz4),
)
_HEAD_BYTES = 8


def uncompressed(name: str, stream: Stream) -> Stream:
    """Returns the content of a stream, up to `MAX_LAYERS` of compression taken off.

    Raises:
        UnreadableFileError: There are more layers, or a kind needs a library that is not there;
            later, when it is read: the data are truncated or damaged, all before having been read.
    """
    for _ in range(MAX_LAYERS):
        layer = _layer(name, stream)
        if layer is None:
            return stream
        stream = layer
    if _layer(name, stream) is None:
        return stream
    raise unreadable(
        name,
        f"the file is compressed more than {MAX_LAYERS} times",
        "compressed data inside compressed data",
        "a log, compressed or not",
        "decompress it first",
    )


def _layer(name: str, stream: Stream) -> Stream | None:
    head = stream.head(_HEAD_BYTES)
    for magic, kind, opener in _KINDS:
        if head.startswith(magic):
            return _opened(name, kind, opener, stream)
    return None


def _opened(name: str, kind: str, opener: Opener, stream: Stream) -> Stream:
    try:
        unpacked = opener(cast(BinaryIO, stream))
    except ModuleNotFoundError:
        raise unreadable(
            name,
            f"the file is compressed with {kind}",
            f"the first bytes of {kind}",
            "gzip, zstd, bzip2 or xz, or no compression",
            f"pip install {kind}, or decompress it first: {kind} -d {name}",
        ) from None
    once = getattr(unpacked, "read1", unpacked.read)

    def read(size: int) -> bytes:
        try:
            return cast(bytes, once(size))
        except EOFError:
            raise _truncated(name, kind) from None
        except _DAMAGE as error:
            raise _damaged(name, kind, error) from None

    return Stream(read)


def _truncated(name: str, kind: str) -> UnreadableFileError:
    return unreadable(
        name,
        f"the {kind} data are truncated",
        "the end of the file inside the compressed data",
        f"a complete {kind} file",
        "copy the file again; it may have been incomplete",
    )


def _damaged(name: str, kind: str, error: Exception) -> UnreadableFileError:
    return unreadable(
        name,
        f"the {kind} data are damaged",
        str(error),
        f"an undamaged {kind} file",
        f"{kind} -t {name}",
    )
