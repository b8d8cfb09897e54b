"""The files that an opened model is written to, none of which has a name before all are authentic.

Each file that is written has a descriptor, and a process may have few hundred of these. The largest
files have one of their own; all others share one file and are copied from there in the end.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gamekeeper.base.files import NewFile, new_file, write_at
from gamekeeper.sealing.contents import Member

_MOST_OPEN = 64
_COPY_BYTES = 1 << 20


class Outputs:
    """The new files of a model.

    Args:
        members: The files to write.
        folder: A folder on the disk that they are written to.
        stack: Closes the files; those without a name then vanish.
    """

    def __init__(self, members: Sequence[Member], folder: Path, stack: ExitStack) -> None:
        self._members = members
        by_length = sorted(range(len(members)), key=lambda number: -members[number].length)
        self._own = {number: stack.enter_context(new_file(folder)) for number in _first(by_length)}
        self._shared_at: dict[int, int] = {}
        at = 0
        for number in by_length[_MOST_OPEN:]:
            self._shared_at[number] = at
            at += members[number].length
        self._shared = stack.enter_context(new_file(folder)) if self._shared_at else None
        for number, new in self._own.items():
            new.reserve(members[number].length)
        if self._shared:
            self._shared.reserve(at)

    def write(self, number: int, data: memoryview, at: int) -> None:
        """Writes bytes of a file at an offset; may be called from several threads."""
        if number in self._own:
            write_at(self._own[number].file, data, at)
        elif self._shared:
            write_at(self._shared.file, data, self._shared_at[number] + at)

    def sync(self) -> None:
        """Returns when all bytes are on the disk."""
        for new in [*self._own.values(), *filter(None, [self._shared])]:
            new.sync()

    @contextmanager
    def file(self, number: int, folder: Path) -> Iterator[NewFile]:
        """Returns a whole file that has no name yet.

        Args:
            number: Which file.
            folder: Where it will be.
        """
        if self._shared is None or number in self._own:
            yield self._own[number]
            return
        with new_file(folder) as new:
            self._copy(number, new)
            yield new

    def _copy(self, number: int, new: NewFile) -> None:
        assert self._shared is not None
        length = self._members[number].length
        begin = self._shared_at[number]
        for at in range(0, length, _COPY_BYTES):
            data = os.pread(self._shared.file, min(_COPY_BYTES, length - at), begin + at)
            write_at(new.file, data, at)


def shared_bytes(members: Sequence[Member]) -> int:
    """Returns the bytes that are on the disk twice for a moment."""
    lengths = sorted((member.length for member in members), reverse=True)
    return sum(lengths[_MOST_OPEN:])


def _first(numbers: Sequence[int]) -> Sequence[int]:
    return numbers[:_MOST_OPEN]
