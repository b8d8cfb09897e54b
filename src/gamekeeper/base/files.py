"""Files that come into being whole or not at all, even when the process is killed while it writes
them.

The bytes go to a file without a name (Linux, O_TMPFILE), which the system forgets with the process;
it gets its name when all of it is on the disk. Where a file system knows no such files, a hidden
one beside the goal takes its place, which a killed process can leave behind.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gamekeeper.base.errors import UsageError, input_error

_UNSUPPORTED = {errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL}
PRIVATE = 0o600
_STREAM = "-"


class NewFile:
    """A file that is being written.

    Args:
        file: Its descriptor, open for reading and writing.
    """

    def __init__(self, file: int, hidden: Path | None) -> None:
        self.file = file
        self._hidden = hidden

    def reserve(self, length: int) -> None:
        """Takes the room for so many bytes, which is also quicker than taking it write by write.

        File systems that know files without a name take it at once; others would have to write it
        all.

        Raises:
            OSError: There is not so much.
        """
        if self._hidden is None and length:
            os.posix_fallocate(self.file, 0, length)

    def finish(self, path: Path, *, is_replaced: bool = False) -> None:
        """Gives it its name, once its bytes are on the disk.

        Raises:
            FileExistsError: There is a file of that name, and it is not to be replaced.
        """
        if is_replaced and path.exists():
            os.fchmod(
                self.file,
                stat.S_IMODE(path.stat().st_mode)
                & (PRIVATE | stat.S_IMODE(os.fstat(self.file).st_mode)),
            )
        self.sync()
        if self._hidden is None and not is_replaced:
            _link(self.file, path)
        else:
            self._rename(path, is_replaced=is_replaced)
        sync_folder(path.parent)

    def sync(self) -> None:
        """Returns when its bytes are on the disk."""
        os.fsync(self.file)

    def _rename(self, path: Path, *, is_replaced: bool) -> None:
        if self._hidden is None:  # a link makes a name but replaces none
            self._hidden = _spare_name(path.parent)
            _link(self.file, self._hidden)
        if is_replaced:
            self._hidden.replace(path)
        else:
            _link_or_rename(self._hidden, path)
        self._hidden.unlink(missing_ok=True)
        self._hidden = None

    def forget(self) -> None:
        """Closes it; without a name it is gone."""
        os.close(self.file)
        if self._hidden:
            self._hidden.unlink(missing_ok=True)


@contextmanager
def new_file(folder: Path, mode: int = PRIVATE) -> Iterator[NewFile]:
    """A file that gets a name by `finish`, and is gone without it.

    Args:
        folder: Where its name will be.
        mode: Its permissions.
    """
    new = _anonymous(folder, mode) or _hidden(folder, mode)
    try:
        yield new
    finally:
        new.forget()


def replace_file(path: Path, content: bytes, mode: int = 0o640) -> None:
    """Writes a file whole or not at all, on the disk when it returns; an earlier one is replaced.

    Args:
        path: Where.
        content: All of it.
        mode: Its permissions, from the first byte on. Those of an earlier file are kept where they
            allow less.

    Raises:
        OSError: It cannot be written.
    """
    with new_file(path.parent, mode) as new:
        write_at(new.file, content, 0)
        new.finish(path, is_replaced=True)


def write_private(path: Path, content: bytes) -> None:
    """Writes a file that its owner alone reads, as `replace_file` does.

    Raises:
        InputError: It cannot be written.
    """
    with disk_faults(path):
        replace_file(path, content, PRIVATE)


def require_another_file(output: Path, *inputs: str | Path | None) -> None:
    """Checks that an output is a file on disk, and not an input under this or another name.

    Links, hard links and other spellings of a path lead to the same file.

    Args:
        output: What will be written.
        inputs: What is read: models, keys, certificates, passphrases, tables. None and a text that
            does not name a file, such as `awskms:KEY`, are passed over.

    Raises:
        UsageError: It is one of the inputs, or is the standard input or output.
    """
    named = [Path(path) for path in inputs if path is not None]
    if _STREAM in map(str, [output, *named]):
        raise UsageError(
            "- is not supported: this command reads and writes files on disk; a file of that name"
            " needs its folder before it: $PWD/-"
        )
    for path in named:
        if _is_same_file(path, output):
            also = "" if path == output else f" ({path})"
            raise UsageError(f"{output}: this is the input itself{also}; name another output")


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # one of them does not exist, or cannot be the name of a file
        return False


def read_whole(path: Path) -> bytes:
    """Returns what a file holds.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as fault:
        raise input_error(
            path, "the file cannot be read", fault.strerror or str(fault), "a file"
        ) from None


def sync_folder(folder: Path) -> None:
    """Returns when the names in a folder are on the disk."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """Turns faults of the disk into errors that say what to do."""
    try:
        yield
    except OSError as fault:
        is_full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
        problem = "the disk is full" if is_full else "the file cannot be written"
        expected, try_ = (
            ("room for all of it", "free some, or name another disk")
            if is_full
            else ("a folder to write in", "")
        )
        raise input_error(path, problem, fault.strerror or str(fault), expected, try_) from None


def require_room(folder: Path, needed_bytes: int, path: Path) -> None:
    """Checks that a disk has room before an hour is spent on filling it.

    Raises:
        InputError: It has not.
    """
    state = os.statvfs(folder)
    free = state.f_bavail * state.f_frsize
    if free < needed_bytes:
        found = f"{free:,} bytes free"
        expected = f"{needed_bytes:,} bytes"
        raise input_error(
            path, "the disk is full", found, expected, "free some, or name another disk"
        )


def _anonymous(folder: Path, mode: int) -> NewFile | None:
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        return NewFile(os.open(folder, os.O_TMPFILE | os.O_RDWR, mode), None)
    except OSError as fault:
        if fault.errno not in _UNSUPPORTED or not folder.is_dir():
            raise
        return None


def _hidden(folder: Path, mode: int) -> NewFile:
    path = _spare_name(folder)
    return NewFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode), path)


def _link(file: int, path: Path) -> None:
    """Gives a file without a name its name; fails where there is one."""
    # The folder's descriptor is ignored beside an absolute path; without one Python would link the
    # link itself.
    os.link(f"/proc/self/fd/{file}", path, src_dir_fd=file, follow_symlinks=True)


def _link_or_rename(hidden: Path, path: Path) -> None:
    """Gives a hidden file its name by a link, which never replaces; on FAT, which has no links, by
    a rename.
    """
    try:
        os.link(hidden, path)
    except PermissionError:
        if path.exists() or path.is_symlink():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        hidden.rename(path)


def _spare_name(folder: Path) -> Path:
    return folder / f".gamekeeper-{secrets.token_hex(8)}.part"


def write_at(file: int, data: memoryview | bytes, at: int) -> None:
    """Writes all bytes at a place of a file."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(file, rest, at)
        rest = rest[written:]
        at = at + written


def read_at(file: int, into: memoryview, at: int) -> int:
    """Fills a buffer from a place of a file; returns how much there was, less only at its end."""
    filled = 0
    while filled < len(into):
        got = os.preadv(file, [into[filled:]], at + filled)
        if got == 0:
            break
        filled += got
    return filled


def open_plain(path: Path, flags: int = os.O_RDONLY) -> int:
    """Opens a plain file and returns its descriptor: a pipe would keep its reader waiting for ever.

    Raises:
        OSError: It cannot be opened, or is a pipe, a device or a folder.
    """
    file = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "no plain file")
    return file
