"""`gamekeeper replay`: what the guard would have done to a stored log."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import polars as pl

NAME = "replay"
_FIELDS = "Field of the log that holds it; a dotted path for nested JSON."


def run(
    logs: Annotated[
        list[str], typer.Argument(help="Files, folders, globs, or - for standard input.")
    ],
    policy: Annotated[
        Path | None, typer.Option(help="Policy file (TOML); see docs/reference/policy.md.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="What accounts truly are: .parquet or .csv with account and campaign."),
    ] = None,
    every_hours: Annotated[
        float, typer.Option(help="Between two looks at the log, in its own time.", min=1)
    ] = 24,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write: replay.json, and each exchange in Parquet."),
    ] = None,
    format: Annotated[
        str, typer.Option(help="Log format; see `gamekeeper list formats`.")
    ] = "auto",
    account_field: Annotated[str | None, typer.Option(help=_FIELDS)] = None,
    time_field: Annotated[str | None, typer.Option(help=_FIELDS)] = None,
    prompt_field: Annotated[str | None, typer.Option(help=_FIELDS)] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Zone of times that say none, such as UTC.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print replay.json on standard output.")
    ] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 also when accounts would be held.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no table.")] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="No colours (also by NO_COLOR).")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Show what the guard would have done to a log, had it enforced a policy. Changes nothing.

    The log is played on its own clock before the guard's own code. What would have been refused is
    not linked, as it would not have been. With labels, the outcome stands beside the truth.

    Examples:

      gamekeeper replay logs/ --policy guard.toml

      gamekeeper replay month.parquet --labels labels.parquet --every-hours 6 --json
    """
    import orjson
    from rich.console import Console

    from gamekeeper.guard.policy import GuardPolicy, read_policy
    from gamekeeper.guard.replay import outcomes, print_replay, replay, replay_document
    from gamekeeper.report import Progress

    held_by = read_policy(policy) if policy else GuardPolicy()
    known = None if labels is None else _read_labels(labels)
    fields = {"account": account_field, "time": time_field, "prompt": prompt_field}
    log = _read_log(
        logs, format, {name: field for name, field in fields.items() if field}, timezone
    )
    with Progress(quiet=quiet)("replay", unit="exchanges") as told:
        replayed = replay(log, held_by, every_s=every_hours * 3600, progress=told)
    outcome = None if known is None else outcomes(replayed, known)
    document = orjson.dumps(replay_document(replayed, outcome), option=orjson.OPT_INDENT_2)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "replay.json").write_bytes(document)
        replayed.exchanges.write_parquet(out / "exchanges.parquet")
    if json:
        print(document.decode())
    elif not quiet:
        print_replay(replayed, outcome, Console(no_color=no_color or None))
    raise typer.Exit(1 if len(replayed.held) and not exit_zero else 0)


def _read_log(
    sources: Sequence[str], format: str, fields: dict[str, str], timezone: str | None
) -> "pl.DataFrame":
    import polars as pl

    from gamekeeper.exchange import LogReader

    stdin = typer.get_binary_stream("stdin")
    reader = LogReader(sources, format=format, fields=fields, timezone=timezone, stdin=stdin)
    return pl.concat(reader.batches())


def _read_labels(path: Path) -> "pl.DataFrame":
    import polars as pl

    from gamekeeper.base.errors import Fault, InputError

    try:
        labels = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
        return labels.select("account", "campaign")
    except (OSError, pl.exceptions.PolarsError) as error:
        expected = "a .parquet or .csv file with columns account and campaign"
        raise InputError(
            [Fault(where=str(path), problem="cannot be read", found=str(error), expected=expected)]
        ) from error
