"""Reads a casebook as it lies there and notes everything in it that does not fit.

Three kinds of check: each line has the one form an entry can have and its number in the row; each
head is signed by the one key; and each head's root is the root over as many lines as it names. The
last is what no skill with the file gets around: it takes the private key to sign other lines, and
it takes the heads that others keep to be forgotten.
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gamekeeper.base.canonical import parse_object
from gamekeeper.base.errors import Fault, InputError, input_error
from gamekeeper.casebook.faults import Tally, excerpt
from gamekeeper.casebook.files import ENTRIES, HEADS, PUBLIC_KEY, Lines
from gamekeeper.casebook.heads import Heads, SignedHead, read_heads
from gamekeeper.casebook.keys import hex_of, load_public_key
from gamekeeper.casebook.lines import FORMAT, Header, entry_problem
from gamekeeper.casebook.tree import HashTree, leaf_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What the files of a casebook say.

    Args:
        header: The first line.
        tree: Over all whole lines.
        heads: The signed heads.
        last_time: Of the last entry; of the header where there is none.
        entry: The line asked for.
        whole_bytes: Where the last whole line ends.
        torn_bytes: What stands behind that.
        faults: Lines that are not what they should be.
    """

    header: Header
    tree: HashTree
    heads: Heads
    last_time: str
    entry: bytes | None
    whole_bytes: int
    torn_bytes: int
    faults: tuple[Fault, ...]

    @property
    def signed_size(self) -> int:
        """Lines that the last head vouches for."""
        return self.heads.heads[-1][1].size if self.heads.heads else 0

    @property
    def is_wholly_signed(self) -> bool:
        """Whether no line, nor a piece of one, stands behind what is signed."""
        return (
            self.signed_size == self.tree.size and not self.torn_bytes and not self.heads.torn_bytes
        )


def read_book(folder: Path, entry: int | None = None) -> Book:
    """Reads the entries and heads of a casebook, line by line.

    Args:
        folder: The casebook.
        entry: Index of an entry whose line is wanted.

    Raises:
        InputError: There is no casebook, or one of another format.
    """
    # first: a writer at work signs nothing that is not in the entries yet
    heads = read_heads(folder / HEADS)
    path = folder / ENTRIES
    lines = Lines(path)
    tree = HashTree()
    tally = Tally(str(path))
    kept = None
    header: Header | None = None
    line = b""
    for index, line in enumerate(lines):
        tree.append(leaf_hash(line))
        if index == 0:
            header = _header(path, line)
        elif problem := entry_problem(line, index):
            tally.add(index + 1, problem[0], excerpt(line), problem[1])
        if index == entry:
            kept = line
    if header is None:
        raise _no_casebook(path, "an empty file" if path.exists() else "no file")
    return Book(
        header=header,
        tree=tree,
        heads=heads,
        last_time=_time_of(line) or header.created,
        entry=kept,
        whole_bytes=lines.whole_bytes,
        torn_bytes=lines.torn_bytes,
        faults=tuple(tally.faults(tree.size)),
    )


def key_of(
    book: Book, folder: Path, given: Ed25519PublicKey | None
) -> tuple[Ed25519PublicKey, list[Fault]]:
    """Returns the key that heads must be signed by, and where another one is named."""
    own = Ed25519PublicKey.from_public_bytes(bytes.fromhex(book.header.public_key))
    key = given or own
    faults = []
    if hex_of(key) != hex_of(own):
        faults.append(_other_key(f"{folder / ENTRIES}:1", own, key))
    path = folder / PUBLIC_KEY
    if path.exists():
        beside = load_public_key(path.read_bytes(), str(path))
        if hex_of(key) != hex_of(beside):
            faults.append(_other_key(str(path), beside, key))
    return key, faults


def head_faults(path: Path, book: Book, key: Ed25519PublicKey) -> list[Fault]:
    """Returns what is wrong with the heads of a casebook, each held against its entries."""
    tally = Tally(str(path))
    held = 0
    before = 0
    for place, head in book.heads.heads:
        if head.size <= before:
            tally.add(
                place, "the head is out of order", f"{head.size} lines", f"more than {before} lines"
            )
        before = head.size
        fault = head_fault("", head, book.tree, key, held)
        if fault is None:
            held = head.size
        else:
            tally.add(place, fault.problem, fault.found, fault.expected, fault.try_)
    return tally.faults(len(book.heads.heads))


def head_fault(
    where: str, head: SignedHead, tree: HashTree, key: Ed25519PublicKey, held: int = 0
) -> Fault | None:
    """Returns why a head does not belong to a casebook, or None if it does.

    Args:
        where: Where the head comes from.
        head: Of this casebook's own, or kept by somebody.
        tree: Over the casebook's lines.
        key: Who must have signed it.
        held: Lines that an earlier head has vouched for: the difference stands behind them.
    """
    if not head.is_signed_by(key):
        problem = "the head is not signed by this casebook's key"
        found = f"signature {head.signature.hex()[:16]}..."
        return Fault(
            where=where, problem=problem, found=found, expected=f"one by the key {hex_of(key)}"
        )
    if head.size > tree.size:
        problem = "entries are missing at the end"
        found = f"{tree.size} lines in {ENTRIES}"
        expected = f"{head.size} lines, signed at {head.time}"
        return Fault(where=where, problem=problem, found=found, expected=expected)
    if (root := tree.root(head.size)) != head.root:
        return Fault(
            where=where,
            problem="the entries are not the ones that were signed",
            found=f"root {root.hex()} over {head.size} lines",
            expected=f"root {head.root.hex()}, signed at {head.time}",
            try_=(
                f"look at lines {held + 1} to {head.size} of {ENTRIES}: something in them was"
                " changed"
            ),
        )
    return None


def nothing_signed(folder: Path) -> Fault:
    """Returns the fault of a casebook without heads."""
    path = folder / HEADS
    found = "no head in the file" if path.exists() else "no file"
    return Fault(where=str(path), problem="nothing is signed", found=found, expected="signed heads")


def _header(path: Path, line: bytes) -> Header:
    header = Header.parse(line)
    if header is None:
        raise _no_casebook(path, excerpt(line))
    return header


def _no_casebook(path: Path, found: str) -> InputError:
    expected = f'a first line with "{FORMAT}" and a public key'
    return input_error(path, "no casebook", found, expected)


def _other_key(where: str, found: Ed25519PublicKey, expected: Ed25519PublicKey) -> Fault:
    return Fault(
        where=where, problem="another public key", found=hex_of(found), expected=hex_of(expected)
    )


def _time_of(line: bytes) -> str | None:
    time = (parse_object(line) or {}).get("time")
    return time if isinstance(time, str) else None
