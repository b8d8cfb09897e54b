"""`gamekeeper hunt`: find campaigns in stored logs."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamekeeper._cli._printing import indented_json
from gamekeeper._cli._reading import require_logs, takes_reading
from gamekeeper._cli.options import (
    ExitZero,
    Json,
    Logs,
    NoColor,
    Quiet,
    Seed,
)
from gamekeeper.base.errors import UsageError
from gamekeeper.base.progress import OnProgress

if TYPE_CHECKING:
    from gamekeeper.exchange import ReadOptions
    from gamekeeper.hunt import HuntOptions, HuntResult

NAME = "hunt"
_UNITS = {"read": "B", "encode": "prompts", "link": "searches", "plant": "campaigns"}


@takes_reading
def run(
    out: Annotated[
        Path, typer.Option(help="Folder to write; replaced if an earlier hunt wrote it.")
    ],
    logs: Logs = None,
    *,
    reading: "ReadOptions",
    encoder: Annotated[
        str, typer.Option(help="Content encoder; see `gamekeeper list encoders`.")
    ] = "auto",
    fdr: Annotated[
        float,
        typer.Option(
            help="False discovery rate, 0..1: share of the campaigns found that may be ordinary."
        ),
    ] = 0.01,
    without: Annotated[
        list[str] | None,
        typer.Option(help="Family of evidence to leave out, such as shape. Repeat."),
    ] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Leave prompts out of everything that is written.")
    ] = False,
    json: Json = False,
    exit_zero: ExitZero = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    seed: Seed = 0,
) -> None:
    """Find the extraction campaigns in the log of a model API.

    Needs a log with the time, account and prompt (or features) of each exchange. Writes
    verdicts.parquet (one row an account), campaigns.json and report.html: all of them or nothing.
    Prints a table, or with --json campaigns.json; with --quiet alone neither. Exit 0: no campaign
    found; 1: campaigns found; 5: no campaign found, and this log could not have shown one.

    Examples:

      gamekeeper hunt logs/ --out found

      zstdcat 2026-11.jsonl.zst | gamekeeper hunt - --out found --json

      gamekeeper hunt spend.csv --out found --account-field team_id --timezone UTC
    """
    from rich.console import Console

    from gamekeeper.hunt import HuntOptions
    from gamekeeper.report import campaigns_document, print_hunt, require_replaceable, write_folder
    from gamekeeper.verdict import Policy

    options = HuntOptions(
        **vars(reading),
        encoder=encoder,
        policy=Policy(false_discovery_rate=fdr, without=_families(without or [])),
        redact=redact,
        seed=seed,
    )
    named = require_logs(logs, reading)
    require_replaceable(out)
    result = hunt_with_progress(named, options, quiet)
    write_folder(result, out)
    if json:
        print(indented_json(campaigns_document(result)).decode())
    elif not quiet:
        print_hunt(result, Console(no_color=no_color or None), out)
    raise typer.Exit(0 if exit_zero else _exit_code(result))


def _exit_code(result: "HuntResult") -> int:
    if result.campaigns:
        return 1
    return 5 if result.could_find_nothing else 0


def hunt_with_progress(logs: Sequence[str], options: "HuntOptions", quiet: bool) -> "HuntResult":
    """Hunts, with a bar for each stage on a terminal, else a line for each."""
    from gamekeeper.hunt import hunt
    from gamekeeper.report import Progress

    progress = Progress(quiet=quiet)
    with ExitStack() as bars:
        stages: dict[str, OnProgress] = {}

        def on_stage(name: str, done: int, total: int) -> None:
            if name not in stages:
                bars.close()  # the stage before has ended
                stages[name] = bars.enter_context(progress(name, unit=_UNITS[name]))
            stages[name](done, total)

        return hunt(logs, options, stdin=typer.get_binary_stream("stdin"), on_stage=on_stage)


def _families(names: Sequence[str]) -> frozenset[str]:
    from gamekeeper.signals import CARDS

    known = {card.family for card in CARDS}
    if unknown := set(names) - known:
        raise UsageError(
            f"unknown family of evidence: {', '.join(sorted(unknown))}; known are"
            f" {', '.join(sorted(known))}"
        )
    return frozenset(names)
