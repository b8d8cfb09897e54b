"""Examines the files in a sealed file again, as they were examined when they were sealed.

The index is authentic, but its author, a holder of the data key, could have written a false one, or
an earlier version that looked for less. What is said of a file is therefore what is found now.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from gamekeeper.base.errors import InputError
from gamekeeper.sealing.artifacts import ByteSource, HeldBytes, contents_of
from gamekeeper.sealing.artifacts.formats import recognise
from gamekeeper.sealing.contents import Contents, ContentsError, Member
from gamekeeper.sealing.faults import SealError
from gamekeeper.sealing.sealed.layout import CHUNK_BYTES
from gamekeeper.sealing.sealed.sealed_file import UnlockedFile, UnlockedMember
from gamekeeper.sealing.selection import Selection

_NAMES = {"safetensors": "safetensors", "onnx": "ONNX"}


def examined_contents(opened: UnlockedFile, path: Path, allow: Sequence[str] = ()) -> Contents:
    """Returns what the sealed files are found to be now, whatever the index says.

    Args:
        opened: The unlocked file.
        path: The sealed file, for messages.
        allow: Paths in the model, or patterns, of files that are accepted although neither their
            format is known nor their owner named them.

    Raises:
        SealError: A file is of no format that is known, and nobody named it; or is damaged.
        UsageError: A path or pattern matches nothing.
    """
    contents = opened.contents
    names = [member.path for member in contents.members]
    selection = Selection("--allow", allow, None)
    named = {name for name in names if selection.matches(name)}
    selection.require_all_matched()
    accepted = named.union(contents.allowed)
    try:
        return contents_of(
            names,
            [_source(opened, member) for member in contents.members],
            path,
            is_folder=contents.is_folder,
            is_allowed=accepted.__contains__,
        )
    except InputError as error:
        try_ = "ask its owner; to accept it unexamined, name it with --allow"
        raise SealError([replace(one, try_=try_) for one in error.faults]) from None


def formats_of(opened: UnlockedFile, contents: Contents) -> dict[str, str]:
    """Returns the format of each file, by its path: `safetensors`, `ONNX`, `GGUF`, `JSON`.

    Files that were not recognised, or cannot be read, are left out.

    Args:
        opened: The unlocked file.
        contents: The files in it.
    """
    found = {}
    for member in contents.members:
        with suppress(ContentsError, SealError):
            found[member.path] = _format(opened, member)
    return found


def _format(opened: UnlockedFile, member: Member) -> str:
    if member.kind != "file":
        return _NAMES[member.kind]
    with _source(opened, member)() as part:
        return recognise(part, member.path).name


def says_all(index: Contents, found: Contents) -> bool:
    """Returns whether an index names all files that were not examined, and all code in the others.

    Args:
        index: What the author of a sealed file says.
        found: What `examined_contents` found.
    """
    return {*found.allowed} <= {*index.allowed} and {*found.code} <= {*index.code}


def _source(
    opened: UnlockedFile, member: Member
) -> Callable[[], AbstractContextManager[ByteSource]]:
    def source() -> AbstractContextManager[ByteSource]:
        part = UnlockedMember(opened, member)
        if part.size > CHUNK_BYTES:
            return nullcontext(part)
        # Each read decrypts a whole chunk: a small file is read once.
        return nullcontext(HeldBytes(part.read(0, part.size)))

    return source
