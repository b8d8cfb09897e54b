"""Seals a model: reads, encrypts and writes it chunk by chunk, in constant memory.

The sealed file is written whole or not at all.
"""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gamekeeper.base.errors import InputError, UsageError, input_error
from gamekeeper.base.files import (
    disk_faults,
    new_file,
    read_at,
    require_another_file,
    require_room,
    write_at,
)
from gamekeeper.base.progress import OnProgress, ignore_progress
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.artifacts import FileBytes, ModelFiles, read_model
from gamekeeper.sealing.contents import Contents
from gamekeeper.sealing.faults import read_faults
from gamekeeper.sealing.recipients import KEY_BYTES, Recipient, Stanza
from gamekeeper.sealing.sealed.layout import (
    CHUNK_BYTES,
    DIGEST_BYTES,
    HEADER_BLOCK_BYTES,
    ID_BYTES,
    MAX_INDEX_BYTES,
    MAX_PAYLOAD_BYTES,
    TAG_BYTES,
    SealedHeader,
)
from gamekeeper.sealing.sealed.parallel import Work, default_workers, each_chunk
from gamekeeper.sealing.sealed.signatures import digest, header_digest, signed_text
from gamekeeper.sealing.sealed.slots import make_slot, slot_length
from gamekeeper.sealing.sealed.stream import ChunkCipher, seal_index
from gamekeeper.sealing.sealed.subkeys import Subkeys, context_of, derive_subkeys

_MODE = 0o640


def seal(
    path: str | Path,
    out: str | Path,
    *,
    to: Sequence[Recipient],
    signing_key: Ed25519PrivateKey | None = None,
    is_replaced: bool = False,
    follow_links: bool = False,
    allow: Sequence[str] = (),
    ignore: Sequence[str] = (),
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
    entropy: Callable[[int], bytes] = secrets.token_bytes,
) -> SealedHeader:
    """Encrypts a model for its recipients.

    Args:
        path: A model file, or a folder with at least one.
        out: Path of the sealed file.
        to: Recipients that can open it; at least one, with different names.
        signing_key: Signs the file, so that recipients can verify who sealed it.
        is_replaced: Whether an existing file is replaced.
        follow_links: Whether links that lead out of the model's folder are followed.
        allow: Paths in the model, or patterns, of files that are sealed although their format is
            not known, so that they may run code when they are loaded. Recipients are told.
        ignore: Paths in the model, or patterns, of files that are left out.
        workers: Number of threads; if None, one for each core, 2 to 8.
        on_progress: Called with the number of chunks done and of all chunks.
        entropy: Returns n random bytes.

    Returns:
        The header of the sealed file.

    Raises:
        UsageError: There are no recipients, two have the same name, the sealed file would replace
            the model or be in its folder, or a path or pattern matches nothing.
        InputError: The model cannot be read or has a file that is not sealed, or the sealed file
            cannot be written. Nothing is left behind.
    """
    path = Path(path)
    out = Path(out)
    require_new_name(path, out, is_replaced=is_replaced)
    model = read_model(path, follow_links=follow_links, allow=allow, ignore=ignore)
    return seal_files(
        model,
        out,
        to=to,
        signing_key=signing_key,
        is_replaced=is_replaced,
        workers=workers,
        on_progress=on_progress,
        entropy=entropy,
    )


