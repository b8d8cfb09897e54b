"""Errors of sealed files and of signatures."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gamekeeper.base.errors import Fault, GamekeeperError, input_error


class SealError(GamekeeperError):
    """A sealed file cannot be opened, or a signature is invalid.

    Args:
        faults: All differences that were found, one entry for each kind; at least one.
    """

    exit_code = 1

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class NotForYouError(SealError):
    """None of the given keys opens the sealed file."""


def seal_error(where: object, problem: str, found: str, expected: str, try_: str = "") -> SealError:
    """Returns an error with one fault of a sealed or signed file."""
    fault = Fault(where=str(where), problem=problem, found=found, expected=expected, try_=try_)
    return SealError([fault])


@contextmanager
def read_faults(
    where: object, problem: str = "the file cannot be read", expected: str = "a file"
) -> Iterator[None]:
    """Turns operating system errors of a read into an `InputError`.

    Args:
        where: The file, for the message.
        problem: What failed.
        expected: What was expected instead.
    """
    try:
        yield
    except OSError as error:
        raise input_error(where, problem, error.strerror or str(error), expected) from None
