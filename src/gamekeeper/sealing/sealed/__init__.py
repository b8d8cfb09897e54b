"""The sealed file: a model encrypted in chunks for several recipients; see docs/decisions/0009."""

from gamekeeper.sealing.sealed.layout import FORMAT, SealedHeader
from gamekeeper.sealing.sealed.opening import open_sealed
from gamekeeper.sealing.sealed.rewrapping import rewrap
from gamekeeper.sealing.sealed.sealed_file import SealedFile, UnlockedFile
from gamekeeper.sealing.sealed.signatures import read_signer, read_signing_key
from gamekeeper.sealing.sealed.verification import VerifiedSeal, verify_sealed
from gamekeeper.sealing.sealed.writing import require_new_name, seal, seal_files

__all__ = [
    "FORMAT",
    "SealedFile",
    "SealedHeader",
    "UnlockedFile",
    "VerifiedSeal",
    "open_sealed",
    "read_signer",
    "read_signing_key",
    "require_new_name",
    "rewrap",
    "seal",
    "seal_files",
    "verify_sealed",
]
