"""Key files as workstations, Docker, Kubernetes and systemd hand them out."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gamekeeper.base import _mounts, private_files
from gamekeeper.base.errors import InputError
from gamekeeper.base.private_files import VARIABLE, require_private_file
from gamekeeper.sealing.recipients import PrivateKey, read_private_key
from gamekeeper.sealing.recipients.keypairs import write_key_pair

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")

Placed = Callable[..., Path]


@pytest.fixture
def placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Placed:
    """Puts a key file on a mount, as the system would report it.

    The arguments of the file are its mode and owner; those of the mount its file system, what is
    mounted of it, whether it is read-only, and whether it is below a place for secrets; `folder` is
    the mode of the mount's folder, and `also_at` a second mount of the file system.
    """

    def place(
        mode: int,
        owner: int,
        file_system: str = "ext4",
        *,
        root: str = "/",
        read_only: bool = False,
        is_place: bool = False,
        folder: int = 0o755,
        also_at: Path | None = None,
        user: int = 1000,
    ) -> Path:
        path = tmp_path / "run secrets" / "key.pem"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        path.chmod(mode)
        reported = {
            path: SimpleNamespace(st_mode=path.stat().st_mode, st_uid=owner),
            path.parent: SimpleNamespace(st_mode=folder, st_uid=0),
        }
        mounts = tmp_path / "mountinfo"
        option = "ro" if read_only else "rw"
        lines = ["21 1 8:1 / / rw - overlay overlay rw", "31 21 0:40 / /run rw - tmpfs tmpfs rw"]
        for point in filter(None, [path.parent, also_at]):
            named = str(point).replace(" ", r"\040")
            lines.append(
                f"30 21 0:39 {root} {named} {option},relatime shared:1 - {file_system} none rw"
            )
        mounts.write_text("\n".join(lines) + "\n")
        monkeypatch.setattr(_mounts, "_MOUNTS", mounts)
        monkeypatch.setattr(private_files, "_PLACES", (path.parent,) if is_place else ())
        flags = os.ST_RDONLY if read_only else 0
        system = SimpleNamespace(
            name="posix",
            environ=os.environ,
            ST_RDONLY=os.ST_RDONLY,
            stat=reported.__getitem__,
            statvfs=lambda _: SimpleNamespace(f_flag=flags),
            geteuid=lambda: user,
        )
        monkeypatch.setattr(private_files, "os", system)
        return path

    return place


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_that_its_owner_alone_reads_passes(placed: Placed, mode: int) -> None:
    """Wherever it is."""
    require_private_file(placed(mode, 1000))


@pytest.mark.parametrize("mode", [0o640, 0o440])
def test_a_file_of_root_passes_for_a_group(placed: Placed, mode: int) -> None:
    """Kubernetes with fsGroup; the group `ssl-cert`."""
    require_private_file(placed(mode, 0))
    with pytest.raises(InputError):
        require_private_file(placed(mode, 1000))


@pytest.mark.parametrize("mode", [0o444, 0o644])
@pytest.mark.parametrize(
    ("file_system", "read_only"),
    [("tmpfs", True), ("tmpfs", False), ("overlay", True), ("xfs", False)],
)
def test_a_secret_that_is_mounted_at_its_place_passes(
    placed: Placed, mode: int, file_system: str, read_only: bool
) -> None:
    """Docker's files in memory, and Podman's on a disk."""
    root = "/secrets/one" if file_system == "xfs" else "/"
    require_private_file(
        placed(mode, 0, file_system, root=root, read_only=read_only, is_place=True)
    )


@pytest.mark.parametrize("folder", [0o700, 0o750])
def test_a_secret_in_memory_passes_in_a_folder_that_others_cannot_enter(
    placed: Placed, folder: int
) -> None:
    """If the folder is on the mount: those above can be passed by another mount."""
    require_private_file(placed(0o444, 0, "ramfs", read_only=True, folder=folder))


def test_a_volume_of_kubernetes_passes_anywhere(placed: Placed) -> None:
    """By its links, and if all of it is mounted; a file of it under another path is asked for."""
    path = placed(0o644, 0, "tmpfs", read_only=True)
    (path.parent / "..2026").mkdir()
    (path.parent / "..data").symlink_to("..2026")
    with pytest.raises(InputError):  # beside the links
        require_private_file(path)
    path = _linked(placed)
    require_private_file(path)
    with pytest.raises(InputError):
        require_private_file(_linked(placed, root="/subPath"))


def _linked(placed: Placed, **mount: str) -> Path:
    path = placed(0o644, 0, "tmpfs", read_only=True, **mount)
    reported = private_files.os.stat  # type: ignore[attr-defined]
    (path.parent / "..2026" / "key.pem").touch()
    path.unlink()
    path.symlink_to("..data/key.pem")
    folders = {path.parent / "..2026": SimpleNamespace(st_mode=0o755, st_uid=0)}
    private_files.os.stat = lambda one: folders.get(one) or reported(one)  # type: ignore[attr-defined]
    return path


@pytest.mark.parametrize(
    ("mode", "owner", "file_system", "mount"),
    [
        (0o644, 1000, "ext4", {}),
        (0o660, 0, "ext4", {}),
        (0o644, 0, "ext4", {}),
        (0o444, 0, "ext4", {"read_only": True}),  # /nix/store
        (0o444, 0, "ext4", {"read_only": True, "folder": 0o700}),  # on a disk
        (0o644, 0, "tmpfs", {}),  # /dev/shm
        (0o444, 0, "tmpfs", {"folder": 0o700}),  # can be opened later
        (0o444, 0, "tmpfs", {"read_only": True}),  # a tmpfs of anybody
        (0o444, 0, "tmpfs", {"read_only": True, "root": "/k14.pem"}),  # bound from /dev/shm
        (0o644, 1000, "tmpfs", {"read_only": True, "folder": 0o700}),
        (0o646, 0, "tmpfs", {"read_only": True, "folder": 0o700}),
        (0o644, 1000, "tmpfs", {"read_only": True, "is_place": True}),
        (0o646, 0, "tmpfs", {"read_only": True, "is_place": True}),
    ],
)
def test_what_another_user_may_read_is_refused(
    placed: Placed, mode: int, owner: int, file_system: str, mount: dict[str, Any]
) -> None:
    """With the mode, and a way out."""
    path = placed(mode, owner, file_system, **mount)
    with pytest.raises(InputError, match=f"mode {mode:04o}") as caught:
        require_private_file(path)
    assert f"{VARIABLE}=1" in str(caught.value)


def test_what_another_mount_shows_must_pass_there_too(placed: Placed, tmp_path: Path) -> None:
    """A key of a shared folder is not private where it is mounted a second time."""
    other = tmp_path / "shared"
    path = placed(0o444, 0, "tmpfs", is_place=True, also_at=other)
    require_private_file(path)  # another file system is in front of it there
    other.mkdir()
    (other / "key.pem").hardlink_to(path)
    with pytest.raises(InputError):
        require_private_file(path)


def test_chmod_is_advised_only_where_it_can_be_done(placed: Placed) -> None:
    """By the owner or root, on a mount that can be written."""

    def advice(path: Path) -> str:
        with pytest.raises(InputError) as caught:
            require_private_file(path)
        return str(caught.value)

    assert "chmod 600" in advice(placed(0o644, 1000))
    assert "chmod 600" in advice(placed(0o644, 1000, user=0))
    assert "chmod 600" not in advice(placed(0o644, 0))
    assert "chmod 600" not in advice(placed(0o644, 1000, read_only=True))


def test_the_environment_allows_any_mode(placed: Placed, monkeypatch: pytest.MonkeyPatch) -> None:
    """By exactly one value."""
    path = placed(0o644, 1000)
    monkeypatch.setenv(VARIABLE, "1")
    require_private_file(path)
    monkeypatch.setenv(VARIABLE, "0")
    with pytest.raises(InputError):
        require_private_file(path)


def test_without_mountinfo_no_mount_counts_as_secret(
    placed: Placed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is not known is refused."""
    path = placed(0o444, 0, "tmpfs", read_only=True, is_place=True)
    monkeypatch.setattr(_mounts, "_MOUNTS", tmp_path / "none")
    with pytest.raises(InputError):
        require_private_file(path)


