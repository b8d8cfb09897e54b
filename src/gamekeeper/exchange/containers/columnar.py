"""Parquet, Arrow, Avro and ORC: tables that come as columns.

Parquet is read some dozen megabytes of rows at a time, whatever the size of its row groups. Polars
decodes a slice of a file without the rows around it. A slice of a large row group costs its own
rows and a pass over the headers of the pages before it, so slices have a size in bytes: few for
short rows, small for long ones. Arrow and ORC come in the batches that their writer made. Avro
comes in one piece, so memory bounds it.

Arrow is read by pyarrow, and each batch is validated: of a damaged one Polars believes the sizes
that it states, and the process is aborted when that much memory is not to be had.
"""

import importlib
import io
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import polars as pl

from gamekeeper.exchange.containers.block import BLOCK_ROWS, Block, TableBlock
from gamekeeper.exchange.containers.plain import plain_columns
from gamekeeper.exchange.containers.streams import rewind
from gamekeeper.exchange.faults import UnreadableFileError, excerpt, unreadable

T = TypeVar("T")
_SLICE_BYTES = 64 << 20  # in memory, decoded
_SLICE_ROWS = 64 * BLOCK_ROWS  # at most: an account's name in every row may take no bytes at all
_KINDS = (
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"\xff\xff\xff\xff", "Arrow stream"),
    (b"Obj\x01", "Avro"),
    (b"ORC", "ORC"),
)
_SUFFIXES = {".parquet": "Parquet", ".pq": "Parquet", ".arrow": "Arrow", ".feather": "Arrow"}


def kind_of(head: bytes, suffix: str) -> str:
    """Returns what a table of columns is, empty if it is not one.

    Args:
        head: The first bytes of the file.
        suffix: Of its name: a file that claims to be Parquet and is not should be refused as such.
    """
    for magic, kind in _KINDS:
        if head.startswith(magic) and (kind != "ORC" or not head[:64].isascii() or b"\0" in head):
            return kind
    return _SUFFIXES.get(suffix, "") if head.strip() else ""


def read_columns(
    file: str, kind: str, stream: io.BufferedReader, advance: Callable[[float], None]
) -> Iterator[Block]:
    """Yields the rows of the file as tables.

    Args:
        file: Named in faults.
        kind: What `kind_of` said.
        stream: The file, at its start; seekable.
        advance: Called with the share of rows that are done, 0 to 1.

    Raises:
        UnreadableFileError: It is not of its kind, is truncated or damaged, or needs a library;
            blocks before the damage were yielded.
    """
    head = stream.read(len(b"ARROW1"))
    rewind(stream)
    if not any(head.startswith(magic) for magic, name in _KINDS if name == kind):
        raise _of_another_kind(file, kind, head)
    if kind == "Parquet":
        return _sliced(file, kind, lambda: pl.scan_parquet(stream), advance)
    return table_blocks(_guarded_frames(file, kind, _READERS[kind](stream)))


def table_blocks(frames: Iterable[pl.DataFrame]) -> Iterator[Block]:
    """Yields frames as blocks of at most `BLOCK_ROWS` rows, numbered through."""
    done = 0
    for frame in frames:
        for rows in frame.iter_slices(BLOCK_ROWS):
            places = range(done + 1, done + rows.height + 1)
            yield TableBlock(places, plain_columns(rows))
            done += rows.height


def _sliced(
    file: str, kind: str, scan: Callable[[], pl.LazyFrame], advance: Callable[[float], None]
) -> Iterator[Block]:
    table = _guarded(file, kind, scan)
    total = _guarded(file, kind, lambda: table.select(pl.len()).collect().item())
    done = 0
    for block in table_blocks(_slices(file, kind, table, total)):
        yield block
        done += len(block.places)
        advance(done / total)


def _slices(file: str, kind: str, table: pl.LazyFrame, total: int) -> Iterator[pl.DataFrame]:
    done = 0
    rows = BLOCK_ROWS
    while done < total:
        frame = _guarded(file, kind, partial(_slice, table, done, rows))
        if not frame.height:
            raise _damaged(file, kind, f"{done} rows, where its footer says {total}")
        yield frame
        done += frame.height
        rows = _rows_of_a_slice(frame)


def _slice(table: pl.LazyFrame, done: int, rows: int) -> pl.DataFrame:
    return table.slice(done, rows).collect(engine="streaming")


def _rows_of_a_slice(last: pl.DataFrame) -> int:
    """Returns how many rows to read next: whole blocks of about `_SLICE_BYTES`, one at least."""
    row_bytes = max(last.estimated_size() / last.height, 1)
    blocks = int(_SLICE_BYTES / row_bytes / BLOCK_ROWS)
    return min(max(blocks, 1) * BLOCK_ROWS, _SLICE_ROWS)


def _read_arrow(stream: io.BufferedReader) -> Iterator[pl.DataFrame]:
    table = importlib.import_module("pyarrow.ipc").open_file(stream)
    for number in range(table.num_record_batches):
        yield _frame(table.get_batch(number))


def _read_arrow_stream(stream: io.BufferedReader) -> Iterator[pl.DataFrame]:
    for batch in importlib.import_module("pyarrow.ipc").open_stream(stream):
        yield _frame(batch)


def _read_avro(stream: io.BufferedReader) -> Iterator[pl.DataFrame]:
    yield pl.read_avro(stream)


def _read_orc(stream: io.BufferedReader) -> Iterator[pl.DataFrame]:
    table = importlib.import_module("pyarrow.orc").ORCFile(stream)
    for number in range(table.nstripes):
        yield _frame(table.read_stripe(number))


def _frame(batch: Any) -> pl.DataFrame:
    batch.validate(full=True)
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)
    return frame


_READERS: dict[str, Callable[[io.BufferedReader], Iterator[pl.DataFrame]]] = {
    "Arrow": _read_arrow,
    "Arrow stream": _read_arrow_stream,
    "Avro": _read_avro,
    "ORC": _read_orc,
}


def _guarded_frames(file: str, kind: str, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    while (frame := _guarded(file, kind, lambda: next(frames, None))) is not None:
        yield frame


def _guarded(file: str, kind: str, step: Callable[[], T]) -> T:
    # Damaged files make Polars raise nearly anything, and now and then panic.
    try:
        return step()
    except ModuleNotFoundError as error:
        raise _needs_library(file, kind, str(error.name)) from None
    except (Exception, pl.exceptions.PanicException) as error:
        raise _damaged(file, kind, str(error).partition("\n")[0]) from None


def _of_another_kind(file: str, kind: str, head: bytes) -> UnreadableFileError:
    return unreadable(
        file,
        f"the file is not {kind}",
        f"begins with {excerpt(str(head))}",
        " or ".join(magic.decode() for magic, name in _KINDS if name == kind),
        "give the file the suffix of its real format",
    )


def _damaged(file: str, kind: str, found: str) -> UnreadableFileError:
    return unreadable(
        file,
        f"the {kind} file is truncated or damaged",
        excerpt(found),
        f"an undamaged {kind} file",
        "copy the file again; it may have been incomplete",
    )


def _needs_library(file: str, kind: str, module: str) -> UnreadableFileError:
    return unreadable(
        file,
        f"the file is {kind}, which needs a library that is not installed",
        f"no module {module}",
        "JSON, CSV or Parquet",
        'the extra "arrow": pip install ".[arrow]" in a copy of the repository; or convert the file'
        " to Parquet",
    )
