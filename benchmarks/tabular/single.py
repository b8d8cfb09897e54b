"""The figures on single accounts in docs/how-to/tabular-apis.md: thieves of several kinds among seven
kinds of ordinary customers, hunted in a written log. "Alone" is what `gamekeeper.linking.portfolio`
names; what is in a group was found as a group of eight accounts or more.

    python benchmarks/tabular/single.py [--seeds 101 102] [--populations credit wine] [--help]

Constants of `gamekeeper.linking.portfolio` were chosen on seeds 1 and 2.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from world import Customers, log, ordinary, population, thief_accounts

from gamekeeper.hunt import hunt

THIEVES = (
    ("uniform", 1, 128),
    ("marginals", 1, 256),
    ("marginals", 5, 700),
    ("jittered", 1, 700),
    ("active", 1, 700),
    ("joint", 1, 700),
    ("joint", 5, 700),
    ("joint", 1, 2_500),
)
"""Kind of rows, accounts, and queries of all of them."""


def row(name: str, seed: int, thief: tuple[str, int, int] | None, accounts: int) -> str:
    """Returns one line of the table: a hunt of one log."""
    rng = np.random.default_rng(seed)
    api = population(name, seed)
    customers = ordinary(Customers(api, rng), accounts, rng)
    parts = [log(customers, "o-")[0]]
    kind, split, queries = thief or ("none", 0, 0)
    if thief:
        parts.append(log(thief_accounts(kind, api, rng, queries, split), "t-")[0])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        pl.concat(parts).sort("time", "account").write_parquet(path)
        judged = hunt([str(path)]).accounts
    named = judged.filter(pl.col("campaign").is_not_null()).with_columns(
        pl.col("account").str.starts_with("t-").alias("thief"),
        (pl.len().over("campaign") == 1).alias("alone"),
    )
    counts = [
        named.filter(pl.col("thief") == is_thief, pl.col("alone") == is_alone).height
        for is_thief in (True, False)
        for is_alone in (True, False)
    ]
    cells = " | ".join(map(str, counts))
    return f"| {name} | {seed} | {kind} | {split} | {queries:,} | {cells} |"


def main() -> None:
    """Prints the table."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seeds", type=int, nargs="+", default=[101, 102])
    options.add_argument("--populations", nargs="+", default=["credit", "wine", "breast-cancer"])
    options.add_argument("--accounts", type=int, default=300, help="ordinary ones")
    chosen = options.parse_args()
    print(
        "| rows | seed | thief | accounts | queries | thief's named alone | thief's in a group"
        " | ordinary named alone | ordinary in a group |"
    )
    print("|" + "---|" * 9)
    for name in chosen.populations:
        for seed in chosen.seeds:
            for thief in (None, *THIEVES):
                print(row(name, seed, thief, chosen.accounts), flush=True)


if __name__ == "__main__":
    main()
