"""Who is linked as one: an account by itself, or all accounts of one owner.

An owner answers for its accounts, so an owner as a whole is judged as one account is: its exchanges
are one sequence, and what its accounts share inside is held once. Two things are decided here.

    whose an account is    the owner of most of its exchanges; of none where no owner has more
                           than half of those that name one
    what an owner says     nothing where one answers for more than half of the accounts and of
                           the exchanges: it would make one unit of nearly the whole log

Keys of units are made so that no name of an account can be taken for the key of an owner, whatever
it contains. Where nobody has an owner the key is the account, and nothing is changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from gamekeeper.base.wording import counted
from gamekeeper.campaigns.result import OWNER_LABEL

# beginnings of keys
_ACCOUNT = "a"
_OWNER = "o"
_POOL = "p"

ACCOUNT_BY_ACCOUNT = "with --owner-field none every account is compared by itself"
"""What helps where owners hide what is inside them, or are too few to rank among."""

_MOST = 0.5  # share of accounts, and of exchanges, above which one owner says nothing


@dataclass(frozen=True, kw_only=True)
class Units:
    """Which accounts are linked as one.

    Args:
        members: Columns `account`, `unit` (its key), `label` (what the unit is called), `owner`
            and `alias` (null where unknown), one row an account.
        says: What was decided, in words.
        joined: Whether any unit may have several accounts.
    """

    members: pl.DataFrame
    says: tuple[str, ...] = ()
    joined: bool = False

    @classmethod
    def of(cls, totals: pl.DataFrame, owners: pl.DataFrame, aliases: pl.DataFrame) -> "Units":
        """Decides on the units of a log.

        Args:
            totals: As `Intake.totals`.
            owners: As `Intake.owners`.
            aliases: As `Intake.aliases`.
        """
        known = totals.select("account", "exchanges").join(owners, on="account", how="left")
        known = known.join(aliases, on="account", how="left")
        owned = known.drop_nulls("owner")
        common = _owner_of_nearly_all(known)
        rolled = owned.filter(pl.col("owner") != common) if common is not None else owned
        says = []
        if common is not None:
            says.append(_say_common(known, common))
        if len(rolled):
            says.append(_say_rolled(rolled))
        counts = pl.col("owner").is_not_null()
        if common is not None:
            counts &= pl.col("owner") != common
        members = known.with_columns(counts.fill_null(False).alias("counts"))
        account = pl.col("account")
        if not len(rolled):
            keys = (account.alias("unit"), account.alias("label"))
        else:
            keys = (
                pl.when("counts")
                .then(_after(_OWNER, "owner"))
                .otherwise(_after(_ACCOUNT, "account"))
                .alias("unit"),
                pl.when("counts")
                .then(_after(OWNER_LABEL, "owner"))
                .otherwise(account)
                .alias("label"),
            )
        members = members.with_columns(*keys)
        return cls(
            members=members.select("account", "unit", "label", "owner", "alias"),
            says=tuple(says),
            joined=bool(len(rolled)),
        )

    def with_pools(self, pools: Sequence[Sequence[str]]) -> "Units":
        """Returns units in which each of `pools`, keys of units, is one; no key is in two."""
        begin = "" if self.joined else _ACCOUNT
        keyed = self.members.with_columns(_after(begin, "unit").alias("unit"))
        # no key begins so, but for pools of an earlier round
        earlier = keyed.filter(pl.col("unit").str.starts_with(_POOL))["unit"].n_unique()
        of_pool = {
            begin + key: f"{_POOL}{earlier} {number}"
            for number, keys in enumerate(pools)
            for key in keys
        }
        joined = keyed.with_columns(pl.col("unit").replace(of_pool))
        return replace(self, members=joined, joined=True)

    def key(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Returns `frame` with the column `unit`, by its column `account`."""
        if not self.joined:
            return frame.with_columns(pl.col("account").alias("unit"))
        keys = self.members.select("account", "unit")
        return frame.join(keys, on="account", how="left", maintain_order="left")

    def summary(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Returns the summary of a signal, a frame of `SUMMARY`, of units in place of accounts."""
        if not self.joined:
            return summary
        keyed = self.key(summary).group_by("unit", "key")
        added = keyed.agg(pl.col("count").sum(), pl.col("first_seen").min())
        return added.select(pl.col("unit").alias("account"), "key", "count", "first_seen")

    def totals(self, totals: pl.DataFrame) -> pl.DataFrame:
        """Returns the totals, as `Intake.totals`, of units in place of accounts."""
        if not self.joined:
            return totals
        return (
            self.key(totals)
            .group_by("unit")
            .agg(pl.col("exchanges").sum(), pl.col("first_seen").min(), pl.col("last_seen").max())
            .rename({"unit": "account"})
        )

    def sample(self, sample: pl.DataFrame, most: int) -> pl.DataFrame:
        """Returns the sample with the column `unit`, no unit with more than `most` exchanges.

        A unit's sample is its exchanges with the smallest hashes, as an account's is.
        """
        keyed = self.key(sample)
        if not self.joined:
            return keyed
        return keyed.filter(pl.col("row_hash").rank("ordinal").over("unit") <= most)


def _after(begin: str, column: str) -> pl.Expr:
    return pl.concat_str(pl.lit(begin), pl.col(column))


def _owner_of_nearly_all(known: pl.DataFrame) -> str | None:
    of_owner = known.group_by("owner").agg(pl.len(), pl.col("exchanges").sum())
    most_accounts = pl.col("len") > _MOST * pl.col("len").sum()
    most_exchanges = pl.col("exchanges") > _MOST * pl.col("exchanges").sum()
    large = of_owner.filter(most_accounts & most_exchanges & (pl.col("len") > 1))
    large = large.drop_nulls("owner")
    return str(large["owner"][0]) if len(large) else None


def _say_common(known: pl.DataFrame, owner: str) -> str:
    accounts = known.filter(pl.col("owner") == owner)
    share = int(accounts["exchanges"].sum()) / max(int(known["exchanges"].sum()), 1)
    return (
        f"one owner answers for {len(accounts):,} of {len(known):,} accounts and {share:.0%} of the"
        " exchanges: it distinguishes nobody, so its accounts were compared one by one"
    )


def _say_rolled(rolled: pl.DataFrame) -> str:
    accounts = len(rolled)
    owners = rolled["owner"].n_unique()
    were = "was" if accounts == 1 else "were"
    return (
        f"{counted(accounts, 'account')} {were} compared as"
        f" {counted(owners, 'declared owner')}, all accounts of an owner as if they were one: a"
        f" campaign inside one owner would not be seen as a group; {ACCOUNT_BY_ACCOUNT}"
    )
