"""The mounts of this process, by which a file can be seen under several paths.

Source: proc(5), /proc/self/mountinfo.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One mount.

    Args:
        point: Where it is mounted: a folder, or a file that is bound to a place.
        root: What is mounted there: a path in its file system, `/` for all of it.
        device: Number of the file system, the same for all mounts of it.
        kind: Kind of the file system, such as `tmpfs`.
        is_read_only: Whether nothing can be written through it.
    """

    point: Path
    root: Path
    device: str
    kind: str
    is_read_only: bool


def views_of(path: Path) -> list[tuple[Mount, Path]]:
    """Returns the mounts by which a file can be seen, each with the file's path in it; the first is
    that of `path`. Empty where the system does not say.
    """
    whole = path.resolve()
    mounts = _mounts()
    own = _mount_of(whole, mounts)
    if own is None:
        return []
    within = own.root / whole.relative_to(own.point)
    return [(own, whole), *_others(whole, own, within, mounts)]


def _others(
    path: Path, own: Mount, within: Path, mounts: list[Mount]
) -> Iterator[tuple[Mount, Path]]:
    """Yields the other mounts of the same file system that show the file."""
    for mount in mounts:
        if mount is own or mount.device != own.device or not within.is_relative_to(mount.root):
            continue
        seen = mount.point / within.relative_to(mount.root)
        if _is_same_file(seen, path):  # unless a later mount is in front of it
            yield mount, seen


def _mount_of(path: Path, mounts: list[Mount]) -> Mount | None:
    """Returns the mount that a file is on: that with the longest path above the file, and of two at
    one path the later one.
    """
    found = None
    for mount in mounts:
        is_closer = found is None or len(mount.point.parts) >= len(found.point.parts)
        if is_closer and path.is_relative_to(mount.point):
            found = mount
    return found


def _mounts() -> list[Mount]:
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    return [_mount(line) for line in lines]


def _mount(line: str) -> Mount:
    before, _, after = line.partition(" - ")
    _, _, device, root, point, options, *_ = before.split()
    kind, _, of_file_system = after.split(maxsplit=2)
    return Mount(
        point=_path(point),
        root=_path(root),
        device=device,
        kind=kind,
        is_read_only="ro" in {*options.split(","), *of_file_system.split(",")},
    )


def _path(text: str) -> Path:
    """Returns a path, in which mountinfo writes spaces and the like as octal numbers."""
    return Path(_OCTAL.sub(lambda octal: chr(int(octal[1], 8)), text))


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:  # it cannot be seen there
        return False
