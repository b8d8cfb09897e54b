"""Pictures in one channel as PNG, eight bits a pixel, inside the page: its policy lets it fetch
nothing.

Source: PNG, W3C Recommendation, third edition: signature, IHDR, IDAT, IEND; every row with filter
    0.
"""

import base64
import struct
import zlib
from collections.abc import Sequence

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY = struct.pack(">BBBBB", 8, 0, 0, 0, 0)  # depth, colour type, compression, filter, interlace


def grey_png(values: Sequence[float], size: tuple[int, int], low: float, high: float) -> str:
    """Returns a picture as a `data:` address.

    Args:
        values: Row by row from the top.
        size: Height and width.
        low: Drawn black.
        high: Drawn white.
    """
    height, width = size
    span = (high - low) or 1.0
    bytes_ = bytes(min(255, max(0, round(255 * (value - low) / span))) for value in values)
    rows = b"".join(
        b"\0" + bytes_[start : start + width] for start in range(0, height * width, width)
    )
    head = struct.pack(">II", width, height) + _GREY
    chunks = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(_SIGNATURE + chunks).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
