from pathlib import Path

import pytest

from gamekeeper.guard.decisions.decision import JOINED, Tracked
from gamekeeper.guard.decisions.register import Decisions
from gamekeeper.guard.policy import Ladder
from gamekeeper.guard.store import SqliteStore
from gamekeeper.verdict import Member, Verdict
from guard.builders import NOW, Kept, make_decision, make_tracked

MIXED = (
    Member(account="tenant", verdict=Verdict.SLOW, families=("content", "shape")),
    Member(account="thief", verdict=Verdict.LIMIT, families=("content", "shape", "infrastructure")),
    Member(account="victim", verdict=Verdict.WATCH, families=("content",)),
)


def held(tmp_path: Path, kept: Kept | None = None, **ladder: object) -> Decisions:
    store = SqliteStore(tmp_path / "guard.sqlite")
    decisions = Decisions(store, Ladder(**ladder), kept.record if kept else lambda *entry: None)  # type: ignore[arg-type]
    decisions.refresh(NOW)
    return decisions


def test_same_decision_is_not_made_twice(tmp_path: Path) -> None:
    """It is renewed; the casebook tells of it once."""
    kept = Kept()
    decisions = held(tmp_path, kept)
    assert decisions.add(make_decision()) and not decisions.add(make_decision(until=NOW + 7200))
    assert [d.until for d in decisions.all.values()] == [NOW + 7200]
    assert [kind for kind, *_ in kept.entries] == ["decision"]


def test_campaign_holds_for_all_members_at_once(tmp_path: Path) -> None:
    """And for nobody else."""
    decisions = held(tmp_path)
    decisions.track([make_tracked(accounts=("a", "b", "c"))], NOW)
    verdicts = [d.verdict if (d := decisions.of(name, NOW)) else None for name in "abcd"]
    assert verdicts == [Verdict.LIMIT] * 3 + [None]


def test_account_that_only_joined_is_watched_whatever_holds_for_the_campaign(
    tmp_path: Path,
) -> None:
    """It may be a tenant of the product whose template the thieves took: also what a person decides
    about the campaign only watches it, and no challenge reaches it.
    """
    decisions = held(tmp_path)
    decisions.track([make_tracked(accounts=("a",))], NOW)
    assert decisions.join({"d": "K1", "a": "K1", "x": "K9"}, NOW + 5) == ["d"]
    assert decisions.join({"d": "K1"}, NOW + 6) == []
    decisions.add(
        make_decision(
            Verdict.CHALLENGE, subject="campaign:K1", by="dana", challenge="reauthenticate"
        )
    )
    assert decisions.of("a", NOW).verdict is Verdict.CHALLENGE  # type: ignore[union-attr]
    joined = decisions.of("d", NOW)
    assert joined is not None and joined.verdict is Verdict.WATCH and joined.reasons[0] == JOINED
    assert joined.challenge is None and decisions.step_up("d", "account:d", NOW) is None


def test_what_a_person_decides_about_an_account_that_joined_holds_in_full(tmp_path: Path) -> None:
    """Before what it has of the campaign."""
    decisions = held(tmp_path)
    decisions.track([make_tracked()], NOW)
    decisions.join({"d": "K1"}, NOW)
    decisions.add(make_decision(Verdict.DENY, "d", by="dana"))
    assert decisions.of("d", NOW).verdict is Verdict.DENY  # type: ignore[union-attr]
    assert [each.verdict for each in decisions.held("d", NOW)] == [Verdict.DENY, Verdict.WATCH]


def test_account_that_joined_is_a_member_once_a_pass_finds_it(tmp_path: Path) -> None:
    """By its own evidence; until then a pass changes nothing for it."""
    decisions = held(tmp_path)
    decisions.track([make_tracked(accounts=("a", "b"))], NOW)
    decisions.join({"d": "K1"}, NOW)
    decisions.track([make_tracked(accounts=("a", "b"))], NOW + 300)
    assert decisions.of("d", NOW).verdict is Verdict.WATCH  # type: ignore[union-attr]
    decisions.track([make_tracked(accounts=("a", "b", "d"))], NOW + 600)
    assert decisions.of("d", NOW).verdict is Verdict.LIMIT  # type: ignore[union-attr]
    assert decisions.campaigns["K1"].joined == ()


