"""`gamekeeper demo`: the main job on traffic that the package makes itself, beside the truth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamekeeper._cli.hunt import hunt_with_progress
from gamekeeper._cli.options import NoColor, Quiet, Seed

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

    from gamekeeper.hunt import HuntResult

NAME = "demo"


def run(
    out: Annotated[Path, typer.Option(help="Folder for the traffic and what was found.")] = Path(
        "demo"
    ),
    seed: Seed = 1,
    quiet: Quiet = False,
    no_color: NoColor = False,
) -> None:
    """Hunt a simulated month, and compare with the truth.

    Needs no input, no key and no GPU; takes about a minute. Makes the traffic, hunts it, and shows
    what was found beside the labels.

    Example:

      gamekeeper demo --out demo
    """
    from rich.console import Console

    from gamekeeper.hunt import HuntOptions
    from gamekeeper.report import print_hunt, write_folder
    from gamekeeper.simulate import simulate, write

    console = Console(no_color=no_color or None)
    found = out / "found"
    traffic = simulate(seed=seed)
    write(traffic, out / "traffic")
    console.print(
        f"composed {len(traffic.exchanges):,} exchanges of {len(traffic.labels):,} accounts:"
        f" {out / 'traffic'}"
    )
    result = hunt_with_progress([str(out / "traffic" / "exchanges.parquet")], HuntOptions(), quiet)
    write_folder(result, found)
    print_hunt(result, console, found)
    console.print(_beside_the_truth(result, traffic.labels))
    console.print(f"open {found / 'report.html'}", soft_wrap=True)


def _beside_the_truth(result: "HuntResult", labels: "pl.DataFrame") -> "Table":
    from rich.table import Table

    table = Table(title="beside the truth", title_justify="left")
    for heading in ("who", "accounts", "flagged", "found as"):
        table.add_column(heading, justify="left" if heading in ("who", "found as") else "right")
    for who, accounts, flagged, found in _outcomes(result, labels):
        table.add_row(who, str(accounts), str(flagged), found)
    return table


def _outcomes(result: "HuntResult", labels: "pl.DataFrame") -> list[tuple[str, int, int, str]]:
    """Each true campaign and each ordinary kind: accounts, how many were flagged, and as what."""
    import polars as pl

    campaign = "campaign: " + pl.col("campaign")
    kind = "ordinary: " + pl.col("kind")
    who = pl.when(pl.col("campaign").is_null()).then(kind).otherwise(campaign)
    joined = labels.select("account", who.alias("who")).join(result.accounts, on="account")
    outcome = joined.group_by("who").agg(
        pl.len(),
        (pl.col("verdict") != "allow").sum().alias("flagged"),
        pl.col("campaign").drop_nulls().unique().sort().str.join(", ").alias("found"),
    )
    return list(outcome.sort("who").iter_rows())
