"""`gamekeeper seal`: encrypt a model for its recipients."""

from pathlib import Path
from typing import Annotated

import typer

from gamekeeper._cli._examined import examined_json, examined_lines
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
from gamekeeper.base.files import require_another_file

NAME = "seal"
SCHEMA = "gamekeeper/seal@1"
_NOTE = (
    "the file is sealed, not the model's answers: anyone who may query it can still copy it; see"
    " gamekeeper guard"
)

_ONE_RECIPIENT = (
    "one recipient: without this key nobody can open it any more; to seal for a second one: --to"
)


def run(
    model: Annotated[Path, typer.Argument(help="A model file, or a folder with one.")],
    to: Annotated[list[str] | None, typer.Option(help=TO_HELP)] = None,
    out: Annotated[
        Path | None, typer.Option(help="The sealed file. Default: MODEL.sealed.")
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(help="Private key that signs it, Ed25519 in PEM.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="File in the model that is sealed although its format is not known; a path, or a"
            " pattern such as '*.bin'. Recipients are told. Repeat."
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(help="File or folder in the model to leave out; a path or pattern. Repeat."),
    ] = None,
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

    Needs a model and a recipient. The original stays in place. Names and shapes of tensors are
    encrypted too; sizes, recipients and signer are public. Files are sealed if their format is
    parsed and runs no code: safetensors, ONNX, GGUF, TFLite, Keras, XGBoost, LightGBM, CatBoost,
    arrays, JSON, text, pictures. Others, such as pickles, only if they are named with --allow; a
    private key never. Sealing does not stop extraction by queries.

    Examples:

      gamekeeper keypair serving.pem

      gamekeeper keypair owner.pem --signing

      gamekeeper seal model.safetensors --to serving.pub.pem --sign owner.pem

      gamekeeper seal llm/ --to awskms:alias/models --to vault:transit/models --out llm.sealed

      gamekeeper seal llm/ --to serving.pub.pem --ignore 'optimizer.pt' --allow extra.bin
    """
    from gamekeeper.report.formatting import counted
    from gamekeeper.sealing.artifacts import read_model
    from gamekeeper.sealing.sealed import (
        SealedFile,
        read_signing_key,
        require_new_name,
        seal_files,
    )

    target = out or _default_name(model)
    require_another_file(target, *(to or []), sign, passphrase_file)
    require_new_name(model, target, is_replaced=force)
    signing_key = read_signing_key(sign) if sign else None
    who = recipients(to or [], passphrase_file)
    files = read_model(model, follow_links=follow_links, allow=allow or [], ignore=ignore or [])
    with bytes_done("seal", quiet) as on_progress:
        header = seal_files(
            files,
            target,
            to=who,
            signing_key=signing_key,
            is_replaced=force,
            workers=workers,
            on_progress=on_progress,
        )
    with SealedFile(target) as sealed:
        stanzas = sealed.slot.stanzas
    signer = header.signer.hex() if header.signer else None
    if json:
        fields = {"bytes": header.file_bytes, "file_id": header.file_id.hex(), "signer": signer}
        print_json(
            SCHEMA,
            {
                "sealed": str(target),
                "recipients": recipients_json(stanzas),
                **fields,
                **examined_json(files.contents),
                "empty_folders": list(files.empty_folders),
            },
        )
    else:
        print(
            f"{target}: {counted(header.payload_bytes, 'byte')} sealed for"
            f" {', '.join(one.name for one in stanzas)}"
        )
    for line in examined_lines(files.contents):
        say(line, quiet)
    if files.empty_folders:
        say(f"empty folders are not kept: {', '.join(files.empty_folders[:5])}", quiet)
    if len(stanzas) == 1:
        say(_ONE_RECIPIENT, quiet)
    unsigned = "not signed: recipients cannot tell who made it; to sign: --sign KEY"
    say(unsigned if signer is None else f"signed by {signer}", quiet)
    say(_NOTE, quiet)


def _default_name(model: Path) -> Path:
    """Returns the path of the sealed file beside a model, also for a model named `.` or `..`."""
    named = model if model.name not in ("", "..") else model.resolve()
    return named.with_name(f"{named.name}.sealed")
