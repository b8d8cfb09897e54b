"""Keeps models from being carried away: sealed artifacts and their provenance.

    sealed/        the sealed file: one model, encrypted in chunks, for several recipients
    recipients/    who can open one: key pairs, passphrases, key services
    provenance/    who made a model: signatures in OpenSSF's format

None of it stops extraction by queries: whoever may ask may copy. See docs/reference/sealing.md for
what helps against what.
"""

from gamekeeper.base.secret import Secret
from gamekeeper.sealing.faults import NotForYouError, SealError
from gamekeeper.sealing.loading import SealedModel, load_sealed
from gamekeeper.sealing.sealed import open_sealed, rewrap, seal, verify_sealed

__all__ = [
    "NotForYouError",
    "SealError",
    "SealedModel",
    "Secret",
    "load_sealed",
    "open_sealed",
    "rewrap",
    "seal",
    "verify_sealed",
]
