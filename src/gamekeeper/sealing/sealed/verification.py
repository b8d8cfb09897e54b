"""Checks a sealed file: without a key what its signer vouches for, with one everything."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gamekeeper.base.errors import InputError
from gamekeeper.sealing.artifacts import contents_of
from gamekeeper.sealing.contents import Contents
from gamekeeper.sealing.faults import seal_error
from gamekeeper.sealing.recipients import Identity, Stanza
from gamekeeper.sealing.sealed.layout import CHUNK_BYTES, TAG_BYTES, Header
from gamekeeper.sealing.sealed.parallel import Step, Work, each_chunk, ignore, usual_workers
from gamekeeper.sealing.sealed.reading import Opened, Part, SealedFile, read_chunk, require_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found to hold.

    Args:
        header: Of the file.
        stanzas: Who can open it, as the file says; proved only with a key.
        generation: Of the key slot.
        signer: Who vouches for every byte, 32 bytes; None where no signature was checked.
        is_signer_given: Whether that is who was asked for, rather than whom the file names.
        contents: What is in it; None without a key.
    """

    header: Header
    stanzas: tuple[Stanza, ...]
    generation: int
    signer: bytes | None
    is_signer_given: bool
    contents: Contents | None


def verify_sealed(
    path: Path,
    *,
    signer: bytes | None = None,
    identities: Sequence[Identity] = (),
    workers: int | None = None,
    progress: Step = ignore,
) -> Verified:
    """Checks every byte of a sealed file, and writes nothing.

    Args:
        path: The file.
        signer: Who must have signed it, Ed25519 public key; None for whom it names itself.
        identities: Keys to open it; with one, the index is compared with what the files really
            hold.
        workers: Threads; one a core, 2 to 8, if None.
        progress: Called with the chunks that are done and all of them.

    Raises:
        SealError: Something does not hold, or there is neither a signature nor a key, so nothing
            can be checked.
        InputError: It cannot be read.
    """
    with SealedFile(path) as sealed:
        _require_no_remains(sealed)
        vouched = sealed.vouched(signer)
        if vouched is None and not identities:
            expected = "a signature to check, or a key to open it"
            raise seal_error(
                path, "nothing vouches for it", "no signature", expected, "name a key with --key"
            )
        opened = sealed.unlock(identities, signer) if identities else None
        each_chunk(
            range(sealed.header.chunks),
            _checking(sealed, opened, vouched),
            workers or usual_workers(),
            progress,
        )
        if opened:
            _require_true_index(opened, path)
        return Verified(
            header=sealed.header,
            stanzas=sealed.slot.stanzas,
            generation=sealed.slot.generation,
            signer=sealed.header.signer if vouched is not None else None,
            is_signer_given=signer is not None,
            contents=opened.contents if opened else None,
        )


def _checking(
    sealed: SealedFile, opened: Opened | None, vouched: bytes | None
) -> Callable[[], Work]:
    """Returns what makes the work of one thread."""

    def make() -> Work:
        buffer = memoryview(bytearray(CHUNK_BYTES + TAG_BYTES))
        opening = opened.opening() if opened else None

        def work(number: int) -> None:
            length = sealed.header.chunk_length(number)
            if opening:
                opening(number, buffer[:length])
            elif vouched is not None:
                read_chunk(sealed, number, buffer[: length + TAG_BYTES])
                require_digest(sealed, number, buffer[: length + TAG_BYTES], vouched)

        return work

    return make


def _require_no_remains(sealed: SealedFile) -> None:
    if any(sealed.idle_slot):
        raise seal_error(
            sealed.path,
            "the idle key slot is not empty",
            "remains of a rewrap that was interrupted, or damage",
            "zeros",
            "gamekeeper rewrap clears it; whoever was to be removed may still be able to open the"
            " file",
        )


def _require_true_index(opened: Opened, path: Path) -> None:
    """Compares the index with what the files say themselves: it is authentic, and whoever sealed it
    could lie.
    """
    members = opened.contents.members
    try:
        names = [one.path for one in members]
        parts = [Part(opened, one) for one in members]
        found = contents_of(names, parts, path, is_folder=opened.contents.is_folder)
    except InputError as fault:
        raise seal_error(
            path, "what was sealed is no model", str(fault.faults[0].problem), "a whole model"
        ) from None
    if found != opened.contents:
        raise seal_error(
            path, "the index lies", "other tensors", "those of the files in it", "ask who sealed it"
        )
