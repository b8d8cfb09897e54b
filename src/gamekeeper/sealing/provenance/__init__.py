"""Who made a model, and whether it is still what he made: signatures in OpenSSF's format (extra
"provenance").

What is signed here verifies with the library `model-signing` and its command line, and the other
way round. A signature hides nothing: it is for models that anybody may read.
"""

from gamekeeper.sealing.provenance.sign import sign_model
from gamekeeper.sealing.provenance.signers import Certificates, PublicKey, Signer, SigstoreIdentity
from gamekeeper.sealing.provenance.verify import VerifiedModel, verify_model

__all__ = [
    "Certificates",
    "PublicKey",
    "Signer",
    "SigstoreIdentity",
    "VerifiedModel",
    "sign_model",
    "verify_model",
]
