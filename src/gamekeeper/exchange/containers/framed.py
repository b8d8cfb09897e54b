"""Messages with their length in four bytes before each, as the file exporter of the OpenTelemetry
Collector writes them with `compression: zstd` or `format: proto`.

Source: opentelemetry-collector-contrib, exporter/fileexporter, README ("File format").
"""

from collections.abc import Iterator

from gamekeeper.base.zstd import ZstdDecompressor, ZstdError
from gamekeeper.exchange.containers.signatures import is_protobuf, protobuf
from gamekeeper.exchange.containers.streams import CHUNK_BYTES, Stream
from gamekeeper.exchange.faults import UnreadableFileError, unreadable

HEAD_BYTES = 64
_LENGTH_BYTES = 4
_MAX_FRAME_BYTES = 256 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"


def is_framed(head: bytes) -> bool:
    """True if a length comes first and then zstd, a JSON object or protobuf."""
    size = int.from_bytes(head[:_LENGTH_BYTES])
    message = head[_LENGTH_BYTES:HEAD_BYTES]
    if not 0 < size <= _MAX_FRAME_BYTES or head[:1] != b"\x00":
        return False
    return message.startswith((_ZSTD, b"{")) or is_protobuf(message)


def messages(name: str, stream: Stream) -> Iterator[bytes]:
    """Yields the messages, a line end after each.

    Raises:
        UnreadableFileError: A message is damaged, cut, or protobuf; those before it were yielded.
    """
    while header := stream.read_exactly(_LENGTH_BYTES):
        size = int.from_bytes(header)
        if len(header) < _LENGTH_BYTES or size > _MAX_FRAME_BYTES:
            raise _damaged(name, f"the length {header.hex()}")
        frame = stream.read_exactly(size)
        if len(frame) < size:
            raise _damaged(name, f"{len(frame)} of {size} bytes before its end")
        yield from _message(name, frame)
        yield b"\n"


def _message(name: str, frame: bytes) -> Iterator[bytes]:
    if not frame.startswith(_ZSTD):
        yield _json(name, frame)
        return
    decompressor = ZstdDecompressor()
    first = True
    try:
        piece = decompressor.decompress(frame, CHUNK_BYTES)
        while piece:
            yield _json(name, piece) if first else piece
            first = False
            piece = b"" if decompressor.eof else decompressor.decompress(b"", CHUNK_BYTES)
    except ZstdError as error:
        raise _damaged(name, str(error)) from None
    if not decompressor.eof:
        raise _damaged(name, "a zstd frame without its end")


def _json(name: str, message: bytes) -> bytes:
    if is_protobuf(message):
        raise protobuf(name, message)
    return message


def _damaged(name: str, found: str) -> UnreadableFileError:
    return unreadable(
        name,
        "a message of the file is damaged or truncated",
        found,
        "four bytes of length, and as many bytes",
        "copy the file again; it may have been incomplete",
    )
