"""Names of outputs: none may be that of the input."""

import os
from pathlib import Path

from gamekeeper.base.errors import UsageError

_STREAM = "-"


def require_another_file(source: Path, out: Path) -> None:
    """Checks that an output is a file on disk, and not the input under this or another name.

    Links, hard links and other spellings of a path lead to the same file.

    Raises:
        UsageError: It is the input, or is the standard input or output.
    """
    if _STREAM in (str(source), str(out)):
        raise UsageError(
            "- is not supported: models and sealed files are read from and written to files on"
            " disk; a file of that name needs its folder before it: $PWD/-"
        )
    try:
        is_same = os.path.samefile(source, out)
    except OSError:  # one of them does not exist
        is_same = False
    if is_same:
        raise UsageError(f"{out}: this is the input itself; name another output with --out")
