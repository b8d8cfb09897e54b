"""`gamekeeper simulate`: labelled traffic of the project's own making."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gamekeeper._cli._printing import print_json
from gamekeeper._cli.options import Json, Quiet, Seed

NAME = "simulate"
SCHEMA = "gamekeeper/simulate@1"


def run(
    out: Annotated[Path, typer.Option(help="Folder for exchanges.parquet and labels.parquet.")],
    seed: Seed = 1,
    days: Annotated[int, typer.Option(help="Days of traffic.")] = 30,
    scale: Annotated[
        float, typer.Option(help="1 is about 1,600 accounts and 48,600 exchanges.")
    ] = 1.0,
    classifier: Annotated[
        bool, typer.Option(help="An API that scores rows of numbers, in place of a text API.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a labelled month of model-API traffic.

    Needs no input. The traffic has ordinary users of many kinds, and campaigns. Writes
    exchanges.parquet and labels.parquet; prints how much, with --quiet alone nothing.

    Example:

      gamekeeper simulate --out traffic && gamekeeper hunt traffic/exchanges.parquet --out found
    """
    from gamekeeper.simulate import simulate, simulate_classifier, write

    traffic = (
        simulate_classifier(seed=seed, days=days)
        if classifier
        else simulate(seed=seed, days=days, scale=scale)
    )
    write(traffic, out)
    campaigns = traffic.labels["campaign"].drop_nulls()
    made: dict[str, Any] = {
        "exchanges": len(traffic.exchanges),
        "accounts": len(traffic.labels),
        "campaign_accounts": len(campaigns),
        "campaigns": campaigns.n_unique(),
        "files": [str(out / "exchanges.parquet"), str(out / "labels.parquet")],
    }
    if json:
        print_json(SCHEMA, made)
    elif not quiet:
        print(
            f"{made['exchanges']:,} exchanges of {made['accounts']:,} accounts,"
            f" {made['campaign_accounts']} of them in {made['campaigns']} campaigns ->"
            f" {', '.join(made['files'])}"
        )
