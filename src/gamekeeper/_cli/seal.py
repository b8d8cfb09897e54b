"""`gamekeeper seal`: encrypt a model for its recipients."""

from pathlib import Path
from typing import Annotated

import typer

from gamekeeper._cli._printing import print_json, say
from gamekeeper._cli._sealing import (
    TO_HELP,
    PassphraseFile,
    Workers,
    bytes_done,
    recipients,
    recipients_json,
)
from gamekeeper._cli.options import Json, Quiet

NAME = "seal"
SCHEMA = "gamekeeper/seal@1"
_NOTE = (
    "the file is sealed, not the model's answers: anyone who may query it can still copy it; see"
    " gamekeeper guard"
)


def run(
    model: Annotated[
        Path, typer.Argument(help="A safetensors or ONNX file, or a folder with one.")
    ],
    to: Annotated[list[str] | None, typer.Option(help=TO_HELP)] = None,
    out: Annotated[
        Path | None, typer.Option(help="The sealed file. Default: MODEL.sealed.")
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(help="Private key that signs it, Ed25519 in PEM.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    follow_links: Annotated[
        bool,
        typer.Option(
            "--follow-links",
            help="Also seal files that links lead to outside the folder, as in a download cache.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file of that name.")] = False,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Encrypt a model so that only its recipients can open it.

    Needs a model (safetensors or ONNX) and a recipient. The original stays in place. Names and
    shapes of tensors are encrypted too; sizes, recipients and signer are public. A pickle is
    refused: loading it runs the code in it. Sealing does not stop extraction by queries.

    Examples:

      gamekeeper keypair serving.pem

      gamekeeper keypair owner.pem --signing

      gamekeeper seal model.safetensors --to serving.pub.pem --sign owner.pem

      gamekeeper seal llm/ --to awskms:alias/models --to vault:transit/models --out llm.sealed
    """
    from gamekeeper.sealing.sealed import SealedFile, read_signing_key, seal

    target = out or model.with_name(f"{model.name}.sealed")
    signing_key = read_signing_key(sign) if sign else None
    who = recipients(to or [], passphrase_file)
    with bytes_done("seal", quiet) as on_progress:
        header = seal(
            model,
            target,
            to=who,
            signing_key=signing_key,
            is_replaced=force,
            follow_links=follow_links,
            workers=workers,
            on_progress=on_progress,
        )
    with SealedFile(target) as sealed:
        stanzas = sealed.slot.stanzas
    signer = header.signer.hex() if header.signer else None
    if json:
        fields = {"bytes": header.file_bytes, "file_id": header.file_id.hex(), "signer": signer}
        print_json(
            SCHEMA, {"sealed": str(target), "recipients": recipients_json(stanzas), **fields}
        )
    else:
        print(
            f"{target}: {header.payload_bytes:,} bytes sealed for"
            f" {', '.join(one.name for one in stanzas)}"
        )
    unsigned = "not signed: recipients cannot tell who made it; to sign: --sign KEY"
    say(unsigned if signer is None else f"signed by {signer}", quiet)
    say(_NOTE, quiet)
