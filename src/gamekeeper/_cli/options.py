"""Options that several verbs take: the same name means the same everywhere."""

from pathlib import Path
from typing import Annotated, Literal

import typer

STATE = "gamekeeper-state"
"""Folder of the guard's state where none is named."""

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print no progress and no notes.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours (also by NO_COLOR).")]
ExitZero = Annotated[
    bool, typer.Option("--exit-zero", help="Exit 0, not 1, also when something was found.")
]
Seed = Annotated[
    int, typer.Option(help="Seed of everything that is drawn: the same seed, the same result.")
]

Header = Annotated[
    Literal["auto", "yes", "no"],
    typer.Option(
        help="Whether line 1 of a CSV has the names of its columns; auto: recognise it, or ask."
    ),
]

Logs = Annotated[
    list[str] | None,
    typer.Argument(
        help="Files, folders, globs, addresses such as s3://BUCKET/PREFIX, or - for standard input."
    ),
]

PolicyFile = Annotated[
    Path | None, typer.Option(help="Policy of the guard (TOML); see docs/reference/policy.md.")
]
State = Annotated[
    str, typer.Option(help="The guard's state: a folder, or redis://HOST:PORT/NUMBER.")
]
StateFolder = Annotated[
    str | None, typer.Option(help="Folder of the guard's state. Default: the policy's.")
]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")]
TrustFile = Annotated[
    bool,
    typer.Option(
        "--trust-file", help="Read a pickled model, which runs the code that the file contains."
    ),
]
