"""Opens a sealed file: what was sealed, back on disk, byte for byte.

Plaintext goes to files without a name and gets names when every chunk was authentic, so that
nothing that was not checked, and nothing half, can be taken for a model.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from gamekeeper.base.errors import input_error
from gamekeeper.base.files import (
    NewFile,
    disk_faults,
    new_file,
    require_room,
    sync_folder,
    write_at,
)
from gamekeeper.sealing.artifacts.pickles import is_pickle
from gamekeeper.sealing.contents import Contents, Member
from gamekeeper.sealing.faults import seal_error
from gamekeeper.sealing.recipients import Identity
from gamekeeper.sealing.sealed.layout import CHUNK_BYTES
from gamekeeper.sealing.sealed.parallel import Step, Work, each_chunk, ignore, usual_workers
from gamekeeper.sealing.sealed.reading import Opened, Part, SealedFile


def open_sealed(
    path: Path,
    out: Path,
    *,
    identities: Sequence[Identity],
    signer: bytes | None = None,
    is_replaced: bool = False,
    workers: int | None = None,
    progress: Step = ignore,
) -> Contents:
    """Decrypts a sealed file to disk, readable by its owner only.

    Args:
        path: The sealed file.
        out: Where the model goes: a file if one file was sealed, else a folder, which must not
            exist.
        identities: Keys to try.
        signer: Who must have signed it, Ed25519 public key; None checks no more than that who it
            names signed it.
        is_replaced: Whether a file of that name is replaced; folders never are.
        workers: Threads; one a core, 2 to 8, if None.
        progress: Called with the chunks that are done and all of them.

    Returns:
        What was sealed.

    Raises:
        SealError: It does not open, is not what was sealed, or a pickle was sealed, by another
            program. Nothing is left behind.
        InputError: It cannot be read, or its content cannot be written. Nothing is left behind.
    """
    with SealedFile(path) as sealed:
        opened = sealed.unlock(identities, signer)
        contents = opened.contents
        if out.exists() and (contents.is_folder or not is_replaced):
            expected = (
                "a folder that is not there" if contents.is_folder else "a new name, or --force"
            )
            raise input_error(out, "there is something of that name", "a file or folder", expected)
        with disk_faults(out), ExitStack() as stack:
            require_room(out.parent, contents.length, out)
            files = [stack.enter_context(new_file(out.parent)) for _ in contents.members]
            for member, new in zip(contents.members, files, strict=True):
                new.reserve(member.length)
            _decrypt(sealed, opened, files, workers or usual_workers(), progress)
            _require_no_pickle(opened, path)
            if contents.is_folder:
                _name_folder(contents.members, files, out)
            else:
                files[0].finish(out, is_replaced=is_replaced)
    return contents


def _decrypt(
    sealed: SealedFile, opened: Opened, files: Sequence[NewFile], workers: int, progress: Step
) -> None:
    def decrypting() -> Work:
        opening = opened.opening()
        buffer = memoryview(bytearray(CHUNK_BYTES))

        def work(number: int) -> None:
            chunk = buffer[: sealed.header.chunk_length(number)]
            opening(number, chunk)
            for member, place, part in opened.contents.pieces(number * CHUNK_BYTES, len(chunk)):
                write_at(files[member].file, chunk[part], place)

        return work

    each_chunk(range(sealed.header.chunks), decrypting, workers, progress)


def _require_no_pickle(opened: Opened, path: Path) -> None:
    for member in opened.contents.members:
        if member.kind == "file" and is_pickle(Part(opened, member), member.path):
            found = ascii(member.path)[:80]
            expected = "numbers only"
            problem = "a pickle was sealed: whoever loads it would run the code that is in it"
            raise seal_error(
                path, problem, found, expected, "ask who sealed it for safetensors or ONNX"
            )


def _name_folder(members: Sequence[Member], files: Sequence[NewFile], out: Path) -> None:
    """Gives the files of a folder their names, and the folder its own when all have theirs."""
    for new in files:
        # it takes long, and a process that is killed in it leaves nothing as long as nothing has a
        # name
        new.sync()
    folder = Path(mkdtemp(prefix=".gamekeeper-", dir=out.parent))
    try:
        for member, new in zip(members, files, strict=True):
            target = folder / member.path
            target.parent.mkdir(parents=True, exist_ok=True)
            new.finish(target)
        folder.rename(out)
        sync_folder(out.parent)
    except BaseException:
        rmtree(folder, ignore_errors=True)
        raise
