"""Pictures and sounds beside a model, such as those of its README: PNG, JPEG, GIF, and RIFF files
(WebP, WAV).

All blocks are walked to the end, so that nothing but the format is in the file.
Source: W3C, PNG; ITU T.81, annex B; GIF89a specification; RIFF of Microsoft and IBM.
"""

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._cursor import Cursor
from gamekeeper.sealing.artifacts.formats._format import Recognised
from gamekeeper.sealing.contents import ContentsError

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND"
_JPEG = b"\xff\xd8\xff"
_JPEG_START = 0xD8
_JPEG_END = 0xD9
_JPEG_SCAN = 0xDA
_IN_SCAN = {b"\0", *(bytes([one]) for one in range(0xD0, 0xD8))}
_JPEG_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_GIF = (b"GIF87a", b"GIF89a")
_GIF_IMAGE = b","
_GIF_EXTENSION = b"!"
_GIF_END = b";"
_WINDOW_BYTES = 1 << 16
_RIFF = b"RIFF"
_RIFF_FORMS = {b"WEBP": "WebP", b"WAVE": "WAV"}


def recognise_image(data: ByteSource, path: str) -> Recognised | None:
    """Recognises a picture or a sound.

    Raises:
        ContentsError: It is damaged.
    """
    start = data.read(0, 12)
    if start.startswith(_PNG):
        _require_chunks(data)
        return Recognised(name="PNG")
    if start.startswith(_RIFF) and start[8:] in _RIFF_FORMS:
        _require_end(data, 8 + int.from_bytes(start[4:8], "little"))
        return Recognised(name=_RIFF_FORMS[start[8:]])
    if start.startswith(_JPEG):
        _require_markers(data)
        return Recognised(name="JPEG")
    if start.startswith(_GIF):
        _require_blocks(data)
        return Recognised(name="GIF")
    return None


def _require_chunks(data: ByteSource) -> None:
    """Walks the chunks of a PNG file."""
    cursor = Cursor(data, len(_PNG), "big")
    kind = b""
    while kind != _PNG_END:
        length = cursor.unsigned(4)
        kind = cursor.take(4)
        cursor.skip(length + 4)
    _require_end(data, cursor.at)


def _require_markers(data: ByteSource) -> None:
    """Walks the segments of a JPEG file, and the coded data between them."""
    cursor = Cursor(data, 2, "big")
    marker = _JPEG_START
    while marker != _JPEG_END:
        marker = _next_marker(cursor)
        if marker in _JPEG_ALONE or marker == _JPEG_END:
            continue
        length = cursor.unsigned(2)
        if length < 2:
            raise ContentsError("a segment without its length")
        cursor.skip(length - 2)
        if marker == _JPEG_SCAN:
            _skip_scan(data, cursor)
    _require_end(data, cursor.at)


def _next_marker(cursor: Cursor) -> int:
    if cursor.take(1) != b"\xff":
        raise ContentsError("a segment that does not begin with a marker")
    marker = 0xFF
    while marker == 0xFF:  # any number of these may fill up
        marker = cursor.unsigned(1)
    return marker


def _skip_scan(data: ByteSource, cursor: Cursor) -> None:
    """Moves to the marker that ends coded data; in it, 0xff is followed by 0 or a restart."""
    while cursor.left:
        window = data.read(cursor.at, _WINDOW_BYTES)
        found = window.find(b"\xff")
        if found < 0:
            cursor.skip(len(window))
            continue
        cursor.skip(found)
        following = data.read(cursor.at + 1, 1)
        if following not in _IN_SCAN:
            return
        cursor.skip(2)


def _require_blocks(data: ByteSource) -> None:
    """Walks the blocks of a GIF file."""
    cursor = Cursor(data, len(_GIF[0]))
    cursor.skip(4)
    flags = cursor.unsigned(1)
    cursor.skip(2)
    _skip_colours(cursor, flags)
    kind = cursor.take(1)
    while kind != _GIF_END:
        if kind == _GIF_EXTENSION:
            cursor.skip(1)
        elif kind == _GIF_IMAGE:
            cursor.skip(8)
            _skip_colours(cursor, cursor.unsigned(1))
            cursor.skip(1)
        else:
            raise ContentsError("a block of no known kind")
        length = cursor.unsigned(1)
        while length:
            cursor.skip(length)
            length = cursor.unsigned(1)
        kind = cursor.take(1)
    _require_end(data, cursor.at)


def _skip_colours(cursor: Cursor, flags: int) -> None:
    """Moves behind a table of colours, if the flags say that there is one."""
    cursor.skip(3 * (2 << (flags & 7)) if flags & 0x80 else 0)


def _require_end(data: ByteSource, end: int) -> None:
    if end > data.size:
        raise ContentsError(f"it ends at byte {end:,}, the file at {data.size:,}")
    if end < data.size:
        raise ContentsError(f"{data.size - end:,} bytes after its end", "unknown")
