"""`gamekeeper inspect`: what a sealed file says about itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamekeeper._cli._examined import examined_json, examined_lines
from gamekeeper._cli._printing import print_json
from gamekeeper._cli._sealing import (
    Keys,
    PassphraseFile,
    contents_json,
    identities,
    recipients_json,
)
from gamekeeper._cli.options import Json

if TYPE_CHECKING:
    from gamekeeper.sealing.contents import Contents
    from gamekeeper.sealing.sealed import SealedFile

NAME = "inspect"
SCHEMA = "gamekeeper/inspect@1"


def run(
    sealed: Annotated[Path, typer.Argument(help="The sealed file.")],
    key: Keys = None,
    passphrase_file: PassphraseFile = None,
    json: Json = False,
) -> None:
    """Show what a sealed file says about itself.

    Needs a sealed file; with a key it lists files and tensors too, and what its author says of
    files that were not examined and of code that a loader may run. Reads no tensor. Checks only
    that the file is complete; `gamekeeper verify sealed` checks every byte, and with a key what the
    author says.

    Examples:

      gamekeeper inspect model.safetensors.sealed

      gamekeeper inspect model.safetensors.sealed --key serving.pem --json
    """
    from gamekeeper.sealing.sealed import SealedFile

    keys = identities(key, passphrase_file)
    with SealedFile(sealed) as file:
        contents = file.unlock(keys).contents if keys else None
        document = _document(file, contents)
    if json:
        print_json(SCHEMA, document)
    else:
        print("\n".join([*_public(document), *(_private(contents) if contents else [])]))


def _document(file: "SealedFile", contents: "Contents | None") -> dict[str, Any]:
    from gamekeeper.sealing.sealed import FORMAT

    header = file.header
    return {
        "sealed": str(file.path),
        "format": FORMAT,
        "file_id": header.file_id.hex(),
        "bytes": header.payload_bytes,
        "chunks": header.chunks,
        "signer": header.signer.hex() if header.signer else None,
        "recipients": recipients_json(file.slot.stanzas),
        "generation": file.slot.generation,
        "is_rewrap_unfinished": any(file.idle_slot),
        "files": contents_json(contents) if contents else None,
        **(examined_json(contents) if contents else {"allowed": None, "code": None}),
    }


def _public(document: dict[str, Any]) -> list[str]:
    lines = [
        f"{document['sealed']}: {document['format']}",
        f"  holds       {document['bytes']:,} bytes in {document['chunks']:,} chunks",
        f"  signer      {document['signer'] or 'nobody'}",
        *(f"  recipient   {one['name']} ({one['kind']})" for one in document["recipients"]),
        f"  generation  {document['generation']}: rewrapped {document['generation'] - 1} times",
    ]
    if document["is_rewrap_unfinished"]:
        lines.append(
            "  unfinished  a rewrap was interrupted: recipients that it removed may still open the"
            " file; rewrap again"
        )
    return lines


def _private(contents: "Contents") -> list[str]:
    lines = []
    for member in contents.members:
        lines.append(f"  file        {member.path} ({member.kind}), {member.length:,} bytes")
        lines += [
            f"    {ascii(one.name)[1:-1]}  {one.dtype} {list(one.shape)}" for one in member.tensors
        ]
    said = examined_lines(contents) or ["all files were examined, and no code was found"]
    return [
        *lines,
        *(f"  note        {line}" for line in said),
        "  note        this is what its author says; verify sealed --key examines the files",
    ]