def seal_files(
    model: ModelFiles,
    out: Path,
    *,
    to: Sequence[Recipient],
    signing_key: Ed25519PrivateKey | None = None,
    is_replaced: bool = False,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
    entropy: Callable[[int], bytes] = secrets.token_bytes,
) -> SealedHeader:
    """Encrypts a model that was read before, as `seal` does.

    Args:
        model: The model, as returned by `read_model`.
        out: Path of the sealed file.
        to: Recipients that can open it; at least one, with different names.
        signing_key: Signs the file.
        is_replaced: Whether an existing file is replaced.
        workers: Number of threads; if None, one for each core, 2 to 8.
        on_progress: Called with the number of chunks done and of all chunks.
        entropy: Returns n random bytes.

    Returns:
        The header of the sealed file.

    Raises:
        UsageError: There are no recipients, two have the same name, or the sealed file would
            replace the model or be in its folder.
        InputError: The model changed since it was read, or the sealed file cannot be written.
    """
    require_new_name(model.root, out, is_replaced=is_replaced)
    require_another_file(out, *model.paths)
    path = model.root
    index = model.contents.to_json()
    _require_size_limits(model.contents, index, path)
    data_key = Secret(entropy(KEY_BYTES))
    file_id = entropy(ID_BYTES)
    stanzas = _wrap(data_key, file_id, to)
    keys = derive_subkeys(data_key, file_id)
    header = SealedHeader(
        file_id=file_id,
        commitment=keys.commitment,
        payload_bytes=model.contents.length,
        index_bytes=len(index),
        slot_bytes=slot_length(stanzas),
        signer=signing_key.public_key().public_bytes_raw() if signing_key else None,
    )
    with disk_faults(out), new_file(out.parent, _MODE) as new, _Payload(model) as payload:
        require_room(out.parent, header.file_bytes, out)
        new.reserve(header.file_bytes)
        writer = _Writer(new.file, header, keys, payload)
        writer.write(index, stanzas, signing_key, workers or default_workers(), on_progress)
        payload.require_unchanged()
        new.finish(out, is_replaced=is_replaced)
    return header


class _Writer:
    """Writes one sealed file.

    Args:
        file: Descriptor of the new file.
        header: Its header.
        keys: Its subkeys.
        payload: The files of the model.
    """

    def __init__(self, file: int, header: SealedHeader, keys: Subkeys, payload: "_Payload") -> None:
        self._file = file
        self._header = header
        self._keys = keys
        self._payload = payload
        self._associated = header_digest(header.to_json())
        self._cipher = ChunkCipher(keys.payload, self._associated, header.chunks)
        self._digests = bytearray(header.chunks * DIGEST_BYTES if header.signer else 0)

    def write(
        self,
        index: bytes,
        stanzas: Sequence[Stanza],
        signing_key: Ed25519PrivateKey | None,
        workers: int,
        on_progress: OnProgress,
    ) -> None:
        """Writes the whole file; the first block last, since the file is invalid without it."""
        header = self._header
        sealed_index = seal_index(self._keys.index, index, self._associated)
        write_at(self._file, sealed_index, header.index_at)
        slot = make_slot(1, stanzas, self._keys.slots, self._associated, header.slot_bytes)
        write_at(self._file, slot + bytes(header.slot_bytes), HEADER_BLOCK_BYTES)
        each_chunk(range(header.chunks), self._make_work, workers, on_progress)
        if signing_key:
            digests = bytes(self._digests)
            signature = signing_key.sign(signed_text(header.to_json(), sealed_index, digests))
            write_at(self._file, digests + signature, header.digests_at)
        write_at(self._file, header.block(), 0)

    def _make_work(self) -> Work:
        """Returns the function that seals one chunk, with its own buffers."""
        plain = memoryview(bytearray(CHUNK_BYTES))
        sealed = memoryview(bytearray(CHUNK_BYTES + TAG_BYTES))
        reader = self._payload.reader()

        def work(number: int) -> None:
            length = self._header.chunk_length(number)
            chunk = plain[:length]
            into = sealed[: length + TAG_BYTES]
            reader.read_into(chunk, number * CHUNK_BYTES)
            self._cipher.seal(number, chunk, into)
            if self._digests:
                self._digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES] = digest(into)
            write_at(self._file, into, self._header.chunk_at(number))

        return work


