"""By whom a model must be signed for its signature to count."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamekeeper.base.errors import input_error
from gamekeeper.sealing.shown import shown


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The holder of a private key.

    Args:
        path: Its public key: PEM; NIST P-256, P-384 or P-521.
    """

    path: Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """Anybody with a certificate under these roots that may be used for signing.

    The library checks neither revocation nor, beyond the day on which it began, how long the
    signer's certificate was valid. Without roots it would take those of the web, under which
    anybody gets a certificate: here one is required.

    Args:
        roots: Certificates that are trusted: PEM.
    """

    roots: tuple[Path, ...]

    def __post_init__(self) -> None:
        if not self.roots:
            raise ValueError("certificates want a root")


@dataclass(frozen=True, slots=True)
class SigstoreIdentity:
    """Somebody who has shown to Sigstore who he is; checking needs a network, for Sigstore's own
    keys.

    Args:
        identity: As Sigstore's certificate names it, such as an e-mail address.
        issuer: Who vouched for it, such as `https://accounts.google.com`.
    """

    identity: str
    issuer: str


Signer = PublicKey | Certificates | SigstoreIdentity


def use_verifier(config: Any, signer: Signer) -> None:
    """Makes the library's configuration verify by a signer.

    Raises:
        InputError: A key or certificate cannot be read, or Sigstore's keys cannot be fetched.
    """
    try:
        match signer:
            case PublicKey(path=path):
                config.use_elliptic_key_verifier(public_key=path)
            case Certificates(roots=roots):
                config.use_certificate_verifier(certificate_chain=roots)
            case SigstoreIdentity(identity=identity, issuer=issuer):
                config.use_sigstore_verifier(identity=identity, oidc_issuer=issuer)
    except Exception as fault:  # each method raises errors of other libraries
        where, expected = _named(signer)
        found = shown(f"{type(fault).__name__}: {fault}")
        raise input_error(where, "nobody to verify by", found, expected) from None


def _named(signer: Signer) -> tuple[str, str]:
    match signer:
        case PublicKey(path=path):
            return str(path), "a public key in PEM; P-256, P-384 or P-521"
        case Certificates(roots=roots):
            return ", ".join(map(str, roots)), "certificates in PEM"
        case SigstoreIdentity(identity=identity):
            return shown(identity), "a network in which Sigstore can be reached"
