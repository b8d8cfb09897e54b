"""`gamekeeper verify sealed`: every byte of a sealed file, and its signer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamekeeper._cli._examined import Allow, examined_json, examined_lines
from gamekeeper._cli._printing import print_json
from gamekeeper._cli._sealing import (
    Keys,
    PassphraseFile,
    Signer,
    Workers,
    bytes_done,
    contents_json,
    identities,
    recipients_json,
)
from gamekeeper._cli.options import Json, Quiet
from gamekeeper._cli.verify._failure import failure

if TYPE_CHECKING:
    from gamekeeper.sealing.sealed import VerifiedSeal

_SCHEMA = "gamekeeper/verify-sealed@1"


def run(
    sealed: Annotated[Path, typer.Argument(help="The sealed file.")],
    signer: Signer = None,
    key: Keys = None,
    passphrase_file: PassphraseFile = None,
    allow: Allow = None,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check every byte of a sealed file. Writes nothing.

    Needs a sealed file. With --signer alone no key is needed: anyone who stores a file can check
    it. With a key it is decrypted too, its index compared with the files in it, and the files
    examined again for code. With --quiet nothing is printed. Exit 0: valid; 1: not valid; 3: it
    cannot be read.

    Examples:

      gamekeeper verify sealed llm.sealed --signer owner.pub.pem

      gamekeeper verify sealed llm.sealed --signer owner.pub.pem --key serving.pem --json
    """
    from gamekeeper.sealing.faults import SealError
    from gamekeeper.sealing.sealed import read_signer, verify_sealed

    keys = identities(key, passphrase_file)
    signer_key = read_signer(signer) if signer else None
    try:
        with bytes_done("verify", quiet) as on_progress:
            verified = verify_sealed(
                sealed,
                signer=signer_key,
                identities=keys,
                allow=allow or [],
                workers=workers,
                on_progress=on_progress,
            )
    except SealError as error:
        if json and not quiet:
            print_json(_SCHEMA, failure(_SCHEMA, error.faults))
        raise
    if json and not quiet:
        print_json(_SCHEMA, _document(verified))
    elif not quiet:
        print("\n".join(_summary(sealed, verified)))


def _document(verified: "VerifiedSeal") -> dict[str, Any]:
    contents = verified.contents
    return {
        "holds": True,
        "bytes": verified.header.payload_bytes,
        "file_id": verified.header.file_id.hex(),
        "signer": verified.signer.hex() if verified.signer else None,
        "signer_given": verified.is_signer_given,
        "recipients": recipients_json(verified.stanzas),
        "recipients_checked": verified.contents is not None,
        "files": contents_json(contents) if contents else None,
        **(examined_json(contents) if contents else {"allowed": None, "code": None}),
        "index_says_all": verified.says_all,
    }


def _summary(path: Path, verified: "VerifiedSeal") -> list[str]:
    from gamekeeper.report.formatting import counted

    size = counted(verified.header.payload_bytes, "byte")
    who = "nobody" if verified.signer is None else verified.signer.hex()
    if verified.signer and not verified.is_signer_given:
        who += " (named by the file itself; name the required signer with --signer)"
    names = ", ".join(one.name for one in verified.stanzas)
    is_opened = verified.contents is not None
    return [
        f"{path}: holds",
        f"  holds       {size} in {counted(verified.header.chunks, 'chunk')}",
        f"  signer      {who}",
        f"  recipients  {names}{'' if is_opened else ' (not checked: no key)'}",
        f"  index       {_index(verified)}",
        *(f"  note        {line}" for line in _notes(verified)),
    ]


def _index(verified: "VerifiedSeal") -> str:
    if verified.says_all is None:
        return "not checked: no key"
    if verified.says_all:
        return "agrees with the files"
    return "agrees with the files, but does not say what the notes below say"


def _notes(verified: "VerifiedSeal") -> list[str]:
    return examined_lines(verified.contents) if verified.contents else []
