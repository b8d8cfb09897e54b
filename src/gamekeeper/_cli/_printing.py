"""How results are printed for machines, and written to files."""

import json
from pathlib import Path
from typing import Any

import typer

from gamekeeper.base.files import disk_faults, replace_file
from gamekeeper.base.text import clean_document, mask_secrets

_BY_UMASK = 0o666  # results are no secrets: who may read them is for the umask to say


def print_json(schema: str, fields: dict[str, Any], *, secret: str | None = None) -> None:
    """Prints an object under its schema, in ASCII: no foreign name steers a terminal.

    Args:
        schema: Its name and version.
        fields: Its fields; secrets in them are masked.
        secret: A new key that the user asked for, printed as it is under `secret`.
    """
    document = {"schema": schema, **clean_document(fields, mask_secrets)}
    if secret is not None:
        document["secret"] = secret
    print(json.dumps(document, indent=2).replace("\x7f", "\\u007f"))


def indented_json(document: dict[str, Any]) -> bytes:
    """Returns a document as it is written to files and printed: cleaned, indented, NaN as null."""
    import orjson

    return orjson.dumps(clean_document(document), option=orjson.OPT_INDENT_2)


def write_result(path: Path, content: bytes) -> None:
    """Writes a result whole or not at all; its folder is made if it is missing.

    Raises:
        InputError: It cannot be written.
    """
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content, _BY_UMASK)


def say(text: str, quiet: bool) -> None:
    """Narrates on standard error."""
    if not quiet:
        typer.echo(text, err=True)
