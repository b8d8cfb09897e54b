import polars as pl
import pytest

from gamekeeper.base.errors import UsageError
from gamekeeper.exchange.columns import SCHEMA
from gamekeeper.simulate import LabelledTraffic, lexicon, simulate
from gamekeeper.simulate.account_kinds import Benchmarks
from gamekeeper.simulate.campaigns import PLANS
from gamekeeper.simulate.scene import Scene

KINDS = {
    "person",
    "app",
    "framework",
    "office",
    "classroom",
    "evaluator",
    "reseller",
    "redteam",
    "campaign",
    "key-pool",
    "relay",
}
SCRIPTS = {"zh": r"\p{Han}", "ru": r"\p{Cyrillic}", "ar": r"\p{Arabic}"}


def test_same_seed_gives_the_same_frames() -> None:
    """Two runs with one seed agree to the last cell; another seed does not."""
    one, two, other = (simulate(seed=seed, days=5, scale=0.02) for seed in (1, 1, 2))
    assert one.exchanges.equals(two.exchanges)
    assert one.labels.equals(two.labels)
    assert not one.exchanges.equals(other.exchanges)


def test_exchanges_are_columns_in_time_order(traffic: LabelledTraffic) -> None:
    """The log has the schema that every package expects."""
    assert dict(traffic.exchanges.schema) == SCHEMA
    assert traffic.exchanges["time"].is_sorted()
    assert (
        traffic.exchanges.select("time", "account", "prompt", "model")
        .null_count()
        .sum_horizontal()[0]
        == 0
    )


def test_labels_cover_all_accounts_once(traffic: LabelledTraffic) -> None:
    """Each account seen has one label, and each label an account."""
    assert traffic.labels["account"].is_unique().all()
    assert set(traffic.labels["account"]) == set(traffic.exchanges["account"])


def test_only_members_have_a_campaign(traffic: LabelledTraffic) -> None:
    """All kinds occur; `campaign` is null for the benign and set for the others."""
    labels = traffic.labels
    assert set(labels["kind"]) == KINDS
    assert (labels["campaign"].is_not_null() == (labels["kind"] == "campaign")).all()


def test_campaigns_keep_enough_accounts_at_any_scale(traffic: LabelledTraffic) -> None:
    """A campaign of fewer than twelve accounts would not be a campaign; the scraper is single by
    design.
    """
    counts = dict(traffic.labels.drop_nulls("campaign").group_by("campaign").len().iter_rows())
    assert set(counts) == {plan.name for plan in PLANS}
    assert counts.pop("lone-scraper") == 1
    assert min(counts.values()) >= 12


def test_names_tell_nothing_of_the_kind(traffic: LabelledTraffic) -> None:
    """In order of names, campaign accounts are mixed as in a shuffle: many runs, not one block."""
    is_campaign = traffic.labels.sort("account")["kind"] == "campaign"
    runs = is_campaign.rle().len()
    share = is_campaign.mean()
    expected = 2 * len(is_campaign) * share * (1 - share)
    assert runs == pytest.approx(expected, rel=0.25)


def test_turns_count_up_within_a_conversation(traffic: LabelledTraffic) -> None:
    """Turn k of a conversation is the k-th in time, from 0."""
    wrong = traffic.exchanges.filter(pl.col("turn") != pl.int_range(pl.len()).over("conversation"))
    assert wrong.is_empty()


def test_accounts_exist_before_they_call(traffic: LabelledTraffic) -> None:
    """No account calls before it is opened."""
    assert (traffic.exchanges["account_created"] <= traffic.exchanges["time"]).all()


def test_no_slot_is_left_in_a_prompt(traffic: LabelledTraffic) -> None:
    """Grammars are expanded to the end."""
    unfilled = traffic.exchanges.filter(pl.col("prompt").str.contains(r"\{[a-z_]+\}|<[qa]>|^$"))
    assert unfilled.is_empty()


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_scripts_beyond_latin_appear_among_persons(labelled: pl.DataFrame, script: str) -> None:
    """Ordinary people write in more than one script."""
    persons = (
        labelled.filter(kind="person")
        .group_by("account")
        .agg(pl.col("prompt").str.contains(script).any())
    )
    assert persons["prompt"].mean() > 0.02


