"""`gamekeeper verify`: check what was written to be checked by others; one noun a file."""

import typer

from gamekeeper._cli.verify import casebook, model, sealed

NAME = "verify"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Check what was written to be checked by others.",
    epilog="Example: gamekeeper verify casebook found/casebook --public-key key.pub.pem",
)
app.command("casebook")(casebook.run)
app.command("model")(model.run)
app.command("sealed")(sealed.run)
