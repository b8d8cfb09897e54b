"""`gamekeeper hunt`: find campaigns in stored logs."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gamekeeper.hunt import HuntOptions, HuntResult

NAME = "hunt"
_FIELDS = "Field of the log that holds it; a dotted path for nested JSON."


def run(
    logs: Annotated[
        list[str], typer.Argument(help="Files, folders, globs, or - for standard input.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder to write; replaced if an earlier hunt wrote it.")
    ],
    format: Annotated[
        str, typer.Option(help="Log format; see `gamekeeper list formats`.")
    ] = "auto",
    account_field: Annotated[str | None, typer.Option(help=_FIELDS)] = None,
    time_field: Annotated[str | None, typer.Option(help=_FIELDS)] = None,
    prompt_field: Annotated[str | None, typer.Option(help=_FIELDS)] = None,
    model_field: Annotated[str | None, typer.Option(help=_FIELDS)] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="Any other: COLUMN=FIELD, may be given more than once.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Zone of times that say none, such as UTC.")
    ] = None,
    max_bad_rows: Annotated[
        float, typer.Option(help="Share of bad rows that may pass, 0..1; counted.")
    ] = 0.0,
    encoder: Annotated[
        str, typer.Option(help="Content encoder; see `gamekeeper list encoders`.")
    ] = "auto",
    fdr: Annotated[
        float, typer.Option(help="Share of raised campaigns that may be ordinary groups.")
    ] = 0.01,
    without: Annotated[
        list[str] | None, typer.Option(help="Family of evidence to leave out, such as shape.")
    ] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Leave prompts out of everything that is written.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print campaigns.json on standard output.")
    ] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 also when campaigns were found.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no table.")] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="No colours (also by NO_COLOR).")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Find the extraction campaigns in a model API's log.

    Writes verdicts.parquet (an account a row), campaigns.json and report.html, whole or not at all.

    Examples:

      gamekeeper hunt logs/ --out found

      zstdcat 2026-11.jsonl.zst | gamekeeper hunt - --out found --json

      gamekeeper hunt spend.csv --out found --account-field team_id --timezone UTC
    """
    import orjson
    from rich.console import Console

    from gamekeeper.hunt import HuntOptions
    from gamekeeper.report import campaigns_document, print_hunt, require_replaceable, write_folder
    from gamekeeper.verdict import Policy

    named = {
        "account": account_field,
        "time": time_field,
        "prompt": prompt_field,
        "model": model_field,
    }
    options = HuntOptions(
        format=format,
        fields={k: v for k, v in named.items() if v} | dict(_pair(f) for f in field or []),
        timezone=timezone,
        max_bad_rows=max_bad_rows,
        encoder=encoder,
        policy=Policy(false_discovery_rate=fdr, without=_families(without or [])),
        redact=redact,
        seed=seed,
    )
    require_replaceable(out)
    result = hunt_with_progress(logs, options, quiet)
    write_folder(result, out)
    if json:
        print(orjson.dumps(campaigns_document(result), option=orjson.OPT_INDENT_2).decode())
    elif not quiet:
        print_hunt(result, Console(no_color=no_color or None), out)
    raise typer.Exit(1 if result.campaigns and not exit_zero else 0)


def hunt_with_progress(logs: Sequence[str], options: "HuntOptions", quiet: bool) -> "HuntResult":
    """Hunts, with a bar for each stage on a terminal."""
    from gamekeeper.hunt import hunt
    from gamekeeper.report import Progress

    progress = Progress(quiet=quiet)
    units = {"read": "B", "encode": "prompts", "link": "decoys"}
    with ExitStack() as bars:
        steps: dict[str, Callable[[int, int], None]] = {}

        def stage(name: str, done: int, total: int) -> None:
            if name not in steps:
                bars.close()  # the stage before has ended
                steps[name] = bars.enter_context(progress(name, unit=units[name]))
            steps[name](done, total)

        return hunt(logs, options, stdin=typer.get_binary_stream("stdin"), stage=stage)


def _families(names: Sequence[str]) -> frozenset[str]:
    from gamekeeper.base.errors import UsageError
    from gamekeeper.signals import CARDS

    known = {card.family for card in CARDS}
    if unknown := set(names) - known:
        raise UsageError(
            f"no family of evidence {', '.join(sorted(unknown))}; there are"
            f" {', '.join(sorted(known))}"
        )
    return frozenset(names)


def _pair(text: str) -> tuple[str, str]:
    from gamekeeper.base.errors import UsageError

    column, equals, name = text.partition("=")
    if not (column and equals and name):
        raise UsageError(f'--field wants COLUMN=FIELD, such as ip=client.address; found "{text}"')
    return column, name
