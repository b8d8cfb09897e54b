"""Protects model files against theft: sealed (encrypted) artifacts, and signatures of models.

    sealed/        the sealed file: one model, encrypted in chunks, for several recipients
    recipients/    who can open a sealed file: key pairs, passphrases, key services
    artifacts/     model files before sealing: safetensors, ONNX, and the refusal of pickles
    provenance/    who made a model: signatures in OpenSSF's format

None of it prevents extraction by queries: any client that may query a model can copy it. The page
docs/reference/sealing.md says which measure helps against which attack.
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
