"""`gamekeeper open`: decrypt a sealed model to disk."""

from pathlib import Path
from typing import Annotated

import typer

from gamekeeper._cli._sealing import Debug, Json, Keys, PassphraseFile, Quiet, Signer, Workers

NAME = "open"
SCHEMA = "gamekeeper/open@1"


def run(
    sealed: Annotated[Path, typer.Argument(help="The sealed file.")],
    key: Keys = None,
    out: Annotated[
        Path | None, typer.Option(help="File or folder to make. Default: the name before .sealed.")
    ] = None,
    signer: Signer = None,
    passphrase_file: PassphraseFile = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file of that name; never a folder.")
    ] = False,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Decrypt a sealed model to disk, readable by its owner only; byte for byte what was sealed.

    To load tensors without a plaintext file, use `load_sealed` of gamekeeper.sealing.
    Exit 0: it is open; 1: it does not open, or is not what was sealed; 3: a file cannot be read or
    written.

    Examples:

      gamekeeper open model.safetensors.sealed --key serving.pem --signer owner.pub.pem

      gamekeeper open llm.sealed --key awskms:alias/models --out llm
    """
    from gamekeeper._cli._printing import print_json
    from gamekeeper._cli._sealing import bytes_done, identities, say, shown_contents
    from gamekeeper.base.errors import UsageError
    from gamekeeper.sealing.sealed import open_sealed, read_signer

    if out is None and sealed.suffix != ".sealed":
        raise UsageError("name what to make with --out: the sealed file has no suffix to take off")
    target = out or sealed.with_suffix("")
    keys = identities(key, passphrase_file)
    if not keys:
        raise UsageError("nothing to open it with: name a key with --key, or --key passphrase")
    vouching = read_signer(signer) if signer else None
    with bytes_done("open", quiet) as progress:
        contents = open_sealed(
            sealed,
            target,
            identities=keys,
            signer=vouching,
            is_replaced=force,
            workers=workers,
            progress=progress,
        )
    if json:
        print_json(
            SCHEMA,
            {
                "opened": str(target),
                "signer": vouching and vouching.hex(),
                "files": shown_contents(contents),
            },
        )
    else:
        print(
            f"{target}: {contents.length:,} bytes, {len(contents.tensors()):,} tensors, in plain"
            " text from now on"
        )
    if signer is None:
        say("who sealed it was not checked: --signer KEY.pub.pem", quiet)
