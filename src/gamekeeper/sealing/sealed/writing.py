"""Seals a model: read, encrypt and write chunk by chunk, in constant memory, whole or not
at all.
"""

import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gamekeeper.base.errors import UsageError, input_error
from gamekeeper.base.files import disk_faults, new_file, read_at, require_room, write_at
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.artifacts import FileBytes, Model, read_model
from gamekeeper.sealing.contents import Contents
from gamekeeper.sealing.recipients import KEY_BYTES, Recipient, Stanza
from gamekeeper.sealing.sealed.layout import (
    CHUNK_BYTES,
    DIGEST_BYTES,
    HEADER_BLOCK_BYTES,
    ID_BYTES,
    MAX_INDEX_BYTES,
    MAX_PAYLOAD_BYTES,
    TAG_BYTES,
    Header,
)
from gamekeeper.sealing.sealed.parallel import Step, Work, each_chunk, ignore, usual_workers
from gamekeeper.sealing.sealed.signatures import digest, header_digest, signed_text
from gamekeeper.sealing.sealed.slots import make_slot, slot_room
from gamekeeper.sealing.sealed.stream import Stream, seal_index
from gamekeeper.sealing.sealed.subkeys import Subkeys, context_of, subkeys

_MODE = 0o640


def seal(
    path: Path,
    out: Path,
    *,
    to: Sequence[Recipient],
    signing_key: Ed25519PrivateKey | None = None,
    is_replaced: bool = False,
    is_linked: bool = False,
    workers: int | None = None,
    progress: Step = ignore,
    entropy: Callable[[int], bytes] = secrets.token_bytes,
) -> Header:
    """Encrypts a model for its recipients.

    Args:
        path: A safetensors or ONNX file, or a folder with at least one.
        out: Where the sealed file goes.
        to: Who can open it; at least one, of different names.
        signing_key: Signs it, so that recipients can tell who sealed it.
        is_replaced: Whether a file of that name is replaced.
        is_linked: Whether links that lead out of the model's folder are followed.
        workers: Threads; one a core, 2 to 8, if None.
        progress: Called with the chunks that are done and all of them.
        entropy: Draws n random bytes.

    Returns:
        The header of the sealed file.

    Raises:
        UsageError: There are no recipients, or two of one name.
        InputError: The model cannot be read or is a pickle, or the file cannot be written. Nothing
            is left behind.
    """
    if out.exists() and not is_replaced:
        raise input_error(
            out, "there is a file of that name", "a file", "a new name", "--force replaces it"
        )
    model = read_model(path, is_linked=is_linked)
    index = model.contents.text()
    _require_bounded(model.contents, index, path)
    data_key = Secret(entropy(KEY_BYTES))
    file_id = entropy(ID_BYTES)
    stanzas = _wrapped(data_key, file_id, to)
    keys = subkeys(data_key, file_id)
    header = Header(
        file_id=file_id,
        commitment=keys.commitment,
        payload_bytes=model.contents.length,
        index_bytes=len(index),
        slot_bytes=slot_room(stanzas),
        signer=signing_key.public_key().public_bytes_raw() if signing_key else None,
    )
    with disk_faults(out), new_file(out.parent, _MODE) as new, _Payload(model) as payload:
        require_room(out.parent, header.file_bytes, out)
        new.reserve(header.file_bytes)
        writer = _Writer(new.file, header, keys, payload)
        writer.write(index, stanzas, signing_key, workers or usual_workers(), progress)
        payload.require_unchanged()
        new.finish(out, is_replaced=is_replaced)
    return header


