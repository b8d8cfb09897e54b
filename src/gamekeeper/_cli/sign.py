"""`gamekeeper sign`: sign a model, so that others can see who made it and that it is unchanged."""

from pathlib import Path
from typing import Annotated

import typer

NAME = "sign"
_SCHEMA = "gamekeeper/sign@1"


def run(
    model: Annotated[Path, typer.Argument(help="The model: a file or a folder.")],
    key: Annotated[
        Path, typer.Option(help="Private key, PEM; P-256, P-384 or P-521, without a password.")
    ],
    out: Annotated[
        Path, typer.Option(help="Where the signature goes; an earlier one is replaced.")
    ],
    certificate: Annotated[Path | None, typer.Option(help="The key's certificate, PEM.")] = None,
    chain: Annotated[
        list[Path] | None, typer.Option(help="Certificate between it and the root, PEM. Repeat.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Path in the model to leave out. Repeat.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing on standard error.")] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Sign every file of a model, in the format of OpenSSF's model signing.

    A signature hides nothing. `gamekeeper verify model` checks it, and so does the program
    `model_signing`.

    Examples:

      gamekeeper sign models/fraud --key signer.pem --out fraud.sig

      gamekeeper sign models/fraud --key signer.pem --certificate signer.crt.pem --chain ca.pem
      --out fraud.sig
    """
    from gamekeeper.base.errors import UsageError
    from gamekeeper.sealing.provenance import sign_model

    if chain and certificate is None:
        raise UsageError("--chain goes with --certificate")
    files = sign_model(
        model, out, key, certificate=certificate, chain=chain or (), ignored=ignore or ()
    )
    if json:
        import orjson

        document = {"schema": _SCHEMA, "model": str(model), "files": files, "signature": str(out)}
        print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    if not quiet:
        typer.echo(f"{files:,} files of {model} are signed in {out}", err=True)
