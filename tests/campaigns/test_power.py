"""What a hunt that found nothing could have found."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from campaigns.builders import claims_about, found_group, some_decoys, some_group, some_read
from gamekeeper.campaigns import SearchOptions, new_intake, search
from gamekeeper.campaigns.claims import Claims
from gamekeeper.campaigns.power import _is_found, _needed_rate
from gamekeeper.campaigns.result import PlantedCampaign, Power
from gamekeeper.exchange import conform
from gamekeeper.verdict import Policy

MEMBERS = np.arange(100, 112)
POLICY = Policy()


def own_claims(tested: int, decoys: int) -> Claims:
    """Claims of a log, none of which holds."""
    claims = claims_about(100, found_group(np.arange(3)))
    return replace(
        claims,
        tested=tested,
        decoys=some_decoys(np.zeros(decoys)),
        p_values=np.ones(tested),
    )


@pytest.mark.parametrize(
    ("first", "size", "found"),
    [(100, 12, True), (106, 6, True), (107, 5, False), (88, 24, False), (0, 12, False)],
    ids=["itself", "half of it", "less than half", "half others", "others"],
)
def test_planted_campaign_is_found_by_a_group_of_its_own(
    first: int, size: int, found: bool
) -> None:
    """A group that is mostly others', or holds a few of it, is not it."""
    group = some_group(np.full(size, 20), first=first)
    assert _is_found([group], MEMBERS, own_claims(3, 999), POLICY) == found


def test_planted_campaign_must_pass_beside_the_claims_of_the_log() -> None:
    """The best rank among nine decoys is not enough beside eight claims; from ten on, more is
    known than a rank.
    """
    group = some_group(np.full(12, 20), first=100)
    assert not _is_found([group], MEMBERS, own_claims(8, 9), POLICY)
    assert _is_found([group], MEMBERS, own_claims(8, 10), POLICY)


def test_rate_that_would_suffice_is_that_of_the_best_rank() -> None:
    """At this false discovery rate one claim above all decoys holds by itself, and not below."""
    claims = own_claims(8, 9)
    group = some_group(np.full(12, 20), first=100)
    needed = _needed_rate(claims)
    enough = Policy(false_discovery_rate=needed)
    assert _is_found([group], MEMBERS, claims, enough)
    less = Policy(false_discovery_rate=0.99 * needed)
    assert not _is_found([group], MEMBERS, claims, less)


def test_smallest_is_the_first_that_was_found() -> None:
    """Sizes come in order."""
    planted = [
        PlantedCampaign(accounts=n, exchanges_each=20, found=found)
        for n, found in ((8, False), (16, True), (32, True))
    ]
    power = Power(
        planted=tuple(planted), false_discovery_rate=0.01, claims=1, decoys=9, why=(), remedy=()
    )
    assert power.smallest == planted[1]


def deck(campaign: int, prompts: int, seed: int) -> Sequence[str]:
    return [
        f"task {seed} {campaign} {number} about {number * 7919 % 101}" for number in range(prompts)
    ]


def few_accounts(prompt: str | None) -> pl.DataFrame:
    times = pl.Series("time", np.arange(48) * 3_600_000_000 + 1_775_000_000_000_000)
    return conform(
        pl.DataFrame(
            {
                "time": times.cast(pl.Datetime("us", "UTC")),
                "account": [f"a{i % 12}" for i in range(48)],
                "prompt": pl.Series(
                    [prompt and f"{prompt} {i}" for i in range(48)], dtype=pl.String
                ),
            }
        )
    )


@pytest.mark.parametrize("prompt", ["a question about the coast", None], ids=["text", "no text"])
def test_log_of_a_dozen_accounts_could_have_shown_nothing(prompt: str | None) -> None:
    """It says so, why, and what to do; also where no exchange has any text."""
    intake = new_intake()
    intake.take(few_accounts(prompt))
    options = SearchOptions(encoder="hashing")
    result = search(intake, some_read(), options, deck=deck)
    assert result.could_find_nothing and result.power is not None
    assert result.power.smallest is None and result.power.why and result.power.remedy
    assert [planted.accounts for planted in result.power.planted] == [8]


def test_nothing_is_planted_unless_asked_for() -> None:
    """The guard searches every few minutes, and does not."""
    intake = new_intake()
    intake.take(few_accounts("a question"))
    result = search(intake, some_read(), SearchOptions(encoder="hashing"))
    assert result.power is None and not result.could_find_nothing


def test_owners_are_called_owners_and_what_they_hide_is_said() -> None:
    """Twelve accounts of four owners: owners are ranked, and the way to the accounts is named."""
    owned = few_accounts("a question").with_columns(
        pl.format("org {}", pl.col("account").str.slice(1).cast(pl.Int64) % 4).alias("owner")
    )
    intake = new_intake()
    intake.take(owned)
    result = search(intake, some_read(), SearchOptions(encoder="hashing"), deck=deck)
    said = " ".join(result.could_not_show)
    assert "only 4 ordinary owners to rank among" in said and "--owner-field none" in said
    assert "compared as 4 declared owners" in said and "accounts to rank among" not in said
    power = result.power
    assert power is not None and any("--owner-field none" in each for each in power.remedy)
    assert any("belong to one owner" in each for each in power.untested)
    assert not any("0 groups" in each for each in power.why)
