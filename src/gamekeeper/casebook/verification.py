"""Verifies a casebook from its files alone, and reports all faults.

How much the verification proves depends on what the auditor has:

    nothing                 nobody without the private key changed what is signed
    the public key          ... and it was signed with the right private key
    a head that was kept    ... and the writer changed or removed nothing that this head covers
    a witness's root        ... and the stamped heads existed at the time that the witness states
"""

from dataclasses import dataclass
from pathlib import Path

from gamekeeper.base.errors import Fault
from gamekeeper.casebook.faults import CasebookError
from gamekeeper.casebook.folder import ENTRIES, HEADS
from gamekeeper.casebook.heads import SignedHead
from gamekeeper.casebook.stored import (
    StoredCasebook,
    head_fault,
    head_faults,
    key_of,
    nothing_signed,
    read_stored,
)
from gamekeeper.casebook.witness import Stamp, check_stamps
from gamekeeper.casebook.writer_key import parse_public_key, public_key_hex


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedCasebook:
    """The result of verifying a casebook.

    Args:
        entries: Number of entries, without the header.
        unsigned: Number of entries that no head covers yet; 0 unless they were allowed.
        first_time: Time of creation, UTC, ISO 8601.
        last_time: Time of the last entry.
        heads: Number of signed heads.
        head: The last head.
        public_key: Ed25519 public key that signed the heads, 64 hexadecimal digits.
        is_key_given: Whether the caller gave this key; otherwise it is the one that the casebook
            itself names.
        since: The kept head that the casebook continues, if one was given.
        stamps: Heads that a witness stamped.
    """

    entries: int
    unsigned: int
    first_time: str
    last_time: str
    heads: int
    head: SignedHead
    public_key: str
    is_key_given: bool
    since: SignedHead | None
    stamps: tuple[Stamp, ...]


def verify_casebook(
    folder: str | Path,
    *,
    public_key: bytes | None = None,
    since: SignedHead | None = None,
    witness_root: bytes | None = None,
    allow_unsigned: bool = False,
) -> VerifiedCasebook:
    """Verifies every line, every head and every stamped head of a casebook.

    Args:
        folder: The casebook; the private key and the lock are not needed.
        public_key: The writer's public key in PEM, from a trusted source; None for the one that the
            casebook names.
        since: A head that was kept elsewhere.
        witness_root: Certificates of the time-stamping authority, in PEM; time stamps are verified
            only with them. The heads that were stamped are verified in any case.
        allow_unsigned: Accept entries after the last head, as in a casebook that is being written.
            Nothing proves that these are the entries that were written.

    Raises:
        CasebookError: It is invalid; carries all differences.
        InputError: There is no casebook, or the key or certificate cannot be read.
        MissingExtraError: Time stamps are to be verified and the extra `witness` is not installed.
    """
    folder = Path(folder)
    given = parse_public_key(public_key) if public_key is not None else None
    book = read_stored(folder)
    key, faults = key_of(book, folder, given)
    faults += [*book.faults, *book.heads.faults, *head_faults(folder / HEADS, book, key)]
    kept_fault = since and head_fault("the head that was kept", since, book.tree, key)
    if kept_fault:
        faults.append(kept_fault)
    stamps, stamp_faults = check_stamps(folder, book.tree, key, witness_root)
    faults += [*stamp_faults, *_unsigned_faults(folder, book, allow_unsigned)]
    if faults:
        raise CasebookError(faults)
    return VerifiedCasebook(
        entries=book.tree.size - 1,
        unsigned=book.tree.size - book.signed_size,
        first_time=book.header.created,
        last_time=book.last_time,
        heads=len(book.heads.heads),
        head=book.heads.heads[-1][1],
        public_key=public_key_hex(key),
        is_key_given=given is not None,
        since=since,
        stamps=tuple(stamps),
    )


def _unsigned_faults(folder: Path, book: StoredCasebook, is_allowed: bool) -> list[Fault]:
    """Returns the fault of entries after the last head.

    Without this check, removing the last heads would be enough to change the entries that they
    covered.
    """
    if not book.heads.heads:
        return [nothing_signed(folder)]
    if is_allowed or book.is_wholly_signed:
        return []
    lines = max(book.tree.size - book.signed_size, 0)
    torn = book.torn_bytes + book.heads.torn_bytes
    found = f"{lines} lines after the last signed head"
    if torn:
        found += f", {torn} bytes of an incomplete line"
    fault = Fault(
        where=f"{folder / ENTRIES}:{book.signed_size + 1}",
        problem="entries are not signed",
        found=found,
        expected="a signed head over all lines",
        try_=(
            "let the writer sign or close; --allow-unsigned if it is running or was killed just now"
        ),
    )
    return [fault]
