"""The byte layout of a sealed file, and its public header.

    0          magic, length of the header (4 bytes, big-endian), header (JSON), zeros up to 4,096
    4,096      key slot A, slot_bytes
               key slot B, slot_bytes
               index by tensor, encrypted: index_bytes + 16
               chunks, each 1 MiB of the payload, the last one shorter, each + 16
               if signed: a BLAKE3 digest of each chunk, 32 bytes each; an Ed25519 signature, 64
               bytes

All lengths follow from the header, so a file that is shorter or longer than its header says is
refused before anything else is read. The header is canonical JSON: there is exactly one way to
write it, and any other is refused.
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
COPY_AGAIN = "copy it again from where it was sealed"

# 8 TiB, with 256 MiB of digests, which an untrusted file can make us read.
MAX_PAYLOAD_BYTES = 1 << 43
MAX_INDEX_BYTES = 128 << 20  # over a million tensors with names of 100 characters
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
class SealedHeader:
    """The public header of a sealed file.

    Args:
        file_id: Random identifier of this file, 32 bytes.
        commitment: Commitment to the data key, 32 bytes; see `subkeys`.
        payload_bytes: Length of the payload before encryption, 1 to 2^43.
        index_bytes: Length of the index before encryption, 1 to 2^27.
        slot_bytes: Length of each key slot, a multiple of 4,096 up to 2^20.
        signer: Ed25519 public key of the signer, 32 bytes; None if the file is not signed.
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
        """Offset of the encrypted index."""
        return HEADER_BLOCK_BYTES + 2 * self.slot_bytes

    @property
    def chunks_at(self) -> int:
        """Offset of the first chunk."""
        return self.index_at + self.index_bytes + TAG_BYTES

    @property
    def digests_at(self) -> int:
        """Offset of the digests, which is the end of the chunks."""
        return self.chunks_at + self.payload_bytes + self.chunks * TAG_BYTES

    @property
    def file_bytes(self) -> int:
        """Length of the whole file."""
        if self.signer is None:
            return self.digests_at
        return self.digests_at + self.chunks * DIGEST_BYTES + SIGNATURE_BYTES

    def slot_at(self, slot: int) -> int:
        """Returns the offset of key slot 0 or 1."""
        return HEADER_BLOCK_BYTES + slot * self.slot_bytes

    def chunk_at(self, number: int) -> int:
        """Returns the offset of a chunk; chunks are counted from 0."""
        return self.chunks_at + number * (CHUNK_BYTES + TAG_BYTES)

    def chunk_length(self, number: int) -> int:
        """Returns the length of a chunk's plaintext, without its tag."""
        return min(CHUNK_BYTES, self.payload_bytes - number * CHUNK_BYTES)

    def to_json(self) -> bytes:
        """Returns the header as canonical JSON, as it is written to the file."""
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
        text = self.to_json()
        start = MAGIC + len(text).to_bytes(_LENGTH_BYTES) + text
        return start.ljust(HEADER_BLOCK_BYTES, b"\0")


def read_header(block: bytes, file_bytes: int, where: object) -> SealedHeader:
    """Reads the first block of a sealed file.

    Args:
        block: The first 4,096 bytes of the file, or fewer if it is shorter.
        file_bytes: Length of the file.
        where: Name of the file, for messages.

    Raises:
        SealError: It is not a sealed file, has another version of the format, or does not have the
            length that its header states.
    """
    if not block.startswith(MAGIC):
        raise seal_error(
            where, "not a sealed file", _beginning(block), f"a file that begins with {MAGIC!r}"
        )
    start = len(MAGIC) + _LENGTH_BYTES
    length = int.from_bytes(block[len(MAGIC) : start])
    is_whole = len(block) >= HEADER_BLOCK_BYTES and length <= HEADER_BLOCK_BYTES - start
    if not is_whole or any(block[start + length :]):
        raise _damaged(
            where,
            f"{length:,} bytes of {len(block):,}",
            f"at most {HEADER_BLOCK_BYTES - start:,} bytes, followed by zeros",
        )
    header = _parse_header(block[start : start + length], where)
    if header.file_bytes != file_bytes:
        found = f"{file_bytes:,} bytes"
        expected = f"{header.file_bytes:,} bytes, as its header says"
        is_shorter = file_bytes < header.file_bytes
        problem = "the file is cut short" if is_shorter else "something was added to the file"
        raise seal_error(where, problem, found, expected, COPY_AGAIN)
    return header


def _parse_header(text: bytes, where: object) -> SealedHeader:
    fields = parse_canonical_ascii(text)
    if fields is None:
        raise _damaged(where, _beginning(text), f"the header of {FORMAT}")
    version = fields.get("format")
    if version != FORMAT and str(version).startswith("gamekeeper/sealed@"):
        found = repr(version)[:60]
        raise seal_error(
            where, "another version of the format", found, FORMAT, "use a newer gamekeeper"
        )
    header = _from_fields(fields) if fields.keys() == _FIELDS else None
    # There is one way to write a header, whatever else the parser would accept.
    if header is None or header.to_json() != text:
        raise _damaged(where, _beginning(text), f"the header of {FORMAT}")
    return header


def _from_fields(fields: dict[str, Any]) -> SealedHeader | None:
    file_id = hex_bytes(fields["file_id"], ID_BYTES)
    commitment = hex_bytes(fields["commitment"], ID_BYTES)
    signer = hex_bytes(fields["signer"], 32)
    sizes = [fields[name] for name in ("payload_bytes", "index_bytes", "slot_bytes")]
    if file_id is None or commitment is None or (signer is None) != (fields["signer"] is None):
        return None
    if any(type(size) is not int for size in sizes):
        return None
    payload, index, slot = sizes
    has_valid_lengths = 0 < payload <= MAX_PAYLOAD_BYTES and 0 < index <= MAX_INDEX_BYTES
    if not has_valid_lengths or slot not in SLOT_BYTES:
        return None
    return SealedHeader(
        file_id=file_id,
        commitment=commitment,
        payload_bytes=payload,
        index_bytes=index,
        slot_bytes=slot,
        signer=signer,
    )


def _damaged(where: object, found: str, expected: str) -> Exception:
    return seal_error(where, "the header is damaged", found, expected, COPY_AGAIN)


def _beginning(data: bytes) -> str:
    return json.dumps(data[:40].decode("latin-1")) if data else "an empty file"


def hex_bytes(value: object, length: int) -> bytes | None:
    """Returns the bytes that lower-case hexadecimal digits encode, or None if the value is not a
    string of `length` bytes in this form.
    """
    if isinstance(value, str) and len(value) == 2 * length and _HEX.fullmatch(value):
        return bytes.fromhex(value)
    return None
