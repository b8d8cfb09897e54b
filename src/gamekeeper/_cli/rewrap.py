"""`gamekeeper rewrap`: change who can open a sealed model."""

from pathlib import Path
from typing import Annotated

import typer

from gamekeeper._cli._printing import print_json, say
from gamekeeper._cli._sealing import (
    TO_HELP,
    Keys,
    PassphraseFile,
    identities,
    recipients,
    recipients_json,
)
from gamekeeper._cli.options import Json, Quiet
from gamekeeper.base.errors import UsageError
from gamekeeper.base.files import require_another_file

NAME = "rewrap"
SCHEMA = "gamekeeper/rewrap@1"
_NOTE = (
    "a removed recipient that kept the data key or an older copy can still read the model, and can"
    " change this list where it can write; to exclude it, seal the model again"
)


def run(
    sealed: Annotated[Path, typer.Argument(help="The sealed file.")],
    key: Keys = None,
    to: Annotated[list[str] | None, typer.Option("--add", help=TO_HELP)] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="Name of a recipient, or its beginning. Repeat.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    new_passphrase_file: Annotated[
        Path | None,
        typer.Option(help="File with the passphrase of --add passphrase. Default: ask for it."),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Add and remove recipients of a sealed model.

    Needs a key that opens the file, not the one that signed it. Only the wrapped keys change,
    whatever the model's size, and the signature stays valid.

    Examples:

      gamekeeper rewrap llm.sealed --key old.pem --add new.pub.pem --remove mlkem768-x25519:3fa9

      gamekeeper rewrap llm.sealed --key old.pem --add awskms:alias/models-2027
    """
    from gamekeeper.sealing.sealed import rewrap

    if not to and not remove:
        raise UsageError("nothing to change: --add RECIPIENT, --remove NAME")
    named = [*(key or []), *(to or []), passphrase_file, new_passphrase_file]
    require_another_file(sealed, *named)
    keys = identities(key, passphrase_file)
    stanzas = rewrap(
        sealed, identities=keys, add=recipients(to or [], new_passphrase_file), remove=remove or []
    )
    if json:
        print_json(SCHEMA, {"sealed": str(sealed), "recipients": recipients_json(stanzas)})
    else:
        print(f"{sealed}: can be opened by {', '.join(one.name for one in stanzas)}")
    if remove:
        say(_NOTE, quiet)
