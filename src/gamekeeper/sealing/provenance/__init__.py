"""Signatures of models in OpenSSF's format: who made a model, and whether it was changed since
(extra "provenance").

Signatures made here verify with the library `model-signing` and its command line, and vice versa. A
signature does not encrypt anything: it is for models that anybody may read.
"""

from gamekeeper.sealing.provenance._keys import write_model_pair
from gamekeeper.sealing.provenance.sign import sign_model
from gamekeeper.sealing.provenance.signers import (
    CertificateSigner,
    PublicKeySigner,
    Signer,
    SigstoreSigner,
)
from gamekeeper.sealing.provenance.verify import VerifiedModel, verify_model

__all__ = [
    "CertificateSigner",
    "PublicKeySigner",
    "Signer",
    "SigstoreSigner",
    "VerifiedModel",
    "sign_model",
    "verify_model",
    "write_model_pair",
]
