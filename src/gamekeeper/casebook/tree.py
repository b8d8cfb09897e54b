"""A hash tree over a growing list, and proofs of inclusion and consistency.

    leaf = SHA-256(0x00 | data)        node = SHA-256(0x01 | left | right)        empty = SHA-256()

The left subtree of n leaves has the largest power of two of leaves below n. Because of the two
prefixes, a node is never mistaken for a leaf. Every node over a full power of two is stored (64
bytes for each leaf in all). Appending therefore costs one or two hashes on average, and a root or
proof of any earlier size a few dozen.

Source: RFC 6962, Certificate Transparency, 2013, section 2.1 (tree, proofs); RFC 9162, 2021,
    sections 2.1.3.2 and 2.1.4.2 (verification of the proofs).
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from gamekeeper.base.errors import Fault, UsageError
from gamekeeper.base.secret import is_same_secret
from gamekeeper.casebook.faults import CasebookError

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()


def leaf_hash(data: bytes) -> bytes:
    """Returns the hash of one leaf, 32 bytes."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Returns the hash of a node over two others, 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


class HashTree:
    """A hash tree that grows leaf by leaf and gives roots and proofs for every earlier size.

    Args:
        leaves: Hashes of the first leaves, 32 bytes each.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        # row k: the nodes over 2**k leaves each, one after another
        self._rows: list[bytearray] = [bytearray()]
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self._rows[0]) // HASH_BYTES

    def append(self, leaf: bytes) -> None:
        """Appends the hash of a leaf."""
        node = leaf
        for row in self._rows:
            row += node
            if len(row) % (2 * HASH_BYTES):
                return
            node = sha256(b"\x01" + row[-2 * HASH_BYTES :]).digest()
        self._rows.append(bytearray(node))

    def root(self, size: int | None = None) -> bytes:
        """Returns the root over the first `size` leaves; over all of them by default.

        Raises:
            UsageError: The tree does not have that many leaves.
        """
        size = self.size if size is None else size
        _require(0 <= size <= self.size, f"the tree has {self.size} leaves, not {size}")
        return self._root_over(0, size) if size else EMPTY_ROOT

    def prove_inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Returns the proof that leaf `index` (from 0) is in the tree over the first `size` leaves.

        Raises:
            UsageError: There is no such leaf in a tree of that size.
        """
        size = self.size if size is None else size
        _require(
            0 <= index < size <= self.size,
            f"no leaf {index} in the first {size} of {self.size} leaves",
        )
        return self._inclusion_path(index, 0, size)

    def prove_consistency(self, old_size: int, new_size: int | None = None) -> list[bytes]:
        """Returns the proof that the first `old_size` leaves are the beginning of the first
        `new_size` leaves.

        Raises:
            UsageError: The sizes are not 1 <= old_size <= new_size <= size.
        """
        new_size = self.size if new_size is None else new_size
        _require(
            1 <= old_size <= new_size <= self.size,
            f"expected 1 <= old size <= new size <= {self.size}; found {old_size} and {new_size}",
        )
        return self._consistency_path(old_size, 0, new_size, is_old_root_known=True)

    def _root_over(self, start: int, stop: int) -> bytes:
        """Returns the root over leaves `start` to `stop`.

        `start` is a multiple of the smallest power of two that is at least `stop - start`.
        """
        count = stop - start
        if count & (count - 1) == 0:
            at = start // count * HASH_BYTES
            return bytes(self._rows[count.bit_length() - 1][at : at + HASH_BYTES])
        middle = start + _left_size(count)
        return node_hash(self._root_over(start, middle), self._root_over(middle, stop))

    def _inclusion_path(self, index: int, start: int, stop: int) -> list[bytes]:
        """Returns the hashes from leaf `index` to the root over leaves `start` to `stop`."""
        if stop - start == 1:
            return []
        middle = start + _left_size(stop - start)
        if index < middle:
            return [*self._inclusion_path(index, start, middle), self._root_over(middle, stop)]
        return [*self._inclusion_path(index, middle, stop), self._root_over(start, middle)]

    def _consistency_path(
        self, old: int, start: int, stop: int, is_old_root_known: bool
    ) -> list[bytes]:
        """Returns the proof for the first `old` of the leaves `start` to `stop` (SUBPROOF of RFC
        6962).

        Args:
            old: Number of old leaves among them, at least 1.
            start: First leaf.
            stop: Leaf after the last one.
            is_old_root_known: Whether the root over the old leaves is the old root itself, which
                the verifier has.
        """
        if old == stop - start:
            return [] if is_old_root_known else [self._root_over(start, stop)]
        left = _left_size(stop - start)
        middle = start + left
        if old <= left:
            path = self._consistency_path(old, start, middle, is_old_root_known)
            return [*path, self._root_over(middle, stop)]
        path = self._consistency_path(old - left, middle, stop, is_old_root_known=False)
        return [*path, self._root_over(start, middle)]


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Returns the root over leaf hashes."""
    return HashTree(leaves).root()


def inclusion_proof(leaves: Iterable[bytes], index: int) -> list[bytes]:
    """Returns the proof that leaf `index` (from 0) is in the tree over `leaves` (hashes)."""
    return HashTree(leaves).prove_inclusion(index)


def consistency_proof(leaves: Iterable[bytes], old_size: int) -> list[bytes]:
    """Returns the proof that the first `old_size` leaves are the beginning of `leaves` (hashes)."""
    return HashTree(leaves).prove_consistency(old_size)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Verifies that a leaf is at an index of a tree.

    Args:
        leaf: Hash of the leaf, 32 bytes.
        index: Index of the leaf, from 0.
        size: Number of leaves of the tree.
        proof: The proof, as returned by `HashTree.prove_inclusion`.
        root: Root of the tree, 32 bytes, from a trusted source.

    Raises:
        CasebookError: The proof does not show this.
    """
    where = f"inclusion proof of leaf {index} in {size}"
    _require_hashes(where, [leaf, *proof])
    at = index
    last = size - 1
    found = leaf
    if not 0 <= at <= last:
        raise _error(where, "there is no such leaf", f"index {index}", f"0 to {last}")
    # Climbs from the leaf: `at` and `last` are the indexes of its node and of the last node of a
    # level. RFC 9162, 2.1.3.2.
    for step in proof:
        if last == 0:
            raise _wrong_length(where, proof)
        if at & 1 or at == last:
            found = node_hash(step, found)
            at, last = _skip_unpaired_levels(at, last)
        else:
            found = node_hash(found, step)
        at = at >> 1
        last = last >> 1
    if last:
        raise _wrong_length(where, proof)
    _require_same(where, found, root)


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Verifies that a tree is the continuation of an earlier one.

    Args:
        old_size: Number of leaves of the earlier tree, at least 1.
        new_size: Number of leaves of the later tree.
        old_root: Root of the earlier tree, 32 bytes, as somebody kept it.
        new_root: Root of the later tree, 32 bytes.
        proof: The proof, as returned by `HashTree.prove_consistency`.

    Raises:
        CasebookError: The proof does not show this.
    """
    where = f"consistency proof from {old_size} to {new_size}"
    _require_hashes(where, proof)
    if not 1 <= old_size <= new_size:
        found = f"{old_size} and {new_size}"
        raise _error(where, "the sizes are invalid", found, "1 <= old size <= new size")
    if old_size == new_size:
        if proof:
            raise _wrong_length(where, proof)
        return _require_same(where, new_root, old_root)
    # Both roots are computed along one path, from the largest node that both trees have. RFC 9162,
    # 2.1.4.2. In an old tree of a power of two this node is the old root, which the proof omits.
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path:
        raise _wrong_length(where, proof)
    at = old_size - 1
    last = new_size - 1
    while at & 1:
        at = at >> 1
        last = last >> 1
    old = path[0]
    new = path[0]
    for step in path[1:]:
        if last == 0:
            raise _wrong_length(where, proof)
        if at & 1 or at == last:
            old = node_hash(step, old)
            new = node_hash(step, new)
            at, last = _skip_unpaired_levels(at, last)
        else:
            new = node_hash(new, step)
        at = at >> 1
        last = last >> 1
    if last:
        raise _wrong_length(where, proof)
    _require_same(where, old, old_root)
    _require_same(where, new, new_root)


def _left_size(count: int) -> int:
    """Returns the largest power of two below `count`, which is at least 2."""
    return 1 << (count - 1).bit_length() - 1


def _skip_unpaired_levels(at: int, last: int) -> tuple[int, int]:
    """Skips levels at which the last node has no sibling and moves up unchanged."""
    while at and not at & 1:
        at = at >> 1
        last = last >> 1
    return at, last


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise UsageError(message)


def _require_hashes(where: str, hashes: Sequence[bytes]) -> None:
    """Raises if a part of a proof does not have the length of a hash.

    With other lengths, one string of bytes could be split into nodes in several ways.
    """
    for number, one in enumerate(hashes):
        if len(one) != HASH_BYTES:
            found = f"{len(one)} bytes"
            raise _error(where, f"part {number} is not a hash", found, f"{HASH_BYTES} bytes")


def _require_same(where: str, found: bytes, expected: bytes) -> None:
    if not is_same_secret(found, expected):
        raise _error(where, "it leads to another root", found.hex(), expected.hex())


def _wrong_length(where: str, proof: Sequence[bytes]) -> CasebookError:
    found = f"{len(proof)} hashes"
    return _error(where, "the proof has the wrong length", found, "one for each level")


def _error(where: str, problem: str, found: str, expected: str) -> CasebookError:
    return CasebookError([Fault(where=where, problem=problem, found=found, expected=expected)])
