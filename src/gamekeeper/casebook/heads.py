"""Heads: how long the record was at a time, and the root over it; signed with Ed25519.

The signature is over five short lines of text, of which the first names what is signed, so that no
signature for another purpose can pass for one:

    gamekeeper/casebook-head@1
    <lines of entries.jsonl, in decimal>
    <root, 64 hexadecimal digits>
    <time, UTC, ISO 8601 with microseconds>
    (empty: the text ends with a line feed)
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gamekeeper.base.canonical import canonical_json, parse_object
from gamekeeper.base.errors import Fault, input_error
from gamekeeper.base.files import read_whole
from gamekeeper.casebook.faults import Tally, excerpt
from gamekeeper.casebook.files import Lines
from gamekeeper.casebook.lines import is_time
from gamekeeper.casebook.tree import HASH_BYTES

FORMAT = "gamekeeper/casebook-head@1"
_SIGNATURE_BYTES = 64
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The state of a casebook.

    Args:
        size: Lines of `entries.jsonl`, the header among them.
        root: Root of the hash tree over them, 32 bytes.
        time: UTC, ISO 8601 with microseconds; the writer's clock.
    """

    size: int
    root: bytes
    time: str

    def text(self) -> bytes:
        """Returns what is signed."""
        return f"{FORMAT}\n{self.size}\n{self.root.hex()}\n{self.time}\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead(Head):
    """A head with its signature.

    Args:
        signature: Ed25519 over `text()`, 64 bytes.
    """

    signature: bytes

    def fields(self) -> dict[str, Any]:
        """Returns it as a JSON object."""
        return {
            "format": FORMAT,
            "root": self.root.hex(),
            "signature": self.signature.hex(),
            "size": self.size,
            "time": self.time,
        }

    def line(self) -> bytes:
        """Returns it as it stands in a file, without the line feed."""
        return canonical_json(self.fields())

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether `key` signed it."""
        try:
            key.verify(self.signature, self.text())
        except InvalidSignature:
            return False
        return True

    @classmethod
    def parse(cls, line: bytes) -> "SignedHead | None":
        """Returns the head that a line is, or None if it is none."""
        fields = parse_object(line)
        if fields is None or fields.get("format") != FORMAT:
            return None
        size = fields.get("size")
        time = fields.get("time")
        root = _bytes(fields.get("root"), HASH_BYTES)
        signature = _bytes(fields.get("signature"), _SIGNATURE_BYTES)
        if type(size) is not int or size < 1 or not is_time(time):
            return None
        return (
            cls(size=size, root=root, time=time, signature=signature)
            if root and signature
            else None
        )


def signed(head: Head, key: Ed25519PrivateKey) -> SignedHead:
    """Returns the head with its signature."""
    return SignedHead(
        size=head.size, root=head.root, time=head.time, signature=key.sign(head.text())
    )


def read_head(path: Path) -> SignedHead:
    """Reads a head that somebody kept: a file of one, or the last of several as in `heads.jsonl`.

    Raises:
        InputError: There is no file, or no head in it.
    """
    lines = read_whole(path).splitlines()
    head = SignedHead.parse(lines[-1]) if lines else None
    if head is None:
        found = excerpt(lines[-1]) if lines else "an empty file"
        raise input_error(path, "no signed head", found, f'"{FORMAT}"')
    return head


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """What `heads.jsonl` holds.

    Args:
        heads: Line number (from 1) and head, in the order of the file.
        faults: Lines that are no heads.
        whole_bytes: Where its last whole line ends.
        torn_bytes: What stands behind that: a line that was cut short.
    """

    heads: tuple[tuple[int, SignedHead], ...]
    faults: tuple[Fault, ...]
    whole_bytes: int
    torn_bytes: int


def read_heads(path: Path) -> Heads:
    """Reads `heads.jsonl`; a file that is not there holds none."""
    heads: list[tuple[int, SignedHead]] = []
    tally = Tally(str(path))
    lines = Lines(path)
    place = 0
    for place, line in enumerate(lines, start=1):
        head = SignedHead.parse(line)
        if head is None:
            tally.add(place, "the line is no signed head", excerpt(line), f'"{FORMAT}"')
        else:
            heads.append((place, head))
    return Heads(
        heads=tuple(heads),
        faults=tuple(tally.faults(place)),
        whole_bytes=lines.whole_bytes,
        torn_bytes=lines.torn_bytes,
    )


def _bytes(value: object, length: int) -> bytes | None:
    if isinstance(value, str) and len(value) == 2 * length and _HEX.fullmatch(value):
        return bytes.fromhex(value)
    return None
