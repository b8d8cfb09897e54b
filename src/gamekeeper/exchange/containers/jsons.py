"""JSON Lines, and a JSON document that spans the file: an array, or one object printed over many
lines.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from gamekeeper.exchange.containers.block import BLOCK_ROWS, Block, Record, RecordBlock
from gamekeeper.exchange.containers.lines import MAX_LINE_BYTES, Lines
from gamekeeper.exchange.faults import Tally, excerpt, unreadable

MAX_DOCUMENT_BYTES = 256 << 20  # parsed it takes several times as much memory


def is_document(start: bytes) -> bool:
    """True for an array, and for an object over many lines: the first does not parse, no next one
    follows.
    """
    if start.startswith(b"["):
        return True
    first, end, rest = start.partition(b"\n")
    if not end or not first.startswith(b"{") or rest.lstrip().startswith(b"{"):
        return False
    return first.rstrip().endswith((b"{", b"[", b",")) and not _parses(first)


def read_document(file: str, chunks: Iterable[bytes], tally: Tally) -> Iterator[Block]:
    """Yields the elements of the array, or the one object; the place of each is its position in the
    array.

    Raises:
        UnreadableFileError: It does not parse, is empty, or is above `MAX_DOCUMENT_BYTES`.
    """
    try:
        parsed = orjson.loads(_joined(file, chunks))
    except orjson.JSONDecodeError as error:
        raise unreadable(
            f"{file}:{error.lineno}",
            "the JSON document does not parse",
            error.msg,
            "one JSON array or object",
        ) from None
    rows = _elements(parsed)
    if not rows:
        raise unreadable(
            file, "the file is empty", "a JSON array without elements", "one row or more"
        )
    for start in range(0, len(rows), BLOCK_ROWS):
        yield _objects(file, enumerate(rows[start : start + BLOCK_ROWS], start + 1), tally)


def read_json_lines(
    file: str, blocks: Iterable[Lines], tally: Tally, tell: Callable[[], None]
) -> Iterator[Block]:
    """Yields the objects, one a line; lines that hold none are noted in `tally`, blank ones are
    skipped.
    """
    for block in blocks:
        yield _objects(file, _parsed(file, block, tally), tally)
        tell()


def note_long_line(file: str, place: int, tally: Tally) -> None:
    """Notes a line above `MAX_LINE_BYTES`, which was skipped."""
    tally.add_bad_line(
        file,
        place,
        "the line is too long",
        f"more than {MAX_LINE_BYTES >> 20} MB without a line end",
        "one exchange a line",
        "check whether line ends were lost in a transfer",
    )


def note_not_utf8(
    file: str, place: int, line: bytes, bad: UnicodeDecodeError, tally: Tally
) -> None:
    """Notes a line whose bytes are not UTF-8."""
    found = f"byte 0x{line[bad.start]:02x} at position {bad.start + 1} of the line"
    tally.add_bad_line(
        file,
        place,
        "bytes are not UTF-8",
        found,
        "UTF-8 text",
        "convert the log: iconv -f ENCODING -t UTF-8",
    )


def _parses(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _joined(file: str, chunks: Iterable[bytes]) -> bytes:
    pieces = []
    size = 0
    for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size > MAX_DOCUMENT_BYTES:
            raise unreadable(
                file,
                f"one JSON document above {MAX_DOCUMENT_BYTES >> 20} MB",
                "an array or object that spans the file",
                "JSON Lines: one object a line",
                f"jq -c '.[]' {file} > lines.jsonl",
            )
    return b"".join(pieces).removeprefix(b"\xef\xbb\xbf")


def _elements(parsed: Any) -> list[Any]:
    if isinstance(parsed, list):
        return parsed
    inner = parsed.get("records") if isinstance(parsed, dict) else None  # Azure Monitor's envelope
    return inner if isinstance(inner, list) else [parsed]


def _parsed(file: str, block: Lines, tally: Tally) -> Iterator[tuple[int, Any]]:
    for place, line in enumerate(block.lines, block.first):
        if line is None:
            note_long_line(file, place, tally)
        elif line and not line.isspace():
            try:
                yield place, orjson.loads(line)
            except orjson.JSONDecodeError as error:
                _note_bad_line(file, place, line, error, tally)


def _note_bad_line(
    file: str, place: int, line: bytes, error: orjson.JSONDecodeError, tally: Tally
) -> None:
    try:
        text = line.decode()
    except UnicodeDecodeError as bad:
        note_not_utf8(file, place, line, bad, tally)
        return
    if "NaN" in text or "Infinity" in text:
        problem = "the line holds NaN or Infinity, which JSON does not have"
        expected = "finite numbers, or null"
    else:
        problem = "the line does not parse as JSON"
        expected = "one JSON object a line"
    tally.add_bad_line(file, place, problem, excerpt(text), f"{expected} ({error.msg})")


def _objects(file: str, values: Iterable[tuple[int, Any]], tally: Tally) -> RecordBlock:
    places: list[int] = []
    rows: list[Record] = []
    for place, value in values:
        if isinstance(value, dict):
            places.append(place)
            rows.append(value)
        else:
            tally.add_bad_line(
                file,
                place,
                "the row is not a JSON object",
                excerpt(value),
                "an object with named fields",
            )
    return RecordBlock(places, rows)
