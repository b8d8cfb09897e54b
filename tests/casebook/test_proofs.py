"""One entry with its proof, as a third party gets it."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from casebook.builders import lines_of, make_casebook
from gamekeeper.base.errors import UsageError
from gamekeeper.casebook import CasebookError, EntryProof, prove_entry, read_head, verify_entry


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_casebook(tmp_path_factory.mktemp("casebook") / "book", (3, 4, 6))


def test_each_entry_can_be_checked_alone(book: Path) -> None:
    """The proof is short and holds without the casebook."""
    key = (book / "key.pub.pem").read_bytes()
    for index in range(1, 14):
        proof = prove_entry(book, index)
        assert (
            proof.entry + b"\n" == lines_of(book / "entries.jsonl")[index]
            and len(proof.inclusion) <= 4
        )
        verify_entry(proof, key)


def test_the_document_suffices_for_a_checker_of_ones_own(book: Path) -> None:
    """Thirty lines of the RFC's words and an Ed25519 library; nothing of gamekeeper's."""
    document = json.loads(json.dumps(prove_entry(book, 6).to_dict()))
    head = document["head"]
    text = f"gamekeeper/casebook-head@1\n{head['size']}\n{head['root']}\n{head['time']}\n".encode()
    key = load_pem_public_key((book / "key.pub.pem").read_bytes())
    key.verify(bytes.fromhex(head["signature"]), text)  # type: ignore[union-attr, call-arg, arg-type]

    node = sha256(b"\x00" + document["entry"].encode()).digest()
    at = document["index"]
    last = head["size"] - 1
    for one in map(bytes.fromhex, document["inclusion"]):
        while at == last and not at & 1:
            at = at >> 1
            last = last >> 1
        pair = one + node if at & 1 else node + one
        node = sha256(b"\x01" + pair).digest()
        at = at >> 1
        last = last >> 1
    assert node.hex() == head["root"] and last == 0
    assert json.loads(document["entry"])["subject"] == "acct-6"


def test_forged_proofs_are_refused(book: Path, tmp_path: Path) -> None:
    """Another text, another place, another path, a head by another key or an invented head."""
    key = (book / "key.pub.pem").read_bytes()
    proof = prove_entry(book, 6)
    stranger = read_head(make_casebook(tmp_path / "stranger", (3, 4, 6)) / "heads.jsonl")
    forgeries: list[EntryProof] = [
        replace(proof, entry=proof.entry.replace(b"slow", b"deny")),
        replace(proof, index=7),
        replace(proof, inclusion=proof.inclusion[1:]),
        replace(proof, inclusion=(*proof.inclusion[:-1], bytes(32))),
        replace(proof, head=stranger),
        replace(proof, head=replace(proof.head, size=13)),
    ]
    for forged in forgeries:
        with pytest.raises(CasebookError):
            verify_entry(forged, key)
    with pytest.raises(CasebookError, match="not signed by this key"):
        verify_entry(proof, (tmp_path / "stranger" / "key.pub.pem").read_bytes())


@pytest.mark.parametrize("index", [-1, 0, 14, 99])
def test_only_entries_can_be_asked_for(book: Path, index: int) -> None:
    """The header is not an entry; the error says which entries exist."""
    with pytest.raises(UsageError, match="1 to 13"):
        prove_entry(book, index)