@pytest.mark.parametrize(
    ("families", "verdict"),
    [
        (("content", "shape", "rhythm"), Verdict.WATCH),
        (("shape", "elicitation"), Verdict.LIMIT),
        (("content", "infrastructure"), Verdict.LIMIT),
    ],
)
def test_what_tenants_of_one_product_share_leads_to_no_more_than_watching(
    families: tuple[str, ...], verdict: Verdict, tmp_path: Path
) -> None:
    """Template, subject and a machine's habits together may have one innocent cause."""
    decisions = held(tmp_path)
    decisions.track([make_tracked(families=families)], NOW)
    assert decisions.of("a", NOW).verdict is verdict  # type: ignore[union-attr]


def test_member_is_held_by_what_it_shows_itself(tmp_path: Path) -> None:
    """Others who bring an innocent account into their campaign, and share nothing else with it, have
    it watched at most, whatever holds for them; so it is with evidence that only others corroborate.
    """
    decisions = held(tmp_path)
    [made] = decisions.track([make_tracked(members=MIXED)], NOW)
    assert made.verdict is Verdict.LIMIT
    verdicts = {name: decisions.of(name, NOW).verdict for name in ("thief", "victim", "tenant")}  # type: ignore[union-attr]
    assert verdicts == {
        "thief": Verdict.LIMIT,
        "victim": Verdict.WATCH,
        "tenant": Verdict.WATCH,
    }
    [reason, *_] = decisions.of("victim", NOW).reasons  # type: ignore[union-attr]
    assert "shows content itself" in reason
    assert held(tmp_path).of("victim", NOW) == decisions.of("victim", NOW)


def test_what_a_person_decides_about_a_campaign_holds_for_all_its_members(tmp_path: Path) -> None:
    """A person has seen who they are."""
    decisions = held(tmp_path)
    decisions.track([make_tracked(members=MIXED)], NOW)
    decisions.add(make_decision(Verdict.DENY, subject="campaign:K1", by="dana"))
    assert decisions.of("victim", NOW).verdict is Verdict.DENY  # type: ignore[union-attr]


def test_campaign_whose_members_show_less_than_before_is_held_less(tmp_path: Path) -> None:
    """What a member shows now decides, not what an earlier pass saw."""
    decisions = held(tmp_path)
    decisions.track([make_tracked("K1", ("thief",))], NOW)
    assert decisions.of("thief", NOW).verdict is Verdict.LIMIT  # type: ignore[union-attr]
    less = (Member(account="thief", verdict=Verdict.WATCH, families=("content",)),)
    decisions.track([make_tracked("K1", ("thief",), members=less)], NOW + 300)
    assert decisions.of("thief", NOW + 300).verdict is Verdict.WATCH  # type: ignore[union-attr]


def test_policy_may_ask_for_no_corroboration(tmp_path: Path) -> None:
    """Any two families will do then, as in a hunt."""
    decisions = held(tmp_path, corroborated_by=())
    decisions.track([make_tracked(families=("content", "shape"))], NOW)
    assert decisions.of("a", NOW).verdict is Verdict.LIMIT  # type: ignore[union-attr]


def test_guard_goes_no_higher_than_the_ladder_lets_it(tmp_path: Path) -> None:
    """People may decide more."""
    decisions = held(tmp_path, highest=Verdict.SLOW)
    decisions.track([make_tracked()], NOW)
    assert decisions.of("a", NOW).verdict is Verdict.SLOW  # type: ignore[union-attr]
    decisions.add(make_decision(Verdict.DENY, "a", by="dana"))
    assert decisions.of("a", NOW).verdict is Verdict.DENY  # type: ignore[union-attr]


