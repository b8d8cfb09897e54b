"""Pictures and sounds beside a model, such as those of its README: PNG, JPEG, GIF, and RIFF files
(WebP, WAV).

None is unpickled by anything; they are parsed as far as tells a whole file from a part of one.
"""

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._cursor import Cursor
from gamekeeper.sealing.artifacts.formats._format import Recognised
from gamekeeper.sealing.contents import ContentsError

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND"
_JPEG = (b"\xff\xd8\xff", b"\xff\xd9")
_GIF = (b"GIF8", b"\x3b")
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
    for name, (beginning, end) in {"JPEG": _JPEG, "GIF": _GIF}.items():
        if start.startswith(beginning):
            if data.read(max(0, data.size - len(end)), len(end)) != end:
                raise ContentsError(f"it does not end as a {name} file does")
            return Recognised(name=name)
    return None


def _require_chunks(data: ByteSource) -> None:
    cursor = Cursor(data, len(_PNG), "big")
    kind = b""
    while kind != _PNG_END:
        length = cursor.unsigned(4)
        kind = cursor.take(4)
        cursor.skip(length + 4)
    _require_end(data, cursor.at)


def _require_end(data: ByteSource, end: int) -> None:
    if end != data.size:
        raise ContentsError(f"it ends at byte {end:,}, the file at {data.size:,}")
