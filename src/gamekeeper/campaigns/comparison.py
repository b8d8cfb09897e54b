"""From the sample to arrays that can be linked: numbered, encoded, in an order that does not depend
on names.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from gamekeeper.base.progress import OnProgress
from gamekeeper.campaigns.units import Units
from gamekeeper.encoding import (
    SHAPE_ENCODER,
    Payloads,
    cells,
    fragments,
    load_encoder,
    scale_features,
)
from gamekeeper.encoding.content import DIM, ContentEncoder
from gamekeeper.linking import LinkSample, find_sharers

_CHUNK = 16_384


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The sample, encoded.

    Args:
        rows: The sampled exchanges in order of unit number and time, with the columns `unit`,
            `number` and `cell`.
        accounts: Columns `account` (the key of the unit), `number`, `exchanges`, `first_seen`,
            `last_seen`, by number.
        members: Whose accounts the units are: columns `account`, `unit`, `label`, `owner`, `alias`,
            `number`, `exchanges`, `first_seen`, `last_seen`, one row an account.
        sample: The same rows as arrays; an account in it is a unit.
        encoders: Names and versions of what encoded them.
        content: What encoded them; None for features.
    """

    rows: pl.DataFrame
    accounts: pl.DataFrame
    members: pl.DataFrame
    sample: LinkSample
    encoders: tuple[str, ...]
    content: ContentEncoder | None = None

    @property
    def labels(self) -> list[str]:
        """What each unit is called, by number."""
        named = self.members.group_by("number").agg(pl.col("label").min())
        return named.sort("number")["label"].to_list()

    @property
    def called(self) -> str:
        """What a unit is called: an account, or an owner where accounts are linked as theirs."""
        return name_of_units(self.are_owners)

    @property
    def are_owners(self) -> np.ndarray:
        """Whether each unit is an owner; bool, by number."""
        is_owner = (pl.col("label") != pl.col("account")).any()
        units = self.members.group_by("number").agg(is_owner.alias("owner"))
        return units.sort("number")["owner"].to_numpy()

    @property
    def has_owners(self) -> bool:
        """Whether accounts of any owner are linked as one."""
        return self.called != "account"

    def accounts_of(self, units: np.ndarray) -> pl.DataFrame:
        """Returns the rows of `members` of these units (numbers)."""
        return self.members.filter(pl.col("number").is_in(units.tolist()))

    def regrouped(self, units: Units, totals: pl.DataFrame) -> "Comparison":
        """Returns the same exchanges with other units; nothing is encoded again.

        Args:
            units: Which accounts are one.
            totals: As `Intake.totals`.
        """
        keyed = units.key(self.rows.drop("unit", "number", "cell").with_row_index("place"))
        accounts, rows = _numbered(keyed, units.totals(totals))
        vectors = self.sample.vectors[rows["place"].to_numpy()]
        return _compared(
            rows.drop("place"), accounts, units, totals, vectors, self.content, self.encoders
        )


def compare(
    sampled: pl.DataFrame,
    totals: pl.DataFrame,
    encoder: str,
    on_progress: OnProgress,
    *,
    units: Units | None = None,
    most_of_unit: int = 1_024,
) -> Comparison:
    """Encodes a sample.

    Args:
        sampled: As `Intake.sample`.
        totals: As `Intake.totals`.
        encoder: Name of the content encoder.
        on_progress: Called with rows encoded and rows in all.
        units: Which accounts are linked as one; every account by itself where None.
        most_of_unit: Exchanges of a unit of several accounts that are compared, at most.
    """
    units = units or Units.of(totals, *_NOBODY)
    accounts, rows = _numbered(units.sample(sampled, most_of_unit), units.totals(totals))
    if rows["features"].null_count() < len(rows) and rows["prompt"].null_count() == len(rows):
        content = None
        vectors = scale_features(rows["features"])
        names: tuple[str, ...] = ("scaled-features/1",)
    else:
        # an exchange without text has no neighbours; see `_link_sample`
        rows = rows.with_columns(pl.col("prompt").fill_null(""))
        content = load_encoder(encoder)
        vectors = _encode(rows["prompt"], content, on_progress)
        names = (f"{content.name}/{content.version}", SHAPE_ENCODER)
    return _compared(rows, accounts, units, totals, vectors, content, names)


