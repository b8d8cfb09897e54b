"""Parquet: read some dozen megabytes of rows at a time, whatever the size of its row groups.

Polars decodes a slice of a file without the rows around it. A slice of a large row group costs its
own rows and a pass over the headers of the pages before it, so slices have a size in bytes: few
for short rows, small for long ones.
"""

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import polars as pl

from gamekeeper.exchange.containers.block import BLOCK_ROWS, Block, TableBlock
from gamekeeper.exchange.faults import UnreadableFileError, excerpt, unreadable

MAGIC = b"PAR1"

T = TypeVar("T")
_UUID_BYTES = 16
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"
_SLICE_BYTES = 64 << 20  # in memory, decoded
_SLICE_ROWS = 64 * BLOCK_ROWS  # at most: an account's name in every row may take no bytes at all
_DATES = (pl.Date, pl.Datetime)
# within the years 1 to 9999, a day's room for zones
_FIRST_DAY = -719_000
_LAST_DAY = 2_932_000


def read_parquet(
    file: str, stream: io.BufferedReader, advance: Callable[[float], None]
) -> Iterator[Block]:
    """Yields the rows of the file as tables.

    Args:
        file: Named in faults.
        stream: The file, at its start; seekable.
        advance: Called with the share of rows that are done, 0 to 1.

    Raises:
        UnreadableFileError: It is not Parquet, or is truncated or damaged; blocks before the damage
            were yielded.
    """
    if not stream.peek(4).startswith(MAGIC):
        raise unreadable(
            file,
            "the file is not Parquet",
            f"begins with {excerpt(str(stream.peek(8)[:8]))}",
            "PAR1 at its beginning",
            "give the file the suffix of its real format",
        )
    if not stream.seekable():
        raise unreadable(
            file,
            "Parquet cannot be read from a pipe",
            "a stream that cannot be read from its end",
            "a file: the index of Parquet is at its end",
            "name the file instead of -",
        )
    yield from _tables(file, stream, advance)


def _tables(
    file: str, stream: io.BufferedReader, advance: Callable[[float], None]
) -> Iterator[Block]:
    parquet = _guarded(file, lambda: pl.scan_parquet(stream))
    total = _guarded(file, lambda: parquet.select(pl.len()).collect().item())
    if not total:
        raise unreadable(file, "the file is empty", "Parquet without rows", "one row or more")
    done = 0
    rows = BLOCK_ROWS
    while done < total:
        frame = _guarded(file, partial(_slice, parquet, done, rows))
        if not frame.height:
            raise _damaged(file, f"{done} rows, where its footer says {total}")
        for block in frame.iter_slices(BLOCK_ROWS):
            yield _block(block, done)
            done += block.height
            advance(done / total)
        rows = _rows_of_a_slice(frame)


def _guarded(file: str, step: Callable[[], T]) -> T:
    # Damaged Parquet makes Polars raise nearly anything, and now and then panic.
    try:
        return step()
    except (Exception, pl.exceptions.PanicException) as error:
        raise _damaged(file, str(error).partition("\n")[0]) from None


def _damaged(file: str, found: str) -> UnreadableFileError:
    return unreadable(
        file,
        "the Parquet file is truncated or damaged",
        excerpt(found),
        "an undamaged Parquet file",
        "copy the file again; it may have been incomplete",
    )


def _slice(parquet: pl.LazyFrame, done: int, rows: int) -> pl.DataFrame:
    frame = parquet.slice(done, rows).collect(engine="streaming")
    dates = [_in_calendar(column) for column in frame if column.dtype in _DATES]
    texts = [_as_text(column) for column in frame if column.dtype == pl.Binary]
    return frame.with_columns(*dates, *texts)


def _rows_of_a_slice(last: pl.DataFrame) -> int:
    """Returns how many rows to read next: whole blocks of about `_SLICE_BYTES`, one at least."""
    row_bytes = max(last.estimated_size() / last.height, 1)
    blocks = int(_SLICE_BYTES / row_bytes / BLOCK_ROWS)
    return min(max(blocks, 1) * BLOCK_ROWS, _SLICE_ROWS)


def _block(frame: pl.DataFrame, before: int) -> TableBlock:
    places = range(before + 1, before + frame.height + 1)
    return TableBlock(places, dict(zip(frame.columns, frame, strict=True)))


def _as_text(column: pl.Series) -> pl.Series:
    """Returns bytes that are UTF-8 throughout as text, and UUIDs in 16 bytes as their text.

    JSON and text without Parquet's own mark for them are read as bytes. What holds control
    characters is not text, even where its bytes happen to be UTF-8; it is left as it is, and
    refused later.
    """
    try:
        text = column.cast(pl.String)
    except pl.exceptions.PolarsError:
        text = None
    if text is not None and not text.str.contains(_CONTROL).any():
        return text
    if (column.bin.size().drop_nulls() == _UUID_BYTES).all():
        digits = column.bin.encode("hex")
        return digits.str.replace(r"^(.{8})(.{4})(.{4})(.{4})(.{12})$", "$1-$2-$3-$4-$5")
    return column


def _in_calendar(column: pl.Series) -> pl.Series:
    """Returns dates outside the years that Python knows as null: Polars panics when it has to show
    one.
    """
    per_day = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
    days = column.to_physical() // per_day.get(getattr(column.dtype, "time_unit", ""), 1)
    return column.set(~days.is_between(_FIRST_DAY, _LAST_DAY), None)
