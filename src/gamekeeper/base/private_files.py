"""The rule for files with a secret: no other user of the machine can read them.

A file passes if one of these holds:

    mode 0600 or less          its owner alone reads it
    owned by root, 0640 or less
                               an administrator gave it to a group: PostgreSQL's rule for
                               `ssl_key_file`, and a Kubernetes secret under `fsGroup`
    owned by root, written by nobody else, and mounted for one container
                               the modes of such a mount (0444, 0644) cannot be changed; the others
                               are the other users of the container, who have its secrets anyway
    GAMEKEEPER_ALLOW_READABLE_KEYS=1
                               the user says that nobody else uses this machine

Mounted for one container is

    a mount at or below /run/secrets or /var/run/secrets
                               Docker, Podman; service accounts of Kubernetes. A file that an image
                               has there is not on a mount of its own
    a read-only file system in memory at or below /mnt/secrets-store
                               the secrets-store CSI driver
    a read-only file system in memory with Kubernetes' `..data`
                               volumes of secrets, which are mounted anywhere
    a read-only file system in memory with a folder above the file that others cannot enter

A file that can also be seen by another mount must pass there too: a key in /dev/shm does not become
private where it is mounted a second time. Neither "read-only" nor "in memory" is enough by itself.

Source: PostgreSQL manual, "Secure TCP/IP Connections with SSL"; kubernetes #28317, #34982, and
    pkg/volume/util/atomic_writer.go; secrets-store-csi-driver #722; Docker, "Manage sensitive data
    with Docker secrets"; podman-secret-create(1).
"""

import os
import shlex
import stat
from pathlib import Path

from gamekeeper.base._mounts import Mount, views_of
from gamekeeper.base.errors import input_error

VARIABLE = "GAMEKEEPER_ALLOW_READABLE_KEYS"
_FOR_OTHERS = 0o077
_MORE_THAN_GROUP_READS = 0o037
_WRITTEN_BY_OTHERS = 0o022
_IN_MEMORY = {"tmpfs", "ramfs"}
_ENTERED_BY_OTHERS = 0o001
_PLACES = (Path("/run/secrets"), Path("/var/run/secrets"))
_PLACE_IN_MEMORY = Path("/mnt/secrets-store")
_DATA = "..data"


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
    if is_of_root and not mode & _WRITTEN_BY_OTHERS and _is_mounted_for_a_container(path):
        return
    raise input_error(
        path,
        "other users can read the secret",
        f"mode {mode:04o}, of user {state.st_uid}",
        "mode 0600; or 0640, of root; or a secret that is mounted for this container alone",
        _way_out(path, state.st_uid),
    )


def _way_out(path: Path, owner: int) -> str:
    """Returns what this user can do: not every mode can be changed by everybody."""
    allow = f"{VARIABLE}=1 if nobody else uses this machine"
    if os.geteuid() in (0, owner) and not _is_read_only(path):
        return f"chmod 600 {shlex.quote(str(path))}; or {allow}"
    return f"mount it with mode 0400, or make a copy of your own with mode 0600; or {allow}"


def _is_mounted_for_a_container(path: Path) -> bool:
    """Returns whether every mount by which a file can be seen is one of secrets."""
    views = views_of(path)
    return bool(views) and all(_is_of_secrets(mount, seen) for mount, seen in views)


def _is_of_secrets(mount: Mount, path: Path) -> bool:
    if any(mount.point.is_relative_to(place) for place in _PLACES):
        return True
    if not mount.is_read_only or mount.kind not in _IN_MEMORY:
        return False
    if mount.point.is_relative_to(_PLACE_IN_MEMORY):
        return True
    return _is_volume_of_kubernetes(mount, path) or _is_closed(mount, path)


def _is_volume_of_kubernetes(mount: Mount, path: Path) -> bool:
    """Returns whether `..data` of the whole volume is a link to the folder with the file."""
    data = mount.point / _DATA
    is_whole = mount.root == Path("/")
    return is_whole and data.is_symlink() and path.is_relative_to(data.resolve())


def _is_closed(mount: Mount, path: Path) -> bool:
    """Returns whether others cannot enter one of the folders of the mount that the file is in.

    Folders above the mount do not count: the file system may be mounted elsewhere too.
    """
    folders = [each for each in path.parents if each.is_relative_to(mount.point)]
    states = [os.stat(each) for each in folders]
    return any(not state.st_mode & _ENTERED_BY_OTHERS and state.st_uid == 0 for state in states)


def _is_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
