"""Opens a sealed file: writes the model to disk as it was, byte for byte.

Plaintext is written to files without a name. They get their names when all chunks were found
authentic, so that unchecked or incomplete plaintext is never mistaken for a model.
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
from gamekeeper.base.progress import OnProgress, ignore_progress
from gamekeeper.sealing.artifacts.pickles import is_pickle
from gamekeeper.sealing.contents import Contents, Member
from gamekeeper.sealing.faults import seal_error
from gamekeeper.sealing.recipients import Identity
from gamekeeper.sealing.sealed.layout import CHUNK_BYTES
from gamekeeper.sealing.sealed.parallel import Work, default_workers, each_chunk
from gamekeeper.sealing.sealed.sealed_file import SealedFile, UnlockedFile, UnlockedMember


def open_sealed(
    path: Path,
    out: Path,
    *,
    identities: Sequence[Identity],
    signer: bytes | None = None,
    is_replaced: bool = False,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Contents:
    """Decrypts a sealed file to disk, readable by its owner only.

    Args:
        path: The sealed file.
        out: Where the model is written: a file if one file was sealed, otherwise a folder, which
            must not exist.
        identities: Keys to try.
        signer: Ed25519 public key of the required signer; None checks only the signature of the
            signer that the file itself names, if it names one.
        is_replaced: Whether an existing file is replaced; folders never are.
        workers: Number of threads; if None, one for each core, 2 to 8.
        on_progress: Called with the number of chunks done and of all chunks.

    Returns:
        The files and tensors of the model.

    Raises:
        SealError: It cannot be opened, is not authentic, or contains a pickle, which another
            program has sealed. Nothing is left behind.
        InputError: It cannot be read, or the model cannot be written. Nothing is left behind.
    """
    with SealedFile(path) as sealed:
        opened = sealed.unlock(identities, signer)
        contents = opened.contents
        if out.exists() and (contents.is_folder or not is_replaced):
            is_folder = contents.is_folder
            expected = "a folder that does not exist" if is_folder else "a new name, or --force"
            raise input_error(out, "this name is already in use", "a file or folder", expected)
        with disk_faults(out), ExitStack() as stack:
            require_room(out.parent, contents.length, out)
            files = [stack.enter_context(new_file(out.parent)) for _ in contents.members]
            for member, new in zip(contents.members, files, strict=True):
                new.reserve(member.length)
            _decrypt(opened, files, workers or default_workers(), on_progress)
            _require_no_pickle(opened, path)
            if contents.is_folder:
                _name_folder(contents.members, files, out)
            else:
                files[0].finish(out, is_replaced=is_replaced)
    return contents


def _decrypt(
    opened: UnlockedFile, files: Sequence[NewFile], workers: int, on_progress: OnProgress
) -> None:
    header = opened.header

    def make_work() -> Work:
        decrypt = opened.chunk_decrypter()
        buffer = memoryview(bytearray(CHUNK_BYTES))

        def work(number: int) -> None:
            chunk = buffer[: header.chunk_length(number)]
            decrypt(number, chunk)
            for member, offset, part in opened.contents.pieces(number * CHUNK_BYTES, len(chunk)):
                write_at(files[member].file, chunk[part], offset)

        return work

    each_chunk(range(header.chunks), make_work, workers, on_progress)


def _require_no_pickle(opened: UnlockedFile, path: Path) -> None:
    for member in opened.contents.members:
        if member.kind == "file" and is_pickle(UnlockedMember(opened, member), member.path):
            found = ascii(member.path)[:80]
            expected = "numbers only"
            problem = "a pickle was sealed: loading it would run the code that is in it"
            raise seal_error(
                path, problem, found, expected, "ask its owner for safetensors or ONNX"
            )


def _name_folder(members: Sequence[Member], files: Sequence[NewFile], out: Path) -> None:
    """Gives the files of a folder their names, and then the folder its own."""
    for new in files:
        # Before any file has a name: a sync takes long, and a process that is killed during it
        # then leaves nothing behind.
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