def test_decision_ends_by_itself(tmp_path: Path) -> None:
    """And the casebook says so."""
    kept = Kept()
    decisions = held(tmp_path, kept)
    decisions.add(make_decision(until=NOW + 10))
    assert decisions.of("acme", NOW + 10) is None
    assert decisions.refresh(NOW + 11) and not decisions.all
    assert kept.entries[-1][0] == "decision-ended"


def test_what_a_person_lifted_stays_lifted(tmp_path: Path) -> None:
    """The next pass finds the same campaign and leaves it alone; after the lift has ended it may be
    decided again.
    """
    decisions = held(tmp_path, lifted_days=30)
    [made] = decisions.track([make_tracked()], NOW)
    assert decisions.lift(made.id, by="dana", why="a class of ours", now=NOW) == made
    assert (
        decisions.track([make_tracked()], NOW + 300) == [] and decisions.of("a", NOW + 300) is None
    )
    assert decisions.track([make_tracked(verdict=Verdict.SLOW)], NOW + 300) == []
    assert len(decisions.track([make_tracked()], NOW + 31 * 86_400)) == 1


def test_person_may_decide_about_who_was_lifted(tmp_path: Path) -> None:
    """A lift binds the guard, not its operators."""
    decisions = held(tmp_path)
    decisions.add(make_decision())
    [id] = decisions.all
    decisions.lift(id, by="dana", why="known", now=NOW)
    assert decisions.add(make_decision(Verdict.DENY, by="lee"))


def test_other_process_is_seen(tmp_path: Path) -> None:
    """The command line decides and lifts; a running guard sees it, and its casebook tells who."""
    kept = Kept()
    guard = held(tmp_path, kept)
    shell = held(tmp_path)
    shell.add(made := make_decision(by="dana"))
    assert guard.of("acme", NOW) is None and guard.refresh(NOW) and guard.of("acme", NOW) == made
    shell.lift(made.id, by="lee", why="a mistake", now=NOW)
    assert guard.refresh(NOW) and guard.of("acme", NOW) is None
    assert [(kind, body["by"]) for kind, _, body in kept.entries] == [
        ("decision", "dana"),
        ("decision-lifted", "lee"),
    ]


def test_restart_forgets_nothing(tmp_path: Path) -> None:
    """Decisions, campaigns, lifts: all as before."""
    first = held(tmp_path)
    first.track([make_tracked("K1"), make_tracked("K2", ("x",), pivot="moved to m2")], NOW)
    first.join({"y": "K2"}, NOW)
    again = held(tmp_path)
    assert again.all == first.all and again.campaigns == first.campaigns
    assert again.of("y", NOW) == first.of("y", NOW) is not None
    assert again.of("y", NOW).verdict is Verdict.WATCH  # type: ignore[union-attr]


def test_campaign_stored_by_an_earlier_version_is_read() -> None:
    """It says when the campaign was first found, and under another name when it was last found."""
    document = make_tracked(last_found=NOW + 300).document()
    del document["last_found"], document["members"]
    read = Tracked.from_document(document)
    assert read.last_found == NOW
    assert {member.verdict for member in read.known_members} == {read.verdict}


@pytest.mark.parametrize("verdict", [Verdict.WATCH, Verdict.LIMIT])
def test_campaign_that_grows_stronger_is_decided_anew(tmp_path: Path, verdict: Verdict) -> None:
    """From watch to limit is a new decision; the stronger one counts."""
    decisions = held(tmp_path)
    decisions.track([make_tracked(verdict=Verdict.WATCH)], NOW)
    made = decisions.track([make_tracked(verdict=verdict, found=NOW + 300)], NOW + 300)
    assert bool(made) == (verdict is Verdict.LIMIT)
    assert decisions.of("a", NOW + 300).verdict is verdict  # type: ignore[union-attr]
    assert decisions.campaigns["K1"].found == NOW
