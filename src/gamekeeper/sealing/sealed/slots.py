"""Key slots: the data key wrapped for each recipient, written so that a rewrap can be interrupted.

    slot = SHA-256 of the rest (32 bytes), length (4 bytes), stanzas (JSON), HMAC-SHA256 (32 bytes),
    zeros

There are two. The digest tells a slot that was written whole; of two whole ones the later
generation counts. The HMAC, under a key that follows from the data key, tells that whoever wrote
the slot could open the file.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gamekeeper.base.canonical import canonical_ascii_json, parse_canonical_ascii
from gamekeeper.base.secret import Secret, is_same_secret
from gamekeeper.sealing.faults import seal_error
from gamekeeper.sealing.recipients import Stanza
from gamekeeper.sealing.recipients.passphrase import is_affordable

_DIGEST_BYTES = 32
_LENGTH_BYTES = 4
_MAC_BYTES = 32
_OVERHEAD_BYTES = _DIGEST_BYTES + _LENGTH_BYTES + _MAC_BYTES
_ALIGNED_BYTES = 4096
_LEAST_BYTES = 16_384
_SPARE = 4  # room for four times today's recipients, since a slot cannot grow
_MAX_TEXT_CHARS = 1 << 16
_GENERATIONS = range(1, 1 << 53)  # what JSON carries everywhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What a key slot holds.

    Args:
        generation: 1 at sealing, one more after each rewrap.
        stanzas: The wrapped data key, once for each recipient.
        mac: What authenticates it, 32 bytes.
    """

    generation: int
    stanzas: tuple[Stanza, ...]
    mac: bytes

    def is_authentic(self, key: Secret[bytes], associated: bytes) -> bool:
        """Whether somebody who can open the file wrote it."""
        return is_same_secret(self.mac, _mac(_text(self.generation, self.stanzas), key, associated))


def slot_room(stanzas: Sequence[Stanza]) -> int:
    """Returns a length for the slots of a file with these recipients, in bytes."""
    needed = _SPARE * len(_text(1, stanzas)) + _OVERHEAD_BYTES
    return max(_LEAST_BYTES, -(-needed // _ALIGNED_BYTES) * _ALIGNED_BYTES)


def make_slot(
    generation: int, stanzas: Sequence[Stanza], key: Secret[bytes], associated: bytes, length: int
) -> bytes:
    """Returns a slot as it stands in the file.

    Args:
        generation: From 1.
        stanzas: For at least one recipient.
        key: The subkey for slots.
        associated: Digest of the header.
        length: Of the slot, in bytes.

    Raises:
        SealError: There is no room for so many recipients, or what they ask for could not be read
            again.
    """
    text = _text(generation, stanzas)
    rest = len(text).to_bytes(_LENGTH_BYTES) + text + _mac(text, key, associated)
    if _DIGEST_BYTES + len(rest) > length:
        found = f"{len(stanzas)} recipients, {len(rest):,} bytes"
        expected = f"at most {length - _DIGEST_BYTES:,} bytes"
        raise seal_error(
            "key slot", "no room for so many recipients", found, expected, "seal anew, or for fewer"
        )
    slot = (hashlib.sha256(rest).digest() + rest).ljust(length, b"\0")
    if (
        _read(slot) is None
    ):  # a rewrap would wipe the slot that can be read, and nobody could open the file again
        found = ", ".join(ascii(one.name)[:40] for one in stanzas)[:200]
        expected = "printable names and values, passphrases that are affordable together"
        raise seal_error("key slot", "nobody could read it again", found, expected)
    return slot


def read_slots(slots: Sequence[bytes], where: object) -> tuple[int, Slot]:
    """Returns number and content of the slot that counts.

    Raises:
        SealError: Neither was written whole.
    """
    whole = [
        (number, slot) for number, data in enumerate(slots) if (slot := _read(data)) is not None
    ]
    if not whole:
        expected = "a slot that was written whole"
        raise seal_error(
            where, "the key slots are damaged", "none that can be read", expected, "restore a copy"
        )
    return max(whole, key=lambda numbered: numbered[1].generation)


def _read(data: bytes) -> Slot | None:
    start = _DIGEST_BYTES + _LENGTH_BYTES
    length = int.from_bytes(data[_DIGEST_BYTES:start])
    end = start + length + _MAC_BYTES
    if length == 0 or end > len(data) or any(data[end:]):
        return None
    if not is_same_secret(hashlib.sha256(data[_DIGEST_BYTES:end]).digest(), data[:_DIGEST_BYTES]):
        return None
    fields = parse_canonical_ascii(data[start : start + length])
    return None if fields is None else _slot(fields, data[end - _MAC_BYTES : end])


def _slot(fields: dict[str, Any], mac: bytes) -> Slot | None:
    if fields.keys() != {"generation", "stanzas"} or type(fields["generation"]) is not int:
        return None
    if fields["generation"] not in _GENERATIONS:
        return None
    listed = fields["stanzas"]
    stanzas = [_stanza(one) for one in listed] if isinstance(listed, list) else []
    if not stanzas or None in stanzas:
        return None
    whole = tuple(one for one in stanzas if one)
    return (
        Slot(generation=fields["generation"], stanzas=whole, mac=mac)
        if is_affordable(whole)
        else None
    )


def _stanza(fields: object) -> Stanza | None:
    if not isinstance(fields, dict) or fields.keys() != {"kind", "name", "values"}:
        return None
    values = fields["values"]
    if not isinstance(values, dict) or not all(
        map(_is_text, (fields["kind"], fields["name"], *values.values()))
    ):
        return None
    return Stanza(kind=fields["kind"], name=fields["name"], values=values)


def _is_text(value: object) -> bool:
    """Whether it can be shown: what steers a terminal has no place in a name."""
    return isinstance(value, str) and len(value) <= _MAX_TEXT_CHARS and value.isprintable()


def _text(generation: int, stanzas: Sequence[Stanza]) -> bytes:
    listed = [{"kind": one.kind, "name": one.name, "values": dict(one.values)} for one in stanzas]
    return canonical_ascii_json({"generation": generation, "stanzas": listed})


def _mac(text: bytes, key: Secret[bytes], associated: bytes) -> bytes:
    return hmac.digest(key.reveal(), associated + text, "sha256")
