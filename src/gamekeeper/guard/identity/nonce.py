"""Nonces that a DPoP proof must carry (RFC 9449, section 8), without keeping any.

    nonce = base64url(minute || HMAC-SHA256(key, "dpop-nonce" || minute)[:16])

A nonce tells that its proof was made lately, by the server's clock, and not in store for later. All
clients of a minute get the same one: against replay stands `jti`.
"""

import base64
import hmac
import struct

from gamekeeper.base.secret import is_same_secret

_STEP_S = 60
_MAC_BYTES = 16


class Nonces:
    """Stamps and checks nonces; replicas with the same key accept each other's.

    Args:
        key: Secret bytes, see `shared_secret.state_secret`.
        lifetime_s: How long a nonce counts, s; at least a minute.
    """

    def __init__(self, key: bytes, lifetime_s: float = 300) -> None:
        self._key = key
        self._lifetime_s = lifetime_s

    def make(self, now: float) -> str:
        """Returns the nonce of this minute."""
        return self._stamped(int(now // _STEP_S))

    def is_valid(self, nonce: object, now: float) -> bool:
        """Returns whether we made it, not longer than its lifetime ago and not in the future."""
        minute = _minute_of(nonce)
        if minute is None or not isinstance(nonce, str):
            return False
        if not is_same_secret(nonce.encode("ascii"), self._stamped(minute).encode("ascii")):
            return False
        # replicas' clocks differ a little
        return -_STEP_S <= now - minute * _STEP_S <= self._lifetime_s

    def _stamped(self, minute: int) -> str:
        stamp = struct.pack(">Q", minute)
        mac = hmac.digest(self._key, b"dpop-nonce" + stamp, "sha256")[:_MAC_BYTES]
        return base64.urlsafe_b64encode(stamp + mac).decode("ascii")


def _minute_of(nonce: object) -> int | None:
    try:
        raw = base64.urlsafe_b64decode(nonce) if isinstance(nonce, str) and nonce.isascii() else b""
    except ValueError:
        return None
    return struct.unpack(">Q", raw[:8])[0] if len(raw) == 8 + _MAC_BYTES else None
