"""What a hunt finds, what it does not, and what it says of itself."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gamekeeper.base.errors import InputError
from gamekeeper.campaigns.result import (
    ACCOUNTS,
    EXAMPLES,
    LINKS,
    MAP,
    OWNER_LABEL,
    READINGS,
    TIMELINE,
)
from gamekeeper.hunt import HuntOptions, HuntResult, hunt
from gamekeeper.simulate import LabelledTraffic, simulate, simulate_classifier
from gamekeeper.verdict import Policy, Verdict
from hunt.conftest import CAMPAIGNS

FRAMES = {
    "accounts": ACCOUNTS,
    "readings": READINGS,
    "links": LINKS,
    "examples": EXAMPLES,
    "timeline": TIMELINE,
    "map": MAP,
}


def written(folder: Path, rows: pl.DataFrame | list[dict[str, Any]]) -> str:
    path = folder / "log.jsonl"
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows)
    frame.write_ndjson(path)
    return str(path)


def row(i: int, account: str = "a") -> dict[str, Any]:
    time = datetime(2026, 11, 2, 12, i % 60, tzinfo=UTC).isoformat()
    return {
        "time": time,
        "account": account,
        "prompt": f"question {i} about the weather of the coast",
    }


def require_whole(result: HuntResult) -> None:
    """Frames of their schemas; every account once; campaigns that agree with the frames."""
    for name, schema in FRAMES.items():
        assert dict(getattr(result, name).schema) == {
            k: pl.DataFrame(schema={k: v}).schema[k] for k, v in schema.items()
        }, name
    accounts = result.accounts
    assert accounts["account"].is_unique().all() and accounts["exchanges"].sum() == result.exchanges
    assert accounts["p_benign"].is_between(0, 1, closed="right").all()
    assert accounts["p_benign"].is_sorted()
    for campaign in result.campaigns:
        members = accounts.filter(pl.col("campaign") == campaign.id)
        assert members["account"].sort().to_list() == list(campaign.accounts)
        verdicts = {one.account: str(one.verdict) for one in campaign.members}
        assert dict(members.select("account", "verdict").iter_rows()) == verdicts
        assert str(campaign.verdict) in verdicts.values()
        assert members["exchanges"].sum() == campaign.exchanges >= campaign.linked
        assert 0 < campaign.p_benign <= 1 and campaign.first_seen <= campaign.last_seen
        assert result.links.filter(pl.col("campaign") == campaign.id).height == campaign.links
    assert accounts.filter(pl.col("campaign").is_null())["verdict"].unique().to_list() in (
        [],
        ["allow"],
    )
    ids = {campaign.id for campaign in result.campaigns}
    for frame in (result.links, result.examples, result.timeline):
        assert set(frame["campaign"]) <= ids
    assert set(result.map["campaign"].drop_nulls()) <= ids
    seen = set(accounts["account"]) | {OWNER_LABEL + o for o in accounts["owner"].drop_nulls()}
    assert set(result.readings["subject"]) <= ids | seen


def test_planted_campaigns_are_found_and_people_are_not(
    month: LabelledTraffic, result: HuntResult
) -> None:
    """Each campaign by itself, with nearly all of its members and hardly anybody else."""
    found = [
        month.labels.filter(pl.col("account").is_in(campaign.accounts))["campaign"].to_list()
        for campaign in result.campaigns
    ]
    assert len(found) == len(CAMPAIGNS)
    for name in CAMPAIGNS:
        best = max(found, key=lambda members: members.count(name))
        assert best.count(name) >= 11 and len(best) <= 14


def test_verdict_follows_from_families_and_reasons_are_given(result: HuntResult) -> None:
    """Who is limited can be told by what, against what, and what an innocent explanation
    would be.
    """
    for campaign in result.campaigns:
        assert campaign.verdict in (Verdict.SLOW, Verdict.LIMIT) and len(campaign.families) >= 2
        assert campaign.reasons and campaign.innocent and campaign.fragments
        readings = result.readings.filter(pl.col("subject") == campaign.id)
        assert set(campaign.families) <= set(readings["family"])
        assert readings["decoys"].min() >= 20  # type: ignore[operator]


def test_result_is_whole(result: HuntResult, month: LabelledTraffic) -> None:
    """All frames are there, of their schemas, and agree."""
    require_whole(result)
    assert result.exchanges == len(month.exchanges) and result.accounts.height == len(month.labels)
    assert result.encoders and set(result.seconds) >= {"read", "encode", "link", "weigh"}
    assert result.map.height and result.timeline.height and result.examples.height


def test_benign_traffic_raises_no_campaign(month: LabelledTraffic, tmp_path: Path) -> None:
    """The same people without the campaigns: classes, offices, apps and benchmarks among them."""
    people = month.labels.filter(pl.col("campaign").is_null())
    found = hunt([written(tmp_path, month.exchanges.join(people, on="account", how="semi"))])
    require_whole(found)
    assert found.campaigns == () and set(found.accounts["verdict"]) == {"allow"}


@pytest.mark.slow
def test_larger_benign_month_raises_no_campaign(tmp_path: Path) -> None:
    """Another seed, three times as many people; a key pool may be watched."""
    made = simulate(seed=7, scale=0.3)
    people = made.labels.filter(pl.col("campaign").is_null())
    made.exchanges.join(people, on="account", how="semi").write_parquet(tmp_path / "x.parquet")
    found = hunt([str(tmp_path / "x.parquet")])
    pools = set(made.labels.filter(pl.col("kind") == "key-pool")["account"])
    assert all(campaign.verdict == Verdict.WATCH for campaign in found.campaigns)
    assert {name for campaign in found.campaigns for name in campaign.accounts} <= pools


@pytest.fixture(scope="module")
def tabular(tmp_path_factory: pytest.TempPathFactory) -> tuple[LabelledTraffic, HuntResult]:
    """A classifier's log and what was found in it."""
    made = simulate_classifier(seed=1, days=20)
    return made, hunt([written(tmp_path_factory.mktemp("tabular"), made.exchanges)])


