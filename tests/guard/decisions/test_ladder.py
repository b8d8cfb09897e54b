import pytest

from gamekeeper.guard.budgets.accounts import Account
from gamekeeper.guard.decisions.ladder import Act, Steps, Take
from gamekeeper.guard.decisions.proof_of_work import CHALLENGE_HEADER, solve
from gamekeeper.guard.policy import Ladder, Slowed
from gamekeeper.guard.store import Spent
from gamekeeper.verdict import Verdict
from guard.builders import KEY, NOW, make_decision

LADDER = Ladder(
    slow=Slowed(requests_per_minute=6, burst=2, wait_s=15), proof_s=0.0001, proof_requests=2
)


class Asking:
    """One account that asks again and again."""

    def __init__(self, verdict: Verdict, **decision: object) -> None:
        self.steps = Steps(LADDER, KEY)
        self.account = Account("acme", Spent())
        self.decision = make_decision(verdict, **decision)

    def at(
        self, seconds: float, proof: str | None = None, authenticated_at: float | None = None
    ) -> Act:
        now = NOW + seconds
        act = self.steps.act(
            self.decision,
            self.account.name,
            now,
            proof=proof,
            authenticated_at=authenticated_at,
        )
        return self.steps.take(act, self.account, now) if isinstance(act, Take) else act


@pytest.mark.parametrize("verdict", [Verdict.ALLOW, Verdict.WATCH])
def test_who_is_watched_feels_nothing(verdict: Verdict) -> None:
    """One family of evidence costs nobody anything."""
    asking = Asking(verdict)
    assert all(asking.at(0) == Act(action="pass") for _ in range(50))


def test_slow_delays_and_then_refuses_until_later() -> None:
    """Two at once, then one in ten seconds; who asks on is told when to come back."""
    asking = Asking(Verdict.SLOW)
    waits = [asking.at(0) for _ in range(5)]
    assert [round(a.wait_s) for a in waits] == [0, 0, 10, 0, 0]
    assert [a.action for a in waits] == ["pass", "pass", "delay", "throttle", "throttle"]
    assert waits[4].refusal is not None and dict(waits[4].refusal.headers)["retry-after"] == "5"
    assert asking.at(30).wait_s == 0


def test_limit_withholds_what_helps_a_thief_most() -> None:
    """No logprobs, no logit bias, one answer, no reasoning, labels for scores."""
    withheld = Asking(Verdict.LIMIT).at(0).withheld
    assert withheld is not None
    assert (withheld.logprobs, withheld.logit_bias, withheld.choices, withheld.reasoning) == (
        True,
        True,
        1,
        True,
    )
    assert withheld.scores is not None


def test_challenge_opens_with_a_proof_for_a_few_requests() -> None:
    """Work once, answers for a while, then work again; a proof counts once, and for its account
    only.
    """
    asking = Asking(Verdict.CHALLENGE, challenge="proof")
    refused = asking.at(0)
    assert refused.refusal is not None and refused.refusal.status == 429
    proof = solve(dict(refused.refusal.headers)[CHALLENGE_HEADER])
    assert [asking.at(1, proof).refusal, asking.at(2).refusal] == [None, None]
    assert asking.at(3).refusal is not None
    assert asking.at(4, proof).refusal is not None


def test_proof_of_another_account_does_not_count() -> None:
    """Or one solver would work for a whole campaign."""
    asking = Asking(Verdict.CHALLENGE, challenge="proof")
    refusal = asking.at(0).refusal
    assert refusal is not None
    proof = solve(dict(refusal.headers)[CHALLENGE_HEADER])
    asking.account = Account("other", Spent())
    assert asking.at(1, proof).refusal is not None


@pytest.mark.parametrize(
    "proof",
    ["", ":", "a:1", "1.2.3.4:5", f"{int(NOW) + 60}.1.x.y:1", "9" * 1000, "1.2.3.é:1", "x.y.z.w:²"],
)
def test_proof_that_is_none_is_refused_without_more(proof: str) -> None:
    """Whatever a client sends in that header."""
    refusal = Asking(Verdict.CHALLENGE, challenge="proof").at(0, proof).refusal
    assert refusal is not None and refusal.code == "proof_required"


def test_proof_comes_too_late() -> None:
    """Challenges cannot be hoarded."""
    asking = Asking(Verdict.CHALLENGE, challenge="proof")
    refusal = asking.at(0).refusal
    assert refusal is not None
    assert asking.at(601, solve(dict(refusal.headers)[CHALLENGE_HEADER])).refusal is not None


def test_step_up_is_answered_by_signing_in_again() -> None:
    """A stolen key's owner rotates it or signs in; the thief cannot."""
    asking = Asking(Verdict.CHALLENGE, challenge="reauthenticate")
    refusal = asking.at(1).refusal
    assert refusal is not None and (refusal.status, refusal.code) == (401, "step_up")
    assert asking.at(2, authenticated_at=NOW - 1).refusal is not None
    assert asking.at(2, authenticated_at=NOW + 1) == Act(action="pass")


def test_deny_says_what_to_quote() -> None:
    """Whoever is denied can ask about it."""
    asking = Asking(Verdict.DENY)
    refusal = asking.at(0).refusal
    assert refusal is not None and refusal.status == 403 and asking.decision.id in refusal.message
