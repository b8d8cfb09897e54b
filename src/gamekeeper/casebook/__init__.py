"""An append-only, signed record of what was seen and decided, which others can verify.

The lines of `entries.jsonl` are the leaves of a hash tree. A signed head states the number of lines
and the root of the tree at a time. With a head, anybody can detect whether an entry before it was
changed, removed or inserted. The writer has the private key, and so could rewrite the whole
history. The writer cannot withdraw a head that somebody else has kept, or that an external witness
has stamped.
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
from gamekeeper.casebook.verification import VerifiedCasebook, verify_casebook
from gamekeeper.casebook.witness import Stamp, request_stamp

__all__ = [
    "Casebook",
    "CasebookError",
    "EntryProof",
    "HashTree",
    "Head",
    "InUseError",
    "SignedHead",
    "Stamp",
    "VerifiedCasebook",
    "consistency_proof",
    "inclusion_proof",
    "leaf_hash",
    "prove_entry",
    "read_head",
    "request_stamp",
    "root_of",
    "salted_digest",
    "verify_casebook",
    "verify_consistency",
    "verify_entry",
    "verify_inclusion",
]
