"""`gamekeeper verify sealed`: every byte of a sealed file, and who vouches for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamekeeper._cli._sealing import Debug, Json, Keys, PassphraseFile, Quiet, Signer, Workers

if TYPE_CHECKING:
    from gamekeeper.sealing.sealed import Verified

_SCHEMA = "gamekeeper/verify-sealed@1"


def run(
    sealed: Annotated[Path, typer.Argument(help="The sealed file.")],
    signer: Signer = None,
    key: Keys = None,
    passphrase_file: PassphraseFile = None,
    workers: Workers = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check every byte of a sealed file. Writes nothing.

    With --signer alone no key is needed: whoever stores a file can check it. With a key it is
    decrypted too, and its index compared with the files in it. Exit 0: it holds; 1: it does not; 3:
    it cannot be read.

    Examples:

      gamekeeper verify sealed llm.sealed --signer owner.pub.pem

      gamekeeper verify sealed llm.sealed --signer owner.pub.pem --key serving.pem --json
    """
    from gamekeeper._cli._printing import print_json
    from gamekeeper._cli._sealing import bytes_done, identities
    from gamekeeper._cli.verify._failure import failure
    from gamekeeper.sealing.faults import SealError
    from gamekeeper.sealing.sealed import read_signer, verify_sealed

    keys = identities(key, passphrase_file)
    vouching = read_signer(signer) if signer else None
    try:
        with bytes_done("verify", quiet) as progress:
            verified = verify_sealed(
                sealed, signer=vouching, identities=keys, workers=workers, progress=progress
            )
    except SealError as error:
        if json and not quiet:
            print_json(_SCHEMA, failure(_SCHEMA, error.faults))
        raise
    if json and not quiet:
        print_json(_SCHEMA, _document(verified))
    elif not quiet:
        print("\n".join(_summary(sealed, verified)))


def _document(verified: "Verified") -> dict[str, Any]:
    from gamekeeper._cli._sealing import shown_contents, shown_recipients

    return {
        "holds": True,
        "bytes": verified.header.payload_bytes,
        "file_id": verified.header.file_id.hex(),
        "signer": verified.signer.hex() if verified.signer else None,
        "signer_given": verified.is_signer_given,
        "recipients": shown_recipients(verified.stanzas),
        "recipients_checked": verified.contents is not None,
        "files": shown_contents(verified.contents) if verified.contents else None,
    }


def _summary(path: Path, verified: "Verified") -> list[str]:
    who = "nobody" if verified.signer is None else verified.signer.hex()
    if verified.signer and not verified.is_signer_given:
        who += " (the file's own word; name who it must be with --signer)"
    names = ", ".join(one.name for one in verified.stanzas)
    is_opened = verified.contents is not None
    return [
        f"{path}: holds",
        (
            f"  holds       {verified.header.payload_bytes:,} bytes in {verified.header.chunks:,}"
            " chunks"
        ),
        f"  signer      {who}",
        f"  recipients  {names}{'' if is_opened else ' (not checked: no key)'}",
        f"  index       {'agrees with the files' if is_opened else 'not checked: no key'}",
    ]
