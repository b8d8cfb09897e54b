"""The layout of a sealed file, and its public header.

    0          magic, length of the header (4 bytes, big-endian), header (JSON), zeros up to 4,096
    4,096      key slot A, slot_bytes
               key slot B, slot_bytes
               index by tensor, encrypted: index_bytes + 16
               chunks, each 1 MiB of the payload, the last one shorter, each + 16
               if signed: a BLAKE3 digest of each chunk, 32 bytes each; an Ed25519 signature, 64
               bytes

Every length follows from the header, so a file that is shorter or longer than it says is refused
before anything else is read. The header is canonical JSON: there is one way to write it, and any
other is refused.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from gamekeeper.base.canonical import canonical_ascii_json, parse_canonical_ascii
from gamekeeper.sealing.faults import seal_error

FORMAT = "gamekeeper/sealed@1"
MAGIC = b"gamekeeper-seal\n"
CHUNK_BYTES = 1 << 20
TAG_BYTES = 16
DIGEST_BYTES = 32
SIGNATURE_BYTES = 64
HEADER_BLOCK_BYTES = 4096
ID_BYTES = 32

MAX_PAYLOAD_BYTES = 1 << 43  # 8 TiB: its digests, which a stranger can make us read, take 256 MiB
MAX_INDEX_BYTES = 32 << 20  # over a million tensors
SLOT_BYTES = range(4096, (1 << 20) + 1, 4096)
_LENGTH_BYTES = 4
_HEX = re.compile(r"[0-9a-f]*")
_FIELDS = {
    "commitment",
    "file_id",
    "format",
    "index_bytes",
    "payload_bytes",
    "signer",
    "slot_bytes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What anybody can read of a sealed file.

    Args:
        file_id: Random, 32 bytes: tells this file from every other.
        commitment: What the data key must derive to, 32 bytes.
        payload_bytes: Length of what was sealed, 1 to 2^43.
        index_bytes: Length of the index before encryption, 1 to 2^25.
        slot_bytes: Length of each key slot, a multiple of 4,096 up to 2^20.
        signer: Ed25519 public key of who signed, 32 bytes; None if nobody did.
    """

    file_id: bytes
    commitment: bytes
    payload_bytes: int
    index_bytes: int
    slot_bytes: int
    signer: bytes | None

    @property
    def chunks(self) -> int:
        """Number of chunks, at least 1."""
        return -(-self.payload_bytes // CHUNK_BYTES)

    @property
    def index_at(self) -> int:
        """Where the encrypted index begins."""
        return HEADER_BLOCK_BYTES + 2 * self.slot_bytes

    @property
    def chunks_at(self) -> int:
        """Where the first chunk begins."""
        return self.index_at + self.index_bytes + TAG_BYTES

    @property
    def digests_at(self) -> int:
        """Where the chunks end."""
        return self.chunks_at + self.payload_bytes + self.chunks * TAG_BYTES

    @property
    def file_bytes(self) -> int:
        """Length of the whole file."""
        return self.digests_at + (
            self.chunks * DIGEST_BYTES + SIGNATURE_BYTES if self.signer else 0
        )

    def slot_at(self, slot: int) -> int:
        """Where key slot 0 or 1 begins."""
        return HEADER_BLOCK_BYTES + slot * self.slot_bytes

    def chunk_at(self, number: int) -> int:
        """Where a chunk begins, counted from 0."""
        return self.chunks_at + number * (CHUNK_BYTES + TAG_BYTES)

    def chunk_length(self, number: int) -> int:
        """Length of a chunk's payload, without its tag."""
        return min(CHUNK_BYTES, self.payload_bytes - number * CHUNK_BYTES)

    def text(self) -> bytes:
        """Returns the header as it stands in the file."""
        return canonical_ascii_json(
            {
                "commitment": self.commitment.hex(),
                "file_id": self.file_id.hex(),
                "format": FORMAT,
                "index_bytes": self.index_bytes,
                "payload_bytes": self.payload_bytes,
                "signer": self.signer.hex() if self.signer else None,
                "slot_bytes": self.slot_bytes,
            }
        )

    def block(self) -> bytes:
        """Returns the first 4,096 bytes of the file."""
        text = self.text()
        start = MAGIC + len(text).to_bytes(_LENGTH_BYTES) + text
        return start.ljust(HEADER_BLOCK_BYTES, b"\0")


def read_header(block: bytes, file_bytes: int, where: object) -> Header:
    """Reads the first block of a sealed file.

    Args:
        block: Its first 4,096 bytes, or fewer if it is shorter.
        file_bytes: Length of the file.
        where: Its name, for messages.

    Raises:
        SealError: It is no sealed file, another version of it, or not as long as it says.
    """
    if not block.startswith(MAGIC):
        raise seal_error(
            where, "no sealed file", _beginning(block), f"a file that begins with {MAGIC!r}"
        )
    start = len(MAGIC) + _LENGTH_BYTES
    length = int.from_bytes(block[len(MAGIC) : start])
    if (
        len(block) < HEADER_BLOCK_BYTES
        or length > HEADER_BLOCK_BYTES - start
        or any(block[start + length :])
    ):
        raise _damaged(
            where,
            f"{length:,} bytes of {len(block):,}",
            f"at most {HEADER_BLOCK_BYTES - start:,} bytes",
        )
    header = _header(block[start : start + length], where)
    if header.file_bytes != file_bytes:
        found = f"{file_bytes:,} bytes"
        expected = f"{header.file_bytes:,} bytes, as its header says"
        problem = (
            "the file is cut short"
            if file_bytes < header.file_bytes
            else "something was added to the file"
        )
        raise seal_error(where, problem, found, expected, "copy it again from where it was sealed")
    return header


def _header(text: bytes, where: object) -> Header:
    fields = parse_canonical_ascii(text)
    if (
        fields is not None
        and str(fields.get("format")).startswith("gamekeeper/sealed@")
        and fields["format"] != FORMAT
    ):
        found = repr(fields["format"])[:60]
        raise seal_error(
            where, "another version of the format", found, FORMAT, "use a newer gamekeeper"
        )
    header = None if fields is None or fields.keys() != _FIELDS else _from_fields(fields)
    if header is None or header.text() != text:
        raise _damaged(where, _beginning(text), f"the header of {FORMAT}")
    return header


def _from_fields(fields: dict[str, Any]) -> Header | None:
    file_id = hex_bytes(fields["file_id"], ID_BYTES)
    commitment = hex_bytes(fields["commitment"], ID_BYTES)
    signer = hex_bytes(fields["signer"], 32)
    sizes = [fields[name] for name in ("payload_bytes", "index_bytes", "slot_bytes")]
    if file_id is None or commitment is None or (signer is None) != (fields["signer"] is None):
        return None
    if any(type(size) is not int for size in sizes):
        return None
    payload, index, slot = sizes
    if not (
        0 < payload <= MAX_PAYLOAD_BYTES and 0 < index <= MAX_INDEX_BYTES and slot in SLOT_BYTES
    ):
        return None
    return Header(
        file_id=file_id,
        commitment=commitment,
        payload_bytes=payload,
        index_bytes=index,
        slot_bytes=slot,
        signer=signer,
    )


def _damaged(where: object, found: str, expected: str) -> Exception:
    return seal_error(
        where, "the header is damaged", found, expected, "copy it again from where it was sealed"
    )


def _beginning(data: bytes) -> str:
    return json.dumps(data[:40].decode("latin-1")) if data else "an empty file"


def hex_bytes(value: object, length: int) -> bytes | None:
    """Returns so many bytes from lower-case hexadecimal digits, or None if the value is not
    that.
    """
    if isinstance(value, str) and len(value) == 2 * length and _HEX.fullmatch(value):
        return bytes.fromhex(value)
    return None
