"""Errors of casebooks, and the collection of faults in files of lines."""

from collections.abc import Sequence
from dataclasses import replace

from gamekeeper.base.errors import Fault, GamekeeperError, InputError
from gamekeeper.base.text import one_line

_EXCERPT_CHARS = 80


class CasebookError(GamekeeperError):
    """A casebook, or a proof taken from one, is invalid.

    Args:
        faults: All differences that were found, one entry for each kind and file; at least one.
    """

    exit_code = 1

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class InUseError(InputError):
    """Another process is writing this casebook."""


class LineFaults:
    """Collects the faults of one file of lines: one entry for each problem, with its first line.

    Args:
        name: Name of the file.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._faults: dict[str, Fault] = {}

    def add(self, line: int, problem: str, found: str, expected: str, try_: str = "") -> None:
        """Adds a fault of a line, counted from 1."""
        if known := self._faults.get(problem):
            self._faults[problem] = replace(known, count=known.count + 1)
            return
        where = f"{self._name}:{line}"
        self._faults[problem] = Fault(
            where=where, problem=problem, found=found, expected=expected, try_=try_
        )

    def faults(self, lines: int) -> list[Fault]:
        """Returns the collected faults of a file with this number of lines."""
        return [replace(fault, of=lines) for fault in self._faults.values()]


def excerpt(line: bytes) -> str:
    """Returns the beginning of a line, cleaned for messages."""
    return one_line(line.decode("utf-8", "backslashreplace"), _EXCERPT_CHARS)
