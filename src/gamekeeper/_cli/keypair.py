"""`gamekeeper keypair`: make keys that open sealed models, or sign them."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gamekeeper._cli._printing import print_json, say
from gamekeeper._cli.options import Json, Quiet
from gamekeeper.base.errors import UsageError

NAME = "keypair"
SCHEMA = "gamekeeper/keypair@1"


class Curve(StrEnum):
    """The curve of a key that signs."""

    ED25519 = "ed25519"
    P256 = "p256"


def run(
    path: Annotated[
        Path,
        typer.Argument(
            help="File for the private key, NAME.pem; the public one is NAME.pub.pem beside it."
        ),
    ],
    signing: Annotated[
        bool, typer.Option("--signing", help="Make a key that signs, not one that opens.")
    ] = False,
    curve: Annotated[
        Curve | None,
        typer.Option(
            help="With --signing: ed25519 signs sealed files, p256 signs models with `sign`."
            " Default: ed25519."
        ),
    ] = None,
    classical: Annotated[
        bool,
        typer.Option(
            "--classical", help="X25519 alone, without ML-KEM-768: for tools that lack ML-KEM."
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a key pair that opens sealed models, or signs them.

    Needs no input. The private half is for its owner only, the public half to hand out. Keys that
    open are X25519 with ML-KEM-768: a file that is copied today stays closed to a quantum computer.
    A lost key cannot be restored: seal for two recipients. Keys that sign are Ed25519 for
    `seal --sign`; `sign` needs P-256, as OpenSSF's format has no Ed25519.

    Examples:

      gamekeeper keypair serving.pem

      gamekeeper keypair owner.pem --signing

      gamekeeper keypair signer.pem --signing --curve p256
    """
    from gamekeeper.sealing.recipients.keypairs import PrivateKey, write_key_pair

    if signing and classical:
        raise UsageError("--classical is for keys that open; --signing makes a key that signs")
    if curve and not signing:
        raise UsageError("--curve is for keys that sign: add --signing")
    if signing:
        public, name = _make_signing_pair(path, curve)
    else:
        key = PrivateKey.generate(is_hybrid=not classical)
        public = write_key_pair(key, path)
        name = key.public_key().name
    if json:
        print_json(SCHEMA, {"private": str(path), "public": str(public), "name": name})
    else:
        print(f"{public}: {name}")
    readers = "the signer" if signing else "those who may open"
    say(f"{path} is the private half: keep it where only {readers} can read it", quiet)


def _make_signing_pair(path: Path, curve: Curve | None) -> tuple[Path, str]:
    from gamekeeper.sealing.provenance import write_model_pair
    from gamekeeper.sealing.sealed.signatures import write_signing_pair

    return write_model_pair(path) if curve is Curve.P256 else write_signing_pair(path)
