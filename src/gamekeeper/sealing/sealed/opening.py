"""Opens a sealed file: writes the model to disk as it was, byte for byte.

Plaintext is written to files without a name. They get their names when all chunks were found
authentic, so that unchecked or incomplete plaintext is never mistaken for a model.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from gamekeeper.base.errors import input_error
from gamekeeper.base.files import disk_faults, require_another_file, require_room, sync_folder
from gamekeeper.base.progress import OnProgress, ignore_progress
from gamekeeper.sealing.contents import Contents, Member
from gamekeeper.sealing.recipients import Identity
from gamekeeper.sealing.sealed.examination import examined_contents
from gamekeeper.sealing.sealed.layout import CHUNK_BYTES
from gamekeeper.sealing.sealed.outputs import Outputs, shared_bytes
from gamekeeper.sealing.sealed.parallel import Work, default_workers, each_chunk
from gamekeeper.sealing.sealed.sealed_file import SealedFile, UnlockedFile


def open_sealed(
    path: str | Path,
    out: str | Path,
    *,
    identities: Sequence[Identity],
    signer: bytes | None = None,
    is_replaced: bool = False,
    allow: Sequence[str] = (),
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
        allow: Paths in the model, or patterns, of files that are written although neither their
            format is known nor the owner named them, as an earlier version let them pass.
        workers: Number of threads; if None, one for each core, 2 to 8.
        on_progress: Called with the number of chunks done and of all chunks.

    Returns:
        The files and tensors of the model; which files were not examined, and which code is in
        them, as it is found now rather than as the author of the index says.

    Raises:
        UsageError: The output is the sealed file itself, or a path or pattern of `allow` matches
            nothing.
        SealError: It cannot be opened, is not authentic, or contains a file of no format that is
            known and that its owner did not name. Nothing is left behind.
        InputError: It cannot be read, or the model cannot be written. Nothing is left behind.
    """
    path = Path(path)
    out = Path(out)
    require_another_file(out, path)
    with SealedFile(path) as sealed:
        opened = sealed.unlock(identities, signer)
        contents = opened.contents
        if out.exists() and (contents.is_folder or not is_replaced):
            is_folder = contents.is_folder
            expected = "a folder that does not exist" if is_folder else "a new name, or --force"
            raise input_error(out, "this name is already in use", "a file or folder", expected)
        found = examined_contents(opened, path, allow)
        with disk_faults(out), ExitStack() as stack:
            require_room(out.parent, contents.length + shared_bytes(contents.members), out)
            outputs = Outputs(contents.members, out.parent, stack)
            _decrypt(opened, outputs, workers or default_workers(), on_progress)
            if contents.is_folder:
                _name_folder(contents.members, outputs, out)
            else:
                with outputs.file(0, out.parent) as new:
                    new.finish(out, is_replaced=is_replaced)
    return replace(contents, allowed=found.allowed, code=found.code)


def _decrypt(opened: UnlockedFile, outputs: Outputs, workers: int, on_progress: OnProgress) -> None:
    header = opened.header

    def make_work() -> Work:
        decrypt = opened.chunk_decrypter()
        buffer = memoryview(bytearray(CHUNK_BYTES))

        def work(number: int) -> None:
            chunk = buffer[: header.chunk_length(number)]
            decrypt(number, chunk)
            for member, offset, part in opened.contents.pieces(number * CHUNK_BYTES, len(chunk)):
                outputs.write(member, chunk[part], offset)

        return work

    each_chunk(range(header.chunks), make_work, workers, on_progress)


def _name_folder(members: Sequence[Member], outputs: Outputs, out: Path) -> None:
    """Gives the files of a folder their names, and then the folder its own."""
    # Before any file has a name: a sync takes long, and a process that is killed during it then
    # leaves nothing behind.
    outputs.sync()
    folder = Path(mkdtemp(prefix=".gamekeeper-", dir=out.parent))
    try:
        for number, member in enumerate(members):
            target = folder / member.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with outputs.file(number, target.parent) as new:
                new.finish(target)
        folder.rename(out)
        sync_folder(out.parent)
    except BaseException:
        rmtree(folder, ignore_errors=True)
        raise
