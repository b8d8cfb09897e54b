"""What is wrong with something sealed or signed, as errors that say where, what was found and what
to try.
"""

from collections.abc import Sequence

from gamekeeper.base.errors import Fault, GamekeeperError


class SealError(GamekeeperError):
    """What is sealed does not open, or what is signed does not hold.

    Args:
        faults: All that differs, one entry for each kind; at least one.
    """

    exit_code = 1

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class NotForYouError(SealError):
    """No key that was given opens it."""


def seal_error(where: object, problem: str, found: str, expected: str, try_: str = "") -> SealError:
    """Returns the error that says why something sealed does not hold."""
    return SealError(
        [Fault(where=str(where), problem=problem, found=found, expected=expected, try_=try_)]
    )
