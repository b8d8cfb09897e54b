"""Reads a sealed file: first what anybody can, then, with a key, what was sealed.

Nothing is handed out before its tag was checked, and of a signed file, before its digest was
checked against what was signed. By whom it must be signed is for the caller to say: without a name,
the file's own word is taken.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gamekeeper.base.errors import Fault, InputError, input_error
from gamekeeper.base.files import open_plain, read_at
from gamekeeper.base.secret import Secret, is_same_secret
from gamekeeper.sealing.contents import Contents, ContentsError, Member, read_contents
from gamekeeper.sealing.faults import NotForYouError, SealError, seal_error
from gamekeeper.sealing.recipients import KEY_BYTES, Identity, Stanza
from gamekeeper.sealing.sealed.layout import (
    CHUNK_BYTES,
    DIGEST_BYTES,
    HEADER_BLOCK_BYTES,
    SIGNATURE_BYTES,
    TAG_BYTES,
    Header,
    read_header,
)
from gamekeeper.sealing.sealed.parallel import Step, Work, each_chunk, ignore, usual_workers
from gamekeeper.sealing.sealed.signatures import digest, header_digest, is_signed, signed_text
from gamekeeper.sealing.sealed.slots import Slot, read_slots
from gamekeeper.sealing.sealed.stream import Stream, open_index
from gamekeeper.sealing.sealed.subkeys import Subkeys, context_of, subkeys
from gamekeeper.sealing.shown import shown

_COPY = "copy it again from where it was sealed"


class SealedFile:
    """A sealed file, open; use it in a `with`.

    Args:
        path: The file.
        is_written: Whether it will be written to, by a rewrap, which then has it to itself until it
            is closed.

    Attributes:
        idle_slot: The slot that does not count; zeros unless a rewrap was interrupted.

    Raises:
        InputError: It cannot be read.
        SealError: It is no sealed file, damaged, or not as long as it says.
    """

    def __init__(self, path: Path, *, is_written: bool = False) -> None:
        self.path = path
        self._sealed_index: bytes | None = None
        try:
            self.file = open_plain(path, os.O_RDWR if is_written else os.O_RDONLY)
        except OSError as fault:
            raise input_error(
                path, "the file cannot be opened", fault.strerror or str(fault), "a sealed file"
            ) from None
        try:
            self._lock(is_written)
            self._require_named(is_written)
            size = os.fstat(self.file).st_size
            self.header: Header = read_header(self.read(0, HEADER_BLOCK_BYTES), size, path)
            self.associated = header_digest(self.header.text())
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
        """Returns bytes of the file as they stand there; fewer only at its end."""
        buffer = bytearray(length)
        try:
            return bytes(memoryview(buffer)[: read_at(self.file, memoryview(buffer), at)])
        except OSError as fault:
            raise input_error(
                self.path, "the file cannot be read", fault.strerror or str(fault), "a file"
            ) from None

    def index(self) -> bytes:
        """Returns the encrypted index, read once: what is decrypted is what the signature was
        checked over.
        """
        if self._sealed_index is None:
            self._sealed_index = self.read(
                self.header.index_at, self.header.index_bytes + TAG_BYTES
            )
        return self._sealed_index

    def digests(self) -> bytes:
        """Returns the digests of the chunks, 32 bytes each, once their signature is checked.

        Raises:
            SealError: It is not signed, or whoever it names as its signer did not sign this.
        """
        header = self.header
        if header.signer is None:
            expected = "a signature"
            raise seal_error(
                self.path,
                "nobody signed it",
                "no signature",
                expected,
                "ask the owner to seal it with --sign",
            )
        digests = self.read(header.digests_at, header.chunks * DIGEST_BYTES)
        signature = self.read(header.digests_at + len(digests), SIGNATURE_BYTES)
        if not is_signed(
            header.signer, signature, signed_text(header.text(), self.index(), digests)
        ):
            raise seal_error(
                self.path, "the signature does not hold", "another signature", "the signer's", _COPY
            )
        return digests

    def require_signer(self, signer: bytes) -> bytes:
        """Returns the digests of the chunks, once it is sure that this signer vouches for them.

        Args:
            signer: Ed25519 public key, 32 bytes.

        Raises:
            SealError: It is not signed, or by somebody else.
        """
        found = self.header.signer
        if found is not None and not is_same_secret(found, signer):
            raise seal_error(
                self.path,
                "somebody else signed it",
                found.hex(),
                signer.hex(),
                "check whose key you have",
            )
        return self.digests()

    def vouched(self, signer: bytes | None) -> bytes | None:
        """Returns the digests that are signed: by whom was asked for, else by whom the file names,
        if it names any.

        Raises:
            SealError: They are not signed by him.
        """
        if signer is not None:
            return self.require_signer(signer)
        return self.digests() if self.header.signer else None

    def unlock(self, identities: Sequence[Identity], signer: bytes | None = None) -> "Opened":
        """Returns what was sealed, readable.

        Args:
            identities: Keys to try.
            signer: Who must have signed it; None for whom it names itself, if anybody.

        Raises:
            NotForYouError: No key fits.
            SealError: It was tampered with, or is not signed by `signer`.
        """
        checked = self.vouched(signer)
        return Opened(self, self.keys(self.data_key(identities)), checked)

    def data_key(self, identities: Sequence[Identity]) -> Secret[bytes]:
        """Returns the data key.

        Raises:
            NotForYouError: No key that was given unwraps it.
            InputError: None does, and a key service could not be asked or refused.
        """
        refused: list[Fault] = []
        for stanza in self.slot.stanzas:
            for identity in identities:
                try:
                    key = identity.unwrap(stanza, context_of(self.header.file_id))
                except InputError as fault:  # another key may open it all the same
                    refused += fault.faults
                    continue
                if key is not None and len(key) == KEY_BYTES and self._is_committed(key):
                    return key
        raise InputError(refused) if refused else self._not_for_you()

    def keys(self, data_key: Secret[bytes]) -> Subkeys:
        """Returns the subkeys, once it is sure that somebody who can open the file wrote who can
        open it.

        Raises:
            SealError: Somebody else did.
        """
        keys = subkeys(data_key, self.header.file_id)
        if not self.slot.is_authentic(keys.slots, self.associated):
            expected = "a list that somebody who can open the file wrote"
            raise seal_error(
                self.path,
                "the list of recipients was tampered with",
                "another list",
                expected,
                _COPY,
            )
        return keys

    def _is_committed(self, key: Secret[bytes]) -> bool:
        return is_same_secret(subkeys(key, self.header.file_id).commitment, self.header.commitment)

    def _slots(self) -> tuple[int, Slot, bytes]:
        length = self.header.slot_bytes
        both = self.read(HEADER_BLOCK_BYTES, 2 * length)
        slots = [both[:length], both[length:]]
        number, slot = read_slots(slots, self.path)
        return number, slot, slots[1 - number]

    def _lock(self, is_written: bool) -> None:
        """Waits for a rewrap that is under way; a file system without locks is read all the
        same.
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
        """Checks that the file still has its name: who waited for it could else write to one that
        nobody sees.
        """
        try:
            is_named = not is_written or os.path.samestat(os.fstat(self.file), os.stat(self.path))
        except OSError:  # the name is gone
            is_named = False
        if not is_named:
            problem = "another file took its place while it was waited for"
            raise input_error(
                self.path, problem, "another file", "the file that was opened", "try again"
            )

    def _unlock(self) -> None:
        """Lets rewraps go on: they change nothing but slots, which are read, and a server reads for
        months.
        """
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(self.file, fcntl.LOCK_UN)

    def _not_for_you(self) -> NotForYouError:
        refused = seal_error(
            self.path,
            "no key that was given opens it",
            shown(f"sealed for {', '.join(map(_named, self.slot.stanzas))}"),
            "a key of one of them",
            "name it with --key, or give the passphrase",
        )
        return NotForYouError(refused.faults)


