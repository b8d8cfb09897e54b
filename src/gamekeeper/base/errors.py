"""The tree of errors: every error that gamekeeper raises on purpose.

    GamekeeperError                exit 4 unless said otherwise
    ├── UsageError                 exit 2  options or arguments do not fit together
    ├── MissingExtraError          exit 2  a feature needs a package that is not installed
    ├── InputError                 exit 3  input is missing, empty or unreadable; has all its faults
    │   └── InUseError             exit 3  another process writes this casebook
    ├── CasebookError              exit 1  a casebook, or a proof from it, does not hold
    ├── SealError                  exit 1  a sealed file does not open, or a signature does not hold
    │   └── NotForYouError         exit 1  no key that was given opens it
    ├── TargetError                exit 3  an audited model failed, or gave no valid answer
    │   └── QueryError             exit 3  ... to some of the queries; it may answer others
    ├── SpentError                         the budget of an audit is used up
    ├── UnknownKeysError           exit 1  a server does not hold the keys of an encrypted request
    │
    │   caught inside, and turned into an answer, a fault or a log line:
    ├── BodyError                          a request's body is too large, too slow or cut off
    ├── ContentsError                      the index of a sealed file is invalid
    ├── UnreadableFileError                a log file cannot be read, or not to its end
    │   └── SourceLostError                ... because its store denied access or broke off
    ├── UnreadableRequestError             a request or an answer has not the form of its route
    ├── CredentialError                    a request's credential is missing or not valid
    ├── BadTokenError                      a token or its key is not valid
    ├── StoppedError                       a request is not passed on; has the answer to it
    ├── CutShortError                      an answer ended before its end
    │   ├── BrokenAnswerError              ... because it cannot be read
    │   ├── DeniedError                    ... because its account was denied meanwhile
    │   ├── UpstreamEndedError             ... because the upstream ended it
    │   └── ClientLeftError                ... because its client went away
    ├── DecodingError                      a compressed answer cannot be decoded
    ├── StoreGoneError                     the guard cannot reach its store
    ├── RefusedError                       the guard's store does not take a record
    └── TooManyError                       the most pages that may be open are open

A message says where, what was found, what was expected and what to try; all faults of a file come
together. Messages are cleaned (`base.text`): they quote logs, files and requests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gamekeeper.base.text import clean


class GamekeeperError(Exception):
    """The root of all errors that gamekeeper raises on purpose.

    Messages are cleaned: they quote logs, files and requests, and end in terminals, tickets and CI
    logs.
    """

    exit_code = 4

    def __init__(self, *args: object) -> None:
        super().__init__(*(clean(str(one)) for one in args))

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets an error pass between processes whatever its constructor takes."""
        return _rebuilt, (type(self), self.args, self.__dict__.copy())


def _rebuilt(
    kind: type[GamekeeperError], args: tuple[str, ...], fields: dict[str, Any]
) -> GamekeeperError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(fields)
    return error


class UsageError(GamekeeperError):
    """The call's words do not fit together."""

    exit_code = 2


class MissingExtraError(GamekeeperError):
    """A feature needs a package that is not installed."""

    exit_code = 2

    def __init__(self, feature: str, extra: str) -> None:
        install = f'pip install ".[{extra}]" in a copy of the repository'
        super().__init__(f'{feature} needs the extra "{extra}": {install}')


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault in one file.

    Args:
        where: File, and the line or row (from 1) of its first occurrence: `logs/a.jsonl:12`.
        problem: What is wrong, in a few words.
        found: What is there, shortened.
        expected: What should be there.
        try_: What to do next; empty if nothing helps.
        count: Rows of this file with the same fault.
        of: Rows of this file that were looked at; 0 if the file could not be read by rows.
    """

    where: str
    problem: str
    found: str
    expected: str
    try_: str = ""
    count: int = 1
    of: int = 0

    def __post_init__(self) -> None:
        for name in ("where", "problem", "found", "expected", "try_"):
            object.__setattr__(self, name, clean(str(getattr(self, name))))

    def __str__(self) -> str:
        lines = [
            f"error: {self.where}: {self.problem}",
            f"  found     {self.found}",
            f"  expected  {self.expected}",
        ]
        if self.count > 1:
            lines.append(f"  also      {self.count} of {self.of} rows have the same fault")
        if self.try_:
            lines.append(f"  try       {self.try_}")
        return "\n".join(lines)


class InputError(GamekeeperError):
    """Input is missing, empty or unreadable.

    Args:
        faults: All that is wrong, one entry for each kind of fault and file; at least one.
    """

    exit_code = 3

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


def input_error(
    where: object, problem: str, found: str, expected: str, try_: str = ""
) -> InputError:
    """Returns the error that says why a file, key, folder or address cannot be used."""
    fault = Fault(where=str(where), problem=problem, found=found, expected=expected, try_=try_)
    return InputError([fault])
