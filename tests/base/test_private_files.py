"""Key files as workstations, Docker, Kubernetes and systemd hand them out."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from gamekeeper.base import private_files
from gamekeeper.base.errors import InputError
from gamekeeper.base.private_files import VARIABLE, require_private_file
from gamekeeper.sealing.recipients import PrivateKey, read_private_key
from gamekeeper.sealing.recipients.keypairs import write_key_pair

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")

Placed = Callable[..., Path]


@pytest.fixture
def placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Placed:
    """Puts a key file somewhere, as the system would report it."""

    def place(
        mode: int,
        owner: int,
        file_system: str = "ext4",
        *,
        read_only: bool = False,
        user: int = 1000,
    ) -> Path:
        path = tmp_path / "run secrets" / "key.pem"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        path.chmod(mode)
        reported = SimpleNamespace(st_mode=path.stat().st_mode, st_uid=owner)
        mounts = tmp_path / "mountinfo"
        point = str(path.parent).replace(" ", r"\040")
        mounts.write_text(
            "21 1 8:1 / / rw - overlay overlay rw\n"
            f"30 21 0:39 / {point} ro,relatime shared:1 - {file_system} none rw\n"
            "31 21 0:40 / /run rw - tmpfs tmpfs rw\n"
        )
        flags = os.ST_RDONLY if read_only else 0
        monkeypatch.setattr(private_files, "_MOUNTS", mounts)
        system = SimpleNamespace(
            name="posix",
            environ=os.environ,
            ST_RDONLY=os.ST_RDONLY,
            stat=lambda _: reported,
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
@pytest.mark.parametrize("file_system", ["tmpfs", "ramfs"])
def test_a_secret_that_a_container_runtime_mounted_passes(
    placed: Placed, mode: int, file_system: str
) -> None:
    """Docker's 0444, a secrets-store CSI driver's 0644."""
    require_private_file(placed(mode, 0, file_system, read_only=True))


@pytest.mark.parametrize(
    ("mode", "owner", "file_system", "read_only"),
    [
        (0o644, 1000, "ext4", False),
        (0o660, 0, "ext4", False),
        (0o644, 0, "ext4", False),
        (0o444, 0, "ext4", True),  # /nix/store
        (0o644, 0, "tmpfs", False),  # /dev/shm
        (0o644, 1000, "tmpfs", True),
        (0o646, 0, "tmpfs", True),
    ],
)
def test_what_another_user_may_read_is_refused(
    placed: Placed, mode: int, owner: int, file_system: str, read_only: bool
) -> None:
    """With the mode, and a way out."""
    path = placed(mode, owner, file_system, read_only=read_only)
    with pytest.raises(InputError, match=f"mode {mode:04o}") as caught:
        require_private_file(path)
    assert f"{VARIABLE}=1" in str(caught.value)


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
    path = placed(0o444, 0, "tmpfs", read_only=True)
    monkeypatch.setattr(private_files, "_MOUNTS", tmp_path / "none")
    with pytest.raises(InputError):
        require_private_file(path)


_MOUNT = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/..2026"
cp "$2" "$1/..2026/key.pem"
chmod "$3" "$1/..2026/key.pem"
ln -s ..2026 "$1/..data"
ln -s ..data/key.pem "$1/key.pem"
if [ "$4" = ro ]; then mount -o remount,ro "$1"; fi
"$5" -c 'import sys; from gamekeeper.sealing.recipients import read_private_key; read_private_key(sys.argv[1])' \\
    "$1/key.pem"
"""


def _can_mount() -> bool:
    if shutil.which("unshare") is None or os.geteuid() != 0:
        return False
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_mount(), reason="needs the right to mount")
@pytest.mark.parametrize(
    ("mode", "options", "code"),
    [("0444", "ro", 0), ("0644", "ro", 0), ("0440", "rw", 0), ("0644", "rw", 1), ("0666", "ro", 1)],
)
def test_a_real_mount_with_links_as_kubernetes_makes_them(
    tmp_path: Path, mode: str, options: str, code: int
) -> None:
    """`key.pem -> ..data/key.pem`, `..data -> ..2026`, all in a tmpfs."""
    write_key_pair(PrivateKey.generate(), tmp_path / "key.pem")
    (tmp_path / "mounted here").mkdir()
    words = [tmp_path / "mounted here", tmp_path / "key.pem", mode, options, sys.executable]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", _MOUNT, "sh", *map(str, words)],
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
