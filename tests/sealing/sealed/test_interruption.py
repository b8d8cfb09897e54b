"""Nothing that looks finished is left by a full disk, a broken one, an interrupt or a killed
process.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.sealing import SealError, load_sealed, open_sealed, rewrap, seal, verify_sealed
from gamekeeper.sealing.recipients import PrivateKey
from gamekeeper.sealing.sealed import SealedFile
from gamekeeper.sealing.sealed.layout import HEADER_BLOCK_BYTES
from gamekeeper.sealing.sealed.parallel import each_chunk
from sealing.builders import big_model, cheap_passphrase, write_model


@pytest.fixture(params=[True, False], ids=["nameless", "hidden"])
def kinds_of_files(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With unnamed files, and on file systems without them."""
    if not request.param:
        monkeypatch.delattr(os, "O_TMPFILE")


@pytest.mark.usefixtures("kinds_of_files")
@pytest.mark.parametrize("fails_at", [1, 2, 4])
def test_full_disk_leaves_nothing(
    tmp_path: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    """Neither of a seal nor of an opening, wherever the disk gets full; the message says so."""
    seal(big_model(tmp_path / "m", 3), tmp_path / "s", to=[key.public_key()])
    before = sorted(tmp_path.iterdir())
    write = os.pwrite
    calls = [0]

    def full(*arguments: object) -> int:
        calls[0] += 1
        if calls[0] >= fails_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(InputError, match="the disk is full"):
        seal(tmp_path / "m", tmp_path / "new", to=[key.public_key()])
    calls[0] = 0
    with pytest.raises(InputError, match="the disk is full"):
        open_sealed(tmp_path / "s", tmp_path / "new", identities=[key])
    assert sorted(tmp_path.iterdir()) == before


def test_room_is_taken_before_the_work(
    tmp_path: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may fill the disk meanwhile; the error comes at once, and nothing is left."""
    seal(write_model(tmp_path / "m"), tmp_path / "s", to=[key.public_key()])
    before = sorted(tmp_path.iterdir())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match="the disk is full"):
        seal(tmp_path / "m", tmp_path / "new", to=[key.public_key()])
    with pytest.raises(InputError, match="the disk is full"):
        open_sealed(tmp_path / "s", tmp_path / "new", identities=[key])
    assert sorted(tmp_path.iterdir()) == before


def test_disk_without_room_is_seen_before_the_work(
    tmp_path: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour of work is not begun that cannot be finished."""
    monkeypatch.setattr(os, "statvfs", lambda _: namedtuple("S", "f_bavail f_frsize")(1, 4096))
    with pytest.raises(InputError, match="4,096 bytes free"):
        seal(write_model(tmp_path / "m"), tmp_path / "s", to=[key.public_key()])


@pytest.mark.usefixtures("kinds_of_files")
def test_interrupt_leaves_nothing(tmp_path: Path, key: PrivateKey) -> None:
    """A hand on the keyboard in the middle of it."""
    model = big_model(tmp_path / "m", 3)

    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    for workers in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            seal(
                model, tmp_path / "s", to=[key.public_key()], workers=workers, on_progress=interrupt
            )
    assert [one.name for one in tmp_path.iterdir()] == ["m"]


SEALING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from sealing.builders import cheap_passphrase
from gamekeeper.sealing import open_sealed, seal
def report(done, total):
    print(done, flush=True)
if sys.argv[4] == "seal":
    seal(Path(sys.argv[1]), Path(sys.argv[2]), to=[cheap_passphrase()], workers=1, on_progress=report)
else:
    open_sealed(Path(sys.argv[1]), Path(sys.argv[2]), identities=[cheap_passphrase()], workers=1, on_progress=report)
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["seal", "open"])
def test_killed_process_leaves_nothing(tmp_path: Path, what: str) -> None:
    """`kill -9` in the middle: neither half a sealed file nor plaintext is in the folder."""
    model = tmp_path / "m"
    big_model(model, 60)
    if what == "open":
        seal(model, tmp_path / "s", to=[cheap_passphrase()])
    source = tmp_path / ("m" if what == "seal" else "s")
    before = sorted(tmp_path.iterdir())
    tests = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", SEALING, str(source), str(tmp_path / "new"), str(tests), what],
        stdout=subprocess.PIPE,
    )
    assert process.stdout
    for _ in range(5):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert sorted(tmp_path.iterdir()) == before


