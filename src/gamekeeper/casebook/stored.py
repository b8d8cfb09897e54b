"""Reads a stored casebook and collects everything in it that is wrong.

There are three kinds of checks. Each line is a canonical entry with the right index. Each head is
signed by the casebook's key. The root of each head is the root over as many lines as the head
states. The third check detects any change of the lines that is made without the private key. A
change made with the private key is detected by comparison with a head that others have kept.
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gamekeeper.base.canonical import parse_object
from gamekeeper.base.errors import Fault, InputError, input_error
from gamekeeper.casebook.entries import FORMAT, CasebookHeader, entry_problem
from gamekeeper.casebook.faults import LineFaults, excerpt
from gamekeeper.casebook.folder import ENTRIES, HEADS, PUBLIC_KEY, WholeLines
from gamekeeper.casebook.heads import SignedHead, StoredHeads, read_heads
from gamekeeper.casebook.tree import HashTree, leaf_hash
from gamekeeper.casebook.writer_key import parse_public_key, public_key_hex


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCasebook:
    """The content of a casebook's files.

    Args:
        header: The first line.
        tree: Hash tree over all complete lines.
        heads: The signed heads.
        last_time: Time of the last entry; without entries, of the header.
        entry: The line of the entry that the caller asked for.
        whole_bytes: Length of all complete lines.
        torn_bytes: Length of an incomplete line at the end.
        faults: Lines that are not valid entries.
    """

    header: CasebookHeader
    tree: HashTree
    heads: StoredHeads
    last_time: str
    entry: bytes | None
    whole_bytes: int
    torn_bytes: int
    faults: tuple[Fault, ...]

    @property
    def signed_size(self) -> int:
        """Number of lines that the last head covers."""
        return self.heads.heads[-1][1].size if self.heads.heads else 0

    @property
    def is_wholly_signed(self) -> bool:
        """Whether there is no line, complete or not, after those that the last head covers."""
        is_covered = self.signed_size == self.tree.size
        return is_covered and not self.torn_bytes and not self.heads.torn_bytes


def read_stored(folder: Path, entry: int | None = None) -> StoredCasebook:
    """Reads the entries and heads of a casebook, line by line.

    Args:
        folder: The casebook.
        entry: Index of an entry whose line is returned too.

    Raises:
        InputError: There is no casebook, or it has another format.
    """
    # Heads are read before entries: a running writer may append to both meanwhile, and signs only
    # what is in the entries already.
    heads = read_heads(folder / HEADS)
    path = folder / ENTRIES
    lines = WholeLines(path)
    tree = HashTree()
    line_faults = LineFaults(str(path))
    kept = None
    header: CasebookHeader | None = None
    line = b""
    for index, line in enumerate(lines):
        tree.append(leaf_hash(line))
        if index == 0:
            header = _parse_header(path, line)
        elif problem := entry_problem(line, index):
            line_faults.add(index + 1, problem[0], excerpt(line), problem[1])
        if index == entry:
            kept = line
    if header is None:
        raise _not_a_casebook(path, "an empty file" if path.exists() else "no file")
    return StoredCasebook(
        header=header,
        tree=tree,
        heads=heads,
        last_time=_time_of(line) or header.created,
        entry=kept,
        whole_bytes=lines.whole_bytes,
        torn_bytes=lines.torn_bytes,
        faults=tuple(line_faults.faults(tree.size)),
    )


def key_of(
    book: StoredCasebook, folder: Path, given: Ed25519PublicKey | None
) -> tuple[Ed25519PublicKey, list[Fault]]:
    """Returns the key that must have signed the heads, and faults where another one is named."""
    own = Ed25519PublicKey.from_public_bytes(bytes.fromhex(book.header.public_key))
    key = given or own
    faults = []
    if public_key_hex(key) != public_key_hex(own):
        faults.append(_other_key(f"{folder / ENTRIES}:1", own, key))
    path = folder / PUBLIC_KEY
    if path.exists():
        beside = parse_public_key(path.read_bytes(), str(path))
        if public_key_hex(key) != public_key_hex(beside):
            faults.append(_other_key(str(path), beside, key))
    return key, faults


def head_faults(path: Path, book: StoredCasebook, key: Ed25519PublicKey) -> list[Fault]:
    """Returns the faults of a casebook's heads, each compared with the entries."""
    line_faults = LineFaults(str(path))
    verified_size = 0
    previous_size = 0
    for number, head in book.heads.heads:
        if head.size <= previous_size:
            found = f"{head.size} lines"
            expected = f"more than {previous_size} lines"
            line_faults.add(number, "the head is out of order", found, expected)
        previous_size = head.size
        fault = head_fault("", head, book.tree, key, verified_size)
        if fault is None:
            verified_size = head.size
        else:
            line_faults.add(number, fault.problem, fault.found, fault.expected, fault.try_)
    return line_faults.faults(len(book.heads.heads))


def head_fault(
    where: str, head: SignedHead, tree: HashTree, key: Ed25519PublicKey, verified_size: int = 0
) -> Fault | None:
    """Returns why a head does not belong to a casebook, or None if it does.

    Args:
        where: Source of the head, for messages.
        head: A head of the casebook itself, or one that somebody kept.
        tree: Hash tree over the casebook's lines.
        key: The key that must have signed it.
        verified_size: Number of lines that a valid earlier head covers: a difference is located
            after them.
    """
    if not head.is_signed_by(key):
        problem = "the head is not signed by this casebook's key"
        found = f"signature {head.signature.hex()[:16]}..."
        expected = f"one by the key {public_key_hex(key)}"
        return Fault(where=where, problem=problem, found=found, expected=expected)
    if head.size > tree.size:
        problem = "entries are missing at the end"
        found = f"{tree.size} lines in {ENTRIES}"
        expected = f"{head.size} lines, signed at {head.time}"
        return Fault(where=where, problem=problem, found=found, expected=expected)
    root = tree.root(head.size)
    if root != head.root:
        lines = f"lines {verified_size + 1} to {head.size} of {ENTRIES}"
        return Fault(
            where=where,
            problem="the entries are not the ones that were signed",
            found=f"root {root.hex()} over {head.size} lines",
            expected=f"root {head.root.hex()}, signed at {head.time}",
            try_=f"look at {lines}: something in them was changed",
        )
    return None


def nothing_signed(folder: Path) -> Fault:
    """Returns the fault of a casebook without heads."""
    path = folder / HEADS
    found = "no head in the file" if path.exists() else "no file"
    return Fault(where=str(path), problem="nothing is signed", found=found, expected="signed heads")


def _parse_header(path: Path, line: bytes) -> CasebookHeader:
    header = CasebookHeader.parse(line)
    if header is None:
        raise _not_a_casebook(path, excerpt(line))
    return header


def _not_a_casebook(path: Path, found: str) -> InputError:
    expected = f'a first line with "{FORMAT}" and a public key'
    return input_error(path, "not a casebook", found, expected)


def _other_key(where: str, found: Ed25519PublicKey, expected: Ed25519PublicKey) -> Fault:
    return Fault(
        where=where,
        problem="another public key",
        found=public_key_hex(found),
        expected=public_key_hex(expected),
    )


def _time_of(line: bytes) -> str | None:
    time = (parse_object(line) or {}).get("time")
    return time if isinstance(time, str) else None
