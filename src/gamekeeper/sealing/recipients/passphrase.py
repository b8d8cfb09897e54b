"""Passphrases as recipients: Argon2id (RFC 9106) derives a key, which wraps with AES-256-GCM.

    key     = Argon2id(passphrase, salt 16 bytes, passes, lanes, memory)
    wrapped = AES-256-GCM(key, nonce 0, data key, associated = context); the salt is fresh, so the
    key is used once

The default takes 256 MiB and three passes, about half a second for each guess. The cost that a file
may request is bounded, and so is the total cost of all passphrases of one file. A hostile file can
therefore not make its reader use up all memory, or compute for hours.
"""

import base64
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os import urandom

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from gamekeeper.base.errors import UsageError
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.recipients._recipient import KEY_BYTES, Stanza
from gamekeeper.sealing.recipients.keypairs import decode_base64

KIND = "passphrase"
MIN_CHARS = 12
_SALT_BYTES = 16
_WRAPPED_BYTES = KEY_BYTES + 16
_NONCE = bytes(12)
_PASSES = range(1, 17)
_LANES = range(1, 17)
_MEMORY_KIB = range(64, (2 << 20) + 1)
_MAX_KIB_PASSES = 16 * (2 << 20)  # the most expensive passphrase, or 42 with the default cost


@dataclass(frozen=True, slots=True, kw_only=True)
class PassphraseCost:
    """The Argon2id parameters, which set the cost of one guess.

    Args:
        passes: Number of passes over the memory, 1 to 16.
        lanes: Degree of parallelism, 1 to 16.
        memory_kib: Memory in KiB, 64 to 2^21 (2 GiB).
    """

    passes: int = 3
    lanes: int = 4
    memory_kib: int = 256 << 10

    @classmethod
    def parse(cls, values: dict[str, str]) -> "PassphraseCost | None":
        """Returns the cost that a stanza states, or None if it is out of bounds."""
        texts = [values.get(name, "") for name in ("passes", "lanes", "memory_kib")]
        if not all(text.isascii() and text.isdigit() and len(text) < 9 for text in texts):
            return None
        passes, lanes, memory = map(int, texts)
        is_bounded = (
            passes in _PASSES and lanes in _LANES and memory in _MEMORY_KIB and memory >= 8 * lanes
        )
        return cls(passes=passes, lanes=lanes, memory_kib=memory) if is_bounded else None


@dataclass(frozen=True, slots=True)
class Passphrase:
    """A passphrase, which is both recipient and identity.

    Args:
        secret: The passphrase, UTF-8 in NFC.
        name: Name of the recipient in the file; public.
        cost: Cost of a guess, for wrapping.
        entropy: Returns n random bytes.

    Example:
        >>> Passphrase(Secret(b"correct horse battery")).wrap(Secret(bytes(32)), bytes(32)).name
        'passphrase'
    """

    secret: Secret[bytes] = field(repr=False)
    name: str = KIND
    cost: PassphraseCost = PassphraseCost()
    entropy: Callable[[int], bytes] = urandom

    def wrap(self, data_key: Secret[bytes], context: bytes) -> Stanza:
        """Returns the data key, wrapped with the passphrase."""
        salt = self.entropy(_SALT_BYTES)
        wrapped = AESGCM(self._key(salt, self.cost)).encrypt(_NONCE, data_key.reveal(), context)
        values = {
            "lanes": str(self.cost.lanes),
            "memory_kib": str(self.cost.memory_kib),
            "passes": str(self.cost.passes),
            "salt": base64.b64encode(salt).decode(),
            "wrapped": base64.b64encode(wrapped).decode(),
        }
        return Stanza(kind=KIND, name=self.name, values=values)

    def unwrap(self, stanza: Stanza, context: bytes) -> Secret[bytes] | None:
        """Returns the data key, or None if it was wrapped with another passphrase or is damaged."""
        if stanza.kind != KIND:
            return None
        cost = PassphraseCost.parse(dict(stanza.values))
        salt = decode_base64(stanza.values.get("salt", ""), _SALT_BYTES)
        wrapped = decode_base64(stanza.values.get("wrapped", ""), _WRAPPED_BYTES)
        if cost is None or salt is None or wrapped is None:
            return None
        try:
            return Secret(AESGCM(self._key(salt, cost)).decrypt(_NONCE, wrapped, context))
        except InvalidTag:
            return None

    def _key(self, salt: bytes, cost: PassphraseCost) -> bytes:
        kdf = Argon2id(
            salt=salt,
            length=KEY_BYTES,
            iterations=cost.passes,
            lanes=cost.lanes,
            memory_cost=cost.memory_kib,
        )
        return kdf.derive(self.secret.reveal())


def is_affordable(stanzas: Sequence[Stanza]) -> bool:
    """Returns whether all passphrase stanzas together can be tried in about a minute."""
    costs = [PassphraseCost.parse(dict(one.values)) for one in stanzas if one.kind == KIND]
    return sum(one.passes * one.memory_kib for one in costs if one) <= _MAX_KIB_PASSES


def passphrase(text: str, *, is_new: bool) -> Passphrase:
    """Returns a typed text as a passphrase.

    Raises:
        UsageError: A new passphrase is too short, or the text is not valid UTF-8.
    """
    plain = unicodedata.normalize("NFC", text)
    # Python decodes bytes of the terminal that are not UTF-8 as lone surrogates.
    if any("\ud800" <= one <= "\udfff" for one in plain):
        raise UsageError("the passphrase is not text: its characters are not UTF-8")
    if is_new and len(plain) < MIN_CHARS:
        raise UsageError(
            f"a passphrase of {len(plain)} characters is easily guessed: use {MIN_CHARS} or more"
        )
    return Passphrase(Secret(plain.encode()))