def test_rewrap_moves_no_data(four_chunks: Path, tmp_path: Path, key: PrivateKey) -> None:
    """All but the key slots stays as it was, and the signature with it."""
    path = tmp_path / "f"
    new = PrivateKey.generate()
    shutil.copy(four_chunks, path)
    with SealedFile(path) as sealed:
        header = sealed.header
    rewrap(path, identities=[key], add=[new.public_key()], remove=[key.public_key().name])
    before = four_chunks.read_bytes()
    after = path.read_bytes()
    assert before[:HEADER_BLOCK_BYTES] == after[:HEADER_BLOCK_BYTES]
    assert before[header.index_at :] == after[header.index_at :]
    assert verify_sealed(path, identities=[new]).generation == 2
    with pytest.raises(Exception, match="none of the given keys opens it"):
        verify_sealed(path, identities=[key])


def test_removed_keys_are_wiped_from_the_file(sealed: Path, key: PrivateKey) -> None:
    """The old slot is overwritten: the stanza of the removed recipient is no longer in this copy."""
    phrase = cheap_passphrase()
    rewrap(sealed, identities=[key], add=[phrase])
    wrapped = key.public_key().name.encode()
    assert wrapped in sealed.read_bytes()
    rewrap(sealed, identities=[phrase], remove=[key.public_key().name[:20]])
    assert wrapped not in sealed.read_bytes()


def test_rewrap_needs_an_unambiguous_name_and_a_remaining_recipient(
    sealed: Path, key: PrivateKey
) -> None:
    """A typing error must not lock everybody out."""
    before = sealed.read_bytes()
    for add, remove, message in (
        ([], ["bob"], "names no recipients"),
        ([], [key.public_key().name], "nobody could open it any more"),
        ([cheap_passphrase(), cheap_passphrase()], [], "the same recipient twice"),
    ):
        with pytest.raises(UsageError, match=message):
            rewrap(sealed, identities=[key], add=add, remove=remove)
    assert sealed.read_bytes() == before


def test_recipient_that_is_added_again_is_wrapped_again(sealed: Path, key: PrivateKey) -> None:
    """A changed passphrase replaces the one of the same name."""
    rewrap(sealed, identities=[key], add=[cheap_passphrase("the first passphrase")])
    rewrap(sealed, identities=[key], add=[cheap_passphrase("the second passphrase")])
    assert verify_sealed(sealed, identities=[cheap_passphrase("the second passphrase")])
    with pytest.raises(Exception, match="none of the given keys opens it"):
        verify_sealed(sealed, identities=[cheap_passphrase("the first passphrase")])


@pytest.mark.parametrize("written", [0, 10, 40, 600, 1500, None])
def test_interrupted_rewrap_leaves_a_file_that_opens(
    sealed: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch, written: int | None
) -> None:
    """The machine stops after so many bytes of the new slot, or between the two writes."""
    new = PrivateKey.generate()
    write = os.pwrite
    slots = [0]

    def stopped(file: int, data: memoryview, at: int) -> int:
        slots[0] += 1
        if slots[0] == 1 and written is not None:
            write(file, data[:written], at)
        if slots[0] == 1 and written is None:
            return write(file, data, at)
        raise OSError(errno.EIO, "stopped")

    monkeypatch.setattr(os, "pwrite", stopped)
    with pytest.raises(InputError, match="stopped"):
        rewrap(sealed, identities=[key], add=[new.public_key()], remove=[key.public_key().name])
    monkeypatch.undo()
    opens, other = (new, key) if written is None else (key, new)
    assert open_sealed(sealed, sealed.with_name("back"), identities=[opens])
    with pytest.raises(Exception, match="none of the given keys opens it"):
        open_sealed(sealed, sealed.with_name("back2"), identities=[other])
    rewrap(sealed, identities=[opens], add=[cheap_passphrase()])
    assert verify_sealed(sealed, identities=[opens]), "the next rewrap clears what was left"


