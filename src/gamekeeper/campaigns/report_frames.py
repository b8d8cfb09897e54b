"""What a report shows of a hunt, as small frames: links, exchanges over time, a map, examples."""

from collections.abc import Collection, Sequence

import numpy as np
import polars as pl

from gamekeeper.base.text import mask_secrets
from gamekeeper.campaigns.claims import Claims, FoundGroup
from gamekeeper.campaigns.comparison import Comparison
from gamekeeper.campaigns.result import EXAMPLES, LINKS, MAP, TIMELINE

_SPANS = 60  # spans of time in a picture
# prompts drawn on the map
_MAP_CAMPAIGN = 400
_MAP_ORDINARY = 1_500
_EXAMPLES_OF_ACCOUNT = 3
_EXAMPLE_CHARS = 1_200
# looked at beyond the cut, so that a secret across it is masked whole
_CUT_SECRET_CHARS = 400
LINKS_OF_CAMPAIGN = 5_000
"""Links of one campaign and family that are kept, the strongest."""


def links_frame(
    compared: Comparison, claims: Claims, names: Sequence[str], without: Collection[str]
) -> tuple[pl.DataFrame, list[int]]:
    """Pairs of accounts of one campaign whose linked exchanges are neighbours or share a
    template; those of a family in `without` are left out.

    Returns:
        The strongest of each campaign and family, a frame of `LINKS`; and how many there are in
        all, by campaign.
    """
    account = compared.labels
    frames = [pl.DataFrame(schema=LINKS)]
    in_all = [0] * len(names)
    for number, (name, found) in enumerate(zip(names, claims.found, strict=True)):
        for family, a, b, weight in _pairs(compared, found):
            if family in without:
                continue
            in_all[number] += len(weight)
            top = np.argsort(-weight, kind="stable")[:LINKS_OF_CAMPAIGN]
            ends = {"a": [account[i] for i in a[top]], "b": [account[i] for i in b[top]]}
            frames.append(
                pl.DataFrame(
                    {"campaign": name, **ends, "family": family, "exchanges": weight[top]},
                    schema=LINKS,
                )
            )
    return pl.concat(frames), in_all


def _pairs(
    compared: Comparison, found: FoundGroup
) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    sample = compared.sample
    out = []
    near = sample.adjacency[found.rows][:, found.rows].tocoo()
    ends = np.sort(np.stack([found.senders[near.row], found.senders[near.col]]), axis=0)
    pairs, weight = np.unique(ends, axis=1, return_counts=True)
    out.append(("content", pairs[0], pairs[1], weight.astype(float)))
    for group in found.groups:
        if group.family == "shape":
            kept, uses = np.unique(sample.accounts[group.rows], return_counts=True)
            a, b = np.triu_indices(len(kept), k=1)
            out.append(("shape", kept[a], kept[b], np.minimum(uses[a], uses[b]).astype(float)))
    return out


