"""What a report says of each member of a campaign."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from gamekeeper.base.errors import InputError
from gamekeeper.campaigns.result import HuntResult, distance
from gamekeeper.report import campaigns_document, explanation_json, read_folder, write_folder
from gamekeeper.report.atlas import techniques
from gamekeeper.report.explanation import evidence_of_members, readings_of
from gamekeeper.report.html import render_html
from gamekeeper.report.terminal import print_explanation, print_hunt
from gamekeeper.verdict import Member, Verdict
from report.builders import make_campaign, make_result
from report.test_terminal import printed


def mixed() -> HuntResult:
    """A campaign of twelve, of which the last shows only content itself."""
    campaign = make_campaign("C1")
    *thieves, victim = campaign.known_members
    shows = Member(account=victim.account, verdict=Verdict.WATCH, families=("content",))
    result = make_result([campaign])
    campaign = replace(campaign, members=(*thieves, shows))
    is_victim = pl.col("account") == victim.account
    accounts = result.accounts.with_columns(
        pl.when(is_victim).then(pl.lit("watch")).otherwise("verdict").alias("verdict"),
        pl.when(is_victim).then(["content"]).otherwise("families").alias("families"),
    )
    return replace(result, campaigns=(campaign,), accounts=accounts)


def test_each_member_is_listed_with_what_it_shows() -> None:
    """In the document for programs, on the page and on the terminal."""
    result = mixed()
    (document,) = campaigns_document(result)["campaigns"]
    assert [one["account"] for one in document["members"]] == document["accounts"]
    assert document["members"][-1]["verdict"] == "watch" and document["verdict"] == "limit"
    page = render_html(result)
    assert "What each account shows itself" in page and "Limit for 11, watch for 1" in page
    explained = printed(lambda console: print_explanation(result, "C1", console))
    assert "limit for 11, watch for 1" in explained and "c1-0000: limit" in explained
    assert "11 of 12" in printed(lambda console: print_hunt(result, console, "found"))


def test_member_is_explained_with_what_it_shows_itself() -> None:
    """And with what counts against its campaign beside it."""
    result = mixed()
    said = printed(lambda console: print_explanation(result, "c1-0011", console))
    assert "watch (look closer, change nothing)" in said
    assert "(content, shape, infrastructure) it shows itself: content" in said
    assert explanation_json(result, "c1-0011")["families"] == ["content"]
    first = evidence_of_members(result, result.campaigns[0], 1)
    assert first[0].member.account == "c1-0000" and len(first[0].says) == 4


def test_folder_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """It does not say what each member shows: all have what the campaign has."""
    out = tmp_path / "found"
    write_folder(mixed(), out)
    path = out / "campaigns.json"
    document = json.loads(path.read_text())
    for campaign in document["campaigns"]:
        del campaign["members"], campaign["atlas"]
    path.write_text(json.dumps(document))
    for name, column in (("verdicts", "families"), ("evidence/readings", "counts")):
        frame = pl.read_parquet(out / f"{name}.parquet").drop(column)
        frame.write_parquet(out / f"{name}.parquet")
    (campaign,) = read_folder(out).campaigns
    assert {member.verdict for member in campaign.known_members} == {Verdict.LIMIT}
    assert explanation_json(read_folder(out), "c1-0000")["families"] == []
    assert "What each account shows itself" in render_html(read_folder(out))


@pytest.mark.parametrize("members", [[{"account": "a"}], [5], {"a": 1}, [{"verdict": "no"}]])
def test_members_cut_by_hand_are_a_fault(tmp_path: Path, members: object) -> None:
    """And not a crash."""
    out = tmp_path / "found"
    write_folder(mixed(), out)
    path = out / "campaigns.json"
    document = json.loads(path.read_text())
    document["campaigns"][0]["members"] = members
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="damaged"):
        read_folder(out)


def test_readings_come_by_their_distance_from_ordinary() -> None:
    """Those that count first: at the floor of p all would be equal."""
    result = make_result([make_campaign("C1")])
    rows = readings_of(result, "C1")
    assert rows["counts"].to_list() == sorted(rows["counts"], reverse=True)
    levels = rows.filter("counts").select("value", "ordinary", "ordinary_high").rows()
    far = [distance(*level) for level in levels]
    assert far[:-1] == sorted(far[:-1], reverse=True) and rows["signal"][0] == "shared_cards"


def test_distance_is_in_steps_to_the_95th_percentile() -> None:
    """Towards suspicion, also where less is more suspicious or nothing varies."""
    assert distance(3.0, 1.0, 2.0) == 2.0 and distance(0.0, 1.0, 0.5) == 2.0
    assert distance(5.0, 0.0, 0.0) == 100.0 and distance(0.0, 0.0, 0.0) == 0.0


def test_techniques_of_atlas_follow_from_the_families() -> None:
    """Every campaign is an extraction; a schedule is one operator's."""
    assert [each.id for each in techniques(("content",))] == ["AML.T0024.002"]
    ids = [each.id for each in techniques(("content", "schedule", "rhythm"))]
    assert ids == ["AML.T0024.002", "AML.T0008.005", "AML.T0034.000"]


def test_fragments_are_said_to_be_masked() -> None:
    """A reader who looks for the sentence in the log finds it in other words."""
    assert "Names, numbers and quoted text in them are masked" in render_html(mixed())
