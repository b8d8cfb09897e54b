"""`gamekeeper verify casebook`: every entry and signature of a casebook."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gamekeeper.casebook import EntryProof, Verified

_SCHEMA = "gamekeeper/verify-casebook@1"


def run(
    folder: Annotated[Path, typer.Argument(help="Folder of the casebook.")],
    public_key: Annotated[
        Path | None, typer.Option(help="The writer's public key, as it was handed over; PEM.")
    ] = None,
    head: Annotated[
        Path | None, typer.Option(help="A signed head that was kept elsewhere.")
    ] = None,
    entry: Annotated[
        int | None, typer.Option(min=1, help="Print this entry with its proof; from 1.")
    ] = None,
    witness_root: Annotated[
        Path | None, typer.Option(help="Certificate of the time-stamping authority; PEM.")
    ] = None,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Let entries behind the last signed head pass.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print nothing; the exit code tells.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Check every entry and signature of a casebook.

    Exit 0: it holds; 1: it does not; 3: it cannot be read.

    Without --public-key it is checked against the key that it names itself; without --head nothing
    shows whether the holder of that key wrote it anew.

    Examples:

      gamekeeper verify casebook casebook/ --public-key key.pub.pem --head kept.json

      gamekeeper verify casebook casebook/ --entry 12 --json
    """
    import orjson

    from gamekeeper._cli.verify._failure import failure
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
            print(orjson.dumps(failure(_SCHEMA, error.faults), option=orjson.OPT_INDENT_2).decode())
        raise
    proof = None if entry is None else prove_entry(folder, entry)
    if json and not quiet:
        print(orjson.dumps(_document(verified, proof), option=orjson.OPT_INDENT_2).decode())
    elif not quiet:
        print("\n".join([*_summary(folder, verified), *(_proof_lines(proof) if proof else [])]))


def _content(path: Path | None) -> bytes | None:
    from gamekeeper.base.errors import Fault, InputError

    try:
        return path.read_bytes() if path else None
    except OSError as fault:
        found = fault.strerror or str(fault)
        raise InputError(
            [
                Fault(
                    where=str(path),
                    problem="the file cannot be read",
                    found=found,
                    expected="a file in PEM",
                )
            ]
        ) from None


def _document(verified: "Verified", proof: "EntryProof | None") -> dict[str, Any]:
    document: dict[str, Any] = {
        "schema": _SCHEMA,
        "holds": True,
        "entries": verified.entries,
        "unsigned": verified.unsigned,
        "first_time": verified.first_time,
        "last_time": verified.last_time,
        "heads": verified.heads,
        "head": verified.head.fields(),
        "public_key": verified.public_key,
        "public_key_given": verified.is_key_given,
        "kept_head": verified.since.fields() if verified.since else None,
        "stamps": [
            {"name": one.name, "size": one.size, "time": one.time} for one in verified.stamps
        ],
    }
    return document | ({"entry": proof.document()} if proof else {})


def _summary(folder: Path, verified: "Verified") -> list[str]:
    key = (
        "as given"
        if verified.is_key_given
        else "the casebook's own word; check it with --public-key"
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
            f"  unsigned  {verified.unsigned:,} entries behind the last head: nothing vouches for"
            " them",
        )
    if verified.since:
        kept = verified.since
        lines.append(f"  continues the kept head over {kept.size:,} lines of {kept.time}")
    else:
        lines.append(
            "  try       --head with a head that you kept: only that shows a history written anew"
        )
    return [*lines, *_stamp_lines(verified)]


def _stamp_lines(verified: "Verified") -> list[str]:
    unchecked = "head holds; stamp not checked, give --witness-root"
    return [f"  witness   {one.size:,} lines: {one.time or unchecked}" for one in verified.stamps]


def _proof_lines(proof: "EntryProof") -> list[str]:
    return [
        "",
        f"entry {proof.index}, line {proof.index + 1}; its exact bytes are printed by --json",
        f"  {_ascii(proof.entry)}",
        f"  stands in the head over {proof.head.size:,} lines by these hashes, from the bottom:",
        *(f"  {one.hex()}" for one in proof.inclusion),
        f"  signature {proof.head.signature.hex()}",
    ]


def _ascii(line: bytes) -> str:
    """The entry so that no character of it can steer a terminal: accounts are named by
    strangers.
    """
    import json

    return json.dumps(json.loads(line), separators=(",", ":")).replace("\x7f", "\\u007f")
