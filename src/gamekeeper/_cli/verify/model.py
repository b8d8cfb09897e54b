"""`gamekeeper verify model`: the signature of a model, and every file of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamekeeper._cli._printing import indented_json
from gamekeeper._cli.options import Json, Quiet
from gamekeeper._cli.verify._failure import failure
from gamekeeper.base.errors import UsageError

if TYPE_CHECKING:
    from gamekeeper.sealing.provenance import Signer, VerifiedModel

_SCHEMA = "gamekeeper/verify-model@1"


def run(
    model: Annotated[Path, typer.Argument(help="The model: a file or a folder.")],
    signature: Annotated[Path, typer.Option(help="Its signature, in OpenSSF's format.")],
    public_key: Annotated[Path | None, typer.Option(help="The signer's public key; PEM.")] = None,
    root: Annotated[
        list[Path] | None,
        typer.Option(help="Root certificate that must have issued the signer's; PEM. Repeat."),
    ] = None,
    identity: Annotated[
        str | None, typer.Option(help="Sigstore identity of the signer; needs a network.")
    ] = None,
    issuer: Annotated[
        str | None, typer.Option(help="OpenID issuer of that identity; needed with --identity.")
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(help="Path that may be unsigned, in the model or from this folder. Repeat."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check that a model is what its signer signed, file by file.

    Needs the model, its signature, and one of --public-key, --root, or --identity with --issuer
    (which needs a network); extra `provenance`. With --quiet nothing is printed. Exit 0: valid; 1:
    not valid; 2: a path of --ignore is not there; 3: it cannot be read, or cannot be checked with a
    signer of this kind.

    Examples:

      gamekeeper verify model models/fraud --signature fraud.sig --public-key signer.pub.pem

      gamekeeper verify model models/fraud --signature company.sig --root ca.pem --ignore .git
      --json
    """
    from gamekeeper.sealing.faults import SealError
    from gamekeeper.sealing.provenance import verify_model

    signer = _signer(public_key, root, identity, issuer)
    try:
        verified = verify_model(model, signature, signer, ignored=ignore or ())
    except SealError as error:
        if json and not quiet:
            print(indented_json(failure(_SCHEMA, error.faults)).decode())
        raise
    if json and not quiet:
        print(indented_json(_document(verified)).decode())
    elif not quiet:
        print("\n".join(_summary(model, verified)))


def _signer(
    public_key: Path | None, root: list[Path] | None, identity: str | None, issuer: str | None
) -> "Signer":
    from gamekeeper.sealing.provenance import CertificateSigner, PublicKeySigner, SigstoreSigner

    if [public_key is not None, bool(root), identity is not None].count(True) != 1 or bool(
        identity
    ) != bool(issuer):
        raise UsageError(
            "name the required signer: --public-key, or --root, or --identity with --issuer"
        )
    if public_key:
        return PublicKeySigner(public_key)
    return CertificateSigner(tuple(root)) if root else SigstoreSigner(identity or "", issuer or "")


def _document(verified: "VerifiedModel") -> dict[str, Any]:
    return {
        "schema": _SCHEMA,
        "holds": True,
        "name": verified.name,
        "files": verified.files,
        "left_out": list(verified.left_out),
        "old_format": verified.is_old,
    }


def _summary(model: Path, verified: "VerifiedModel") -> list[str]:
    from gamekeeper.sealing.shown import shown

    lines = [f"{model}: holds", f"  files     {verified.files:,}, all signed"]
    if verified.name:
        lines.append(f"  signed as {shown(verified.name)}")
    if verified.left_out:
        lines.append(f"  left out  {shown(', '.join(verified.left_out))}, by the signer")
    if verified.is_old:
        lines.append("  format    of model-signing 0.2; ask the signer for a new signature")
    return lines
