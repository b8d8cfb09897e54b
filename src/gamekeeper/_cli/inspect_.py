"""`gamekeeper inspect`: what a sealed file says about itself."""

from collections.abc import Mapping
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
    files that were not examined and of code that a loader may run. Loads no tensor. Checks only
    that the file is complete; `gamekeeper verify sealed` checks every byte, and with a key what the
    author says.

    Examples:

      gamekeeper inspect model.safetensors.sealed

      gamekeeper inspect model.safetensors.sealed --key serving.pem --json
    """
    from gamekeeper.sealing.sealed import SealedFile
    from gamekeeper.sealing.sealed.examination import formats_of

    keys = identities(key, passphrase_file)
    with SealedFile(sealed) as file:
        opened = file.unlock(keys) if keys else None
        contents = opened.contents if opened else None
        formats = formats_of(opened, opened.contents) if opened else {}
        document = _document(file, contents, formats)
    if json:
        print_json(SCHEMA, document)
    else:
        print("\n".join([*_public(document), *(_private(contents, formats) if contents else [])]))


def _document(
    file: "SealedFile", contents: "Contents | None", formats: Mapping[str, str]
) -> dict[str, Any]:
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
        "files": contents_json(contents, formats) if contents else None,
        **(examined_json(contents) if contents else {"allowed": None, "code": None}),
    }


def _public(document: dict[str, Any]) -> list[str]:
    from gamekeeper.report.formatting import counted

    size = counted(document["bytes"], "byte")
    times = document["generation"] - 1
    rewrapped = f"rewrapped {counted(times, 'time')}" if times else "never rewrapped"
    lines = [
        f"{document['sealed']}: {document['format']}",
        f"  holds       {size} in {counted(document['chunks'], 'chunk')}",
        f"  signer      {document['signer'] or 'nobody'}",
        *(f"  recipient   {one['name']} ({one['kind']})" for one in document["recipients"]),
        f"  generation  {document['generation']}: {rewrapped}",
    ]
    if document["is_rewrap_unfinished"]:
        lines.append(
            "  unfinished  a rewrap was interrupted: recipients that it removed may still open the"
            " file; rewrap again"
        )
    return lines


def _private(contents: "Contents", formats: Mapping[str, str]) -> list[str]:
    from gamekeeper.report.formatting import counted

    lines = []
    for member in contents.members:
        kind = formats.get(member.path, member.kind)
        lines.append(f"  file        {member.path} ({kind}), {counted(member.length, 'byte')}")
        lines += [
            f"    {ascii(one.name)[1:-1]}  {one.dtype} {list(one.shape)}" for one in member.tensors
        ]
    said = examined_lines(contents) or ["all files were examined, and no code was found"]
    return [
        *lines,
        *(f"  note        {line}" for line in said),
        "  note        this is what its author says; verify sealed --key examines the files",
    ]
