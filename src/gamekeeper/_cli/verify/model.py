"""`gamekeeper verify model`: the signature of a model, and every file of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gamekeeper.sealing.provenance import Signer, VerifiedModel

_SCHEMA = "gamekeeper/verify-model@1"


def run(
    model: Annotated[Path, typer.Argument(help="The model: a file or a folder.")],
    signature: Annotated[Path, typer.Option(help="Its signature, in OpenSSF's format.")],
    public_key: Annotated[Path | None, typer.Option(help="The signer's public key; PEM.")] = None,
    root: Annotated[
        list[Path] | None,
        typer.Option(help="Certificate that the signer's must come from; PEM. Repeat."),
    ] = None,
    identity: Annotated[
        str | None, typer.Option(help="Who signed, as Sigstore knows him; wants a network.")
    ] = None,
    issuer: Annotated[
        str | None, typer.Option(help="Who vouched for that identity; goes with --identity.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Path in the model that need not be signed. Repeat.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing; the exit code tells.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Check that a model is what its signer signed, file by file.

    Exit 0: it holds; 1: it does not; 3: it cannot be read. Give one of --public-key, --root, and
    --identity with --issuer.

    Examples:

      gamekeeper verify model models/fraud --signature fraud.sig --public-key signer.pub.pem

      gamekeeper verify model models/fraud --signature fraud.sig --root ca.pem --ignore .git --json
    """
    import orjson

    from gamekeeper._cli.verify._failure import failure
    from gamekeeper.sealing.faults import SealError
    from gamekeeper.sealing.provenance import verify_model

    signer = _signer(public_key, root, identity, issuer)
    try:
        verified = verify_model(model, signature, signer, ignored=ignore or ())
    except SealError as error:
        if json and not quiet:
            print(orjson.dumps(failure(_SCHEMA, error.faults), option=orjson.OPT_INDENT_2).decode())
        raise
    if json and not quiet:
        print(orjson.dumps(_document(verified), option=orjson.OPT_INDENT_2).decode())
    elif not quiet:
        print("\n".join(_summary(model, verified)))


def _signer(
    public_key: Path | None, root: list[Path] | None, identity: str | None, issuer: str | None
) -> "Signer":
    from gamekeeper.base.errors import UsageError
    from gamekeeper.sealing.provenance import Certificates, PublicKey, SigstoreIdentity

    if [public_key is not None, bool(root), identity is not None].count(True) != 1 or bool(
        identity
    ) != bool(issuer):
        raise UsageError(
            "say by whom it must be signed: --public-key, or --root, or --identity with --issuer"
        )
    if public_key:
        return PublicKey(public_key)
    return Certificates(tuple(root)) if root else SigstoreIdentity(identity or "", issuer or "")


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
