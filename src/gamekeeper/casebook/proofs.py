"""Proofs of single entries, which can be verified without access to the other entries."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamekeeper.base.errors import Fault, UsageError
from gamekeeper.casebook.entries import entry_problem
from gamekeeper.casebook.faults import CasebookError, excerpt
from gamekeeper.casebook.heads import SignedHead
from gamekeeper.casebook.stored import read_stored
from gamekeeper.casebook.tree import leaf_hash, verify_inclusion
from gamekeeper.casebook.writer_key import parse_public_key, public_key_hex


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryProof:
    """An entry and the proof that a signed head covers it.

    Args:
        entry: Its line in `entries.jsonl`, without the line feed; these bytes are hashed.
        index: Its index; 0 is the header, so entry 1 is on line 2.
        inclusion: Hashes on the path to the root, 32 bytes each, from the bottom.
        head: The signed head that covers it.
    """

    entry: bytes
    index: int
    inclusion: tuple[bytes, ...]
    head: SignedHead

    def to_dict(self) -> dict[str, Any]:
        """Returns the proof as a JSON object.

        The entry is a string in it: if it were an object, another JSON encoder could change its
        bytes.
        """
        return {
            "schema": "gamekeeper/casebook-entry@1",
            "entry": self.entry.decode(),
            "index": self.index,
            "inclusion": [one.hex() for one in self.inclusion],
            "head": self.head.to_dict(),
        }


def prove_entry(folder: str | Path, index: int) -> EntryProof:
    """Returns an entry of a casebook with its proof under the last signed head.

    Raises:
        UsageError: There is no such entry, or no head covers it yet.
        InputError: There is no casebook.
    """
    folder = Path(folder)
    book = read_stored(folder, index)
    last = min(book.signed_size, book.tree.size) - 1
    if last <= 0:
        raise UsageError("no entry is signed")
    if book.entry is None or not 1 <= index <= last:
        raise UsageError(f"there is no signed entry {index}; there are 1 to {last}")
    head = book.heads.heads[-1][1]
    return EntryProof(
        entry=book.entry,
        index=index,
        inclusion=tuple(book.tree.prove_inclusion(index, head.size)),
        head=head,
    )


def verify_entry(proof: EntryProof, public_key: bytes) -> None:
    """Verifies an entry without its casebook.

    Args:
        proof: The proof.
        public_key: The writer's public key in PEM, from a trusted source.

    Raises:
        CasebookError: The head is not signed by that key, or does not cover the entry.
        InputError: The key cannot be read.
    """
    key = parse_public_key(public_key)
    where = f"proof of entry {proof.index}"
    if not proof.head.is_signed_by(key):
        found = f"signature {proof.head.signature.hex()[:16]}..."
        expected = f"one by the key {public_key_hex(key)}"
        problem = "the head is not signed by this key"
        raise CasebookError([Fault(where=where, problem=problem, found=found, expected=expected)])
    verify_inclusion(
        leaf_hash(proof.entry), proof.index, proof.head.size, proof.inclusion, proof.head.root
    )
    problem_and_expected = entry_problem(proof.entry, proof.index)
    if problem_and_expected:
        problem, expected = problem_and_expected
        found = excerpt(proof.entry)
        raise CasebookError([Fault(where=where, problem=problem, found=found, expected=expected)])
