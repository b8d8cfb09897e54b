"""The hash tree against its definition, against published answers, and against forged proofs."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamekeeper.base.errors import UsageError
from gamekeeper.casebook import (
    CasebookError,
    HashTree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The eight leaves and their roots that implementations of RFC 6962 are commonly tried on.
KNOWN_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
KNOWN_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
DATA = [f"entry {i}".encode() for i in range(200)]
LEAVES = [leaf_hash(one) for one in DATA]
TREE = HashTree(LEAVES)


def split(data: list[bytes]) -> int:
    k = 1
    while k * 2 < len(data):
        k *= 2
    return k


def defined_root(data: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    k = split(data)
    return sha256(b"\x01" + defined_root(data[:k]) + defined_root(data[k:])).digest()


def defined_path(m: int, data: list[bytes]) -> list[bytes]:
    """PATH of section 2.1.1."""
    if len(data) == 1:
        return []
    k = split(data)
    if m < k:
        return [*defined_path(m, data[:k]), defined_root(data[k:])]
    return [*defined_path(m - k, data[k:]), defined_root(data[:k])]


def defined_proof(m: int, data: list[bytes], b: bool = True) -> list[bytes]:
    """PROOF and SUBPROOF of section 2.1.2."""
    if m == len(data):
        return [] if b else [defined_root(data)]
    k = split(data)
    if m <= k:
        return [*defined_proof(m, data[:k], b), defined_root(data[k:])]
    return [*defined_proof(m - k, data[k:], False), defined_root(data[:k])]


def forgeries(proof: list[bytes]) -> list[list[bytes]]:
    """The proof with one hash changed, left out, doubled, shortened or added, in each place."""
    made = [[*proof, bytes(32)], [bytes(32), *proof]]
    for i, one in enumerate(proof):
        for forged in (
            [bytes([one[0] ^ 1]) + one[1:]],
            [],
            [one, one],
            [one[:-1]],
            [one + b"\x00"],
        ):
            made.append(proof[:i] + forged + proof[i + 1 :])
    return made


def test_known_answers() -> None:
    """Roots of nought to eight leaves as published, and as the definition gives them."""
    leaves = [leaf_hash(data) for data in KNOWN_LEAVES]
    for size, root in enumerate(KNOWN_ROOTS):
        assert root_of(leaves[:size]).hex() == root
        assert defined_root(KNOWN_LEAVES[:size]).hex() == root


def test_roots_of_all_sizes_follow_the_definition() -> None:
    """Also when they are asked for later, of a tree that has grown on."""
    for size in range(len(DATA) + 1):
        assert TREE.root(size) == defined_root(DATA[:size]) == root_of(LEAVES[:size])


def test_inclusion_proofs_of_all_small_sizes_follow_the_definition() -> None:
    """Each leaf of each tree up to 40, and each proof holds."""
    for size in range(1, 41):
        for index in range(size):
            proof = TREE.prove_inclusion(index, size)
            assert proof == defined_path(index, DATA[:size])
            verify_inclusion(LEAVES[index], index, size, proof, TREE.root(size))


def test_consistency_proofs_of_all_small_sizes_follow_the_definition() -> None:
    """Each pair of sizes up to 40, and each proof holds."""
    for new in range(1, 41):
        for old in range(1, new + 1):
            proof = TREE.prove_consistency(old, new)
            assert proof == defined_proof(old, DATA[:new])
            verify_consistency(old, new, TREE.root(old), TREE.root(new), proof)


@given(st.data())
def test_inclusion_of_any_leaf_holds_and_forgeries_do_not(data: st.DataObject) -> None:
    """A changed proof, another leaf, another place or another root is refused."""
    size = data.draw(st.integers(2, len(DATA)))
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1).filter(lambda one: one != index))
    root = TREE.root(size)
    proof = inclusion_proof(LEAVES[:size], index)
    assert proof == defined_path(index, DATA[:size])
    verify_inclusion(LEAVES[index], index, size, proof, root)
    for forged in forgeries(proof):
        with pytest.raises(CasebookError):
            verify_inclusion(LEAVES[index], index, size, forged, root)
    for leaf, place, wanted in (
        (other, index, root),
        (index, other, root),
        (index, index, TREE.root(size - 1)),
    ):
        with pytest.raises(CasebookError):
            verify_inclusion(LEAVES[leaf], place, size, proof, wanted)


@given(st.data())
def test_consistency_of_any_two_sizes_holds_and_forgeries_do_not(data: st.DataObject) -> None:
    """A changed proof, a changed beginning or another end is refused."""
    new = data.draw(st.integers(2, len(DATA)))
    old = data.draw(st.integers(1, new - 1))
    old_root = TREE.root(old)
    new_root = TREE.root(new)
    proof = consistency_proof(LEAVES[:new], old)
    assert proof == defined_proof(old, DATA[:new])
    verify_consistency(old, new, old_root, new_root, proof)
    for forged in forgeries(proof):
        with pytest.raises(CasebookError):
            verify_consistency(old, new, old_root, new_root, forged)
    changed = data.draw(st.integers(0, old - 1))
    history = [*DATA[:changed], b"another", *DATA[changed + 1 : old]]
    for first, second in (
        (defined_root(history), new_root),
        (old_root, old_root),
        (new_root, new_root),
    ):
        with pytest.raises(CasebookError):
            verify_consistency(old, new, first, second, proof)


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=40), max_size=70))
def test_any_content_follows_the_definition(data: list[bytes]) -> None:
    """Equal, empty and arbitrary leaves."""
    assert root_of(map(leaf_hash, data)) == defined_root(data)


def test_a_node_cannot_pass_as_a_leaf() -> None:
    """A leaf that spells the two halves of a tree does not have the tree's root."""
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != TREE.root(2)


def test_same_size_is_consistent_only_with_itself_and_an_empty_proof() -> None:
    """No proof is needed, and none may be given."""
    verify_consistency(7, 7, TREE.root(7), TREE.root(7), [])
    for root, proof in ((TREE.root(6), []), (TREE.root(7), [bytes(32)])):
        with pytest.raises(CasebookError):
            verify_consistency(7, 7, root, TREE.root(7), proof)


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0), (5, 4), (0, -1)])
def test_places_outside_the_tree_are_refused(index: int, size: int) -> None:
    """By the one who proves and by the one who checks."""
    with pytest.raises(UsageError):
        TREE.prove_inclusion(index, size)
    with pytest.raises(CasebookError):
        verify_inclusion(LEAVES[0], index, size, [], TREE.root(1))


@pytest.mark.parametrize(("old", "new"), [(0, 4), (5, 4), (-1, 4), (0, 0)])
def test_sizes_that_do_not_grow_are_refused(old: int, new: int) -> None:
    """That an empty tree came first shows nothing, so it proves nothing."""
    with pytest.raises(UsageError):
        TREE.prove_consistency(old, new)
    with pytest.raises(CasebookError):
        verify_consistency(old, new, TREE.root(1), TREE.root(4), [])


def test_roots_and_proofs_of_other_sizes_are_refused() -> None:
    """Neither more leaves than it has, nor fewer than none."""
    for size in (-1, 201):
        with pytest.raises(UsageError, match="200 leaves"):
            TREE.root(size)
