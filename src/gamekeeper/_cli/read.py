"""`gamekeeper read`: how a log is read, before anything is done with it."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamekeeper._cli._reading import require_logs, takes_reading
from gamekeeper._cli.options import Json, Logs, NoColor, Quiet

if TYPE_CHECKING:
    import polars as pl

    from gamekeeper.exchange import ReadOptions, ReadSummary

NAME = "read"
_ROWS = 3


@takes_reading
def run(
    logs: Logs = None,
    *,
    reading: "ReadOptions",
    save_mapping: Annotated[
        bool,
        typer.Option(
            "--save-mapping", help="Print the options as a mapping file, in place of the log."
        ),
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> None:
    """Show how a log is read: its format, who its accounts are, what is passed over and why.

    Needs a log of a model API. Changes and writes nothing. Prints counts and three rows as they
    were understood; with --json one exchange a line with the columns of docs/reference/columns.md,
    and the counts as the last line of standard error. API keys inside texts are masked. Exit 0:
    the log can be read; 3: it cannot, with what would help. The lines of --json before a refusal
    count for nothing.

    Examples:

      gamekeeper read logs/

      gamekeeper read spend.csv --account-field metadata.user_api_key_team_id --json

      gamekeeper read app.jsonl --account-field auth.key --time-field ts --save-mapping > app.toml
    """
    from gamekeeper.exchange import LogReader
    from gamekeeper.exchange.mappings import write_mapping
    from gamekeeper.report import Progress

    if save_mapping:
        print(write_mapping(reading), end="")
        return
    named = require_logs(logs, reading)
    reader = LogReader(named, reading, stdin=typer.get_binary_stream("stdin"))
    accounts: set[str] = set()
    rows: list[dict[str, Any]] = []
    with Progress(quiet=quiet or json)("read", unit="B") as on_progress:
        reader.on_progress = on_progress
        for batch in reader.batches():
            accounts.update(batch["account"].unique())
            rows = rows or _shown(batch)
            if json:
                _print_exchanges(batch)
    if json:
        print(_counts(reader.summary), file=sys.stderr)
    elif not quiet:
        _print_summary(reader.summary, rows, len(accounts), no_color)


def _shown(batch: "pl.DataFrame") -> list[dict[str, Any]]:
    from gamekeeper.report.reading import shown_rows

    return shown_rows(batch, _ROWS)


def _print_exchanges(batch: "pl.DataFrame") -> None:
    """Prints one exchange a line, in ASCII: no foreign text steers a terminal."""
    from json import dumps

    from gamekeeper.base.text import clean_document, mask_secrets
    from gamekeeper.report.formatting import iso

    for row in batch.iter_rows(named=True):
        found = {name: value for name, value in row.items() if value is not None}
        found["time"] = iso(found["time"])
        if "account_created" in found:
            found["account_created"] = iso(found["account_created"])
        sys.stdout.write(dumps(clean_document(found, mask_secrets)).replace("\x7f", "\\u007f"))
        sys.stdout.write("\n")


def _counts(read: "ReadSummary") -> str:
    from json import dumps

    return dumps(
        {
            "schema": "gamekeeper/read@1",
            "records": read.records,
            "exchanges": read.kept_rows,
            "passed_over": dict(read.passed_over),
            "without_text": read.without_text,
            "bad_rows": read.bad_rows,
            "cut_by_writer": read.cut_by_writer,
            "account_field": read.account_field,
            "account_fields": dict(read.account_fields),
            "owner_fields": dict(read.owner_fields),
            "format": _formats(read),
            "files": dict(read.formats),
            "columns": sorted(read.columns_seen),
            "remarks": list(read.remarks),
        }
    )


def _formats(read: "ReadSummary") -> str | list[str]:
    names = sorted(set(read.formats.values()))
    return names[0] if len(names) == 1 else names


def _print_summary(
    read: "ReadSummary", rows: list[dict[str, Any]], accounts: int, no_color: bool
) -> None:
    from rich.console import Console

    from gamekeeper.exchange import FORMATS
    from gamekeeper.report.reading import print_reading

    abouts = {
        name: f"{form.about} Recognised by {form.known_by}." for name, form in FORMATS.items()
    }
    console = Console(no_color=no_color or None)
    print_reading(read, console, abouts=abouts, rows=rows, accounts=accounts)
