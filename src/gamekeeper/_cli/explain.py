"""`gamekeeper explain`: why a campaign or an account was judged as it was."""

from pathlib import Path
from typing import Annotated

import typer

NAME = "explain"


def run(
    subject: Annotated[
        str, typer.Argument(metavar="CAMPAIGN|ACCOUNT", help="Such as C1, or an account's name.")
    ],
    folder: Annotated[Path, typer.Option("--in", help="Folder that a hunt wrote.")],
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="No colours (also by NO_COLOR).")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Say why: readings, what they were ranked against, links, example exchanges, innocent
    explanations.

    Examples:

      gamekeeper explain C1 --in found

      gamekeeper explain acct_000123 --in found --json
    """
    import orjson
    from rich.console import Console

    from gamekeeper.report import explanation_json, print_explanation, read_folder

    result = read_folder(folder)
    if json:
        print(orjson.dumps(explanation_json(result, subject), option=orjson.OPT_INDENT_2).decode())
    else:
        print_explanation(result, subject, Console(no_color=no_color or None))
