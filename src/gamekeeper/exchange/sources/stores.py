"""Finds the objects of stores: `s3://`, `gs://`, `az://`, `https://` and what else fsspec knows.

Credentials are those that the store's own tools take: environment variables, profiles, the role of
the machine. Nothing here reads or prints them.

A connection that breaks in the middle is a fault, never a shorter log: the bytes that came are
compared with the size that the store states.
"""

import importlib
import io
import tempfile
import time
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from gamekeeper.base.errors import MissingExtraError, UsageError
from gamekeeper.base.text import one_line
from gamekeeper.exchange.faults import SourceLostError, UnreadableFileError, unreadable
from gamekeeper.exchange.sources import delta, iceberg
from gamekeeper.exchange.sources.addresses import path_of, scheme_of, shown, without_secrets
from gamekeeper.exchange.sources.folders import Found, add_folder, add_table_of_metadata
from gamekeeper.exchange.sources.selection import Entry, partition_of, reason_to_leave_out
from gamekeeper.exchange.sources.source import ByteSource

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_MODULES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "adl": "adlfs",
    "http": "aiohttp",
    "https": "aiohttp",
}
"""What the extra `stores` brings, by scheme; for other schemes fsspec says what it needs."""

_ADVICE = {
    "s3fs": "credentials as the AWS tools take them: AWS_PROFILE, or AWS_ACCESS_KEY_ID and"
    " AWS_SECRET_ACCESS_KEY; FSSPEC_S3_ANON=true for a public bucket",
    "gcsfs": "gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS",
    "adlfs": "AZURE_STORAGE_ACCOUNT_NAME, with AZURE_STORAGE_ANON=false after az login,"
    " or with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
}
_GLOB_SIGNS = frozenset("*?[")
_WEB = ("http", "https")
_BLOCK_BYTES = 8 << 20
_TRIES = 3
_REASON_CHARS = 300
_PAUSE_S = 0.5
_READ_FROM_THE_END = (b"PAR1", b"ARROW1", b"PK\x03\x04")
"""How files begin that are read from their end: they are fetched to disk first."""

T = TypeVar("T")


def add_stored(found: Found, name: str) -> None:
    """Adds what an address leads to: an object, a folder or a pattern.

    Raises:
        UsageError: The scheme is not known.
        MissingExtraError: A package for the scheme is not installed.
        UnreadableFileError: The address leads to nothing, or to nothing that may be read.
    """
    files, root = _opened(name)
    store = Store(files, root, name)
    if scheme_of(name) in _WEB:
        _add_web(found, store, name)
    else:
        _add_object(found, store, name)


class Store:
    """A folder of a store, or an object of it."""

    def __repr__(self) -> str:
        return f"Store({self.shown('')!r})"

    def __init__(self, files: "AbstractFileSystem", root: str, address: str) -> None:
        self._files = files
        self._root = root.rstrip("/")
        self._address = address
        self._sizes: dict[str, int] = {}

    @property
    def root(self) -> str:
        """The path in the store."""
        return self._root

    def shown(self, path: str) -> str:
        """Returns an address without credentials."""
        if not path:
            return shown(self._address)
        return shown(f"{self._start()}{self.key(path)}")

    def key(self, path: str) -> str:
        """Returns the path in the store of a file of the folder."""
        return f"{self._root}/{path}".rstrip("/") if path else self._root

    def identity(self, path: str) -> Hashable:
        """Returns the same for two names of one object."""
        return type(self._files).__name__, self.key(path)

    def open(self, path: str) -> BinaryIO:
        """Returns the bytes of an object."""
        where = self.shown(path)
        size = self.size(path)
        stream = io.BufferedReader(_Stream(self._stream(path, size), size, where), 1 << 20)
        if not stream.peek(8).startswith(_READ_FROM_THE_END):
            return stream
        with stream:
            return _on_disk(stream)

    def size(self, path: str) -> int:
        """Returns the size that the store states; 0 if it states none."""
        if path in self._sizes:
            return self._sizes[path]
        return int(self.details(path).get("size") or 0)

    def details(self, path: str = "") -> dict[str, Any]:
        """Returns what the store says of an object or a folder."""
        return dict(self.call(partial(self._files.info, self.key(path)), path))

    def list(self) -> list[Entry]:
        """Returns all files of the folder."""
        found = self.call(partial(self._files.find, self._root, detail=True))
        self._sizes = {
            _below(self._root, key): int(details.get("size") or 0)
            for key, details in found.items()
            if details.get("type") != "directory" and _below(self._root, key)
        }
        return [Entry(path, self._sizes[path]) for path in sorted(self._sizes, key=_order)]

    def matches(self) -> dict[str, dict[str, Any]]:
        """Returns what the pattern matches."""
        return dict(self.call(partial(self._files.glob, self._root, detail=True)))

    def exists(self) -> bool:
        """Returns whether there is an object or a folder of this name."""
        return bool(self.call(partial(self._files.exists, self._root)))

    def at(self, key: str) -> "Store":
        """Returns another path of the same store."""
        return Store(self._files, key, f"{self._start()}{key}")

    def call(self, step: Callable[[], T], path: str = "") -> T:
        """Returns what the store answers; its errors become faults."""
        try:
            return _retried(step)
        except Exception as error:  # each store has errors of its own
            raise _fault(self.shown(path), error, scheme_of(self._address)) from None

    def _stream(self, path: str, size: int) -> BinaryIO:
        # of unknown size: a web server that makes its answer while it sends it
        settings: dict[str, Any] = {"block_size": _BLOCK_BYTES} if size else {"block_size": 0}
        if not size and scheme_of(self._address) not in _WEB:
            return io.BytesIO()
        if size and scheme_of(self._address) not in _WEB:
            settings |= {"cache_type": "readahead"}
        opened = self.call(partial(self._files.open, self.key(path), "rb", **settings), path)
        return cast(BinaryIO, opened)

    def _start(self) -> str:
        scheme = scheme_of(self._address)
        return "" if scheme in _WEB else f"{scheme}://"


