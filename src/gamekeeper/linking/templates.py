"""Rare prompt shapes shared by many.

A fragment (see `encoding.shape`) that several accounts use, but not too many of all, is a shared
shape. Fragments whose accounts overlap far more than their frequencies explain belong to one
template; a template's exchanges are those that hold any of its fragments.
"""

import numpy as np
import polars as pl
import scipy.sparse as sp

from gamekeeper.linking.card import Card

SHAPE = Card(
    name="shared-shape",
    family="shape",
    purpose=("How many accounts use the same rare template with different content."),
    unit=(
        "sum over accounts of log2(1 + linked prompts), so that one busy account does not count for"
        " many; times (1 - memory / .5) squared, the part that subjects of each account's own do"
        " not explain, and times the square of the share of neighbours that are inside"
    ),
    needs=("prompt",),
    look_alikes="users of one agent framework or prompt library; tenants of one product",
    evasions="paraphrasing every template (costs a model call each; `content` remains)",
    source=(
        "Yang et al., Free the Birds (EvilCohort), USENIX Security 2015, for shared entities as"
        " links; inverse-frequency caps after Hooi et al., FRAUDAR, KDD 2016"
    ),
)

MIN_ACCOUNTS = 5
_MAX_SHARE = 0.05  # of all accounts; a more common shape is not evidence
_MAX_FLOOR = 200  # accounts; in a small log a share alone would cap too low
_MIN_OVERLAP = 4  # accounts that two fragments of one template share, at least
_MIN_JACCARD = 0.25
_MIN_LIFT = 3.0  # over what their frequencies explain
_MAX_PAIRS = 20_000  # fragments compared pairwise, the most shared first


def shared_shapes(
    fragments: pl.DataFrame, accounts: np.ndarray, account_count: int
) -> list[np.ndarray]:
    """Finds the templates that accounts share.

    Args:
        fragments: As `encoding.fragments` returns them.
        accounts: Account number of each exchange, shape (n,).
        account_count: Number of accounts.

    Returns:
        For each template, the exchanges (row numbers, ascending) that hold it; largest first.
    """
    uses = _rare_and_shared(fragments, accounts, account_count)
    if not len(uses):
        return []
    template = _templates(uses, account_count)
    rows = uses.join(template, on="fragment").select("template", "row").unique()
    found = (
        rows.group_by("template")
        .agg(pl.col("row").sort())
        .sort(pl.col("row").list.len(), descending=True)
    )
    return [
        np.asarray(r, dtype=np.int64)
        for r in found.sort(
            pl.col("row").list.len(), pl.col("row").list.first(), descending=[True, False]
        )["row"].to_list()
    ]


def _rare_and_shared(
    fragments: pl.DataFrame, accounts: np.ndarray, account_count: int
) -> pl.DataFrame:
    uses = fragments.select(
        "row", "fragment", pl.Series("account", accounts[fragments["row"].to_numpy()])
    )
    spread = uses.group_by("fragment").agg(pl.col("account").n_unique().alias("spread"))
    cap = max(_MAX_FLOOR, _MAX_SHARE * account_count)
    rare = spread.filter(pl.col("spread").is_between(MIN_ACCOUNTS, cap))
    rare = rare.sort("spread", "fragment", descending=[True, False]).head(_MAX_PAIRS)
    return uses.join(rare.select("fragment"), on="fragment").unique()


def _templates(uses: pl.DataFrame, account_count: int) -> pl.DataFrame:
    """Columns `fragment` and `template`: groups of fragments that the same accounts use."""
    pairs = uses.select("fragment", "account").unique().sort("fragment", "account")
    names = pairs["fragment"].unique(maintain_order=True)
    fragment = pairs["fragment"].rle_id().to_numpy()
    shape = (account_count, len(names))
    held = sp.csr_matrix(
        (np.ones(len(pairs), np.float32), (pairs["account"].to_numpy(), fragment)), shape=shape
    )
    group = _communities((held.T @ held).tocoo(), account_count, len(names))
    return pl.DataFrame({"fragment": names, "template": group})


def _communities(together: sp.coo_matrix, account_count: int, fragment_count: int) -> np.ndarray:
    from gamekeeper.linking.communities import communities

    spread = np.zeros(fragment_count)
    own = together.row == together.col
    spread[together.row[own]] = together.data[own]
    a = together.row
    b = together.col
    both = together.data
    jaccard = both / (spread[a] + spread[b] - both)
    expected = spread[a] * spread[b] / account_count
    tied = (
        (a < b) & (both >= _MIN_OVERLAP) & (jaccard > _MIN_JACCARD) & (both > _MIN_LIFT * expected)
    )
    return communities(fragment_count, a[tied], b[tied], jaccard[tied], resolution=1.0)