def test_two_rewraps_wait_for_each_other(sealed: Path, key: PrivateKey) -> None:
    """The second one adds to what the first has written."""
    from threading import Thread

    names = [f"phrase {number}" for number in range(6)]
    threads = [
        Thread(
            target=rewrap,
            args=(sealed,),
            kwargs={"identities": [key], "add": [cheap_passphrase(name=name)]},
        )
        for name in names
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    with SealedFile(sealed) as file:
        assert {one.name for one in file.slot.stanzas} == {key.public_key().name, *names}


@pytest.mark.slow
def test_memory_is_constant(tmp_path: Path) -> None:
    """A gigabyte and a half goes through less than 250 MB of memory, both ways."""
    program = SEALING.replace("print(done, flush=True)", "pass")
    program += "\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    header = b'{"w":{"dtype":"U8","shape":[1500000000],"data_offsets":[0,1500000000]}}'
    with (tmp_path / "m.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 1_500_000_000)
    tests = str(Path(__file__).parents[2])
    for what, source, out in (("seal", "m.safetensors", "s"), ("open", "s", "back")):
        call = [
            sys.executable,
            "-c",
            program,
            str(tmp_path / source),
            str(tmp_path / out),
            tests,
            what,
        ]
        peak_kib = int(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
        assert peak_kib < 250_000
    (tmp_path / "s").unlink()
    (tmp_path / "back").unlink()


def test_a_model_in_use_does_not_keep_others_from_rewrapping(sealed: Path, key: PrivateKey) -> None:
    """A server has its model open for months; keys are rotated all the same, and it reads on."""
    from threading import Thread

    with load_sealed(sealed, keys=[key]) as loaded:
        call = {"identities": [key], "add": [cheap_passphrase()]}
        rewrapping = Thread(target=rewrap, args=(sealed,), kwargs=call, daemon=True)
        rewrapping.start()
        rewrapping.join(20)
        assert not rewrapping.is_alive()
        assert loaded.numpy()
    with SealedFile(sealed) as file:
        assert len(file.slot.stanzas) == 2


def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes what happens on the disk, in its order."""
    events: list[str] = []
    for name in ("fsync", "pwrite", "link"):
        call = getattr(os, name)
        monkeypatch.setattr(
            os,
            name,
            lambda *words, name=name, call=call, **more: (
                events.append(name),
                call(*words, **more),
            )[1],
        )
    return events


def test_new_slot_is_on_the_disk_before_the_old_one_is_wiped(
    sealed: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that stops may lose writes in any order, but for what was synced."""
    events = noted(monkeypatch)
    rewrap(sealed, identities=[key], add=[cheap_passphrase()])
    assert events == ["pwrite", "fsync", "pwrite", "fsync"]


@pytest.mark.usefixtures("kinds_of_files")
def test_bytes_are_on_the_disk_before_they_have_a_name(
    sealed: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that outlives its bytes would be half a file; the name itself is synced last."""
    events = noted(monkeypatch)
    open_sealed(sealed, sealed.with_name("out"), identities=[key])
    assert events[:2] == ["pwrite", "fsync"] and "link" in events and events[-1] == "fsync"
    assert events.index("fsync") < events.index("link")


def test_files_of_a_folder_are_on_the_disk_before_the_first_has_a_name(
    tmp_path: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large files take minutes to sync; a process that is killed then leaves no plaintext in a hidden
    folder.
    """
    folder = tmp_path / "llm"
    folder.mkdir()
    for name in ("a", "b", "c"):
        write_model(folder / f"{name}.safetensors")
    seal(folder, tmp_path / "s", to=[key.public_key()])
    events = noted(monkeypatch)
    open_sealed(tmp_path / "s", tmp_path / "back", identities=[key])
    assert events[: events.index("link")].count("fsync") >= 3


@pytest.mark.usefixtures("kinds_of_files")
def test_a_file_that_comes_in_between_is_not_replaced(
    sealed: Path, model: Path, key: PrivateKey, tmp_path: Path
) -> None:
    """Another program makes one of that name while it is sealed or opened."""
    new = tmp_path / "new"
    before = sorted(one.name for one in tmp_path.iterdir())
    others = lambda done, total: new.write_bytes(b"of another program") and None  # noqa: E731
    for do in (
        lambda: seal(model, new, to=[key.public_key()], on_progress=others),
        lambda: open_sealed(sealed, new, identities=[key], on_progress=others),
    ):
        with pytest.raises(InputError, match="File exists"):
            do()
        assert new.read_bytes() == b"of another program"
        new.unlink()
        assert sorted(one.name for one in tmp_path.iterdir()) == before


@pytest.mark.usefixtures("kinds_of_files")
def test_replacing_leaves_nothing_but_the_new_file(
    sealed: Path, model: Path, key: PrivateKey
) -> None:
    """Nor a link in place of it, nor what the link leads to."""
    before = sorted(one.name for one in sealed.parent.iterdir())
    kept = model.read_bytes()
    (sealed.parent / "out").symlink_to(model)
    open_sealed(sealed, sealed.parent / "out", identities=[key], is_replaced=True)
    assert not (sealed.parent / "out").is_symlink() and model.read_bytes() == kept
    assert sorted(one.name for one in sealed.parent.iterdir()) == sorted([*before, "out"])


def test_a_folder_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk breaks when the second file of it gets its name."""
    folder = tmp_path / "llm"
    folder.mkdir()
    for name in ("a", "b"):
        write_model(folder / f"{name}.safetensors")
    seal(folder, tmp_path / "s", to=[key.public_key()])
    before = sorted(tmp_path.iterdir())
    link = os.link
    calls = [0]

    def broken(*words: object, **more: object) -> None:
        calls[0] += 1
        if calls[0] > 1:
            raise OSError(errno.EIO, "broken")
        link(*words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", broken)
    with pytest.raises(InputError, match="broken"):
        open_sealed(tmp_path / "s", tmp_path / "back", identities=[key])
    assert sorted(tmp_path.iterdir()) == before


def test_folders_are_never_replaced(tmp_path: Path, key: PrivateKey) -> None:
    """Also where it is asked for, and where the folder is empty, which a rename would take."""
    folder = tmp_path / "llm"
    folder.mkdir()
    for name in ("a", "b"):
        write_model(folder / f"{name}.safetensors")
    seal(folder, tmp_path / "s", to=[key.public_key()])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="this name is already in use"):
        open_sealed(tmp_path / "s", tmp_path / "empty", identities=[key], is_replaced=True)
    assert not list((tmp_path / "empty").iterdir())


def test_disks_that_take_and_give_a_little_at_a_time(
    tmp_path: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As disks of a network do: one call moves less than was asked for."""
    model = big_model(tmp_path / "m", 1.2)
    write = os.pwrite
    read = os.preadv
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write(file, data[:70_001], at))
    monkeypatch.setattr(os, "preadv", lambda file, into, at: read(file, [into[0][:50_021]], at))
    seal(model, tmp_path / "s", to=[key.public_key()])
    open_sealed(tmp_path / "s", tmp_path / "back", identities=[key])
    assert (tmp_path / "back").read_bytes() == model.read_bytes()


def test_files_that_become_shorter_while_they_are_read(tmp_path: Path, key: PrivateKey) -> None:
    """What was in the buffer before is neither sealed nor opened in place of what is missing."""
    model = big_model(tmp_path / "m", 3)
    seal(model, tmp_path / "s", to=[key.public_key()])
    with load_sealed(tmp_path / "s", keys=[key]) as loaded:
        os.truncate(tmp_path / "s", (tmp_path / "s").stat().st_size - 100)
        with pytest.raises(SealError, match="fewer bytes"):
            loaded.numpy(["second"])
    cut = lambda done, total: os.truncate(model, 2_500_000)  # noqa: E731
    with pytest.raises(InputError, match="changed while it was sealed"):
        seal(model, tmp_path / "new", to=[key.public_key()], workers=1, on_progress=cut)
    assert not (tmp_path / "new").exists()


def test_no_chunk_is_begun_after_one_has_failed() -> None:
    """A tenth of the way into 100 GB the rest is not worth doing."""
    from threading import Event

    begun = []
    failed = Event()

    def work(number: int) -> None:
        begun.append(number)
        if number == 1:  # of the second thread, while the first is waited for
            failed.set()
            raise OSError("broken")
        failed.wait(5)

    with pytest.raises(OSError, match="broken"):
        each_chunk(range(10_000), lambda: work, 2)
    assert len(begun) < 1000


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_a_rewrap_does_not_write_to_a_file_that_lost_its_name(
    sealed: Path, model: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The model is sealed again while it waits for the lock: it would report a change that no
    file has.
    """
    fcntl = pytest.importorskip("fcntl")
    lock = fcntl.flock

    def waited(file: int, kind: int) -> None:
        if kind == fcntl.LOCK_EX:
            sealed.unlink()
            if how == "replaced":
                seal(model, sealed, to=[key.public_key()])
        lock(file, kind)

    monkeypatch.setattr(fcntl, "flock", waited)
    with pytest.raises(InputError, match="the file was replaced while waiting"):
        rewrap(sealed, identities=[key], add=[cheap_passphrase()])
