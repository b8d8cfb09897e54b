"""What `--ignore` leaves out of a model: one rule for `sign`, `verify model` and `seal`.

A path is written as it is in the model (`cache`, `cache/x`) or as a shell completes it from the
current folder (`models/fraud/cache/`); it stands for everything below it. There are no wildcards,
as in OpenSSF's `model_signing`. A path that is not there is an error: a misspelt one would leave
nothing out, and nobody would see it.
"""

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath

from gamekeeper.base.errors import UsageError
from gamekeeper.sealing.shown import shown


def ignored_names(model: Path, patterns: Collection[str], names: Collection[str]) -> frozenset[str]:
    """Returns the names of a model's files that are left out.

    Args:
        model: The model's folder, as it was named by the user.
        patterns: Paths to leave out, in the model or from the current folder.
        names: Paths of the files in the model, with `/`.

    Raises:
        UsageError: A path is not in the model, or may mean two things.
    """
    folders = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    known = folders.union(names)
    left_out = ignored_paths(model, patterns, known.__contains__)
    return frozenset(name for name in names if is_below(PurePosixPath(name), left_out))


def ignored_paths(
    model: Path, patterns: Collection[str], is_there: Callable[[str], bool]
) -> frozenset[PurePosixPath]:
    """Returns the paths in a model that are left out, each with everything below it.

    Args:
        model: The model's folder, as it was named by the user.
        patterns: Paths to leave out, in the model or from the current folder.
        is_there: Whether the model has a file or a folder of this path.

    Raises:
        UsageError: A path is not in the model, or may mean two things; names all of them.
    """
    found = {pattern: _meanings(model, pattern, is_there) for pattern in patterns}
    faults = [
        _fault(model, pattern, meanings)
        for pattern, meanings in found.items()
        if len(meanings) != 1
    ]
    if faults:
        raise UsageError("\n".join(faults))
    return frozenset(path for meanings in found.values() for path in meanings)


def is_below(path: PurePosixPath, folders: Collection[PurePosixPath]) -> bool:
    """Returns whether a path is one of these, or is in a folder that is one of these."""
    return path in folders or any(parent in folders for parent in path.parents)


def _meanings(
    model: Path, pattern: str, is_there: Callable[[str], bool]
) -> frozenset[PurePosixPath]:
    """Returns what a path can mean: in the model, or from the current folder."""
    candidates = {*_inside(model, model / pattern), *_inside(model, Path(pattern))}
    return frozenset(path for path in candidates if is_there(str(path)))


def _inside(model: Path, path: Path) -> Iterator[PurePosixPath]:
    """Yields the path relative to the model, unless it is the model itself or outside of it.

    The last part is not resolved: a link in the model may itself be what is left out.
    """
    there = Path(os.path.normpath(path))
    whole = there.parent.resolve() / there.name
    root = model.resolve()
    if whole != root and whole.is_relative_to(root):
        yield PurePosixPath(whole.relative_to(root).as_posix())


def _fault(model: Path, pattern: str, meanings: Collection[PurePosixPath]) -> str:
    quoted = shown(pattern)
    if meanings:
        both = " or ".join(sorted(shown(str(path)) for path in meanings))
        return f"--ignore {quoted} may mean {both} in {model}: write its absolute path"
    return (
        f"--ignore {quoted} leaves nothing out: {model} has no such file or folder; write a path"
        " in the model, without wildcards"
    )
