"""Writes a casebook: one process, one folder, one line for each entry.

An entry is in the file before `append` returns, and covered by a signature after the next `sign`.
After a process was killed, the next one continues: an incomplete line is removed, and an entry of
the kind `casebook.recovered` records this and the number of entries that were not signed, because
anybody could have changed these in the meantime.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gamekeeper.base.errors import UsageError, input_error
from gamekeeper.base.files import sync_folder
from gamekeeper.casebook.entries import OWN_KINDS, CasebookHeader, entry_line, format_time
from gamekeeper.casebook.faults import CasebookError
from gamekeeper.casebook.folder import ENTRIES, HEADS, KEY, Appender, Lock
from gamekeeper.casebook.heads import Head, SignedHead, sign_head
from gamekeeper.casebook.stored import (
    StoredCasebook,
    head_faults,
    key_of,
    nothing_signed,
    read_stored,
)
from gamekeeper.casebook.tree import HashTree, leaf_hash
from gamekeeper.casebook.writer_key import make_key, public_key_hex, read_key, write_public_key

_RECOVERED = f"{OWN_KINDS}recovered"
_HEADER_START = b'{"created":"'
_HEADER_BYTES = 1 << 10


class Casebook:
    """An open casebook, created by `Casebook.open`; threads may share it, processes may not.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, Casebook.open(Path(folder)) as book:
        ...     book.append("verdict", "acct-7", {"verdict": "slow"})
        1
    """

    def __init__(
        self,
        folder: Path,
        lock: Lock,
        key: Ed25519PrivateKey,
        *,
        clock: Callable[[], float],
        is_synced: bool,
    ) -> None:
        self._folder = folder
        self._key = key
        self._clock = clock
        self._lock = lock
        self._turn = threading.Lock()
        self._process = os.getpid()
        self._entries = Appender(folder / ENTRIES, is_synced=is_synced)
        self._heads = Appender(folder / HEADS, is_synced=True)
        self._tree = HashTree()
        self._signed: SignedHead | None = None
        self._is_open = True

    @classmethod
    def open(
        cls, folder: str | Path, *, clock: Callable[[], float] = time.time, is_synced: bool = False
    ) -> "Casebook":
        """Opens a casebook for writing; creates it if the folder has none.

        The whole casebook is verified first, which takes about five seconds for a million entries.

        Args:
            folder: Folder of the casebook alone; it is created if it does not exist.
            clock: Returns the seconds since 1970.
            is_synced: Whether each entry is on the disk when `append` returns, so that it survives
                a loss of power and not only the end of the process. Signed entries always are.

        Raises:
            CasebookError: The existing casebook is invalid.
            InUseError: Another process is writing it.
            InputError: Its key is missing or invalid.
            UsageError: This system cannot lock files.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        lock = Lock(folder)
        try:
            _begin(folder, clock)
            book = read_stored(folder)
            key = read_key(folder)
            _require_valid(folder, book, key)
            _remove_torn_line(folder / ENTRIES, book.whole_bytes, book.torn_bytes)
            _remove_torn_line(folder / HEADS, book.heads.whole_bytes, book.heads.torn_bytes)
            opened = cls(folder, lock, key, clock=clock, is_synced=is_synced)
        except BaseException:
            lock.release()
            raise
        try:
            opened._continue_from(book)
        except BaseException:
            opened._release()
            raise
        return opened

    @property
    def size(self) -> int:
        """Number of lines including the header, which is the index of the next entry."""
        return self._tree.size

    def append(self, kind: str, subject: str, body: Mapping[str, Any]) -> int:
        """Appends an entry.

        Args:
            kind: What it records, such as `verdict` or `action`; names that begin with `casebook.`
                are reserved.
            subject: The account or other subject of the entry.
            body: All other content, as JSON values. For texts that must be erasable, their
                `salted_digest`.

        Returns:
            Its index: 1 for the first entry, which is on line 2.

        Raises:
            UsageError: Writing and reading would not preserve the entry, or the casebook is closed.
            InputError: Another program has changed the file.
            OSError: The disk is full or broken; nothing of the entry remains.
        """
        if not kind or kind.startswith(OWN_KINDS):
            raise UsageError(
                f'the kind of an entry is a name that does not begin with "{OWN_KINDS}"; found'
                f' "{kind}"'
            )
        with self._turn:
            return self._append(kind, subject, body)

    def head(self) -> Head:
        """Returns the present state, unsigned."""
        with self._turn:
            return self._head()

    def sign(self) -> SignedHead:
        """Signs the present state and appends the head to `heads.jsonl`.

        Returns:
            The new head; the last one if there were no entries since.

        Raises:
            UsageError: The casebook is closed.
            InputError: Another program has changed the file.
            OSError: The disk is full or broken.
        """
        with self._turn:
            return self._sign()

    def prove_inclusion(self, index: int, size: int) -> list[bytes]:
        """Returns the proof that entry `index` is among the first `size` lines; see
        `HashTree.prove_inclusion`.
        """
        with self._turn:
            return self._tree.prove_inclusion(index, size)

    def prove_consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """Returns the proof that the first `old_size` lines were not changed since; see
        `HashTree.prove_consistency`.
        """
        with self._turn:
            return self._tree.prove_consistency(old_size, new_size)

    def close(self) -> None:
        """Signs unsigned entries and releases the lock. It may be called twice."""
        with self._turn:
            if not self._is_open:
                return
            try:
                if os.getpid() == self._process:
                    self._sign()
            finally:
                self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _append(self, kind: str, subject: str, body: Mapping[str, Any]) -> int:
        self._require_writable()
        index = self._tree.size
        line = entry_line(index, format_time(self._clock()), kind, subject, body)
        self._entries.append(line)
        self._tree.append(leaf_hash(line))
        return index

    def _head(self) -> Head:
        return Head(size=self._tree.size, root=self._tree.root(), time=format_time(self._clock()))

    def _sign(self) -> SignedHead:
        self._require_writable()
        if self._signed is not None and self._signed.size == self._tree.size:
            return self._signed
        head = sign_head(self._head(), self._key)
        # A head that is on the disk without its entries would look like removed entries.
        self._entries.sync()
        self._heads.append(head.to_line())
        self._signed = head
        return head

    def _continue_from(self, book: StoredCasebook) -> None:
        """Continues where the last writer ended, and records what it left unsigned or
        incomplete.
        """
        self._tree = book.tree
        self._signed = book.heads.heads[-1][1] if book.heads.heads else None
        is_new = self._signed is None
        if not is_new and not book.is_wholly_signed:
            body = {
                "unsigned_entries": book.tree.size - book.signed_size,
                "cut_entry_bytes": book.torn_bytes,
                "cut_head_bytes": book.heads.torn_bytes,
            }
            self._append(_RECOVERED, ENTRIES, body)
        self._sign()

    def _release(self) -> None:
        self._is_open = False
        self._entries.close()
        self._heads.close()
        self._lock.release()

    def _require_writable(self) -> None:
        if not self._is_open:
            raise UsageError("the casebook is closed")
        if os.getpid() != self._process:
            raise UsageError(
                "the casebook was opened before this process was forked: let one process write it"
            )


