"""`gamekeeper encrypted`: run a model on inputs that the server cannot read; one file a verb."""

import typer

from gamekeeper._cli.encrypted import compile_, keys, query, serve

NAME = "encrypted"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=(
        "Run a model on inputs that the server cannot read. "
        "Needs the extra `encrypted`; it does not stop extraction by queries."
    ),
    epilog=(
        "Start: gamekeeper encrypted compile model.joblib --trust-file "
        "--inputs pool.csv --out scoring.he"
    ),
)
app.command("compile")(compile_.run)
app.command("serve")(serve.run)
app.command("keys")(keys.run)
app.command("query")(query.run)
