"""One entry with all it takes to check it alone: who has no right to the other entries needs none
of them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamekeeper.base.errors import Fault, UsageError
from gamekeeper.casebook.faults import CasebookError, excerpt
from gamekeeper.casebook.heads import SignedHead
from gamekeeper.casebook.keys import hex_of, load_public_key
from gamekeeper.casebook.lines import entry_problem
from gamekeeper.casebook.reading import read_book
from gamekeeper.casebook.tree import leaf_hash, verify_inclusion


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryProof:
    """An entry and the proof that a signed head vouches for it.

    Args:
        entry: The line as it stands in `entries.jsonl`, without the line feed; its bytes are what
            is hashed.
        index: Its place; 0 is the header, so entry 1 stands on line 2.
        inclusion: Hashes on the way to the root, 32 bytes each, from the bottom.
        head: The signed head that holds it.
    """

    entry: bytes
    index: int
    inclusion: tuple[bytes, ...]
    head: SignedHead

    def document(self) -> dict[str, Any]:
        """Returns it as a JSON object; the entry as text, for a second encoder might write it
        otherwise.
        """
        return {
            "schema": "gamekeeper/casebook-entry@1",
            "entry": self.entry.decode(),
            "index": self.index,
            "inclusion": [one.hex() for one in self.inclusion],
            "head": self.head.fields(),
        }


def prove_entry(folder: Path, index: int) -> EntryProof:
    """Returns an entry of a casebook with its proof under the last signed head.

    Raises:
        UsageError: There is no such entry, or no head vouches for it yet.
        InputError: There is no casebook.
    """
    book = read_book(folder, index)
    last = min(book.signed_size, book.tree.size) - 1
    if book.entry is None or not 1 <= index <= last:
        raise UsageError(
            f"there is no signed entry {index}; there are 1 to {last}"
            if last > 0
            else "nothing is signed"
        )
    head = book.heads.heads[-1][1]
    return EntryProof(
        entry=book.entry,
        index=index,
        inclusion=tuple(book.tree.inclusion(index, head.size)),
        head=head,
    )


def verify_entry(proof: EntryProof, public_key: bytes) -> None:
    """Checks an entry without its casebook.

    Args:
        proof: As it was handed over.
        public_key: The writer's, in PEM, from a source that is trusted.

    Raises:
        CasebookError: The head is not signed by that key, or does not hold the entry.
        InputError: The key is none.
    """
    key = load_public_key(public_key)
    where = f"proof of entry {proof.index}"
    if not proof.head.is_signed_by(key):
        found = f"signature {proof.head.signature.hex()[:16]}..."
        expected = f"one by the key {hex_of(key)}"
        problem = "the head is not signed by this key"
        raise CasebookError([Fault(where=where, problem=problem, found=found, expected=expected)])
    verify_inclusion(
        leaf_hash(proof.entry), proof.index, proof.head.size, proof.inclusion, proof.head.root
    )
    if problem_and_wanted := entry_problem(proof.entry, proof.index):
        problem, expected = problem_and_wanted
        raise CasebookError(
            [Fault(where=where, problem=problem, found=excerpt(proof.entry), expected=expected)]
        )