class _Stream(io.RawIOBase):
    """An object's bytes; what breaks on the way is a fault, whatever the library raises."""

    def __init__(self, stream: BinaryIO, size: int, where: str) -> None:
        self._stream = stream
        self._size = size
        self._where = where
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._size) and self._stream.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = self._guarded(partial(self._stream.seek, offset, whence))
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        content = self._guarded(partial(self._stream.read, len(view)))
        if not content and self._at < self._size:
            raise self._lost("the connection ended")
        view[: len(content)] = content
        self._at += len(content)
        return len(content)

    def close(self) -> None:
        if not self.closed:
            with suppress(Exception):
                self._stream.close()
        super().close()

    def _guarded(self, step: Callable[[], T]) -> T:
        try:
            return step()
        except UnreadableFileError:
            raise
        except Exception as error:
            raise self._lost(_reason(error)) from None

    def _lost(self, reason: str) -> SourceLostError:
        of = f" of {self._size:,}" if self._size else ""
        return _source_lost(
            self._where,
            "the connection broke before the end",
            f"{self._at:,}{of} bytes, then: {reason}",
            "every byte of the log",
            "run the command again; or copy the log to this machine first",
        )


def _opened(name: str) -> tuple["AbstractFileSystem", str]:
    """Returns the file system of an address, and the path in it."""
    scheme = scheme_of(name)
    module = _MODULES.get(scheme, "fsspec")
    for one in ("fsspec", module):
        try:
            importlib.import_module(one)
        except ModuleNotFoundError:
            raise MissingExtraError(f"reading {scheme}://", "stores") from None
    from fsspec.core import url_to_fs

    try:
        files, root = url_to_fs(name, use_listings_cache=False, skip_instance_cache=True)
    except ImportError as error:
        raise UsageError(f"reading {scheme}:// needs another package: {error}") from None
    except Exception as error:
        if "Protocol not known" in str(error):
            known = ", ".join(f"{one}://" for one in (*_MODULES, "kafka"))
            raise UsageError(f"{shown(name)}: {scheme}:// is not known; known: {known}") from None
        raise _fault(shown(name), error, scheme) from None
    return files, str(root)


def _add_object(found: Found, store: Store, name: str) -> None:
    is_pattern = not _GLOB_SIGNS.isdisjoint(store.root)
    if is_pattern and not store.exists():
        _add_pattern(found, store)
        return
    details = store.details()
    if details.get("type") == "directory" or name.endswith("/"):
        partition = partition_of(f"{store.root}/")
        add_folder(found, store, store.list(), partition)
        return
    folder, _, last = store.root.rpartition("/")
    if iceberg.is_metadata(last) and folder.endswith(f"/{iceberg.FOLDER}"):
        add_table_of_metadata(found, store.at(folder.rpartition("/")[0]), last)
        return
    _require_no_table(store, [store.root])
    found.add(store.identity(""), _file(store, int(details.get("size") or 0), is_named=True))