class _Writer:
    """Writes one sealed file."""

    def __init__(self, file: int, header: Header, keys: Subkeys, payload: "_Payload") -> None:
        self._file = file
        self._header = header
        self._keys = keys
        self._payload = payload
        self._associated = header_digest(header.text())
        self._stream = Stream(keys.payload, self._associated, header.chunks)
        self._digests = bytearray(header.chunks * DIGEST_BYTES if header.signer else 0)

    def write(
        self,
        index: bytes,
        stanzas: Sequence[Stanza],
        signing_key: Ed25519PrivateKey | None,
        workers: int,
        progress: Step,
    ) -> None:
        """Writes everything, the first block last: without it the file is none."""
        header = self._header
        sealed_index = seal_index(self._keys.index, index, self._associated)
        write_at(self._file, sealed_index, header.index_at)
        slot = make_slot(1, stanzas, self._keys.slots, self._associated, header.slot_bytes)
        write_at(self._file, slot + bytes(header.slot_bytes), HEADER_BLOCK_BYTES)
        each_chunk(range(header.chunks), self._sealing, workers, progress)
        if signing_key:
            signature = signing_key.sign(
                signed_text(header.text(), sealed_index, bytes(self._digests))
            )
            write_at(self._file, bytes(self._digests) + signature, header.digests_at)
        write_at(self._file, header.block(), 0)

    def _sealing(self) -> Work:
        """Returns the work on one chunk, with buffers of its own."""
        plain = memoryview(bytearray(CHUNK_BYTES))
        sealed = memoryview(bytearray(CHUNK_BYTES + TAG_BYTES))

        def work(number: int) -> None:
            length = self._header.chunk_length(number)
            chunk = plain[:length]
            into = sealed[: length + TAG_BYTES]
            self._payload.read_into(chunk, number * CHUNK_BYTES)
            self._stream.seal(number, chunk, into)
            if self._digests:
                self._digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES] = digest(into)
            write_at(self._file, into, self._header.chunk_at(number))

        return work


class _Payload:
    """The files of a model, one behind another, as they were when their tensors were looked up."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._stack = ExitStack()
        self._parts: list[FileBytes] = []

    def __enter__(self) -> "_Payload":
        for path in self._model.paths:
            part = FileBytes(path)
            self._stack.callback(part.close)
            self._parts.append(part)
        self.require_unchanged()
        return self

    def __exit__(self, *fault: object) -> None:
        self._stack.close()

    def read_into(self, into: memoryview, at: int) -> None:
        """Fills a buffer from a place of the payload on."""
        for number, place, part in self._model.contents.pieces(at, len(into)):
            path = self._model.contents.members[number].path
            if self._read(self._parts[number], into[part], place, path) != len(into[part]):
                raise self._changed(path)

    def require_unchanged(self) -> None:
        """Checks that no file was written to or replaced since its tensors were looked up.

        Raises:
            InputError: One was.
        """
        for member, part, then in zip(
            self._model.contents.members, self._parts, self._model.marks, strict=True
        ):
            if part.mark() != then:
                raise self._changed(member.path)

    def _read(self, part: FileBytes, into: memoryview, at: int, path: str) -> int:
        try:
            return read_at(part.file, into, at)
        except OSError as fault:
            raise input_error(
                path, "the file cannot be read", fault.strerror or str(fault), "a file"
            ) from None

    def _changed(self, path: str) -> Exception:
        return input_error(
            path,
            "the file changed while it was sealed",
            "other bytes",
            "a model at rest",
            "seal it again",
        )


def _wrapped(data_key: Secret[bytes], file_id: bytes, to: Sequence[Recipient]) -> list[Stanza]:
    if not to:
        raise UsageError("nobody could open it: name a recipient with --to")
    stanzas = [recipient.wrap(data_key, context_of(file_id)) for recipient in to]
    require_names_apart(stanzas)
    return stanzas


def require_names_apart(stanzas: Sequence[Stanza]) -> None:
    """Checks that each recipient can be named.

    Raises:
        UsageError: Two have one name.
    """
    names = [one.name for one in stanzas]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"the same recipient twice: {', '.join(twice)}")


def _require_bounded(contents: Contents, index: bytes, path: Path) -> None:
    if not 0 < contents.length <= MAX_PAYLOAD_BYTES or len(index) > MAX_INDEX_BYTES:
        found = f"{contents.length:,} bytes, {len(index):,} of names and shapes"
        raise input_error(
            path, "a model of this size is not sealed", found, f"1 to {MAX_PAYLOAD_BYTES:,} bytes"
        )
