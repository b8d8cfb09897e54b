"""`gamekeeper explain`: why a campaign, an account or an owner was judged as it was."""

from pathlib import Path
from typing import Annotated

import typer

from gamekeeper._cli._printing import indented_json
from gamekeeper._cli.options import Json, NoColor

NAME = "explain"


def run(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="CAMPAIGN|ACCOUNT|OWNER",
            help="Such as C1; an account or owner, or a unique beginning of its name; an alias.",
        ),
    ],
    folder: Annotated[Path, typer.Option("--in", help="Folder that a hunt wrote.")],
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    """Explain the verdict on a campaign, an account or an owner.

    Needs the folder that `gamekeeper hunt` wrote. Shows the readings with the decoys they were
    ranked against, links, example exchanges, and what an innocent explanation would look like.

    Examples:

      gamekeeper explain C1 --in found

      gamekeeper explain acct_000123 --in found --json

      gamekeeper explain 9f2c41 --in found
    """
    from rich.console import Console

    from gamekeeper.report import explanation_json, print_explanation, read_folder

    result = read_folder(folder)
    if json:
        print(indented_json(explanation_json(result, subject)).decode())
    else:
        print_explanation(result, subject, Console(no_color=no_color or None))
