"""`gamekeeper encrypted keys`: make a client's keys for a model."""

from pathlib import Path
from typing import Annotated

import typer

from gamekeeper._cli._printing import print_json
from gamekeeper._cli.encrypted._asking import description_at
from gamekeeper._cli.encrypted._shared import SCHEMA, Debug, Json, Quiet


def run(
    url: Annotated[str, typer.Argument(help="Of the model: http://HOST:PORT/v2/encrypted/NAME")],
    out: Annotated[
        Path, typer.Option(help="Folder for secret.key, which stays here, and public.keys.")
    ] = Path("he-keys"),
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make a client's keys for a model. The secret key decrypts the answers, and never leaves the
    folder.

    Example:

      gamekeeper encrypted keys http://127.0.0.1:8330/v2/encrypted/scoring --out he-keys
    """
    from gamekeeper.encrypted.client import Client

    client = Client(description_at(url))
    client.save(out)
    if json:
        print_json(SCHEMA, {"keys": {"folder": str(out), "public_bytes": len(client.keys())}})
    elif not quiet:
        typer.echo(
            f"{out / 'secret.key'} is for you alone; {len(client.keys()):,} bytes go to the server",
            err=True,
        )