_READ = """
"$2" -c 'import sys; from gamekeeper.sealing.recipients import read_private_key; read_private_key(sys.argv[1])' "$path"
"""
_VOLUME = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/..2026"
cp "$3" "$1/..2026/key.pem"
chmod "$4" "$1/..2026/key.pem"
ln -s ..2026 "$1/..data"
ln -s ..data/key.pem "$1/key.pem"
if [ "$5" = ro ]; then mount -o remount,ro "$1"; fi
path="$1/key.pem"
"""
_PLAIN = """
set -e
mount -t tmpfs -o mode="$5" tmpfs "$1"
cp "$3" "$1/key.pem"
chmod "$4" "$1/key.pem"
mount -o remount,ro "$1"
path="$1/key.pem"
"""
_BOUND = """
set -e
mount -t tmpfs tmpfs /run
mkdir /run/secrets "$1/shared"
mount -t tmpfs tmpfs "$1/shared"
cp "$3" "$1/shared/key.pem"
chmod "$4" "$1/shared/key.pem"
touch /run/secrets/key.pem
mount --bind "$1/shared/key.pem" /run/secrets/key.pem
mount -o remount,ro,bind /run/secrets/key.pem
if [ "$5" = alone ]; then umount -l "$1/shared"; fi
path=/run/secrets/key.pem
"""


def _can_mount() -> bool:
    if shutil.which("unshare") is None or os.geteuid() != 0:
        return False
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_mount(), reason="needs the right to mount")
@pytest.mark.parametrize(
    ("script", "mode", "option", "code"),
    [
        (_VOLUME, "0444", "ro", 0),
        (_VOLUME, "0644", "ro", 0),
        (_VOLUME, "0440", "rw", 0),
        (_VOLUME, "0644", "rw", 1),
        (_VOLUME, "0666", "ro", 1),
        (_PLAIN, "0444", "0755", 1),
        (_PLAIN, "0444", "0700", 0),
        (_BOUND, "0444", "alone", 0),
        (_BOUND, "0444", "shared", 1),
    ],
)
def test_real_mounts(tmp_path: Path, script: str, mode: str, option: str, code: int) -> None:
    """Of Kubernetes, with `key.pem -> ..data/key.pem`; in memory only; of Docker, and of a file
    that is in a shared folder too.
    """
    write_key_pair(PrivateKey.generate(), tmp_path / "key.pem")
    (tmp_path / "mounted here").mkdir()
    words = [tmp_path / "mounted here", sys.executable, tmp_path / "key.pem", mode, option]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script + _READ, "sh", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert code == 0 or "other users can read the secret" in done.stderr


def test_a_private_key_is_read_through_a_link(tmp_path: Path) -> None:
    """The mode of the file counts, not that of the link."""
    write_key_pair(PrivateKey.generate(), tmp_path / "key.pem")
    (tmp_path / "link.pem").symlink_to(tmp_path / "key.pem")
    assert read_private_key(tmp_path / "link.pem").public_key()
