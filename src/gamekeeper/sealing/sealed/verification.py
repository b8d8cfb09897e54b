"""Verifies a sealed file: its signature without a key, everything else with one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gamekeeper.base.progress import OnProgress, ignore_progress
from gamekeeper.sealing.contents import Contents
from gamekeeper.sealing.faults import seal_error
from gamekeeper.sealing.recipients import Identity, Stanza
from gamekeeper.sealing.sealed.examination import examined_contents, says_all
from gamekeeper.sealing.sealed.layout import CHUNK_BYTES, TAG_BYTES, SealedHeader
from gamekeeper.sealing.sealed.parallel import Work, default_workers, each_chunk
from gamekeeper.sealing.sealed.sealed_file import (
    ASK_OWNER,
    WRONG_INDEX,
    SealedFile,
    UnlockedFile,
    read_chunk,
    require_digest,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedSeal:
    """The result of verifying a sealed file.

    Args:
        header: Header of the file.
        stanzas: Recipients as the file states them; authentic only if the file was opened.
        generation: Generation of the key slot in use.
        signer: Ed25519 public key that signed every byte, 32 bytes; None if no signature was
            checked.
        is_signer_given: Whether the caller required this signer, rather than the file naming it.
        contents: Files and tensors of the model, with what is found in them now; None without a
            key.
        says_all: Whether the index names all files that were not examined and all code that was
            found; None without a key.
    """

    header: SealedHeader
    stanzas: tuple[Stanza, ...]
    generation: int
    signer: bytes | None
    is_signer_given: bool
    contents: Contents | None
    says_all: bool | None


def verify_sealed(
    path: str | Path,
    *,
    signer: bytes | None = None,
    identities: Sequence[Identity] = (),
    allow: Sequence[str] = (),
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> VerifiedSeal:
    """Checks every byte of a sealed file, and writes nothing.

    Args:
        path: The file.
        signer: Ed25519 public key of the required signer; None for the one that the file names.
        identities: Keys to open it. With a key, the index is also compared with the sealed files
            themselves.
        allow: Paths in the model, or patterns, of files that are accepted although neither their
            format is known nor their owner named them, as an earlier version let them pass.
        workers: Number of threads; if None, one for each core, 2 to 8.
        on_progress: Called with the number of chunks done and of all chunks.

    Raises:
        UsageError: A path or pattern of `allow` matches nothing.
        SealError: A check failed, or there is neither a signature nor a key, so that nothing can
            be checked.
        InputError: It cannot be read.
    """
    path = Path(path)
    with SealedFile(path) as sealed:
        _require_empty_idle_slot(sealed)
        digests = sealed.signed_digests(signer)
        if digests is None and not identities:
            expected = "a signature to check, or a key to open it"
            raise seal_error(
                path, "it cannot be verified", "no signature", expected, "name a key with --key"
            )
        opened = sealed.unlock(identities, signer) if identities else None
        chunks = range(sealed.header.chunks)
        make_work = _chunk_checks(sealed, opened, digests)
        each_chunk(chunks, make_work, workers or default_workers(), on_progress)
        found = _matching_contents(opened, path, allow) if opened else None
        return VerifiedSeal(
            header=sealed.header,
            stanzas=sealed.slot.stanzas,
            generation=sealed.slot.generation,
            signer=sealed.header.signer if digests is not None else None,
            is_signer_given=signer is not None,
            contents=found,
            says_all=says_all(opened.contents, found) if opened and found else None,
        )


def _chunk_checks(
    sealed: SealedFile, opened: UnlockedFile | None, digests: bytes | None
) -> Callable[[], Work]:
    """Returns the function that makes the work of one thread, for `each_chunk`."""

    def make_work() -> Work:
        buffer = memoryview(bytearray(CHUNK_BYTES + TAG_BYTES))
        decrypt = opened.chunk_decrypter() if opened else None

        def work(number: int) -> None:
            length = sealed.header.chunk_length(number)
            if decrypt:  # checks the digest too, if there is one
                decrypt(number, buffer[:length])
            elif digests is not None:
                chunk = buffer[: length + TAG_BYTES]
                read_chunk(sealed, number, chunk)
                require_digest(sealed, number, chunk, digests)

        return work

    return make_work


def _require_empty_idle_slot(sealed: SealedFile) -> None:
    if any(sealed.idle_slot):
        raise seal_error(
            sealed.path,
            "the idle key slot is not empty",
            "the rest of an interrupted rewrap, or damage",
            "zeros",
            "gamekeeper rewrap clears it; recipients that were to be removed may still be able to"
            " open the file",
        )


def _matching_contents(opened: UnlockedFile, path: Path, allow: Sequence[str]) -> Contents:
    """Returns what is found in the sealed files; the tensors have to be those of the index."""
    found = examined_contents(opened, path, allow)
    if found.members != opened.contents.members:
        raise seal_error(
            path, WRONG_INDEX, "other tensors", "the tensors of the sealed files", ASK_OWNER
        )
    return found