class Opened:
    """What was sealed; decrypts what is asked for and no more.

    Args:
        sealed: The file.
        keys: Its subkeys.
        digests: What each chunk must digest to; None where nobody signed.

    Raises:
        SealError: The index was tampered with, or says what cannot be.
    """

    def __init__(self, sealed: SealedFile, keys: Subkeys, digests: bytes | None) -> None:
        self._sealed = sealed
        self._header = sealed.header
        self._digests = digests
        self._stream = Stream(keys.payload, sealed.associated, sealed.header.chunks)
        self.contents: Contents = self._index(keys)

    @property
    def size(self) -> int:
        """Length of the payload."""
        return self._header.payload_bytes

    def read(self, at: int, length: int) -> bytes:
        """Returns bytes of the payload; fewer only at its end."""
        buffer = bytearray(max(0, min(length, self.size - at)))
        self.read_into(memoryview(buffer), at, workers=1)
        return bytes(buffer)

    def read_into(
        self, into: memoryview, at: int, *, workers: int | None = None, progress: Step = ignore
    ) -> None:
        """Fills a buffer with the payload from a place on.

        Raises:
            SealError: A chunk is not what was sealed; the buffer is then not to be used.
        """
        if not into:
            return
        if at < 0 or at + len(into) > self.size:
            raise ValueError("a place outside of the payload")
        chunks = range(at // CHUNK_BYTES, (at + len(into) - 1) // CHUNK_BYTES + 1)

        def reading() -> Work:
            opening = self.opening()
            spare = memoryview(bytearray(CHUNK_BYTES))

            def work(number: int) -> None:
                begin = number * CHUNK_BYTES
                length = self._header.chunk_length(number)
                first = max(at, begin)
                last = min(at + len(into), begin + length)
                if last - first == length:
                    opening(number, into[first - at : last - at])
                    return
                opening(number, spare[:length])
                into[first - at : last - at] = spare[first - begin : last - begin]

            return work

        each_chunk(chunks, reading, workers or usual_workers(), progress)

    def opening(self) -> "_Opening":
        """Returns what decrypts single chunks, with a buffer of its own; one for each thread."""
        return _Opening(self._sealed, self._stream, self._digests)

    def _index(self, keys: Subkeys) -> Contents:
        sealed = self._sealed
        text = open_index(keys.index, sealed.index(), sealed.associated)
        if text is None:
            raise seal_error(
                sealed.path, "the index was tampered with", "another tag", "its tag", _COPY
            )
        try:
            return read_contents(text, self._header.payload_bytes)
        except ContentsError as lie:
            expected = "what the files hold"
            raise seal_error(
                sealed.path, "the index lies", str(lie), expected, "ask who sealed it"
            ) from None


class Part:
    """One file of what was sealed.

    Args:
        opened: What was sealed.
        member: Which file.
    """

    def __init__(self, opened: Opened, member: Member) -> None:
        self._opened = opened
        self._member = member
        self.size = member.length

    def read(self, at: int, length: int) -> bytes:
        """Returns so many bytes from a place on; fewer only at the end."""
        return self._opened.read(self._member.begin + at, max(0, min(length, self.size - at)))


class _Opening:
    """Decrypts chunks of one file, one at a time."""

    def __init__(self, sealed: SealedFile, stream: Stream, digests: bytes | None) -> None:
        self._sealed = sealed
        self._stream = stream
        self._digests = digests
        self._buffer = memoryview(bytearray(CHUNK_BYTES + TAG_BYTES))

    def __call__(self, number: int, into: memoryview) -> None:
        """Decrypts a whole chunk into a buffer of its length.

        Raises:
            SealError: It is not what was sealed. The buffer holds zeros then.
        """
        chunk = self._buffer[: len(into) + TAG_BYTES]
        read_chunk(self._sealed, number, chunk)
        if self._digests is not None:
            require_digest(self._sealed, number, chunk, self._digests)
        if not self._stream.open(number, chunk, into):
            raise _not_authentic(self._sealed, number, "a tag that does not fit")


def read_chunk(sealed: SealedFile, number: int, into: memoryview) -> None:
    """Reads a chunk as it stands in the file.

    Raises:
        SealError: The file has become shorter.
    """
    try:
        got = read_at(sealed.file, into, sealed.header.chunk_at(number))
    except OSError as fault:
        raise input_error(
            sealed.path, "the file cannot be read", fault.strerror or str(fault), "a file"
        ) from None
    if got != len(into):
        raise _not_authentic(sealed, number, "fewer bytes")


def require_digest(sealed: SealedFile, number: int, chunk: memoryview, digests: bytes) -> None:
    """Checks a chunk against what was signed.

    Raises:
        SealError: It is another.
    """
    if not is_same_secret(
        digest(chunk), digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES]
    ):
        raise _not_authentic(sealed, number, "a digest that was not signed")


def _not_authentic(sealed: SealedFile, number: int, found: str) -> SealError:
    where = f"{sealed.path}: chunk {number + 1:,} of {sealed.header.chunks:,}"
    return seal_error(where, "not what was sealed", found, "the chunk as it was sealed", _COPY)


def _named(stanza: Stanza) -> str:
    return stanza.name if stanza.kind in stanza.name else f"{stanza.kind} {stanza.name}"
