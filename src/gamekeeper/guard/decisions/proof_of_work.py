"""Proof of work: a challenge that costs a client seconds once, and a campaign seconds for every few
answers.

A challenge is `expires.bits.nonce.mac`: stateless, bound to the account by its mac. A proof is the
challenge and a counter such that SHA-256 over both begins with `bits` zero bits. Work doubles with
each bit; `bits_for` turns seconds of one core into bits, by the rate that plain SHA-256 code
reaches on a client.

Source: Back, Hashcash, 2002; Dziedzic et al., Increasing the Cost of Model Extraction with
    Calibrated Proof of
Work, ICLR 2022 (who asks as the ordinary do pays little; here who was challenged pays, everybody
else nothing).
"""

import hashlib
import hmac
import math
from collections import OrderedDict
from secrets import token_hex

from gamekeeper.base.secret import is_same_secret

HEADER = "gamekeeper-proof"
CHALLENGE_HEADER = "gamekeeper-challenge"

_HASHES_PER_S = (
    1_000_000  # a client's core in C or Rust reaches 3 to 10 million, a loop in Python 0.7 million
)
_LIVES_S = 600
_REMEMBERED = 100_000


def bits_for(seconds: float) -> int:
    """Returns the bits that cost about so many seconds of one core; 1 to 40."""
    return min(40, max(1, round(math.log2(seconds * _HASHES_PER_S))))


class Challenges:
    """Makes challenges and checks proofs.

    Args:
        key: Secret, at least 16 bytes.
        bits: Work asked for; may be changed.
    """

    def __init__(self, key: bytes, bits: int) -> None:
        self._key = key
        self.bits = bits
        self._used: OrderedDict[str, float] = OrderedDict()

    def make(self, account: str, now: float) -> str:
        """Returns a challenge for an account."""
        told = f"{int(now + _LIVES_S)}.{self.bits}.{token_hex(8)}"
        return f"{told}.{self._mac(account, told)}"

    def is_proof(self, account: str, proof: str, now: float) -> bool:
        """Returns whether a proof answers a challenge of ours to this account, in time and for the
        first time.
        """
        challenge, _, counter = proof.rpartition(":")
        told, _, mac = challenge.rpartition(".")
        if not told or len(proof) > 200 or not counter.isdigit():
            return False
        if not is_same_secret(self._mac(account, told).encode(), mac.encode("utf-8", "replace")):
            return False
        expires, bits = (int(part) for part in told.split(".")[:2])
        if expires < now or not _has_zeros(proof, bits) or challenge in self._used:
            return False
        self._remember(challenge, expires, now)
        return True

    def _remember(self, challenge: str, expires: float, now: float) -> None:
        while self._used and (
            len(self._used) >= _REMEMBERED or next(iter(self._used.values())) < now
        ):
            self._used.popitem(last=False)
        self._used[challenge] = expires

    def _mac(self, account: str, told: str) -> str:
        return hmac.new(self._key, f"{account}\n{told}".encode(), hashlib.sha256).hexdigest()[:32]


def solve(challenge: str) -> str:
    """Returns the proof for a challenge: what a client has to do.

    Example:
        >>> challenges = Challenges(b"0" * 16, bits=8)
        >>> proof = solve(challenges.make("acme", now=0))
        >>> challenges.is_proof("acme", proof, now=1), challenges.is_proof("acme", proof, now=1)
        (True, False)
    """
    bits = int(challenge.split(".")[1])
    counter = 0
    while not _has_zeros(f"{challenge}:{counter}", bits):
        counter += 1
    return f"{challenge}:{counter}"


def _has_zeros(text: str, bits: int) -> bool:
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - bits) == 0
