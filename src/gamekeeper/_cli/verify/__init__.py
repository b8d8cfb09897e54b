"""`gamekeeper verify`: check casebooks, signed models and sealed files; one noun a file."""

import typer

from gamekeeper._cli.verify import casebook, model, sealed

NAME = "verify"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Check casebooks, signed models and sealed files.",
    epilog="Start: gamekeeper verify casebook casebook/ --public-key key.pub.pem",
)
app.command("casebook")(casebook.run)
app.command("model")(model.run)
app.command("sealed")(sealed.run)
