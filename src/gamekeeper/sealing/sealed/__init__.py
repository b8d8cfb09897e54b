"""The sealed file: a model encrypted in chunks for several recipients; see docs/decisions/0009."""

from gamekeeper.sealing.sealed.layout import FORMAT, Header
from gamekeeper.sealing.sealed.opening import open_sealed
from gamekeeper.sealing.sealed.reading import Opened, SealedFile
from gamekeeper.sealing.sealed.rewrapping import rewrap
from gamekeeper.sealing.sealed.signatures import read_signer, read_signing_key
from gamekeeper.sealing.sealed.verification import Verified, verify_sealed
from gamekeeper.sealing.sealed.writing import seal

__all__ = [
    "FORMAT",
    "Header",
    "Opened",
    "SealedFile",
    "Verified",
    "open_sealed",
    "read_signer",
    "read_signing_key",
    "rewrap",
    "seal",
    "verify_sealed",
]
