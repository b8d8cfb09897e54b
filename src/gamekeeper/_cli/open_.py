"""`gamekeeper open`: decrypt a sealed model to disk."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamekeeper._cli._examined import Allow, examined_json, examined_lines
from gamekeeper._cli._printing import print_json, say
from gamekeeper._cli._sealing import (
    Keys,
    PassphraseFile,
    Signer,
    Workers,
    bytes_done,
    contents_json,
    identities,
)
from gamekeeper._cli.options import Json, Quiet
from gamekeeper.base.errors import UsageError
from gamekeeper.base.files import require_another_file

if TYPE_CHECKING:
    from gamekeeper.sealing.contents import Contents

NAME = "open"
SCHEMA = "gamekeeper/open@1"


def run(
    sealed: Annotated[Path, typer.Argument(help="The sealed file.")],
    key: Keys = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File or folder to write. Default: the name without .sealed."),
    ] = None,
    signer: Signer = None,
    passphrase_file: PassphraseFile = None,
    allow: Allow = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file of that name; never a folder.")
    ] = False,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Decrypt a sealed model to disk.

    Needs a sealed file and a key that opens it. What it writes is byte for byte what was sealed,
    readable by its owner only; empty folders and the right to execute are not kept. To load tensors
    without a plaintext file, use `load_sealed` of gamekeeper.sealing. Exit 0: opened; 1: the key
    does not open it, or the file was changed; 3: a file cannot be read or written.

    Examples:

      gamekeeper open model.safetensors.sealed --key serving.pem --signer owner.pub.pem

      gamekeeper open llm.sealed --key awskms:alias/models --out llm
    """
    from gamekeeper.sealing.sealed import open_sealed, read_signer

    if out is None and sealed.suffix != ".sealed":
        raise UsageError("name the output with --out: the sealed file does not end in .sealed")
    target = out or sealed.with_suffix("")
    require_another_file(target, sealed, *(key or []), signer, passphrase_file)
    keys = identities(key, passphrase_file)
    if not keys:
        raise UsageError("no key to open it with: name one with --key FILE, or --key passphrase")
    signer_key = read_signer(signer) if signer else None
    with bytes_done("open", quiet) as on_progress:
        contents = open_sealed(
            sealed,
            target,
            identities=keys,
            signer=signer_key,
            is_replaced=force,
            allow=allow or [],
            workers=workers,
            on_progress=on_progress,
        )
    if json:
        print_json(
            SCHEMA,
            {
                "opened": str(target),
                "signer": signer_key and signer_key.hex(),
                "files": contents_json(contents),
                **examined_json(contents),
            },
        )
    else:
        print(f"{target}: {', '.join(_sizes(contents))}, no longer encrypted")
    for line in examined_lines(contents):
        say(line, quiet)
    if signer is None:
        say("the signer was not checked; to check it: --signer KEY.pub.pem", quiet)


def _sizes(contents: "Contents") -> list[str]:
    from gamekeeper.report.formatting import counted
    from gamekeeper.sealing.contents import has_known_tensors

    sizes = [counted(contents.length, "byte")]
    if has_known_tensors(contents):
        sizes.append(counted(len(contents.tensors()), "tensor"))
    return sizes
