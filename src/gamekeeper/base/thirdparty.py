"""Files of other projects that the build copies into the package (hatch_build.py)."""

from importlib.resources import files
from pathlib import Path

from gamekeeper.base.errors import input_error


def thirdparty_file(name: str) -> Path:
    """Returns the path of one of them.

    Raises:
        InputError: The package was not built: this is a copy of the sources that was not installed.
    """
    path = Path(str(files("gamekeeper"))) / "thirdparty" / name
    if not path.exists():
        raise input_error(
            path,
            "a file of the package is missing",
            "no such file",
            "a file that the build of the package copies",
            "pip install . (or -e .) in the copy of the repository",
        )
    return path
