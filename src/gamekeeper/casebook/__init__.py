"""An append-only, signed record of what was seen and decided, which others can check. Knows no
other room.

The lines of `entries.jsonl` are the leaves of a hash tree; signed heads say how long the record was
and what stood in it. Whoever holds a head notices when anything before it is changed, left out or
put in. The writer holds the key, so he alone could write the whole history anew: what he cannot do
is take back a head that somebody else kept, or that an outside witness has stamped.
"""

from gamekeeper.casebook.casebook import Casebook
from gamekeeper.casebook.digests import salted_digest
from gamekeeper.casebook.faults import CasebookError, InUseError
from gamekeeper.casebook.heads import Head, SignedHead, read_head
from gamekeeper.casebook.proofs import EntryProof, prove_entry, verify_entry
from gamekeeper.casebook.tree import (
    HashTree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from gamekeeper.casebook.verification import Verified, verify_casebook
from gamekeeper.casebook.witness import Stamp, lodge

__all__ = [
    "Casebook",
    "CasebookError",
    "EntryProof",
    "HashTree",
    "Head",
    "InUseError",
    "SignedHead",
    "Stamp",
    "Verified",
    "consistency_proof",
    "inclusion_proof",
    "leaf_hash",
    "lodge",
    "prove_entry",
    "read_head",
    "root_of",
    "salted_digest",
    "verify_casebook",
    "verify_consistency",
    "verify_entry",
    "verify_inclusion",
]
