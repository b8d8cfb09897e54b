"""`gamekeeper encrypted keys`: make a client's keys for a model."""

from pathlib import Path
from typing import Annotated

import typer

from gamekeeper._cli._printing import print_json, say
from gamekeeper._cli.encrypted._asking import description_at
from gamekeeper._cli.encrypted._shared import SCHEMA
from gamekeeper._cli.options import Json, Quiet


def run(
    url: Annotated[
        str, typer.Argument(help="URL of the model: http://HOST:PORT/v2/encrypted/NAME")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for secret.key, which stays here, and public.keys.")
    ] = Path("he-keys"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a client's keys for a model. The secret key decrypts the answers and never leaves the
    folder.

    Needs a running `gamekeeper encrypted serve`; extra `encrypted`.

    Example:

      gamekeeper encrypted keys http://127.0.0.1:8330/v2/encrypted/scoring --out he-keys
    """
    from gamekeeper.encrypted.inference_client import EncryptingClient

    client = EncryptingClient(description_at(url))
    client.save(out)
    if json:
        print_json(SCHEMA, {"keys": {"folder": str(out), "public_bytes": len(client.keys())}})
        return
    public_bytes = len(client.keys())
    say(f"{out / 'secret.key'} is for you alone; {public_bytes:,} bytes go to the server", quiet)