def kinds(made: LabelledTraffic, accounts: tuple[str, ...]) -> set[str]:
    return set(made.labels.filter(pl.col("account").is_in(accounts))["kind"])


def test_tabular_log_is_hunted(tabular: tuple[LabelledTraffic, HuntResult]) -> None:
    """Rows of numbers: the sweep is found by content; the result says that there are no prompts."""
    made, found = tabular
    require_whole(found)
    linked = [campaign for campaign in found.campaigns if len(campaign.accounts) > 1]
    assert len(linked) == 1 and kinds(made, linked[0].accounts) == {"campaign"}
    sweep = set(made.labels.filter(pl.col("campaign") == "sweep")["account"])
    assert len(sweep & set(linked[0].accounts)) >= 0.9 * len(sweep)
    assert any("features, no prompts" in sentence for sentence in found.could_not_show)
    assert found.encoders == ("scaled-features/1",)


def test_ordinary_caller_of_a_tabular_api_is_no_lone_scraper(
    tabular: tuple[LabelledTraffic, HuntResult],
) -> None:
    """Who scores a portfolio by itself is left alone."""
    made, found = tabular
    assert all(kinds(made, campaign.accounts) == {"campaign"} for campaign in found.campaigns)


def test_prompts_and_features_in_one_log_are_refused(tmp_path: Path) -> None:
    """Two APIs in one log have nothing to be compared by."""
    rows = [row(1) | {"features": None}, row(2) | {"prompt": None, "features": [1.0, 2.0]}]
    with pytest.raises(InputError, match="prompts and features in one log"):
        hunt([written(tmp_path, rows)])


