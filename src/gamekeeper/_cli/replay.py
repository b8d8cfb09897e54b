"""`gamekeeper replay`: what the guard would have done to a stored log."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamekeeper._cli._printing import indented_json, write_result
from gamekeeper._cli._reading import require_logs, takes_reading
from gamekeeper._cli.options import (
    ExitZero,
    Json,
    Logs,
    NoColor,
    PolicyFile,
    Quiet,
)
from gamekeeper.base.errors import input_error
from gamekeeper.base.files import require_another_file

if TYPE_CHECKING:
    import polars as pl

    from gamekeeper.exchange import ReadOptions
    from gamekeeper.guard.replay import Replayed

NAME = "replay"
_OUTPUTS = ("replay.json", "exchanges.parquet")


@takes_reading
def run(
    logs: Logs = None,
    policy: PolicyFile = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="What accounts truly are: .parquet or .csv with account and campaign."),
    ] = None,
    every_hours: Annotated[
        float,
        typer.Option(
            help="Hours of the log between two searches; a shorter log is searched once, at its"
            " end.",
            min=1,
        ),
    ] = 24,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write: replay.json and exchanges.parquet, one row each."),
    ] = None,
    *,
    reading: "ReadOptions",
    json: Json = False,
    exit_zero: ExitZero = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> None:
    """Show what the guard would have done to a log.

    Needs a log as `gamekeeper hunt` does; extra `guard`. Changes nothing. The log is replayed on
    its own clock through the guard's own code, enforcing the policy; exchanges that would have been
    refused are not linked. With labels, the outcome is shown beside the truth. Prints a table, or
    with --json replay.json; with --quiet alone neither. Exit 0: no account would have been slowed
    or more; 1: some would; 5: nothing was searched, because there were too few exchanges.

    Examples:

      gamekeeper replay logs/ --policy guard.toml

      gamekeeper replay month.parquet --labels labels.parquet --every-hours 6 --json
    """
    from rich.console import Console

    from gamekeeper.guard.policy import GuardPolicy, read_policy
    from gamekeeper.guard.replay import outcomes, print_replay, replay, replay_document
    from gamekeeper.report import Progress

    named = require_logs(logs, reading)
    if out is not None:
        read = [*_on_disk(named), policy, labels]
        for name in _OUTPUTS:
            require_another_file(out / name, *read)
    enforced = read_policy(policy) if policy else GuardPolicy()
    truth = None if labels is None else _read_labels(labels)
    log = _read_log(named, reading)
    with Progress(quiet=quiet)("replay", unit="exchanges") as on_progress:
        replayed = replay(log, enforced, every_s=every_hours * 3600, on_progress=on_progress)
    outcome = None if truth is None else outcomes(replayed, truth)
    document = indented_json(replay_document(replayed, outcome))
    if out is not None:
        write_result(out / "replay.json", document)
        write_result(out / "exchanges.parquet", _parquet(replayed.exchanges))
    if json:
        print(document.decode())
    elif not quiet:
        print_replay(replayed, outcome, Console(no_color=no_color or None))
    raise typer.Exit(0 if exit_zero else _exit_code(replayed))


def _exit_code(replayed: "Replayed") -> int:
    if len(replayed.held):
        return 1
    return 0 if replayed.searches else 5


def _on_disk(logs: Sequence[str]) -> list[str]:
    """Returns the files of the log that are on this machine; standard input is not one."""
    from gamekeeper.exchange.sources import find_sources

    names = (source.name for source in find_sources(logs).sources)
    return [name for name in names if Path(name).is_file()]


def _parquet(exchanges: "pl.DataFrame") -> bytes:
    written = BytesIO()
    exchanges.write_parquet(written)
    return written.getvalue()


def _read_log(sources: Sequence[str], reading: "ReadOptions") -> "pl.DataFrame":
    import polars as pl

    from gamekeeper.exchange import LogReader

    stdin = typer.get_binary_stream("stdin")
    reader = LogReader(sources, reading, stdin=stdin)
    return pl.concat(reader.batches())


def _read_labels(path: Path) -> "pl.DataFrame":
    import polars as pl

    try:
        labels = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
        return labels.select("account", "campaign")
    except (OSError, pl.exceptions.PolarsError) as error:
        expected = "a .parquet or .csv file with columns account and campaign"
        raise input_error(path, "the file cannot be read", str(error), expected) from error
