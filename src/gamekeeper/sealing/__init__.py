"""Keeps models from being carried away: sealed artifacts, their provenance, inference on encrypted input.

    sealed/        the sealed file: one model, encrypted in chunks, for several recipients
    recipients/    who can open one: key pairs, passphrases, key services
    provenance/    who made a model: signatures in OpenSSF's format
    encrypted/     answers to inputs that the server cannot read (extra "he")

None of it stops extraction by queries: whoever may ask may copy. See docs/reference/sealing.md for what helps
against what.
"""

from gamekeeper.sealing.faults import NotForYouError, SealError
from gamekeeper.sealing.loading import SealedModel, load_sealed
from gamekeeper.sealing.sealed import open_sealed, rewrap, seal, verify_sealed
from gamekeeper.sealing.secret import SecretBytes

__all__ = [
    "NotForYouError",
    "SealError",
    "SealedModel",
    "SecretBytes",
    "load_sealed",
    "open_sealed",
    "rewrap",
    "seal",
    "verify_sealed",
]
