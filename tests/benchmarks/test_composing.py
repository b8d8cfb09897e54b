"""What the composer of scenarios promises of the traffic that it writes."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest

from gamekeeper.encoding.content import load_encoder

from .conftest import Module

Compose = Callable[..., "Written"]


class Written:
    """Traffic as it was written: log, labels and deck."""

    def __init__(self, out: Path, base: Path) -> None:
        self.out = out
        self.log = pl.read_parquet(out / "exchanges.parquet")
        self.labels = pl.read_parquet(out / "labels.parquet")
        self.before = pl.read_parquet(base / "exchanges.parquet")
        self.own = self.log.join(self.before, on="account", how="anti", maintain_order="left")
        stolen = pl.read_parquet(out / "stolen.parquet")
        self.deck = self.own.join(stolen, on=["account", "time"], how="semi", maintain_order="left")


@pytest.fixture
def composed(module: Module, base: Path, tmp_path: Path) -> Compose:
    scenarios, compose = module("scenarios"), module("compose")

    def make(name: str, *, folder: str = "out", seed: int = 3, **changes: Any) -> Written:
        wanted = scenarios.scenario(name, {key: str(value) for key, value in changes.items()})
        out = compose.compose(base, wanted, tmp_path / folder, seed=seed, name=name)
        return Written(out, base)

    return make


@pytest.mark.parametrize(
    "name", ["plain-half", "relay-.2", "framers-8-1", "framers-template", "framers-network"]
)
def test_ordinary_rows_stay_as_they_were(composed: Compose, name: str) -> None:
    """Whatever is added; the rows of victims too, who are named."""
    written = composed(name)
    rest = written.log.join(written.own, on="account", how="anti", maintain_order="left")
    assert rest.sort(rest.columns[:3]).equals(written.before.sort(rest.columns[:3]))
    assert written.labels["account"].n_unique() == len(written.labels)
    assert set(written.labels["account"]) == set(written.log["account"])
    framed = {"framers-8-1": 1, "framers-template": 8, "framers-network": 1}
    assert written.labels["victim"].sum() == framed.get(name, 0)


def test_cover_has_its_share_and_no_task_comes_twice(composed: Compose) -> None:
    """Half of the exchanges are tasks of the deck, each asked once, and by nobody before."""
    written = composed("plain-half", accounts=40)
    assert abs(len(written.deck) / len(written.own) - 0.5) < 0.05
    assert written.deck["prompt"].n_unique() == len(written.deck)
    assert not set(written.deck["prompt"]) & set(written.before["prompt"])
    campaign = written.labels.filter(pl.col("campaign") == "plain-half")
    assert len(campaign) == 40 and campaign["stolen"].sum() == len(written.deck)
    assert (written.own["turn"] == 0).sum() == written.own["conversation"].n_unique()


def test_same_seed_writes_the_same_files(composed: Compose) -> None:
    """And another seed other ones."""
    one, again, other = (
        composed("subject-a-sitting", folder=folder, seed=seed, accounts=8)
        for folder, seed in (("one", 3), ("again", 3), ("other", 4))
    )
    for name in ("exchanges", "labels", "stolen"):
        files = [(w.out / f"{name}.parquet").read_bytes() for w in (one, again, other)]
        assert files[0] == files[1] != files[2]


def test_doubled_tasks_go_through_exactly_two_accounts(composed: Compose) -> None:
    """Exactly as they are; paraphrased ones come once each."""
    deck = composed("doubled", accounts=12).deck
    each = deck.group_by("prompt").agg(pl.len(), pl.col("account").n_unique().alias("accounts"))
    assert (each["accounts"] == each["len"]).all()
    assert (each["len"] == 2).sum() >= len(each) - 1  # one is alone where places are odd
    deck = composed("doubled-paraphrased", accounts=12).deck
    assert deck["prompt"].n_unique() > 0.99 * len(deck)


@pytest.mark.parametrize(("dealing", "unit"), [("sitting", "day"), ("account", "account")])
def test_subjects_are_dealt_as_the_scenario_says(
    composed: Compose, dealing: str, unit: str
) -> None:
    """Tasks of one unit are nearer to each other than tasks of different units."""
    deck = composed("plain@instructions", accounts=12, per_account=30, dealing=dealing).deck
    day = pl.concat_str("account", pl.col("time").dt.date()).alias("day")
    units = deck.with_columns(day)[unit].rank("dense").to_numpy()
    vectors = load_encoder().encode(deck["prompt"].to_list())
    similar = vectors @ vectors.T
    same = units[:, None] == units
    np.fill_diagonal(same, False)
    other = units[:, None] != units
    assert similar[same].mean() > similar[other].mean() + 0.05


def test_burners_have_one_sitting_and_the_banned_are_replaced(composed: Compose) -> None:
    """A replacement is opened after the ban and before its first exchange."""
    spans = (
        composed("burners", accounts=10)
        .own.group_by("account")
        .agg((pl.col("time").max() - pl.col("time").min()).alias("span"))
    )
    assert (spans["span"].dt.total_hours() < 6).all()
    banned = (
        composed("banned", accounts=6)
        .own.group_by("account")
        .agg(
            pl.len(),
            pl.col("time").min().alias("first"),
            pl.col("account_created").first().alias("opened"),
        )
    )
    assert len(banned) > 12 and banned["len"].max() < 15 + 8  # to the end of a conversation
    assert (banned["opened"] < banned["first"]).all()
    since = (banned["first"] - banned["opened"]).dt.total_hours()
    assert (since < 24).sum() >= len(banned) - 6


def test_a_relay_deals_whole_conversations_of_which_the_thief_has_a_share(
    composed: Compose,
) -> None:
    """Without a thief its accounts are no campaign; a declared owner is in the log."""
    written = composed("relay-.2", per_account=30)
    assert abs(len(written.deck) / len(written.own) - 0.2) < 0.01
    assert written.own["client"].n_unique() == 1
    pool = written.labels.filter(pl.col("kind") == "pool")
    assert len(pool) == 24 and (pool["campaign"] == "relay-.2").all()
    alone = composed("relay-0-declared", per_account=30)
    pool = alone.labels.filter(pl.col("kind") == "pool")
    assert pool["campaign"].is_null().all() and not len(alone.deck)
    assert (alone.own["owner"] == "org-relay").all()


def test_framers_paraphrase_and_never_copy(composed: Compose) -> None:
    """From one network, so many times a prompt; the tenants of a product share its template."""
    written = composed("framers-8-1", paraphrases=2)
    victim = written.labels.filter("victim")["account"][0]
    prompts = written.before.filter(pl.col("account") == victim)["prompt"]
    assert len(written.own) == 2 * len(prompts)
    assert not set(written.own["prompt"]) & set(prompts)
    assert written.own["ip"].n_unique() == 1
    template = composed("framers-template", attackers=4)
    kinds = (
        template.own.join(template.labels, on="account")
        .group_by("kind")
        .agg(pl.col("system").unique())
    )
    assert dict(kinds.iter_rows())["framer"] == dict(kinds.iter_rows())["tenant"]


def test_paraphrases_change_more_the_stronger_they_are(module: Module) -> None:
    """And keep most words even then; Chinese has no spaces and gets none."""
    paraphrase = module("texts").paraphrase
    text = "my disk is full and the cat sits on the old router. how do i mount it again? " * 8
    kept = []
    for strength in ("weak", "middle", "strong"):
        words = paraphrase(text, strength, Random(1)).split()
        kept.append((Counter(text.split()) & Counter(words)).total() / len(words))
        assert words != text.split()
    assert kept[0] > kept[1] > kept[2] > 0.5
    assert " " not in paraphrase("磁盘满了怎么办,猫坐在旧路由器上", "middle", Random(1))


def test_real_people_are_either_ordinary_or_cover(module: Module, tmp_path: Path) -> None:
    """And a text of the ordinary traffic is never handed out."""
    bases, texts = module("bases"), module("texts")
    data = tmp_path / "data"
    data.mkdir()
    for stem, by, _ in texts.PEOPLE:
        rows = [
            (f"{stem} person {i} says their thing {j}", f"{i}") for i in range(20) for j in range(5)
        ]
        frame = pl.DataFrame(rows, schema=["text", by], orient="row")
        frame.write_parquet(data / f"{stem}.parquet")
    bases._keep_people_apart([data], tmp_path, seed=1)
    for stem, by, _ in texts.PEOPLE:
        parts = [pl.read_parquet(tmp_path / p / f"{stem}.parquet")[by] for p in ("people", "cover")]
        assert len(parts[0]) == 65 and len(parts[1]) == 35
        assert not set(parts[0]) & set(parts[1])
    cover = pl.read_parquet(tmp_path / "cover" / f"{texts.PEOPLE[0][0]}.parquet")["text"]
    found = texts.RealTexts([tmp_path / "cover"], set(cover), Random(1))
    said = [text for _ in range(20) for text in found.talk(3)]
    assert len(set(said)) == len(said) and not set(said) & set(cover)


def test_unknown_scenarios_and_fields_are_named(module: Module) -> None:
    """With what there is."""
    scenario = module("scenarios").scenario
    with pytest.raises(SystemExit, match=r"no scenario thick; there are .*thin"):
        scenario("thick")
    with pytest.raises(SystemExit, match=r"thin has no colour; it has .*cover"):
        scenario("thin", {"colour": "red"})
    changed = scenario("thin@code", {"cover": "0.8", "days": "none", "declared": "true"})
    assert (changed.deck, changed.cover, changed.days, changed.declared) == (
        "code",
        0.8,
        None,
        True,
    )
