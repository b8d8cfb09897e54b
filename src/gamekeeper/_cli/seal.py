"""`gamekeeper seal`: encrypt a model for its recipients."""

from pathlib import Path
from typing import Annotated

import typer

from gamekeeper._cli._sealing import TO_HELP, Debug, Json, PassphraseFile, Quiet, Workers

NAME = "seal"
SCHEMA = "gamekeeper/seal@1"
_SAID = (
    "sealed is the file, not the model: whoever may query it can still copy it; see gamekeeper"
    " guard"
)


def run(
    model: Annotated[
        Path, typer.Argument(help="A safetensors or ONNX file, or a folder with one.")
    ],
    to: Annotated[list[str] | None, typer.Option(help=TO_HELP)] = None,
    out: Annotated[
        Path | None, typer.Option(help="The sealed file. Default: MODEL.sealed.")
    ] = None,
    sign: Annotated[Path | None, typer.Option(help="Key that signs it, Ed25519 in PEM.")] = None,
    passphrase_file: PassphraseFile = None,
    follow_links: Annotated[
        bool,
        typer.Option(
            "--follow-links",
            help="Seal what links out of the folder lead to, as in a download cache.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file of that name.")] = False,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Encrypt a model so that only its recipients can open it. The model itself stays where it is.

    Names and shapes of tensors are encrypted too; sizes, recipients and signer are public. A pickle
    is refused: whoever opens it would run the code in it. Sealing does not stop extraction by
    queries.

    Examples:

      gamekeeper keypair serving.pem

      gamekeeper seal model.safetensors --to serving.pub.pem --to passphrase --sign owner.pem

      gamekeeper seal llm/ --to awskms:alias/models --to vault:transit/models --out llm.sealed
    """
    from gamekeeper._cli._printing import print_json
    from gamekeeper._cli._sealing import bytes_done, recipients, say, shown_recipients
    from gamekeeper.sealing.sealed import SealedFile, read_signing_key, seal

    target = out or model.with_name(f"{model.name}.sealed")
    signing_key = read_signing_key(sign) if sign else None
    who = recipients(to or [], passphrase_file)
    with bytes_done("seal", quiet) as progress:
        header = seal(
            model,
            target,
            to=who,
            signing_key=signing_key,
            is_replaced=force,
            is_linked=follow_links,
            workers=workers,
            progress=progress,
        )
    with SealedFile(target) as sealed:
        stanzas = sealed.slot.stanzas
    signer = header.signer.hex() if header.signer else None
    if json:
        fields = {"bytes": header.file_bytes, "file_id": header.file_id.hex(), "signer": signer}
        print_json(
            SCHEMA, {"sealed": str(target), "recipients": shown_recipients(stanzas), **fields}
        )
    else:
        print(
            f"{target}: {header.payload_bytes:,} bytes sealed for"
            f" {', '.join(one.name for one in stanzas)}"
        )
    say(
        (
            "signed by nobody: recipients cannot tell who made it; --sign KEY"
            if signer is None
            else f"signed by {signer}"
        ),
        quiet,
    )
    say(_SAID, quiet)
