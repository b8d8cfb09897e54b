import base64
import struct
import zlib

from gamekeeper.report.png import grey_png


def test_picture_is_a_png_of_its_size_and_values() -> None:
    """Black at the low end, white at the high one, and nothing beyond."""
    scheme, _, data = grey_png([0.0, 0.5, 1.0, -3.0, 9.0, 0.25], (2, 3), 0.0, 1.0).partition(",")
    png = base64.b64decode(data)
    assert scheme == "data:image/png;base64" and png.startswith(b"\x89PNG")
    assert struct.unpack(">IIBBBBB", png[16:29]) == (3, 2, 8, 0, 0, 0, 0)
    length = int.from_bytes(png[33:37], "big")
    body = png[41 : 41 + length]
    assert int.from_bytes(png[41 + length : 45 + length], "big") == zlib.crc32(b"IDAT" + body)
    assert zlib.decompress(body) == bytes([0, 0, 128, 255, 0, 0, 255, 64])


def test_picture_without_a_range_is_drawn() -> None:
    """Inputs that are all the same."""
    assert grey_png([2.0] * 4, (2, 2), 2.0, 2.0).startswith("data:image/png")
