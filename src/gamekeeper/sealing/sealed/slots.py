"""Key slots: the data key wrapped for each recipient, in a form that survives interrupted rewraps.

    slot = SHA-256 of the rest (32 bytes), length (4 bytes), stanzas (JSON), HMAC-SHA256 (32 bytes),
    zeros

There are two slots. The digest shows that a slot was written completely; of two complete slots the
one with the later generation is used. The HMAC, under a key derived from the data key, proves that
the writer of the slot could open the file.
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
_MIN_BYTES = 16_384
_SPARE = 4  # room for four times the present recipients, since a slot cannot grow
_MAX_TEXT_CHARS = 1 << 16
_GENERATIONS = range(1, 1 << 53)  # integers that every JSON parser keeps exact


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySlot:
    """The content of a key slot.

    Args:
        generation: 1 after sealing, one more after each rewrap.
        stanzas: The wrapped data key, once for each recipient.
        mac: HMAC over generation and stanzas, 32 bytes.
    """

    generation: int
    stanzas: tuple[Stanza, ...]
    mac: bytes

    def is_authentic(self, key: Secret[bytes], associated: bytes) -> bool:
        """Returns whether it was written by somebody who can open the file.

        Args:
            key: The subkey for slots.
            associated: Digest of the header.
        """
        text = _slot_json(self.generation, self.stanzas)
        return is_same_secret(self.mac, _mac(text, key, associated))


def slot_length(stanzas: Sequence[Stanza]) -> int:
    """Returns the length of the slots of a file with these recipients, in bytes."""
    needed = _SPARE * len(_slot_json(1, stanzas)) + _OVERHEAD_BYTES
    return max(_MIN_BYTES, -(-needed // _ALIGNED_BYTES) * _ALIGNED_BYTES)


def make_slot(
    generation: int, stanzas: Sequence[Stanza], key: Secret[bytes], associated: bytes, length: int
) -> bytes:
    """Returns the bytes of a slot.

    Args:
        generation: Generation of the slot, from 1.
        stanzas: Stanzas of at least one recipient.
        key: The subkey for slots.
        associated: Digest of the header.
        length: Length of the slot in bytes.

    Raises:
        SealError: There is no room for so many recipients, or `read_slots` would refuse the slot.
    """
    text = _slot_json(generation, stanzas)
    rest = len(text).to_bytes(_LENGTH_BYTES) + text + _mac(text, key, associated)
    if _DIGEST_BYTES + len(rest) > length:
        found = f"{len(stanzas)} recipients, {len(rest):,} bytes"
        expected = f"at most {length - _DIGEST_BYTES:,} bytes"
        raise seal_error(
            "key slot",
            "no room for so many recipients",
            found,
            expected,
            "seal the model again, or for fewer recipients",
        )
    slot = (hashlib.sha256(rest).digest() + rest).ljust(length, b"\0")
    # A rewrap that wrote an unreadable slot would then wipe the readable one, and nobody could open
    # the file again.
    if _parse(slot) is None:
        found = ", ".join(ascii(one.name)[:40] for one in stanzas)[:200]
        expected = "printable names and values, passphrases that are affordable together"
        raise seal_error("key slot", "nobody could read it again", found, expected)
    return slot


def read_slots(slots: Sequence[bytes], where: object) -> tuple[int, KeySlot]:
    """Returns number and content of the slot in use: the complete one with the latest generation.

    Raises:
        SealError: Neither slot is complete.
    """
    parsed = [(number, _parse(data)) for number, data in enumerate(slots)]
    complete = [(number, slot) for number, slot in parsed if slot is not None]
    if not complete:
        expected = "a slot that was written completely"
        raise seal_error(
            where, "the key slots are damaged", "no readable slot", expected, "restore a copy"
        )
    return max(complete, key=lambda numbered: numbered[1].generation)


def _parse(data: bytes) -> KeySlot | None:
    start = _DIGEST_BYTES + _LENGTH_BYTES
    length = int.from_bytes(data[_DIGEST_BYTES:start])
    end = start + length + _MAC_BYTES
    if length == 0 or end > len(data) or any(data[end:]):
        return None
    if not is_same_secret(hashlib.sha256(data[_DIGEST_BYTES:end]).digest(), data[:_DIGEST_BYTES]):
        return None
    fields = parse_canonical_ascii(data[start : start + length])
    return None if fields is None else _from_fields(fields, data[end - _MAC_BYTES : end])


def _from_fields(fields: dict[str, Any], mac: bytes) -> KeySlot | None:
    if fields.keys() != {"generation", "stanzas"} or type(fields["generation"]) is not int:
        return None
    if fields["generation"] not in _GENERATIONS:
        return None
    listed = fields["stanzas"]
    if not isinstance(listed, list):
        return None
    parsed = [_stanza(one) for one in listed]
    stanzas = tuple(one for one in parsed if one is not None)
    if not stanzas or len(stanzas) < len(parsed) or not is_affordable(stanzas):
        return None
    return KeySlot(generation=fields["generation"], stanzas=stanzas, mac=mac)


def _stanza(fields: object) -> Stanza | None:
    if not isinstance(fields, dict) or fields.keys() != {"kind", "name", "values"}:
        return None
    values = fields["values"]
    if not isinstance(values, dict):
        return None
    if not all(map(_is_printable, (fields["kind"], fields["name"], *values.values()))):
        return None
    return Stanza(kind=fields["kind"], name=fields["name"], values=values)


def _is_printable(value: object) -> bool:
    """Returns whether a value is a string without control characters, which could steer a
    terminal.
    """
    return isinstance(value, str) and len(value) <= _MAX_TEXT_CHARS and value.isprintable()


def _slot_json(generation: int, stanzas: Sequence[Stanza]) -> bytes:
    listed = [{"kind": one.kind, "name": one.name, "values": dict(one.values)} for one in stanzas]
    return canonical_ascii_json({"generation": generation, "stanzas": listed})


def _mac(text: bytes, key: Secret[bytes], associated: bytes) -> bytes:
    return hmac.digest(key.reveal(), associated + text, "sha256")