def timeline_frame(
    slots: pl.DataFrame, compared: Comparison, claims: Claims, names: Sequence[str]
) -> pl.DataFrame:
    """Exchanges of each campaign over time, and the mean of as many ordinary accounts.

    Args:
        slots: Summary of the signal `even-pace`: exchanges by account and six-hour slot.
        compared: The sample.
        claims: What was found.
        names: The campaigns' names.
    """
    frames = [pl.DataFrame(schema=TIMELINE)]
    counts = slots.join(compared.accounts.select("account", "number"), on="account")
    counts = counts.with_columns(
        pl.from_epoch(pl.col("key").cast(pl.Int64) * 6 * 3600).alias("time")
    )
    if not len(counts):
        return frames[0]
    length = counts.select((pl.col("time").max() - pl.col("time").min()).dt.total_hours()).item()
    hours = max(6, length // _SPANS)
    counts = counts.with_columns(pl.col("time").dt.truncate(f"{hours}h").cast(TIMELINE["time"]))
    spans = counts.select(
        pl.datetime_range(pl.col("time").min(), pl.col("time").max(), f"{hours}h").alias("time")
    )
    ordinary = _over_time(counts, claims.innocent, spans, "ordinary")
    for name, found in zip(names, claims.found, strict=True):
        share = len(found.accounts) / max(len(claims.innocent), 1)
        own = _over_time(counts, found.accounts, spans, "exchanges")
        both = own.join(ordinary, on="time").with_columns(
            pl.col("ordinary") * share, pl.lit(name).alias("campaign")
        )
        frames.append(both.select(TIMELINE.keys()))
    return pl.concat(frames)


def _over_time(
    counts: pl.DataFrame, accounts: np.ndarray, spans: pl.DataFrame, name: str
) -> pl.DataFrame:
    some = (
        counts.filter(pl.col("number").is_in(accounts.tolist()))
        .group_by("time")
        .agg(pl.col("count").sum().alias(name))
    )
    return spans.join(some, on="time", how="left").fill_null(0.0).sort("time")


def map_frame(
    compared: Comparison, claims: Claims, names: Sequence[str], seed: int
) -> pl.DataFrame:
    """Prompts on the two leading principal components of those drawn; campaigns' linked prompts
    marked.
    """
    rng = np.random.default_rng(seed)
    rows = []
    label = []
    held = np.concatenate([f.rows for f in claims.found]) if claims.found else np.zeros(0, int)
    others = np.setdiff1d(np.arange(len(compared.rows)), held)
    for name, choice, most in [
        (None, others, _MAP_ORDINARY),
        *((n, f.rows, _MAP_CAMPAIGN) for n, f in zip(names, claims.found, strict=True)),
    ]:
        some = rng.permutation(choice)[:most]
        rows.append(some)
        label += [name] * len(some)
    drawn = np.concatenate(rows)
    if len(drawn) < 3:
        return pl.DataFrame(schema=MAP)
    centred = compared.sample.vectors[drawn] - compared.sample.vectors[drawn].mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    place = (left[:, :2] * scale[:2]).astype(float)
    return pl.DataFrame(
        {
            "x": place[:, 0],
            "y": place[:, 1],
            "campaign": label,
            "account": compared.rows["account"][drawn],
        },
        schema=MAP,
    )


def examples_frame(
    compared: Comparison, claims: Claims, names: Sequence[str], seed: int, redact: bool
) -> pl.DataFrame:
    """A few linked exchanges of every member; for tabular APIs with the features as the prompt."""
    rng = np.random.default_rng(seed)
    frames = [pl.DataFrame(schema=EXAMPLES)]
    features = pl.format(
        "[{}]", pl.col("features").list.eval(pl.element().round(4).cast(pl.String)).list.join(", ")
    )
    prompt = pl.when(pl.col("prompt") != "").then(pl.col("prompt"))
    text = pl.coalesce(prompt, features).str.slice(0, _EXAMPLE_CHARS + _CUT_SECRET_CHARS)
    for name, found in zip(names, claims.found, strict=True):
        order = np.lexsort((rng.random(len(found.rows)), found.senders))
        nth = np.arange(len(order)) - np.searchsorted(found.senders[order], found.senders[order])
        rows = compared.rows[np.sort(found.rows[order[nth < _EXAMPLES_OF_ACCOUNT]])]
        rows = rows.with_columns(text.alias("prompt"), pl.lit(name).alias("campaign"))
        frames.append(rows.select(EXAMPLES.keys()).cast(EXAMPLES))  # type: ignore[arg-type]
    examples = pl.concat(frames)
    if redact:
        return examples.with_columns(pl.lit(None, pl.String).alias(c) for c in ("system", "prompt"))
    masked = examples.with_columns(_masked(name) for name in ("model", "system", "prompt"))
    return masked.with_columns(pl.col("prompt").str.slice(0, _EXAMPLE_CHARS))


def _masked(column: str) -> pl.Expr:
    """A text column with the secrets masked that users paste into prompts."""
    return pl.col(column).map_elements(mask_secrets, return_dtype=pl.String)


def shared_fragments(compared: Comparison, found: FoundGroup, most: int = 6) -> tuple[str, ...]:
    """The sentences that most of a campaign's accounts share and fewest others use."""
    pieces = compared.sample.fragments
    sender = pl.Series("sender", compared.sample.accounts[pieces["row"].to_numpy()])
    spread = (
        pieces.with_columns(sender)
        .group_by("fragment")
        .agg(
            pl.col("text").first(),
            pl.col("sender").n_unique().alias("all"),
            pl.col("sender")
            .filter(pl.col("row").is_in(found.rows.tolist()))
            .n_unique()
            .alias("inside"),
        )
    )
    common = spread.filter((pl.col("inside") >= 5) & (pl.col("inside") > 0.5 * pl.col("all")))
    ordered = common.sort("inside", "text", descending=[True, False])["text"].head(most)
    return tuple(mask_secrets(text) for text in ordered)
