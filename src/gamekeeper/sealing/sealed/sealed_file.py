"""Reads a sealed file: the public part, and with a key the payload.

No plaintext is returned before its authentication tag was checked, and in a signed file before its
digest was checked against the signed digests. The caller says who must have signed the file; if the
caller names nobody, the signer is the one that the file itself names.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gamekeeper.base.errors import Fault, InputError, input_error
from gamekeeper.base.files import open_plain, read_at
from gamekeeper.base.progress import OnProgress, ignore_progress
from gamekeeper.base.secret import Secret, is_same_secret
from gamekeeper.sealing.contents import Contents, ContentsError, Member, read_contents
from gamekeeper.sealing.faults import NotForYouError, SealError, read_faults, seal_error
from gamekeeper.sealing.recipients import KEY_BYTES, Identity, Stanza
from gamekeeper.sealing.sealed.layout import (
    CHUNK_BYTES,
    COPY_AGAIN,
    DIGEST_BYTES,
    HEADER_BLOCK_BYTES,
    SIGNATURE_BYTES,
    TAG_BYTES,
    SealedHeader,
    read_header,
)
from gamekeeper.sealing.sealed.parallel import Work, default_workers, each_chunk
from gamekeeper.sealing.sealed.signatures import digest, header_digest, is_signed, signed_text
from gamekeeper.sealing.sealed.slots import KeySlot, read_slots
from gamekeeper.sealing.sealed.stream import ChunkCipher, open_index
from gamekeeper.sealing.sealed.subkeys import Subkeys, context_of, derive_subkeys
from gamekeeper.sealing.shown import shown

WRONG_INDEX = "the index does not describe the sealed files"
ASK_OWNER = "ask the owner to seal the model again"


class SealedFile:
    """An open sealed file; a context manager.

    Args:
        path: The file.
        is_written: Whether a rewrap will write to it; it is then locked exclusively until it is
            closed.

    Attributes:
        header: The public header.
        slot: The key slot in use.
        idle_slot: Bytes of the other slot; zeros unless a rewrap was interrupted.

    Raises:
        InputError: It cannot be read.
        SealError: It is not a sealed file, is damaged, or does not have the length that its header
            states.
    """

    def __init__(self, path: str | Path, *, is_written: bool = False) -> None:
        path = Path(path)
        self.path = path
        self._sealed_index: bytes | None = None
        with read_faults(path, "the file cannot be opened", "a sealed file"):
            self.file = open_plain(path, os.O_RDWR if is_written else os.O_RDONLY)
        try:
            self._lock(is_written)
            self._require_named(is_written)
            size = os.fstat(self.file).st_size
            self.header: SealedHeader = read_header(self.read(0, HEADER_BLOCK_BYTES), size, path)
            self.associated = header_digest(self.header.to_json())
            self.slot_number, self.slot, self.idle_slot = self._slots()
            if not is_written:
                self._unlock()
        except BaseException:
            os.close(self.file)
            raise

    def __enter__(self) -> "SealedFile":
        return self

    def __exit__(self, *fault: object) -> None:
        os.close(self.file)

    def read(self, at: int, length: int) -> bytes:
        """Returns bytes of the file without decrypting them; fewer than `length` only at its
        end.
        """
        buffer = bytearray(length)
        with read_faults(self.path):
            count = read_at(self.file, memoryview(buffer), at)
        return bytes(memoryview(buffer)[:count])

    def encrypted_index(self) -> bytes:
        """Returns the encrypted index.

        It is read once, so that the bytes that are decrypted are those over which the signature was
        checked, even if the file changes.
        """
        if self._sealed_index is None:
            self._sealed_index = self.read(
                self.header.index_at, self.header.index_bytes + TAG_BYTES
            )
        return self._sealed_index

    def digests(self) -> bytes:
        """Returns the digests of the chunks, 32 bytes each, after checking their signature.

        Raises:
            SealError: The file is not signed, or the signature is not by the signer that the header
                names.
        """
        header = self.header
        if header.signer is None:
            raise seal_error(
                self.path,
                "the file is not signed",
                "no signature",
                "a signature",
                "ask the owner to seal it with --sign",
            )
        digests = self.read(header.digests_at, header.chunks * DIGEST_BYTES)
        signature = self.read(header.digests_at + len(digests), SIGNATURE_BYTES)
        text = signed_text(header.to_json(), self.encrypted_index(), digests)
        if not is_signed(header.signer, signature, text):
            raise seal_error(
                self.path,
                "the signature is invalid",
                "another signature",
                "the signature of the signer in the header",
                COPY_AGAIN,
            )
        return digests

    def require_signer(self, signer: bytes) -> bytes:
        """Returns the digests of the chunks, after checking that this signer signed them.

        Args:
            signer: Ed25519 public key, 32 bytes.

        Raises:
            SealError: The file is not signed, or was signed with another key.
        """
        found = self.header.signer
        if found is not None and not is_same_secret(found, signer):
            raise seal_error(
                self.path,
                "the file was signed with another key",
                found.hex(),
                signer.hex(),
                "check whose key you have",
            )
        return self.digests()

    def signed_digests(self, signer: bytes | None) -> bytes | None:
        """Returns the signed digests of the chunks, or None if no signature is required and the
        file has none.

        Args:
            signer: Ed25519 public key of the required signer; None for the one that the file names,
                if it names one.

        Raises:
            SealError: The digests are not signed by this signer.
        """
        if signer is not None:
            return self.require_signer(signer)
        return self.digests() if self.header.signer else None

    def unlock(self, identities: Sequence[Identity], signer: bytes | None = None) -> "UnlockedFile":
        """Returns the payload for reading.

        Args:
            identities: Keys to try.
            signer: Ed25519 public key of the required signer; None for the one that the file names,
                if it names one.

        Raises:
            NotForYouError: None of the keys opens it.
            SealError: It was tampered with, or is not signed by `signer`.
        """
        digests = self.signed_digests(signer)
        data_key = self.unwrap_data_key(identities)
        return UnlockedFile(self, self.authenticated_subkeys(data_key), digests)

    def unwrap_data_key(self, identities: Sequence[Identity]) -> Secret[bytes]:
        """Returns the data key.

        Raises:
            NotForYouError: None of the keys unwraps it.
            InputError: None of the keys unwraps it, and a key service refused or could not be
                reached.
        """
        refusals: list[Fault] = []
        for stanza in self.slot.stanzas:
            for identity in identities:
                try:
                    key = identity.unwrap(stanza, context_of(self.header.file_id))
                except InputError as error:  # another key may still open it
                    refusals += error.faults
                    continue
                if key is not None and len(key) == KEY_BYTES and self._is_committed(key):
                    return key
        raise InputError(refusals) if refusals else self._not_for_you()

    def authenticated_subkeys(self, data_key: Secret[bytes]) -> Subkeys:
        """Returns the subkeys, after checking that the list of recipients was written by somebody
        who can open the file.

        Raises:
            SealError: The list of recipients is not authentic.
        """
        keys = derive_subkeys(data_key, self.header.file_id)
        if not self.slot.is_authentic(keys.slots, self.associated):
            raise seal_error(
                self.path,
                "the list of recipients was tampered with",
                "another list",
                "a list written by somebody who can open the file",
                COPY_AGAIN,
            )
        return keys

    def _is_committed(self, key: Secret[bytes]) -> bool:
        commitment = derive_subkeys(key, self.header.file_id).commitment
        return is_same_secret(commitment, self.header.commitment)

    def _slots(self) -> tuple[int, KeySlot, bytes]:
        length = self.header.slot_bytes
        both = self.read(HEADER_BLOCK_BYTES, 2 * length)
        slots = [both[:length], both[length:]]
        number, slot = read_slots(slots, self.path)
        return number, slot, slots[1 - number]

    def _lock(self, is_written: bool) -> None:
        """Locks the file, which waits for a running rewrap to end.

        Reading continues on a file system without locks; writing does not.
        """
        try:
            import fcntl

            fcntl.flock(self.file, fcntl.LOCK_EX if is_written else fcntl.LOCK_SH)
        except (ImportError, OSError):
            if is_written:
                raise input_error(
                    self.path, "the file cannot be locked", "no lock", "a disk with locks"
                ) from None

    def _require_named(self, is_written: bool) -> None:
        """Checks that the path still names this file.

        While a rewrap waits for the lock, another file may take the name. The rewrap would then
        write to a file that is no longer reachable.
        """
        try:
            is_named = not is_written or os.path.samestat(os.fstat(self.file), os.stat(self.path))
        except OSError:  # the name was removed
            is_named = False
        if not is_named:
            problem = "the file was replaced while waiting for its lock"
            raise input_error(
                self.path, problem, "another file", "the file that was opened", "try again"
            )

    def _unlock(self) -> None:
        """Releases the lock of a reader, so that rewraps can run.

        A rewrap changes only the slots, which were read already, and a server may keep the file
        open for months.
        """
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(self.file, fcntl.LOCK_UN)

    def _not_for_you(self) -> NotForYouError:
        recipients = ", ".join(map(_kind_and_name, self.slot.stanzas))
        error = seal_error(
            self.path,
            "none of the given keys opens it",
            shown(f"sealed for {recipients}"),
            "the key of a recipient",
            "name it with --key, or give the passphrase",
        )
        return NotForYouError(error.faults)


class UnlockedFile:
    """The payload of a sealed file; only the chunks that are read are decrypted.

    Args:
        sealed: The file.
        keys: Its subkeys.
        digests: Signed digests of the chunks; None if the file is not signed.

    Attributes:
        header: Header of the file.
        contents: Files and tensors of the model.

    Raises:
        SealError: The index was tampered with, or is inconsistent.
    """

    def __init__(self, sealed: SealedFile, keys: Subkeys, digests: bytes | None) -> None:
        self.header = sealed.header
        self._sealed = sealed
        self._digests = digests
        self._cipher = ChunkCipher(keys.payload, sealed.associated, sealed.header.chunks)
        self.contents: Contents = self._read_index(keys)

    @property
    def size(self) -> int:
        """Length of the payload in bytes."""
        return self.header.payload_bytes

    def read(self, at: int, length: int) -> bytes:
        """Returns `length` bytes of the payload from an offset; fewer only at its end."""
        buffer = bytearray(max(0, min(length, self.size - at)))
        self.read_into(memoryview(buffer), at, workers=1)
        return bytes(buffer)

    def read_into(
        self,
        into: memoryview,
        at: int,
        *,
        workers: int | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> None:
        """Fills a buffer with the payload from an offset.

        Raises:
            SealError: A chunk is not authentic; the buffer must not be used then.
        """
        if not into:
            return
        if at < 0 or at + len(into) > self.size:
            raise ValueError("a range outside of the payload")
        chunks = range(at // CHUNK_BYTES, (at + len(into) - 1) // CHUNK_BYTES + 1)

        def make_work() -> Work:
            decrypt = self.chunk_decrypter()
            spare = memoryview(bytearray(CHUNK_BYTES))

            def work(number: int) -> None:
                begin = number * CHUNK_BYTES
                length = self.header.chunk_length(number)
                first = max(at, begin)
                last = min(at + len(into), begin + length)
                if last - first == length:  # a whole chunk needs no copy
                    decrypt(number, into[first - at : last - at])
                    return
                decrypt(number, spare[:length])
                into[first - at : last - at] = spare[first - begin : last - begin]

            return work

        each_chunk(chunks, make_work, workers or default_workers(), on_progress)

    def chunk_decrypter(self) -> "_ChunkDecrypter":
        """Returns a function that decrypts single chunks; each thread needs its own."""
        return _ChunkDecrypter(self._sealed, self._cipher, self._digests)

    def _read_index(self, keys: Subkeys) -> Contents:
        sealed = self._sealed
        text = open_index(keys.index, sealed.encrypted_index(), sealed.associated)
        if text is None:
            raise seal_error(
                sealed.path, "the index was tampered with", "another tag", "its tag", COPY_AGAIN
            )
        try:
            return read_contents(text, self.header.payload_bytes)
        except ContentsError as error:
            expected = "the files and tensors of the payload"
            raise seal_error(sealed.path, WRONG_INDEX, str(error), expected, ASK_OWNER) from None


class UnlockedMember:
    """One file of an unlocked sealed file; a `ByteSource`.

    Args:
        opened: The unlocked file.
        member: The file in it.
    """

    def __init__(self, opened: UnlockedFile, member: Member) -> None:
        self._opened = opened
        self._member = member
        self.size = member.length

    def read(self, at: int, length: int) -> bytes:
        """Returns `length` bytes from an offset; fewer only at the end."""
        return self._opened.read(self._member.begin + at, max(0, min(length, self.size - at)))


class _ChunkDecrypter:
    """Decrypts chunks of one file, one at a time, with a buffer of its own.

    Args:
        sealed: The file.
        cipher: Cipher of its chunks.
        digests: Signed digests of the chunks; None if the file is not signed.
    """

    def __init__(self, sealed: SealedFile, cipher: ChunkCipher, digests: bytes | None) -> None:
        self._sealed = sealed
        self._cipher = cipher
        self._digests = digests
        self._buffer = memoryview(bytearray(CHUNK_BYTES + TAG_BYTES))

    def __call__(self, number: int, into: memoryview) -> None:
        """Decrypts a whole chunk into a buffer of its length.

        Raises:
            SealError: It is not authentic. If its tag is wrong, the buffer contains zeros.
        """
        chunk = self._buffer[: len(into) + TAG_BYTES]
        read_chunk(self._sealed, number, chunk)
        if self._digests is not None:
            require_digest(self._sealed, number, chunk, self._digests)
        if not self._cipher.open(number, chunk, into):
            raise _not_authentic(self._sealed, number, "a wrong tag")


def read_chunk(sealed: SealedFile, number: int, into: memoryview) -> None:
    """Reads an encrypted chunk.

    Raises:
        SealError: The file has become shorter.
    """
    with read_faults(sealed.path):
        count = read_at(sealed.file, into, sealed.header.chunk_at(number))
    if count != len(into):
        raise _not_authentic(sealed, number, "fewer bytes")


def require_digest(sealed: SealedFile, number: int, chunk: memoryview, digests: bytes) -> None:
    """Checks an encrypted chunk against its signed digest.

    Raises:
        SealError: Its digest is another.
    """
    signed = digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES]
    if not is_same_secret(digest(chunk), signed):
        raise _not_authentic(sealed, number, "a digest that was not signed")


def _not_authentic(sealed: SealedFile, number: int, found: str) -> SealError:
    where = f"{sealed.path}: chunk {number + 1:,} of {sealed.header.chunks:,}"
    return seal_error(where, "not authentic", found, "the chunk as it was sealed", COPY_AGAIN)


def _kind_and_name(stanza: Stanza) -> str:
    return stanza.name if stanza.kind in stanza.name else f"{stanza.kind} {stanza.name}"
