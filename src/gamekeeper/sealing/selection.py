"""Files of a model as they are named on the command line: to leave out, or to seal unexamined."""

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from gamekeeper.base.errors import UsageError
from gamekeeper.sealing.shown import shown

_WILDCARDS = frozenset("*?[")


class Selection:
    """Paths and patterns, and which of them matched a file.

    A path is one in the model, or one that leads into it from here, as a shell completes it; a
    folder stands for all files in it. A pattern without a slash matches names in all folders.

    Args:
        option: The option that they were given to, for messages.
        named: Paths and patterns.
        model: The model on disk, a file or a folder; None if it is sealed, so that only paths in
            it can be meant.
    """

    def __init__(self, option: str, named: Sequence[str], model: Path | None) -> None:
        self._option = option
        self._named = {text: _in_model(text, model) for text in named}
        self._matched: set[str] = set()

    def matches(self, path: str) -> bool:
        """Returns whether a file of the model is named.

        Args:
            path: Its path in the model.
        """
        found = {text for text, pattern in self._named.items() if _is_match(pattern, path)}
        self._matched |= found
        return bool(found)

    def require_all_matched(self) -> None:
        """Checks that each path and pattern matched a file.

        Raises:
            UsageError: One did not.
        """
        missed = [text for text in self._named if text not in self._matched]
        if missed:
            names = ", ".join(shown(text) for text in missed)
            raise UsageError(
                f"{self._option} {names}: no such file in the model; give its path in the model, or"
                " a pattern such as '*.bin'"
            )


def _in_model(text: str, model: Path | None) -> str:
    """Returns a path or pattern as it is written in the model; `./` keeps a pattern in its root."""
    if model is None:
        return PurePosixPath(text).as_posix()
    root = Path(os.path.abspath(model if model.is_dir() else model.parent))
    from_here = Path(os.path.abspath(text))
    leads_in = from_here.is_relative_to(root) and from_here != root
    is_of_model = not os.path.isabs(text) and (root / text).exists()
    if not leads_in or is_of_model or _is_name_pattern(text):
        return PurePosixPath(text).as_posix()
    return f"./{from_here.relative_to(root).as_posix()}"


def _is_name_pattern(text: str) -> bool:
    return "/" not in text and bool(_WILDCARDS & set(text))


def _is_match(pattern: str, path: str) -> bool:
    """Returns whether a file, or a folder that it is in, has a name of this pattern."""
    file = PurePosixPath(path)
    names = [file, *file.parents][:-1]  # the last one is the model's folder
    if _is_name_pattern(pattern):
        return any(_is_named(pattern, one.name) for one in names)
    parts = PurePosixPath(pattern).parts
    return any(_are_matches(parts, one.parts) for one in names)


def _are_matches(patterns: Sequence[str], names: Sequence[str]) -> bool:
    return len(patterns) == len(names) and all(map(_is_named, patterns, names))


def _is_named(pattern: str, name: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)