_NOBODY = (
    pl.DataFrame(schema={"account": pl.String, "owner": pl.String}),
    pl.DataFrame(schema={"account": pl.String, "alias": pl.String}),
)


def _numbered(keyed: pl.DataFrame, totals: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Units by number, and the rows in their order."""
    by_unit = keyed.select(pl.col("unit").alias("account"), "row_hash")
    accounts = number_accounts(by_unit, totals)
    numbers = accounts.select(pl.col("account").alias("unit"), "number")
    # the account comes last: it decides only between equal exchanges of one unit
    rows = keyed.join(numbers, on="unit").sort("number", "time", "row_hash", "account")
    return accounts, rows


def _compared(
    rows: pl.DataFrame,
    accounts: pl.DataFrame,
    units: Units,
    totals: pl.DataFrame,
    vectors: np.ndarray,
    content: ContentEncoder | None,
    encoders: tuple[str, ...],
) -> Comparison:
    numbers = accounts.select(pl.col("account").alias("unit"), "number")
    members = units.members.join(totals, on="account").join(numbers, on="unit")
    return Comparison(
        rows=rows.with_columns(pl.Series("cell", cells(vectors))),
        accounts=accounts,
        members=members,
        sample=_link_sample(rows, len(accounts), vectors, fragments(rows), content),
        encoders=encoders,
        content=content,
    )


def number_accounts(sampled: pl.DataFrame, totals: pl.DataFrame) -> pl.DataFrame:
    """Numbers accounts by what they sent, not by their names, so that renaming them changes
    nothing.
    """
    smallest = sampled.group_by("account").agg(
        pl.col("row_hash").min(), pl.col("row_hash").sum().alias("sum")
    )
    ordered = totals.join(smallest, on="account").sort("row_hash", "sum", "exchanges")
    return ordered.drop("row_hash", "sum").with_row_index("number")


def _encode(prompts: pl.Series, encoder: ContentEncoder, on_progress: OnProgress) -> np.ndarray:
    out = np.empty((len(prompts), DIM), np.float32)
    for start in range(0, len(prompts), _CHUNK):
        out[start : start + _CHUNK] = encoder.encode(prompts[start : start + _CHUNK].to_list())
        on_progress(min(start + _CHUNK, len(prompts)), len(prompts))
    return out


def _link_sample(
    rows: pl.DataFrame,
    accounts: int,
    vectors: np.ndarray,
    pieces: pl.DataFrame,
    encoder: ContentEncoder | None,
) -> LinkSample:
    # a prompt that cannot be compared repeats nothing
    asked = rows.select(pl.col("prompt_hash").fill_null(0).rank("dense") - 1).to_series()
    without_text = rows.select(pl.col("prompt").eq("").fill_null(False)).to_series()
    numbers = rows["number"].to_numpy().astype(np.int64)
    return LinkSample(
        accounts=numbers,
        account_count=accounts,
        time_s=rows["time"].dt.epoch("s").to_numpy(),
        vectors=vectors,
        prompts=asked.to_numpy().astype(np.int64),
        without_text=without_text.to_numpy(),
        fragments=pieces,
        payloads=Payloads(pieces, numbers, encoder, vectors if encoder is None else None),
        sharers=find_sharers(rows, accounts),
    )


def name_of_units(are_owners: np.ndarray) -> str:
    """Returns what units are called, by whether each is an owner."""
    if not are_owners.any():
        return "account"
    return "owner" if are_owners.all() else "account or owner"