class _Payload:
    """The concatenated files of a model, unchanged since their tensors were located.

    A thread keeps only the file open that it reads, so that a model can have any number of files.

    Args:
        model: The files on disk.
    """

    def __init__(self, model: ModelFiles) -> None:
        self._model = model
        self._readers: list[_Reader] = []
        self._lock = Lock()

    def __enter__(self) -> "_Payload":
        return self

    def __exit__(self, *fault: object) -> None:
        for reader in self._readers:
            reader.close()

    def reader(self) -> "_Reader":
        """Returns a reader for one thread."""
        made = _Reader(self._model)
        with self._lock:
            self._readers.append(made)
        return made

    def require_unchanged(self) -> None:
        """Checks that no file was written to or replaced since its tensors were located.

        Raises:
            InputError: A file was.
        """
        reader = self.reader()
        for number in range(len(self._model.paths)):
            reader.part(number)


class _Reader:
    """Reads the payload for one thread.

    Args:
        model: The files on disk.
    """

    def __init__(self, model: ModelFiles) -> None:
        self._model = model
        self._number = -1
        self._part: FileBytes | None = None

    def read_into(self, into: memoryview, at: int) -> None:
        """Fills a buffer with the payload from an offset.

        Raises:
            InputError: A file cannot be read, was replaced, or became shorter.
        """
        for number, offset, piece in self._model.contents.pieces(at, len(into)):
            part = self.part(number)
            path = self._model.contents.members[number].path
            target = into[piece]
            with read_faults(path):
                count = read_at(part.file, target, offset)
            if count != len(target):
                raise _changed(path)

    def part(self, number: int) -> FileBytes:
        """Returns a file of the model, open until another is asked for.

        Raises:
            InputError: It cannot be read, or changed since its tensors were located.
        """
        if self._part is not None and self._number == number:
            return self._part
        self.close()
        path = self._model.contents.members[number].path
        with read_faults(path):
            part = FileBytes(self._model.paths[number])
        self._part = part
        self._number = number
        if part.state() != self._model.states[number]:
            raise _changed(path)
        return part

    def close(self) -> None:
        """Closes the file that is open."""
        if self._part is not None:
            self._part.close()
        self._part = None


def require_new_name(model: Path, out: Path, *, is_replaced: bool) -> None:
    """Checks that a sealed file can get its name without harm to the model.

    Args:
        model: The model.
        out: The sealed file.
        is_replaced: Whether an existing file is replaced.

    Raises:
        UsageError: It would replace the model, or be in its folder.
        InputError: The name is in use.
    """
    require_another_file(out, model)
    if model.is_dir() and out.parent.resolve().is_relative_to(model.resolve()):
        raise UsageError(
            f"{out}: inside the folder that is sealed, where it would be taken for a part of the"
            " model; name another place with --out"
        )
    if out.exists() and not is_replaced:
        raise input_error(
            out, "this name is already in use", "a file", "a new name", "--force replaces it"
        )


def _changed(path: str) -> InputError:
    return input_error(
        path,
        "the file changed while it was sealed",
        "other bytes",
        "a model that is not written to",
        "seal it again",
    )


def _wrap(data_key: Secret[bytes], file_id: bytes, to: Sequence[Recipient]) -> list[Stanza]:
    if not to:
        raise UsageError("nobody could open it: name a recipient with --to")
    stanzas = [recipient.wrap(data_key, context_of(file_id)) for recipient in to]
    require_distinct_names(stanzas)
    return stanzas


def require_distinct_names(stanzas: Sequence[Stanza]) -> None:
    """Checks that no two recipients have the same name.

    Raises:
        UsageError: Two have.
    """
    names = [one.name for one in stanzas]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UsageError(f"the same recipient twice: {', '.join(repeated)}")


def _require_size_limits(contents: Contents, index: bytes, path: Path) -> None:
    if not 0 < contents.length <= MAX_PAYLOAD_BYTES or len(index) > MAX_INDEX_BYTES:
        found = f"{contents.length:,} bytes, {len(index):,} of names and shapes"
        expected = (
            f"1 to {MAX_PAYLOAD_BYTES:,} bytes, at most {MAX_INDEX_BYTES:,} of names and shapes"
        )
        raise input_error(path, "a model of this size cannot be sealed", found, expected)
