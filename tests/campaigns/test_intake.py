import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamekeeper.campaigns.comparison import compare, number_accounts
from gamekeeper.campaigns.intake import Intake
from gamekeeper.exchange import conform
from gamekeeper.signals import SIGNALS

NAMES = [n for n, s in SIGNALS.items() if not {"cell", "prompt_hash"} & set(s.card.needs)]


def log(rows: int, seed: int = 1) -> pl.DataFrame:
    """Rows of seven accounts; ten to a minute, so that times are equal."""
    rng = np.random.default_rng(seed)
    times = pl.Series("time", np.arange(rows) // 10 * 60_000_000 + 1_775_000_000_000_000).cast(
        pl.Datetime("us", "UTC")
    )
    names = [f"a{i}" for i in rng.integers(0, 7, rows)]
    prompts = [f"question {i} about the weather" for i in rng.permutation(rows)]
    return conform(
        pl.DataFrame(
            {
                "time": times,
                "account": pl.Series(names, dtype=pl.String),
                "prompt": pl.Series(prompts, dtype=pl.String),
                "ip": pl.Series(names, dtype=pl.String),
            }
        )
    )


def taken(*batches: pl.DataFrame, most: int = 1_000) -> Intake:
    intake = Intake(NAMES, most)
    for batch in batches:
        intake.take(batch)
    return intake


def state(intake: Intake) -> list[pl.DataFrame]:
    """All that stays, in an order of its own."""
    summaries = [frame.sort("account", "key") for _, frame in sorted(intake.summaries.items())]
    return [intake.totals.sort("account"), intake.sample.sort("row_hash"), *summaries]


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 300), max_size=5),
    seed=st.integers(0, 99),
    most=st.sampled_from([50, 120, 1_000]),
)
def test_batches_and_their_order_change_nothing(cuts: list[int], seed: int, most: int) -> None:
    """Totals, summaries and the sample are those of the log, however it comes; also where the
    sample is full.
    """
    whole = log(300)
    ends = [0, *sorted(cuts), 300]
    parts = [whole[a:b] for a, b in itertools.pairwise(ends)]
    order = np.random.default_rng(seed).permutation(len(parts))
    left = taken(whole, most=most)
    right = taken(*(parts[i] for i in order), most=most)
    assert all(a.equals(b) for a, b in zip(state(left), state(right), strict=True))


def test_sample_is_bounded_and_keeps_every_account() -> None:
    """A busy account loses more of its exchanges; no account is left out."""
    intake = taken(log(2_000), most=100)
    assert len(intake.sample) <= 100 and intake.sample["account"].n_unique() == 7
    assert intake.totals["exchanges"].sum() == 2_000


def test_names_of_accounts_do_not_choose_the_sample() -> None:
    """The same exchanges are drawn under other names."""
    renamed = log(500).with_columns(("z" + pl.col("account")).alias("account"))
    plain = taken(log(500), most=60).sample
    other = taken(renamed, most=60).sample
    assert plain["row_hash"].sort().equals(other["row_hash"].sort())


def test_order_of_rows_of_equal_time_changes_no_array() -> None:
    """What is linked comes out in one order, whatever the log's."""
    shuffled = log(400).sample(fraction=1.0, shuffle=True, seed=3).sort("time", maintain_order=True)
    assert not shuffled.equals(log(400))
    left, right = (
        compare(intake.sample, intake.totals, "hashing", lambda done, total: None)
        for intake in (taken(log(400)), taken(shuffled))
    )
    assert left.rows.equals(right.rows) and left.accounts.equals(right.accounts)
    assert np.array_equal(left.sample.vectors, right.sample.vectors)
    assert np.array_equal(left.sample.accounts, right.sample.accounts)


def test_exchange_without_text_is_linked_to_nobody() -> None:
    """It is no prompt that several sent: it has no neighbour, and repeats nothing."""
    without = pl.col("account").is_in(["a0", "a1"])
    frame = log(300).with_columns(
        pl.when(without).then(None).otherwise(pl.col("prompt")).alias("prompt")
    )
    intake = taken(frame)
    compared = compare(intake.sample, intake.totals, "hashing", lambda done, total: None)
    empty = compared.rows["account"].is_in(["a0", "a1"]).to_numpy()
    assert empty.any() and compared.sample.without_text[empty].all()
    assert compared.sample.adjacency[empty].nnz == compared.sample.adjacency[:, empty].nnz == 0
    assert compared.rows.filter(empty)["prompt_hash"].null_count() == empty.sum()


def test_accounts_are_numbered_by_what_they_sent() -> None:
    """Renaming keeps the numbers."""
    names = {f"a{i}": f"z{9 - i}" for i in range(7)}
    renamed = log(300).with_columns(pl.col("account").replace_strict(names))
    plain, other = (
        number_accounts(i.sample, i.totals)["account"].to_list()
        for i in (taken(log(300)), taken(renamed))
    )
    assert [names[name] for name in plain] == other


@pytest.mark.parametrize("rows", [0, 1])
def test_next_to_nothing_is_taken_in(rows: int) -> None:
    """A batch without rows is not an error."""
    intake = taken(log(rows))
    assert len(intake.sample) == len(intake.totals) == rows


def test_days_taken_in_apart_give_the_sample_of_both() -> None:
    """The guard keeps an intake a day, so that old days can go; absorbing them is the same as one
    intake.
    """
    rows = log(300)
    together = taken(rows)
    first = taken(rows[:120])
    second = taken(rows[120:])
    first.absorb(second)
    for part in ("sample", "totals"):
        one = getattr(together, part)
        other = getattr(first, part)
        assert one.sort(one.columns[:2] + one.columns[-1:]).equals(
            other.sort(one.columns[:2] + one.columns[-1:])
        )
    for name, summary in together.summaries.items():
        assert summary.sort("account", "key").equals(
            first.summaries[name].sort("account", "key")
        ), name
