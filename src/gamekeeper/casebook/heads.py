"""Heads: the number of lines and the root of the hash tree at a time, signed with Ed25519.

The signature is over a short text whose first line names what is signed, so that a signature for
another purpose is never accepted as one of a head:

    gamekeeper/casebook-head@1
    <lines of entries.jsonl, in decimal>
    <root, 64 hexadecimal digits>
    <time, UTC, ISO 8601 with microseconds>
    (nothing: the text ends with a line feed)
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
from gamekeeper.casebook.entries import is_time
from gamekeeper.casebook.faults import LineFaults, excerpt
from gamekeeper.casebook.folder import WholeLines
from gamekeeper.casebook.tree import HASH_BYTES

FORMAT = "gamekeeper/casebook-head@1"
_SIGNATURE_BYTES = 64
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The state of a casebook at a time.

    Args:
        size: Number of lines of `entries.jsonl`, including the header.
        root: Root of the hash tree over them, 32 bytes.
        time: Time by the writer's clock, UTC, ISO 8601 with microseconds.
    """

    size: int
    root: bytes
    time: str

    def signed_text(self) -> bytes:
        """Returns the text that is signed."""
        return f"{FORMAT}\n{self.size}\n{self.root.hex()}\n{self.time}\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead(Head):
    """A head with its signature.

    Args:
        signature: Ed25519 signature of `signed_text`, 64 bytes.
    """

    signature: bytes

    def to_dict(self) -> dict[str, Any]:
        """Returns the head as a JSON object."""
        return {
            "format": FORMAT,
            "root": self.root.hex(),
            "signature": self.signature.hex(),
            "size": self.size,
            "time": self.time,
        }

    def to_line(self) -> bytes:
        """Returns the line in a file, without the line feed."""
        return canonical_json(self.to_dict())

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Returns whether the signature verifies with this key."""
        try:
            key.verify(self.signature, self.signed_text())
        except InvalidSignature:
            return False
        return True

    @classmethod
    def parse(cls, line: bytes) -> "SignedHead | None":
        """Returns the signed head in a line, or None if the line is not one."""
        fields = parse_object(line)
        if fields is None or fields.get("format") != FORMAT:
            return None
        size = fields.get("size")
        time = fields.get("time")
        root = _parse_hex(fields.get("root"), HASH_BYTES)
        signature = _parse_hex(fields.get("signature"), _SIGNATURE_BYTES)
        if type(size) is not int or size < 1 or not is_time(time):
            return None
        if root is None or signature is None:
            return None
        return cls(size=size, root=root, time=time, signature=signature)


def sign_head(head: Head, key: Ed25519PrivateKey) -> SignedHead:
    """Returns the head with its signature."""
    return SignedHead(
        size=head.size, root=head.root, time=head.time, signature=key.sign(head.signed_text())
    )


def read_head(path: str | Path) -> SignedHead:
    """Reads a head that somebody kept: the last line of a file, such as a copy of `heads.jsonl`.

    Raises:
        InputError: There is no file, or its last line is not a head.
    """
    path = Path(path)
    lines = read_whole(path).splitlines()
    head = SignedHead.parse(lines[-1]) if lines else None
    if head is None:
        found = excerpt(lines[-1]) if lines else "an empty file"
        raise input_error(path, "not a signed head", found, f'"{FORMAT}"')
    return head


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHeads:
    """The content of `heads.jsonl`.

    Args:
        heads: Line number (from 1) and head, in the order of the file.
        faults: Lines that are not heads.
        whole_bytes: Length of all complete lines.
        torn_bytes: Length of an incomplete line at the end.
    """

    heads: tuple[tuple[int, SignedHead], ...]
    faults: tuple[Fault, ...]
    whole_bytes: int
    torn_bytes: int


def read_heads(path: Path) -> StoredHeads:
    """Reads `heads.jsonl`; a file that does not exist has no heads."""
    heads: list[tuple[int, SignedHead]] = []
    line_faults = LineFaults(str(path))
    lines = WholeLines(path)
    number = 0
    for number, line in enumerate(lines, start=1):
        head = SignedHead.parse(line)
        if head is None:
            line_faults.add(number, "the line is not a signed head", excerpt(line), f'"{FORMAT}"')
        else:
            heads.append((number, head))
    return StoredHeads(
        heads=tuple(heads),
        faults=tuple(line_faults.faults(number)),
        whole_bytes=lines.whole_bytes,
        torn_bytes=lines.torn_bytes,
    )


def _parse_hex(value: object, length: int) -> bytes | None:
    if isinstance(value, str) and len(value) == 2 * length and _HEX.fullmatch(value):
        return bytes.fromhex(value)
    return None