def _begin(folder: Path, clock: Callable[[], float]) -> None:
    """Writes key and header of a new casebook, also if a writer was killed while it did so."""
    path = folder / ENTRIES
    if path.exists() and not _is_torn_header(path):
        return
    if (folder / HEADS).exists() and (folder / HEADS).stat().st_size:
        raise input_error(
            path, "the entries are missing", "no complete line", "the lines that heads.jsonl covers"
        )
    key = read_key(folder) if (folder / KEY).exists() else make_key(folder)
    write_public_key(folder, key)
    public_key = public_key_hex(key.public_key())
    header = CasebookHeader(public_key=public_key, created=format_time(clock()))
    path.unlink(missing_ok=True)
    entries = Appender(path, is_synced=True)
    entries.append(header.to_line())
    entries.close()
    sync_folder(folder)


def _is_torn_header(path: Path) -> bool:
    if path.stat().st_size >= _HEADER_BYTES:
        return False
    content = path.read_bytes()
    return b"\n" not in content and content[: len(_HEADER_START)] == _HEADER_START[: len(content)]


def _require_valid(folder: Path, book: StoredCasebook, key: Ed25519PrivateKey) -> None:
    public, faults = key_of(book, folder, key.public_key())
    faults += [*book.faults, *book.heads.faults, *head_faults(folder / HEADS, book, public)]
    # The first head is written before the first entry.
    if book.tree.size > 1 and not book.heads.heads:
        faults.append(nothing_signed(folder))
    if faults:
        raise CasebookError(faults)


def _remove_torn_line(path: Path, whole_bytes: int, torn_bytes: int) -> None:
    if torn_bytes:
        os.truncate(path, whole_bytes)