def test_log_of_time_account_and_prompt_is_enough(month: LabelledTraffic, tmp_path: Path) -> None:
    """Campaigns are found by content and shape; what the log could not show is named."""
    least = month.exchanges.select("time", "account", "prompt").unique(maintain_order=True)
    found = hunt([written(tmp_path, least)])
    require_whole(found)
    assert len(found.campaigns) == len(CAMPAIGNS)
    told = next(
        sentence for sentence in found.could_not_show if sentence.startswith("the log has no")
    )
    for absent in (
        "model",
        "ip",
        "payment",
        "account_created",
        "pivot",
        "shared-ip",
        "sign-up-burst",
    ):
        assert absent in told
    assert {r["family"] for r in found.readings.iter_rows(named=True)}.isdisjoint(
        {"infrastructure", "pivot"}
    )


@pytest.mark.parametrize(
    "rows",
    [
        [row(1)],
        [row(1), row(2), row(3)],
        [row(1, "a"), row(2, "b"), row(3, "c")],
        [row(i) for i in range(60)],
        [row(i, f"a{i % 12}") for i in range(48)],
        [row(1) | {"prompt": None, "features": [1.0]}],
        [row(i, f"a{i % 6}") | {"prompt": None, "features": [float(i), 1.0]} for i in range(40)],
    ],
    ids=[
        "1 row",
        "1 account",
        "3 accounts",
        "60 rows",
        "12 accounts",
        "1 number",
        "numbers",
    ],
)
def test_small_logs_are_hunted_and_nothing_is_found(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    """No crash, no campaign, no verdict; and the result says that there are too few to tell."""
    found = hunt([written(tmp_path, rows)], HuntOptions(encoder="hashing"))
    require_whole(found)
    assert found.campaigns == () and found.exchanges == len(rows)
    # a tabular log has no prompts to plant
    assert found.could_find_nothing == ("prompt" in found.read.columns_seen)
    assert any("to rank among" in sentence for sentence in found.could_not_show)


def test_log_without_any_text_is_refused(tmp_path: Path) -> None:
    """Nothing could be compared; a blank prompt is no text."""
    log = written(tmp_path, [row(1) | {"prompt": ""}])
    with pytest.raises(InputError, match=r"no exchange of the log holds text\n.*1 exchange, "):
        hunt([log], HuntOptions(encoder="hashing"))


def test_redacted_result_holds_no_prompt(month: LabelledTraffic, log: Path) -> None:
    """Nowhere: not in examples, not in fragments, not in reasons; neither whole nor by its
    sentences.
    """
    found = hunt([str(log)], HuntOptions(redact=True, encoder="hashing"))
    require_whole(found)
    assert found.redacted and found.campaigns and found.examples.height
    texts = [
        json.dumps(getattr(found, name).rows(), default=str, ensure_ascii=False) for name in FRAMES
    ]
    shown = "\n".join(
        [*texts, repr(found.campaigns), repr(found.could_not_show), repr(found.read)]
    ).lower()
    said = pl.concat([month.exchanges["prompt"], month.exchanges["system"]]).drop_nulls().unique()
    sentences = said.str.to_lowercase().str.split("\n").explode().str.strip_chars(' .?!:"')
    long = sentences.filter(sentences.str.len_chars() >= 20).unique()
    assert len(long) > 1_000 and not [text for text in long if text in shown]


def test_stages_are_reported_in_order(tmp_path: Path) -> None:
    """A long run reports how far it is; done never exceeds all."""
    stages: list[tuple[str, int, int]] = []
    rows = [row(i, f"a{i % 12}") for i in range(48)]
    hunt(
        [written(tmp_path, rows)],
        HuntOptions(encoder="hashing"),
        on_stage=lambda *stage: stages.append(stage),
    )
    names = [name for name, _, _ in stages]
    assert names == sorted(names, key=["read", "encode", "link", "plant"].index)
    assert all(0 <= done <= total for _, done, total in stages)


def test_family_left_out_is_not_counted(log: Path) -> None:
    """`without` shape: campaigns stand on what is left, and no reading of shape is counted."""
    options = HuntOptions(policy=Policy(without=frozenset({"shape"})), encoder="hashing")
    found = hunt([str(log)], options)
    assert "shape" not in set(found.readings["family"])
    assert all("shape" not in campaign.families for campaign in found.campaigns)