@pytest.mark.parametrize("language", sorted(set(lexicon.SHARES) - set(SCRIPTS)))
def test_latin_languages_appear_among_persons(labelled: pl.DataFrame, language: str) -> None:
    """A language shows by a word that no other of ours has."""
    own_word = {
        "en": "the",
        "de": "ich",
        "es": "qué|hola|muy|puedo",
        "fr": "pour|avec",
        "pt": "você|não|minha|uma",
    }
    speaks = pl.col("prompt").str.to_lowercase().str.contains(rf"\b({own_word[language]})\b").any()
    persons = labelled.filter(kind="person").group_by("account").agg(speaks)
    assert persons["prompt"].mean() > 0.02


def test_campaign_never_asks_a_task_twice(labelled: pl.DataFrame) -> None:
    """Without cover, every prompt of a campaign differs; an attacker does not pay twice for an
    answer.
    """
    for name in ("instruct-es", "lone-scraper"):
        assert labelled.filter(campaign=name)["prompt"].is_unique().all()


def test_classrooms_repeat_each_other(labelled: pl.DataFrame) -> None:
    """Many ask from one sheet: most prompts were sent by another account too."""
    lessons = labelled.filter(kind="classroom")
    assert lessons.select((pl.col("account").n_unique().over("prompt") > 1).mean()).item() > 0.7


def test_evaluators_of_one_benchmark_share_its_items() -> None:
    """A benchmark is public: nine runs of four benchmarks share many items, and no run
    repeats one.
    """
    scene = Scene.open(seed=1, days=30)
    benchmarks = Benchmarks()
    runs = [set(benchmarks(scene)[0].prompts) for _ in range(9)]
    asked = sum(len(run) for run in runs)
    assert len(set().union(*runs)) < 0.8 * asked


def test_few_prompts_of_persons_are_shared_word_for_word(labelled: pl.DataFrame) -> None:
    """Past short replies, hardly any person writes what another writes."""
    long = labelled.filter(pl.col("kind") == "person", pl.col("prompt").str.len_chars() > 30)
    shared = pl.col("account").n_unique().over("prompt") > 1
    assert long.select(shared.mean()).item() < 0.04


def test_people_reuse_their_own_words(labelled: pl.DataFrame) -> None:
    """A rare word of a person comes back with the same person far more often than chance would have
    it.
    """
    persons = labelled.filter(pl.col("kind").is_in(["person", "office"]))
    words = persons.select(
        "account",
        "conversation",
        pl.col("prompt").str.to_lowercase().str.extract_all(r"\w{5,}").alias("word"),
    )
    uses = words.explode("word").drop_nulls().unique().group_by("word", "account").len()
    by_word = uses.group_by("word").agg(
        pl.col("len").sum().alias("uses"), pl.len().alias("accounts")
    )
    rare = by_word.filter(pl.col("uses").is_between(2, 6))
    assert (rare["accounts"] < rare["uses"]).mean() > 0.4


def test_a_campaign_moves_to_the_new_model_within_a_day(labelled: pl.DataFrame) -> None:
    """The pivoting campaign's share of the new model jumps at mid-month; that of persons rises slowly."""
    day = pl.col("time").dt.ordinal_day() - pl.lit(91)
    late = labelled.filter(day >= 17).group_by("kind", "campaign")
    shares = late.agg((pl.col("model") == "atlas-next").mean().alias("share"))
    assert shares.filter(campaign="math-traces-zh")["share"].item() > 0.5
    assert shares.filter(kind="person")["share"].item() < 0.3


@pytest.mark.parametrize(("days", "scale"), [(0, 1.0), (30, 0.0), (30, -1.0)])
def test_traffic_without_time_or_accounts_is_refused(days: int, scale: float) -> None:
    """An empty month is a mistake of the caller."""
    with pytest.raises(UsageError, match="days must be at least 1"):
        simulate(seed=1, days=days, scale=scale)
