"""Signers that a verifier accepts: a public key, certificates, or an identity at Sigstore."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamekeeper.base.errors import input_error
from gamekeeper.sealing.provenance._keys import read_certificates, require_model_signer
from gamekeeper.sealing.shown import shown


@dataclass(frozen=True, slots=True)
class PublicKeySigner:
    """The holder of the private key that belongs to a public key.

    Args:
        path: File with the public key: PEM; NIST P-256, P-384 or P-521.
    """

    path: str | Path


@dataclass(frozen=True, slots=True)
class CertificateSigner:
    """Any holder of a signing certificate that was issued under one of these roots.

    The library does not check revocation. Of the validity period of the signer's certificate it
    checks only the beginning. Without roots it would use those of the web, under which anybody can
    get a certificate; therefore at least one root is required here.

    Args:
        roots: Files with trusted certificates: PEM.
    """

    roots: tuple[str | Path, ...]

    def __post_init__(self) -> None:
        if not self.roots:
            raise ValueError("certificates require at least one root")


@dataclass(frozen=True, slots=True)
class SigstoreSigner:
    """A signer whose identity Sigstore has certified.

    Verification needs a network connection, to fetch Sigstore's own keys.

    Args:
        identity: Identity in Sigstore's certificate, such as an e-mail address.
        issuer: OpenID Connect issuer of the identity, such as `https://accounts.google.com`.
    """

    identity: str
    issuer: str


Signer = PublicKeySigner | CertificateSigner | SigstoreSigner


def use_verifier(config: Any, signer: Signer) -> None:
    """Sets the signer that the library's configuration accepts.

    Raises:
        InputError: A key or certificate cannot be read, or Sigstore's keys cannot be fetched.
    """
    match signer:
        case PublicKeySigner(path=path):
            require_model_signer(Path(path))
            config.use_elliptic_key_verifier(public_key=path)
        case CertificateSigner(roots=roots):
            for root in roots:
                read_certificates(Path(root))
            config.use_certificate_verifier(certificate_chain=roots)
        case SigstoreSigner():
            _use_sigstore(config, signer)


def _use_sigstore(config: Any, signer: SigstoreSigner) -> None:
    try:
        config.use_sigstore_verifier(identity=signer.identity, oidc_issuer=signer.issuer)
    except Exception as error:  # of one of several libraries
        raise input_error(
            shown(signer.identity),
            "Sigstore's own keys cannot be fetched",
            shown(f"{type(error).__name__}: {error}"),
            "a network connection to Sigstore",
        ) from None