def _require_no_table(store: Store, keys: Iterable[str]) -> None:
    """Raises if objects are in the folder of a Delta table: some may be of earlier versions."""
    parents = {str(parent) for key in keys for parent in PurePosixPath(key).parents}
    for parent in sorted(parents - {".", "/"}):
        if store.at(f"{parent}/{delta.LOG}").exists():
            table = store.at(parent).shown("")
            raise unreadable(
                store.shown(""),
                "it leads to files of a Delta table, some of which may be of earlier versions",
                f"in the folder of {table}",
                "the table itself",
                table,
            )


def _add_pattern(found: Found, store: Store) -> None:
    left_out: list[str] = []
    matched = 0
    matches = store.matches()
    if scheme_of(store.root) not in _WEB:
        _require_no_table(store, matches)
    for key, details in sorted(matches.items()):
        one = store.at(key)
        if details.get("type") == "directory":
            if "**" not in store.root:
                add_folder(found, one, one.list(), partition_of(f"{key}/"))
                matched += 1
        elif reason_to_leave_out(key.rpartition("/")[2]) is not None:
            left_out.append(one.shown(""))
        else:
            matched += 1
            if size := int(details.get("size") or 0):
                found.add(one.identity(""), _file(one, size, is_named=False))
    if left_out:
        more = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
        found.remark(f"files that are not logs were left out: {left_out[0]}{more}")
    if not matched:
        raise unreadable(
            store.shown(""),
            "the pattern matches no object",
            "no object",
            "a pattern that matches objects",
        )


def _add_web(found: Found, store: Store, name: str) -> None:
    if "*" in name.partition("?")[0]:
        _add_pattern(found, store)
    elif name.endswith("/"):
        add_folder(found, store, store.list(), {})
    else:
        found.add(store.identity(""), _file(store, store.size(""), is_named=True))


def _file(store: Store, size: int, *, is_named: bool) -> ByteSource:
    path = path_of(store.root) if scheme_of(store.root) else store.root
    return ByteSource(
        name=store.shown(""),
        open=partial(store.open, ""),
        size=size,
        is_named=is_named,
        partition=partition_of(path),
    )


def _below(root: str, key: str) -> str:
    return key.removeprefix(root).lstrip("/")


def _order(path: str) -> tuple[tuple[bool, str], ...]:
    """Returns what sorts the files of a folder before those of the folders in it, as on disk."""
    *folders, name = path.split("/")
    return (*((True, folder) for folder in folders), (False, name))


def _on_disk(stream: BinaryIO) -> BinaryIO:
    """Returns a copy in a file that is gone when it is closed."""
    copy = tempfile.TemporaryFile(prefix="gamekeeper-")  # noqa: SIM115
    while content := stream.read(_BLOCK_BYTES):
        copy.write(content)
    copy.seek(0)
    return cast(BinaryIO, copy)


def _retried(step: Callable[[], T]) -> T:
    """Returns what a step gives; one that fails for a moment is tried again."""
    for failed in range(1, _TRIES):
        try:
            return step()
        except (ConnectionError, TimeoutError):
            time.sleep(_PAUSE_S * failed)
    return step()


def _source_lost(where: str, problem: str, found: str, expected: str, try_: str) -> SourceLostError:
    return SourceLostError(unreadable(where, problem, found, expected, try_).fault)


def _fault(where: str, error: BaseException, scheme: str) -> SourceLostError:
    advice = _ADVICE.get(_MODULES.get(scheme, ""), "")
    if scheme in _WEB and error.__cause__ is not None:  # whatever it was, fsspec says "not found"
        error = error.__cause__
    status = getattr(error, "status", None) or getattr(error, "status_code", None)
    if isinstance(error, FileNotFoundError) or status == 404:
        problem, expected, try_ = "not found", "an address that leads to a log", ""
    elif isinstance(error, PermissionError) or status in (401, 403):
        problem, expected, try_ = "access is denied", "permission to list and read it", advice
    elif "redential" in f"{type(error).__name__} {error}":
        problem, expected, try_ = "there are no credentials for the store", "credentials", advice
    else:
        problem, expected, try_ = "the store cannot be read", "a store that answers", advice
    return _source_lost(where, problem, _reason(error), expected, try_)


def _reason(error: BaseException) -> str:
    text = one_line(without_secrets(str(error)), _REASON_CHARS)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
