"""`gamekeeper simulate`: labelled traffic of the project's own making."""

from pathlib import Path
from typing import Annotated

import typer

NAME = "simulate"


def run(
    out: Annotated[Path, typer.Option(help="Folder for exchanges.parquet and labels.parquet.")],
    seed: Annotated[int, typer.Option(help="Same seed, same traffic.")] = 1,
    days: Annotated[int, typer.Option(help="Days of traffic.")] = 30,
    scale: Annotated[float, typer.Option(help="1 is about 1,500 accounts and 43,000 exchanges.")] = 1.0,
    classifier: Annotated[
        bool, typer.Option(help="An API that scores rows of numbers, in place of a text API.")
    ] = False,
    quiet: Annotated[bool, typer.Option(help="Say nothing.")] = False,
    debug: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Compose a labelled month of model-API traffic: ordinary users of many kinds, and campaigns.

    Example:

      gamekeeper simulate --out traffic && gamekeeper hunt traffic/exchanges.parquet --out found
    """
    from gamekeeper.simulate import simulate, simulate_classifier, write

    traffic = simulate_classifier(seed=seed, days=days) if classifier else simulate(seed=seed, days=days, scale=scale)
    write(traffic, out)
    if not quiet:
        campaigns = traffic.labels["campaign"].drop_nulls()
        print(
            f"{len(traffic.exchanges):,} exchanges of {len(traffic.labels):,} accounts, "
            f"{len(campaigns)} of them in {campaigns.n_unique()} campaigns "
            f"-> {out / 'exchanges.parquet'}, {out / 'labels.parquet'}"
        )
