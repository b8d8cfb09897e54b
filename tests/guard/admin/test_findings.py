"""What the linking process reports, as the admin API shows it."""

from pathlib import Path

from gamekeeper.guard.decisions.decision import JOINED
from guard.admin.test_api import Desk, with_desk
from guard.builders import NOW, make_tracked


def test_account_that_only_joined_is_shown_as_watched(tmp_path: Path) -> None:
    """With the reason, and with when it joined; a member is shown with what holds in full."""

    async def does(it: Desk) -> None:
        it.guard.core.track([make_tracked(accounts=("a", "b"))])
        it.guard._take({"kind": "joined", "accounts": {"d": "K1"}})
        _, joined = await it.ask("/api/accounts/d")
        assert (joined["campaign"], joined["joined_at"]) == ("K1", NOW)
        assert joined["holds"]["verdict"] == "watch" and joined["holds"]["reasons"][0] == JOINED
        assert joined["would"] == "nothing is done; it is observed"
        assert [each["verdict"] for each in joined["decisions"]] == ["watch"]
        _, member = await it.ask("/api/accounts/a")
        assert member["holds"]["verdict"] == "limit" and member["joined_at"] is None
        _, campaign = await it.ask("/api/campaigns/K1")
        assert campaign["joined"] == [{"account": "d", "at": NOW, "verdict": "watch"}]

    with_desk(tmp_path, does)


def test_pass_that_fails_is_said_in_healthz_until_one_succeeds(tmp_path: Path) -> None:
    """And counted in the metrics."""

    async def does(it: Desk) -> None:
        guard = it.guard
        guard._take({"kind": "pass-failed", "error": "division by zero"})
        _, health = await it.ask("/healthz")
        assert health["pass_failed"] is True
        guard._take({"kind": "pass", "seconds": 1.0, "exchanges": 0, "campaigns": []})
        _, health = await it.ask("/healthz")
        assert health["pass_failed"] is False
        assert "gamekeeper_pass_failures_total 1.0" in guard.core.metrics.text().decode()

    with_desk(tmp_path, does)


def test_rows_that_were_set_aside_are_counted(tmp_path: Path) -> None:
    """By what they are, as many as there were."""

    async def does(it: Desk) -> None:
        it.guard._take({"kind": "set-aside", "what": "exchange", "count": 3})
        text = it.guard.core.metrics.text().decode()
        assert 'gamekeeper_set_aside_total{what="exchange"} 3.0' in text

    with_desk(tmp_path, does)
