"""The writer: one process, one folder, one line an entry.

An entry is in the file before `append` returns and under a signature after the next `sign`. What a
killed process leaves behind is taken up again: half a line is cut off, and the first entry after it
says so and how many entries nobody had signed, for in the meantime they could have been anybody's.
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
from gamekeeper.casebook.faults import CasebookError
from gamekeeper.casebook.files import ENTRIES, HEADS, KEY, Appender, Lock
from gamekeeper.casebook.heads import Head, SignedHead, signed
from gamekeeper.casebook.keys import hex_of, load_key, make_key, write_public_key
from gamekeeper.casebook.lines import OWN_KINDS, Header, entry_line, written
from gamekeeper.casebook.reading import Book, head_faults, key_of, nothing_signed, read_book
from gamekeeper.casebook.tree import HashTree, leaf_hash

_RECOVERED = f"{OWN_KINDS}recovered"
_HEADER_START = b'{"created":"'
_HEADER_BYTES = 1 << 10


class Casebook:
    """An open casebook; made by `Casebook.open`. Threads may share it, processes may not.

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
        cls, folder: Path, *, clock: Callable[[], float] = time.time, is_synced: bool = False
    ) -> "Casebook":
        """Opens a casebook to write in it; makes it if the folder holds none.

        Everything in it is checked first, which takes about five seconds for a million entries.

        Args:
            folder: Its own; made if it is not there.
            clock: Seconds since 1970.
            is_synced: Whether each entry is on the disk when `append` returns, so that it survives
                not only the end of the process but a loss of power. Signed entries always are.

        Raises:
            CasebookError: What is there does not hold.
            InUseError: Another process writes it.
            InputError: Its key is missing or unfit.
            UsageError: This system cannot lock files.
        """
        folder.mkdir(parents=True, exist_ok=True)
        lock = Lock(folder)
        try:
            _begin(folder, clock)
            book = read_book(folder)
            key = load_key(folder)
            _require_sound(folder, book, key)
            _cut(folder / ENTRIES, book.whole_bytes, book.torn_bytes)
            _cut(folder / HEADS, book.heads.whole_bytes, book.heads.torn_bytes)
            opened = cls(folder, lock, key, clock=clock, is_synced=is_synced)
        except BaseException:
            lock.release()
            raise
        try:
            opened._take_up(book)
        except BaseException:
            opened._let_go()
            raise
        return opened

    @property
    def size(self) -> int:
        """Lines so far, the header among them; the next entry's index."""
        return self._tree.size

    def append(self, kind: str, subject: str, body: Mapping[str, Any]) -> int:
        """Adds an entry.

        Args:
            kind: What it records, such as `verdict` or `action`; names that begin with `casebook.`
                are taken.
            subject: Whom or what it is about, such as an account.
            body: The rest, as JSON can hold it. For texts that must be erasable, their
                `salted_digest`.

        Returns:
            Its index: 1 for the first entry, which stands on line 2.

        Raises:
            UsageError: The entry cannot be written so that it is read back the same, or the
                casebook is closed.
            InputError: The file was changed by another hand.
            OSError: The disk is full or broken; nothing of the entry stays.
        """
        if not kind or kind.startswith(OWN_KINDS):
            raise UsageError(
                f'an entry\'s kind is a name that does not begin with "{OWN_KINDS}"; found "{kind}"'
            )
        with self._turn:
            return self._append(kind, subject, body)

    def head(self) -> Head:
        """Returns the state as it is now, unsigned."""
        with self._turn:
            return self._head()

    def sign(self) -> SignedHead:
        """Signs the state and keeps the head in `heads.jsonl`; returns the last head if no entry
        came since.

        Raises:
            UsageError: The casebook is closed.
            InputError: The file was changed by another hand.
            OSError: The disk is full or broken.
        """
        with self._turn:
            return self._sign()

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Returns the proof that entry `index` stands among the first `size` lines; see
        `HashTree.inclusion`.
        """
        with self._turn:
            return self._tree.inclusion(index, size)

    def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """Returns the proof that nothing before `old_size` was changed since; see
        `HashTree.consistency`.
        """
        with self._turn:
            return self._tree.consistency(old_size, new_size)

    def close(self) -> None:
        """Signs what is unsigned and lets the next one write. Closing twice does no harm."""
        with self._turn:
            if not self._is_open:
                return
            try:
                if os.getpid() == self._process:
                    self._sign()
            finally:
                self._let_go()

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
        line = entry_line(index, written(self._clock()), kind, subject, body)
        self._entries.append(line)
        self._tree.append(leaf_hash(line))
        return index

    def _head(self) -> Head:
        return Head(size=self._tree.size, root=self._tree.root(), time=written(self._clock()))

    def _sign(self) -> SignedHead:
        self._require_writable()
        if self._signed is not None and self._signed.size == self._tree.size:
            return self._signed
        head = signed(self._head(), self._key)
        self._entries.sync()  # a head that outlives its entries would look like entries taken away
        self._heads.append(head.line())
        self._signed = head
        return head

    def _take_up(self, book: Book) -> None:
        """Goes on where the last writer ended, and puts on record what it left unsigned or half
        written.
        """
        self._tree = book.tree
        self._signed = book.heads.heads[-1][1] if book.heads.heads else None
        is_new = self._signed is None
        if not is_new and not book.is_wholly_signed:
            left = {
                "unsigned_entries": book.tree.size - book.signed_size,
                "cut_entry_bytes": book.torn_bytes,
                "cut_head_bytes": book.heads.torn_bytes,
            }
            self._append(_RECOVERED, ENTRIES, left)
        self._sign()

    def _let_go(self) -> None:
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
    """Writes key and header of a new casebook, or again where the last writer died over it."""
    path = folder / ENTRIES
    if path.exists() and not _is_torn_header(path):
        return
    if (folder / HEADS).exists() and (folder / HEADS).stat().st_size:
        raise input_error(
            path, "the entries are gone", "no whole line", "the lines that heads.jsonl vouches for"
        )
    key = load_key(folder) if (folder / KEY).exists() else make_key(folder)
    write_public_key(folder, key)
    header = Header(public_key=hex_of(key.public_key()), created=written(clock()))
    path.unlink(missing_ok=True)
    entries = Appender(path, is_synced=True)
    entries.append(header.line())
    entries.close()
    sync_folder(folder)


def _is_torn_header(path: Path) -> bool:
    if path.stat().st_size >= _HEADER_BYTES:
        return False
    content = path.read_bytes()
    return b"\n" not in content and content[: len(_HEADER_START)] == _HEADER_START[: len(content)]


def _require_sound(folder: Path, book: Book, key: Ed25519PrivateKey) -> None:
    public, faults = key_of(book, folder, key.public_key())
    faults += [*book.faults, *book.heads.faults, *head_faults(folder / HEADS, book, public)]
    if (
        book.tree.size > 1 and not book.heads.heads
    ):  # the first head is written before the first entry
        faults.append(nothing_signed(folder))
    if faults:
        raise CasebookError(faults)


def _cut(path: Path, whole_bytes: int, torn_bytes: int) -> None:
    if torn_bytes:
        os.truncate(path, whole_bytes)
