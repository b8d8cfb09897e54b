"""The rule for files with a secret: no other user of the machine can read them.

A file passes if one of these holds:

    mode 0600 or less          its owner alone reads it
    owned by root, 0640 or less
                               an administrator gave it to a group: PostgreSQL's rule for
                               `ssl_key_file`, and a Kubernetes secret under `fsGroup`
    owned by root, written by nobody else, on a read-only tmpfs or ramfs
                               a secret that Docker, Kubernetes, a secrets-store CSI driver or
                               systemd mounted: such a mount is in no other container, and its
                               modes (0444, 0644) cannot be changed
    GAMEKEEPER_ALLOW_READABLE_KEYS=1
                               the user says that nobody else uses this machine

Neither "read-only" nor "in memory" is enough by itself: everybody reads /nix/store and /dev/shm.

Source: PostgreSQL manual, "Secure TCP/IP Connections with SSL"; kubernetes #28317, #34982;
    secrets-store-csi-driver #722; proc(5), mountinfo.
"""

import os
import re
import shlex
import stat
from pathlib import Path

from gamekeeper.base.errors import input_error

VARIABLE = "GAMEKEEPER_ALLOW_READABLE_KEYS"
_FOR_OTHERS = 0o077
_MORE_THAN_GROUP_READS = 0o037
_WRITTEN_BY_OTHERS = 0o022
_IN_MEMORY = {"tmpfs", "ramfs"}
_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")


def require_private_file(path: Path) -> None:
    """Checks that no other user of the machine can read a file.

    Raises:
        InputError: One can.
    """
    if os.name != "posix" or os.environ.get(VARIABLE) == "1":
        return
    state = os.stat(path)
    mode = stat.S_IMODE(state.st_mode)
    is_private = not mode & _FOR_OTHERS
    is_of_root = state.st_uid == 0
    is_for_group = is_of_root and not mode & _MORE_THAN_GROUP_READS
    if is_private or is_for_group:
        return
    if is_of_root and not mode & _WRITTEN_BY_OTHERS and _is_on_secret_mount(path):
        return
    raise input_error(
        path,
        "other users can read the secret",
        f"mode {mode:04o}, of user {state.st_uid}",
        "mode 0600; or 0640, of root; or a secret that is mounted read-only in memory",
        _way_out(path, state.st_uid),
    )


def _way_out(path: Path, owner: int) -> str:
    """Returns what this user can do: not every mode can be changed by everybody."""
    allow = f"{VARIABLE}=1 if nobody else uses this machine"
    if os.geteuid() in (0, owner) and not _is_read_only(path):
        return f"chmod 600 {shlex.quote(str(path))}; or {allow}"
    return f"mount it with mode 0400, or make a copy of your own with mode 0600; or {allow}"


def _is_on_secret_mount(path: Path) -> bool:
    return _is_read_only(path) and _file_system(path) in _IN_MEMORY


def _is_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _file_system(path: Path) -> str:
    """Returns the kind of the file system that a file is on; empty where the system does not say.

    That is the mount with the longest path above the file; of two at one path, the later one.
    """
    whole = path.resolve()
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    found = Path("/")
    kind = ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(_OCTAL.sub(_character, before.split()[4]))
        is_closer = len(point.parts) >= len(found.parts)
        if is_closer and whole.is_relative_to(point):
            found = point
            kind = after.split()[0]
    return kind


def _character(octal: re.Match[str]) -> str:
    """Returns the character that mountinfo writes as an octal number, such as a space."""
    return chr(int(octal[1], 8))
