"""The hash tree over a growing list, and the proofs taken from it.

    leaf = SHA-256(0x00 | data)        node = SHA-256(0x01 | left | right)        empty = SHA-256()

The left half of n leaves holds the largest power of two below n. The two prefixes keep a node from
passing as a leaf. Every node over a full power of two is kept (64 bytes a leaf in all), so that
appending costs one or two hashes on average, and a root or proof of any earlier size a few dozen.

Source: RFC 6962, Certificate Transparency, 2013, section 2.1 (tree, proofs); RFC 9162, 2021,
    sections 2.1.3.2
and 2.1.4.2 (how the proofs are checked).
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
    """A tree that grows leaf by leaf and remembers every earlier size.

    Args:
        leaves: Leaf hashes to begin with, 32 bytes each.
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
        """Adds a leaf hash at the end."""
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
            UsageError: The tree has never had that size.
        """
        size = self.size if size is None else size
        _require(0 <= size <= self.size, f"the tree has {self.size} leaves, not {size}")
        return self._over(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Returns the proof that leaf `index` (from 0) stands in the tree of the first `size`
        leaves.

        Raises:
            UsageError: There is no such leaf in a tree of that size.
        """
        size = self.size if size is None else size
        _require(
            0 <= index < size <= self.size,
            f"no leaf {index} in the first {size} of {self.size} leaves",
        )
        return self._path(index, 0, size)

    def consistency(self, old_size: int, new_size: int | None = None) -> list[bytes]:
        """Returns the proof that the first `old_size` leaves are still the beginning of `new_size`
        leaves.

        Raises:
            UsageError: The sizes are not 1 <= old_size <= new_size <= size.
        """
        new_size = self.size if new_size is None else new_size
        _require(
            1 <= old_size <= new_size <= self.size,
            f"wanted 1 <= old size <= new size <= {self.size}; found {old_size} and {new_size}",
        )
        return self._continued(old_size, 0, new_size, whole=True)

    def _over(self, start: int, stop: int) -> bytes:
        """Root over leaves `start` to `stop`; `start` is a multiple of the power of two that holds
        them all.
        """
        count = stop - start
        if count & (count - 1) == 0:
            at = start // count * HASH_BYTES
            return bytes(self._rows[count.bit_length() - 1][at : at + HASH_BYTES])
        middle = start + _left(count)
        return node_hash(self._over(start, middle), self._over(middle, stop))

    def _path(self, index: int, start: int, stop: int) -> list[bytes]:
        if stop - start == 1:
            return []
        middle = start + _left(stop - start)
        if index < middle:
            return [*self._path(index, start, middle), self._over(middle, stop)]
        return [*self._path(index, middle, stop), self._over(start, middle)]

    def _continued(self, old: int, start: int, stop: int, whole: bool) -> list[bytes]:
        """`old` leaves of those from `start`; `whole` where the checker knows their root as the old
        root.
        """
        if old == stop - start:
            return [] if whole else [self._over(start, stop)]
        left = _left(stop - start)
        middle = start + left
        if old <= left:
            return [*self._continued(old, start, middle, whole), self._over(middle, stop)]
        return [*self._continued(old - left, middle, stop, whole=False), self._over(start, middle)]


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Returns the root over leaf hashes."""
    return HashTree(leaves).root()


def inclusion_proof(leaves: Iterable[bytes], index: int) -> list[bytes]:
    """Returns the proof that leaf `index` (from 0) stands in the tree over `leaves` (hashes)."""
    return HashTree(leaves).inclusion(index)


def consistency_proof(leaves: Iterable[bytes], old_size: int) -> list[bytes]:
    """Returns the proof that the first `old_size` of `leaves` (hashes) are their beginning."""
    return HashTree(leaves).consistency(old_size)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Checks that a leaf stands at a place of a tree.

    Args:
        leaf: Its hash, 32 bytes.
        index: Its place, from 0.
        size: Leaves of the tree.
        proof: As `HashTree.inclusion` gives it.
        root: The tree's root, 32 bytes, from a source that is trusted.

    Raises:
        CasebookError: It does not, or nothing shows that it does.
    """
    where = f"inclusion proof of leaf {index} in {size}"
    _require_hashes(where, [leaf, *proof])
    at = index
    last = size - 1
    found = leaf
    if not 0 <= at <= last:
        raise _broken(where, "there is no such leaf", f"index {index}", f"0 to {last}")
    for step in proof:
        if last == 0:
            raise _wrong_length(where, proof)
        if at & 1 or at == last:
            found = node_hash(step, found)
            at, last = _up_to_a_right_child(at, last)
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
    """Checks that a tree is the continuation of an earlier one.

    Args:
        old_size: Leaves of the earlier tree, at least 1.
        new_size: Leaves of the later one.
        old_root: Root of the earlier tree, 32 bytes, as somebody kept it.
        new_root: Root of the later one, 32 bytes.
        proof: As `HashTree.consistency` gives it.

    Raises:
        CasebookError: It is not, or nothing shows that it is.
    """
    where = f"consistency proof from {old_size} to {new_size}"
    _require_hashes(where, proof)
    if not 1 <= old_size <= new_size:
        raise _broken(
            where, "the sizes do not fit", f"{old_size} and {new_size}", "1 <= old size <= new size"
        )
    if old_size == new_size:
        if proof:
            raise _wrong_length(where, proof)
        return _require_same(where, new_root, old_root)
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path:
        raise _wrong_length(where, proof)
    at = old_size - 1
    last = new_size - 1
    while at & 1:
        at = at >> 1
        last = last >> 1
    old = new = path[0]
    for step in path[1:]:
        if last == 0:
            raise _wrong_length(where, proof)
        if at & 1 or at == last:
            old = node_hash(step, old)
            new = node_hash(step, new)
            at, last = _up_to_a_right_child(at, last)
        else:
            new = node_hash(new, step)
        at = at >> 1
        last = last >> 1
    if last:
        raise _wrong_length(where, proof)
    _require_same(where, old, old_root)
    _require_same(where, new, new_root)


def _left(count: int) -> int:
    """The largest power of two below `count`, which is at least 2."""
    return 1 << (count - 1).bit_length() - 1


def _up_to_a_right_child(at: int, last: int) -> tuple[int, int]:
    """Skips the levels at which a node at the right edge stands alone and goes up as it is."""
    while at and not at & 1:
        at = at >> 1
        last = last >> 1
    return at, last


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise UsageError(message)


def _require_hashes(where: str, hashes: Sequence[bytes]) -> None:
    """Parts of other lengths would let one string of bytes be cut into nodes in several ways."""
    for number, one in enumerate(hashes):
        if len(one) != HASH_BYTES:
            raise _broken(
                where, f"part {number} is no hash", f"{len(one)} bytes", f"{HASH_BYTES} bytes"
            )


def _require_same(where: str, found: bytes, expected: bytes) -> None:
    if not is_same_secret(found, expected):
        raise _broken(where, "it leads to another root", found.hex(), expected.hex())


def _wrong_length(where: str, proof: Sequence[bytes]) -> CasebookError:
    return _broken(
        where,
        "the proof has the wrong length",
        f"{len(proof)} hashes",
        "one for each level on the way",
    )


def _broken(where: str, problem: str, found: str, expected: str) -> CasebookError:
    return CasebookError([Fault(where=where, problem=problem, found=found, expected=expected)])
