"""Reads a file as blocks of rows. The container is recognised by content first, then by suffix."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import BinaryIO, cast

from gamekeeper.exchange.containers.block import Block, Record, RecordBlock, TableBlock, Values, dig
from gamekeeper.exchange.containers.csvs import read_csv
from gamekeeper.exchange.containers.jsons import is_document, read_document, read_json_lines
from gamekeeper.exchange.containers.lines import decompressed, line_blocks
from gamekeeper.exchange.containers.parquet import MAGIC, read_parquet
from gamekeeper.exchange.faults import Tally, UnreadableFileError, unreadable
from gamekeeper.exchange.sources import STDIN, known_suffix

__all__ = ["Block", "Record", "RecordBlock", "TableBlock", "Values", "dig", "read_blocks"]

_PEEK_BYTES = 64 << 10


def read_blocks(
    file: str, tally: Tally, advance: Callable[[int], None], stdin: BinaryIO | None = None
) -> Iterator[Block]:
    """Yields the rows of `file`; rows that cannot be parsed are noted in `tally`.

    Args:
        file: A path, or `-` for standard input.
        tally: Where bad lines are noted.
        advance: Called now and then with the bytes of the file that are done, from 0 to its size.
        stdin: What `-` reads; `sys.stdin` if None.

    Raises:
        UnreadableFileError: The file cannot be read, or not to its end; blocks before that were
            yielded.
    """
    with _opened(file, stdin) as stream:
        head = stream.peek(_PEEK_BYTES)
        if head.startswith(MAGIC) or known_suffix(file) in (".parquet", ".pq"):
            size = os.path.getsize(file) if file != STDIN else 0
            yield from read_parquet(file, stream, lambda share: advance(int(share * size)))
        else:
            yield from _read_text(
                file, decompressed(file, stream, head), tally, _teller(stream, advance)
            )


@contextmanager
def _opened(file: str, stdin: BinaryIO | None) -> Iterator[io.BufferedReader]:
    try:
        stream: io.BufferedReader = io.BufferedReader(_source(file, stdin), _PEEK_BYTES)
    except (OSError, ValueError) as error:
        raise _unopened(file, error) from None
    try:
        yield stream
    except OSError as error:
        raise _unopened(file, error) from None
    finally:
        if file == STDIN:
            stream.detach()  # standard input is the caller's to close
        else:
            stream.close()


def _source(file: str, stdin: BinaryIO | None) -> io.RawIOBase:
    if file != STDIN:
        return io.FileIO(file)
    return cast(io.RawIOBase, stdin or sys.stdin.buffer)  # BufferedReader takes any readable stream


def _unopened(file: str, error: Exception) -> UnreadableFileError:
    reason = getattr(error, "strerror", None) or str(error)
    return unreadable(file, "the file cannot be read", reason, "a readable file")


def _teller(stream: io.BufferedReader, advance: Callable[[int], None]) -> Callable[[], None]:
    if not stream.seekable():
        return lambda: None
    return lambda: advance(stream.tell())


def _read_text(
    file: str, chunks: Iterator[bytes], tally: Tally, tell: Callable[[], None]
) -> Iterator[Block]:
    head = _head(chunks)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise unreadable(
            file, "the file is empty", f"{len(head)} bytes, only white space", "one row or more"
        )
    if start.startswith(MAGIC):
        raise unreadable(
            file,
            "Parquet inside a compressed file",
            "PAR1",
            "the Parquet file itself; Parquet has a compression of its own",
        )
    chunks = chain([head], chunks)
    if _is_csv(file, start):
        return read_csv(file, start, line_blocks(chunks), tally, tell)
    if is_document(start):
        return read_document(file, chunks, tally)
    return read_json_lines(file, line_blocks(chunks), tally, tell)


def _head(chunks: Iterator[bytes]) -> bytes:
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _PEEK_BYTES and head.strip():
            break
    return head


def _is_csv(file: str, start: bytes) -> bool:
    suffix = known_suffix(file)
    if suffix in (".csv", ".tsv"):
        return True
    return not suffix and not start.startswith((b"{", b"[")) and b"," in start.partition(b"\n")[0]
