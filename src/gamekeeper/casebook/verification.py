"""Checks a casebook from its files alone, and says what holds or all that does not.

What an auditor brings decides how much is shown:

    nothing              nobody without the private key changed what is signed
    the public key       ... and the private key is the one it should be
    a head he kept       ... and the writer himself changed or dropped nothing that was in it
    a witness's root     ... and the stamped heads were there when the witness says
"""

from dataclasses import dataclass
from pathlib import Path

from gamekeeper.base.errors import Fault
from gamekeeper.casebook.faults import CasebookError
from gamekeeper.casebook.files import ENTRIES, HEADS
from gamekeeper.casebook.heads import SignedHead
from gamekeeper.casebook.keys import hex_of, load_public_key
from gamekeeper.casebook.reading import (
    Book,
    head_fault,
    head_faults,
    key_of,
    nothing_signed,
    read_book,
)
from gamekeeper.casebook.witness import Stamp, check_stamps


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was checked and holds.

    Args:
        entries: Entries, without the header.
        unsigned: Those of them that no head vouches for yet; 0 unless they were allowed.
        first_time: When the casebook was begun; UTC, ISO 8601.
        last_time: Of the last entry.
        heads: Signed heads.
        head: The last of them.
        public_key: Ed25519, 64 hexadecimal digits.
        is_key_given: Whether the key came from outside; else it is the one that the casebook names
            itself.
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
    folder: Path,
    *,
    public_key: bytes | None = None,
    since: SignedHead | None = None,
    witness_root: bytes | None = None,
    allow_unsigned: bool = False,
) -> Verified:
    """Checks every line, every head and every witnessed head of a casebook.

    Args:
        folder: The casebook; neither the private key nor the lock need be there.
        public_key: The writer's, in PEM, as it was handed over; by default the one that the
            casebook names.
        since: A head that was kept elsewhere.
        witness_root: Certificates of the time-stamping authority, in PEM; time stamps are checked
            only with them. The heads that were stamped are checked in any case.
        allow_unsigned: Let entries pass that stand behind the last head, as in a casebook that is
            being written. Nothing shows whether they are the ones that were written.

    Raises:
        CasebookError: It does not hold; carries all that differs.
        InputError: There is no casebook, or the key or certificate is none.
        MissingExtraError: Time stamps are to be checked and the extra `witness` is not installed.
    """
    given = load_public_key(public_key) if public_key is not None else None
    book = read_book(folder)
    key, faults = key_of(book, folder, given)
    faults += [*book.faults, *book.heads.faults, *head_faults(folder / HEADS, book, key)]
    if since is not None and (fault := head_fault("the head that was kept", since, book.tree, key)):
        faults.append(fault)
    stamps, stamp_faults = check_stamps(folder, book.tree, key, witness_root)
    faults += [*stamp_faults, *_unsigned(folder, book, allow_unsigned)]
    if faults:
        raise CasebookError(faults)
    return Verified(
        entries=book.tree.size - 1,
        unsigned=book.tree.size - book.signed_size,
        first_time=book.header.created,
        last_time=book.last_time,
        heads=len(book.heads.heads),
        head=book.heads.heads[-1][1],
        public_key=hex_of(key),
        is_key_given=given is not None,
        since=since,
        stamps=tuple(stamps),
    )


def _unsigned(folder: Path, book: Book, is_allowed: bool) -> list[Fault]:
    """Without this, taking the later heads away would be all it takes to change what they vouched
    for.
    """
    if not book.heads.heads:
        return [nothing_signed(folder)]
    if is_allowed or book.is_wholly_signed:
        return []
    lines = max(book.tree.size - book.signed_size, 0)
    torn = book.torn_bytes + book.heads.torn_bytes
    return [
        Fault(
            where=f"{folder / ENTRIES}:{book.signed_size + 1}",
            problem="entries are not signed",
            found=f"{lines} lines behind the last signed head"
            + (f", {torn} bytes of a line cut short" if torn else ""),
            expected="a signed head over all lines",
            try_=(
                "let the writer sign or close; --allow-unsigned if it is at work or was killed"
                " just now"
            ),
        )
    ]
