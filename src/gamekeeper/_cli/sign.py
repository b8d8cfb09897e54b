"""`gamekeeper sign`: sign a model, so that others can see who made it and that it is unchanged."""

from pathlib import Path
from typing import Annotated

import typer

from gamekeeper._cli._printing import print_json, say
from gamekeeper._cli._sealing import key_password
from gamekeeper._cli.options import Json, Quiet
from gamekeeper.base.errors import UsageError
from gamekeeper.base.files import require_another_file

NAME = "sign"
_SCHEMA = "gamekeeper/sign@1"


def run(
    model: Annotated[Path, typer.Argument(help="The model: a file or a folder.")],
    key: Annotated[
        Path, typer.Option(help="Private key, PEM; P-256, P-384 or P-521: not that of seal --sign.")
    ],
    out: Annotated[
        Path,
        typer.Option(help="File for the signature; replaces an earlier signature, no other file."),
    ],
    certificate: Annotated[Path | None, typer.Option(help="The key's certificate, PEM.")] = None,
    chain: Annotated[
        list[Path] | None, typer.Option(help="Intermediate certificate, PEM. Repeat.")
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(help="Path to leave out, in the model or from this folder. Repeat."),
    ] = None,
    passphrase_file: Annotated[
        Path | None,
        typer.Option(help="File whose first line is the key's passphrase. Default: ask for it."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Sign every file of a model.

    Needs a model and a private key on a NIST curve; extra `provenance`. The signature has the
    format of OpenSSF's model signing, which has no Ed25519: a key of `seal --sign` does not sign
    here. A signature hides nothing. `gamekeeper verify model` checks it, and so does the program
    `model_signing`.

    Examples:

      gamekeeper keypair signer.pem --signing --curve p256

      gamekeeper sign models/fraud --key signer.pem --out fraud.sig

      gamekeeper sign models/fraud --key company.pem --certificate company.crt.pem --chain ca.pem
      --out company.sig
    """
    from gamekeeper.report.formatting import counted
    from gamekeeper.sealing.provenance import sign_model

    if chain and certificate is None:
        raise UsageError("--chain needs --certificate")
    require_another_file(out, passphrase_file)
    files = sign_model(
        model,
        out,
        key,
        password=key_password(passphrase_file),
        certificate=certificate,
        chain=chain or (),
        ignored=ignore or (),
    )
    if json:
        print_json(_SCHEMA, {"model": str(model), "files": files, "signature": str(out)})
    are = "is" if files == 1 else "are"
    say(f"{counted(files, 'file')} of {model} {are} signed in {out}", quiet)
