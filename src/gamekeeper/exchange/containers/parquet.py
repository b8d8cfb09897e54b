"""Parquet: row groups read a few thousand rows at a time, only the columns that somebody
asks for.
"""

import io
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from gamekeeper.exchange.containers.block import BLOCK_ROWS, Block, TableBlock
from gamekeeper.exchange.faults import UnreadableFileError, excerpt, unreadable

MAGIC = b"PAR1"

T = TypeVar("T")
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
        UnreadableFileError: It is no Parquet, truncated or damaged; blocks before the damage were
            yielded.
    """
    if not stream.peek(4).startswith(MAGIC):
        raise unreadable(
            file,
            "the file is no Parquet",
            f"begins with {excerpt(str(stream.peek(8)[:8]))}",
            "PAR1 at its beginning",
            "give it the suffix of what it is",
        )
    if not stream.seekable():
        raise unreadable(
            file,
            "Parquet cannot be read from a pipe",
            "a stream that cannot be sought",
            "a file: Parquet begins at its end",
            "name the file instead of -",
        )
    yield from _tables(file, stream, advance)


def _tables(
    file: str, stream: io.BufferedReader, advance: Callable[[float], None]
) -> Iterator[Block]:
    done = 0
    parquet = _guarded(file, lambda: pq.ParquetFile(stream))
    total = parquet.metadata.num_rows
    if not total:
        raise unreadable(file, "the file is empty", "Parquet without rows", "one row or more")
    batches = _guarded(file, lambda: parquet.iter_batches(batch_size=BLOCK_ROWS))
    while (frame := _guarded(file, lambda: _next_frame(batches))) is not None:
        yield TableBlock(
            range(done + 1, done + frame.height + 1), dict(zip(frame.columns, frame, strict=True))
        )
        done += frame.height
        advance(done / total)
    if done != total:
        raise _damaged(file, f"{done} rows where its footer says {total}")


def _guarded(file: str, step: Callable[[], T]) -> T:
    # Damaged Parquet makes pyarrow raise nearly anything (OSError, KeyError, ArrowInvalid) and
    # Polars panic.
    try:
        return step()
    except (Exception, pl.exceptions.PanicException) as error:
        raise _damaged(file, str(error).partition("\n")[0]) from None


def _damaged(file: str, found: str) -> UnreadableFileError:
    return unreadable(
        file,
        "the Parquet is truncated or damaged",
        excerpt(found),
        "a sound Parquet file",
        "copy the file again; perhaps it was still being written",
    )


def _next_frame(batches: Any) -> pl.DataFrame | None:
    batch = next(batches, None)
    if batch is None:
        return None
    batch.validate(full=True)  # text that is not UTF-8 would break only later, and without a place
    frame = cast(pl.DataFrame, pl.from_arrow(pa.Table.from_batches([batch])))
    return frame.with_columns(_in_calendar(column) for column in frame if column.dtype in _DATES)


def _in_calendar(column: pl.Series) -> pl.Series:
    """Returns dates outside the years that Python knows as null: Polars panics when it has to show
    one.
    """
    per_day = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
    days = column.to_physical() // per_day.get(getattr(column.dtype, "time_unit", ""), 1)
    return column.set(~days.is_between(_FIRST_DAY, _LAST_DAY), None)
