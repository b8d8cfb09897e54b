"""What the verbs on sealed files share: keys and recipients as they are named on the
command line.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamekeeper.base.errors import UsageError, input_error
from gamekeeper.base.private_files import require_private_file
from gamekeeper.base.progress import OnProgress

if TYPE_CHECKING:
    from gamekeeper.sealing.contents import Contents
    from gamekeeper.sealing.pem import Password
    from gamekeeper.sealing.recipients import Identity, Passphrase, Recipient, Stanza

PASSPHRASE = "passphrase"
TO_HELP = (
    "Recipient that can open it: a public key file, x25519:HEX, passphrase, awskms:KEY,"
    " vault:MOUNT/KEY or pkcs11:URI. Repeat."
)
KEY_HELP = (
    "Key that opens it: a key file, passphrase, awskms:KEY, vault:MOUNT/KEY or pkcs11:URI. Repeat."
)

Keys = Annotated[list[str] | None, typer.Option("--key", help=KEY_HELP)]
PassphraseFile = Annotated[
    Path | None, typer.Option(help="File whose first line is the passphrase. Default: ask for it.")
]
Signer = Annotated[
    Path | None,
    typer.Option(help="Public key (PEM) of the required signer; every byte is checked against it."),
]
Workers = Annotated[
    int | None, typer.Option(min=1, max=64, help="Threads. Default: one for each core, 2 to 8.")
]


def recipients(texts: Sequence[str], passphrase_file: Path | None) -> "list[Recipient]":
    """Returns the recipients to seal for."""
    from gamekeeper.sealing.recipients import read_recipient

    return [
        _new_passphrase(passphrase_file) if text == PASSPHRASE else read_recipient(text)
        for text in texts
    ]


def identities(texts: Sequence[str] | None, passphrase_file: Path | None) -> "list[Identity]":
    """Returns the keys to try, in the order in which they were named; a passphrase file counts as
    one.
    """
    from gamekeeper.sealing.recipients import read_identity

    named = list(texts or [])
    if passphrase_file and PASSPHRASE not in named:
        named.append(PASSPHRASE)
    return [
        _known_passphrase(passphrase_file) if text == PASSPHRASE else read_identity(text)
        for text in named
    ]


@contextmanager
def bytes_done(stage: str, quiet: bool) -> Iterator[OnProgress]:
    """Shows the progress of chunks of 1 MiB, in bytes."""
    from gamekeeper.report import Progress

    with Progress(quiet=quiet)(stage, unit="B") as on_progress:
        yield lambda done, total: on_progress(done << 20, total << 20)


def recipients_json(stanzas: "Sequence[Stanza]") -> list[dict[str, str]]:
    """Returns recipients for JSON output."""
    return [{"kind": one.kind, "name": one.name} for one in stanzas]


def contents_json(
    contents: "Contents", formats: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Returns the files of a model for JSON output, with their formats if they were looked for."""
    return [
        {
            "path": member.path,
            "kind": member.kind,
            **({} if formats is None else {"format": formats.get(member.path)}),
            "bytes": member.length,
            "tensors": [
                {"name": one.name, "dtype": one.dtype, "shape": one.shape} for one in member.tensors
            ],
        }
        for member in contents.members
    ]


def key_password(file: Path | None) -> "Password":
    """Returns the passphrase of a key file: a file's first line, or the question to ask for it."""
    return _first_line(file) if file else lambda: _asked(is_new=False)


def _new_passphrase(file: Path | None) -> "Passphrase":
    from gamekeeper.sealing.recipients import passphrase

    return passphrase(_first_line(file) if file else _asked(is_new=True), is_new=True)


def _known_passphrase(file: Path | None) -> "Passphrase":
    from gamekeeper.sealing.recipients import passphrase

    return passphrase(_first_line(file) if file else _asked(is_new=False), is_new=False)


def _asked(*, is_new: bool) -> str:
    if not sys.stdin.isatty():
        raise UsageError("no terminal to ask for a passphrase: give --passphrase-file FILE")
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=is_new, err=True))


def _first_line(path: Path) -> str:
    if path.is_file():  # a pipe has no other readers
        require_private_file(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        lines = []
        found = getattr(fault, "strerror", None) or "bytes that are not UTF-8"
    else:
        found = "an empty file"
    if not lines or not lines[0]:
        raise input_error(path, "no passphrase", found, "a line of text")
    return lines[0]
