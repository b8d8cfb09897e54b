"""`gamekeeper verify casebook`: every entry and signature of a casebook."""

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamekeeper._cli._printing import indented_json
from gamekeeper._cli.options import Json, Quiet
from gamekeeper._cli.verify._failure import failure
from gamekeeper.base.files import read_whole

if TYPE_CHECKING:
    from gamekeeper.casebook import EntryProof, VerifiedCasebook

_SCHEMA = "gamekeeper/verify-casebook@1"


def run(
    folder: Annotated[Path, typer.Argument(help="Folder of the casebook.")],
    public_key: Annotated[
        Path | None, typer.Option(help="Public key (PEM) of the writer, from a trusted source.")
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option(help="A signed head that was kept elsewhere, to detect a rewritten history."),
    ] = None,
    entry: Annotated[
        int | None, typer.Option(min=1, help="Print this entry with its proof; from 1.")
    ] = None,
    witness_root: Annotated[
        Path | None, typer.Option(help="Certificate of the time-stamping authority; PEM.")
    ] = None,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Accept entries after the last signed head.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check every entry and signature of a casebook.

    Needs the casebook's folder. Without --public-key it is checked against the key that it names
    itself; without --head nothing shows whether the holder of that key rewrote it. With --quiet
    nothing is printed. Exit 0: valid; 1: not valid; 3: it cannot be read.

    Examples:

      gamekeeper verify casebook casebook/ --public-key key.pub.pem --head kept.json

      gamekeeper verify casebook casebook/ --entry 12 --json
    """
    import orjson

    from gamekeeper.casebook import CasebookError, prove_entry, read_head, verify_casebook

    try:
        verified = verify_casebook(
            folder,
            public_key=_content(public_key),
            since=read_head(head) if head else None,
            witness_root=_content(witness_root),
            allow_unsigned=allow_unsigned,
        )
    except CasebookError as error:
        if json and not quiet:
            print(indented_json(failure(_SCHEMA, error.faults)).decode())
        raise
    proof = None if entry is None else prove_entry(folder, entry)
    if json and not quiet:
        # Not cleaned: the bytes of an entry are evidence, and must match its hash.
        print(orjson.dumps(_document(verified, proof), option=orjson.OPT_INDENT_2).decode())
    elif not quiet:
        print("\n".join([*_summary(folder, verified), *(_proof_lines(proof) if proof else [])]))


def _content(path: Path | None) -> bytes | None:
    return read_whole(path) if path else None


def _document(verified: "VerifiedCasebook", proof: "EntryProof | None") -> dict[str, Any]:
    document: dict[str, Any] = {
        "schema": _SCHEMA,
        "holds": True,
        "entries": verified.entries,
        "unsigned": verified.unsigned,
        "first_time": verified.first_time,
        "last_time": verified.last_time,
        "heads": verified.heads,
        "head": verified.head.to_dict(),
        "public_key": verified.public_key,
        "public_key_given": verified.is_key_given,
        "kept_head": verified.since.to_dict() if verified.since else None,
        "stamps": [
            {"name": one.name, "size": one.size, "time": one.time} for one in verified.stamps
        ],
    }
    return document | ({"entry": proof.to_dict()} if proof else {})


def _summary(folder: Path, verified: "VerifiedCasebook") -> list[str]:
    key = (
        "as given"
        if verified.is_key_given
        else "named by the casebook itself; check it with --public-key"
    )
    lines = [
        f"{folder}: holds",
        f"  entries   {verified.entries:,}, {verified.first_time} to {verified.last_time}",
        (
            f"  heads     {verified.heads:,} signed, the last over {verified.head.size:,} lines at"
            f" {verified.head.time}"
        ),
        f"  root      {verified.head.root.hex()}",
        f"  key       {verified.public_key} ({key})",
    ]
    if verified.unsigned:
        lines.insert(
            2,
            f"  unsigned  {verified.unsigned:,} entries after the last head: not covered by a"
            " signature",
        )
    if verified.since:
        kept = verified.since
        lines.append(f"  continues the kept head over {kept.size:,} lines of {kept.time}")
    else:
        lines.append(
            "  try       --head with a head that you kept: only that detects a rewritten history"
        )
    return [*lines, *_stamp_lines(verified)]


def _stamp_lines(verified: "VerifiedCasebook") -> list[str]:
    unchecked = "head is valid; stamp not checked, give --witness-root"
    return [f"  witness   {one.size:,} lines: {one.time or unchecked}" for one in verified.stamps]


def _proof_lines(proof: "EntryProof") -> list[str]:
    return [
        "",
        f"entry {proof.index}, line {proof.index + 1}; its exact bytes are printed by --json",
        f"  {_ascii(proof.entry)}",
        f"  is in the head over {proof.head.size:,} lines by these hashes, from the bottom:",
        *(f"  {one.hex()}" for one in proof.inclusion),
        f"  signature {proof.head.signature.hex()}",
    ]


def _ascii(line: bytes) -> str:
    """The entry in ASCII, so that no character can steer a terminal: account names are foreign."""
    return json_.dumps(json_.loads(line), separators=(",", ":")).replace("\x7f", "\\u007f")
