"""From the sample to arrays that can be linked: numbered, encoded, in an order that does not depend
on names.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from gamekeeper.base.progress import OnProgress
from gamekeeper.encoding import (
    SHAPE_ENCODER,
    Payloads,
    cells,
    fragments,
    load_encoder,
    scale_features,
)
from gamekeeper.encoding.content import DIM, ContentEncoder
from gamekeeper.linking import LinkSample

_CHUNK = 16_384


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The sample, encoded.

    Args:
        rows: The sampled exchanges in order of account number and time, with the column `cell`.
        accounts: Columns `account`, `number`, `exchanges`, `first_seen`, `last_seen`, by number.
        sample: The same rows as arrays.
        encoders: Names and versions of what encoded them.
    """

    rows: pl.DataFrame
    accounts: pl.DataFrame
    sample: LinkSample
    encoders: tuple[str, ...]


def compare(
    sampled: pl.DataFrame, totals: pl.DataFrame, encoder: str, on_progress: OnProgress
) -> Comparison:
    """Encodes a sample.

    Args:
        sampled: As `Intake.sample`.
        totals: As `Intake.totals`.
        encoder: Name of the content encoder.
        on_progress: Called with rows encoded and rows in all.
    """
    accounts = number_accounts(sampled, totals)
    rows = sampled.join(accounts.select("account", "number"), on="account").sort(
        "number", "time", "row_hash"
    )
    if rows["prompt"].null_count() == len(rows):
        content = None
        vectors = scale_features(rows["features"])
    else:
        rows = rows.with_columns(pl.col("prompt").fill_null(""))
        content = load_encoder(encoder)
        vectors = _encode(rows["prompt"], content, on_progress)
    pieces = fragments(rows)
    sample = _link_sample(rows, len(accounts), vectors, pieces, content)
    names = (
        ("scaled-features/1",)
        if content is None
        else (f"{content.name}/{content.version}", SHAPE_ENCODER)
    )
    return Comparison(
        rows=rows.with_columns(pl.Series("cell", cells(vectors))),
        accounts=accounts,
        sample=sample,
        encoders=names,
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
    repeated = rows.select(
        (pl.col("number").n_unique().over("prompt_hash") > 1) | (pl.col("prompt") == "")
    )
    numbers = rows["number"].to_numpy().astype(np.int64)
    return LinkSample(
        accounts=numbers,
        account_count=accounts,
        time_s=rows["time"].dt.epoch("s").to_numpy(),
        vectors=vectors,
        repeated=repeated.to_series().fill_null(False).to_numpy(),
        fragments=pieces,
        payloads=Payloads(pieces, numbers, encoder, vectors if encoder is None else None),
    )
