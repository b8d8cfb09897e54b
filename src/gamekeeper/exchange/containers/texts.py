"""Bytes of text -> UTF-8 with newlines as line ends, whatever the encoding and the line ends were.

UTF-16 and UTF-32 are known by their byte order mark, UTF-16 also by its zeros beside ASCII. A file
whose first lines end with a carriage return alone has such ends throughout.
"""

import codecs
from collections.abc import Iterator

from gamekeeper.exchange.faults import unreadable

_BOM = b"\xef\xbb\xbf"
_MARKS = (  # the longer first: the mark of UTF-32 LE begins with that of UTF-16 LE
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LOOK_AT_BYTES = 64


def encoding_of(head: bytes) -> str:
    """Returns the encoding of a text that begins with `head`; `utf-8` also if it is unknown."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    even = head[:_LOOK_AT_BYTES:2]
    odd = head[1:_LOOK_AT_BYTES:2]
    if len(odd) > 1 and not any(odd) and all(even):
        return "utf-16-le"
    if len(odd) > 1 and not any(even) and all(odd):
        return "utf-16-be"
    return "utf-8"


def as_utf8(name: str, chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yields the text in UTF-8, without a byte order mark.

    Raises:
        UnreadableFileError: Bytes are not of the encoding, or the last character is cut.
    """
    if encoding == "utf-8":
        return _without_mark(chunks)
    return _transcoded(name, chunks, encoding)


def with_newlines(chunks: Iterator[bytes], head: bytes) -> Iterator[bytes]:
    """Yields the text with newlines as line ends; `head` is its beginning."""
    if b"\r" in head and b"\n" not in head:
        return (chunk.replace(b"\r", b"\n") for chunk in chunks)
    return chunks


def _without_mark(chunks: Iterator[bytes]) -> Iterator[bytes]:
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= len(_BOM):
            break
    yield first.removeprefix(_BOM)
    yield from chunks


def _transcoded(name: str, chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    text = ""
    try:
        for chunk in chunks:
            text = decoder.decode(chunk)
            yield text.removeprefix("\ufeff").encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise unreadable(
            name,
            f"bytes are not {encoding.upper()}",
            getattr(error, "reason", None) or str(error),
            f"{encoding.upper()}, as the first bytes are",
            "convert the log to UTF-8; if it is truncated, copy it again",
        ) from None
