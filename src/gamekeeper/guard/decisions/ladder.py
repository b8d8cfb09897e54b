"""From what holds for an account to what is done with its request.

allow, watch   nothing
slow           a delay from the account's token bucket; beyond `wait_s` 429
limit          the same, and what helps a thief most is withheld
challenge      a proof of work for every few requests, or authentication after the decision
deny           403
"""

from dataclasses import dataclass

from gamekeeper.defences import make_defence
from gamekeeper.guard.budgets.accounts import Account
from gamekeeper.guard.decisions.decision import Decision
from gamekeeper.guard.decisions.proof_of_work import CHALLENGE_HEADER, HEADER, Challenges, bits_for
from gamekeeper.guard.policy import Ladder, Limited
from gamekeeper.guard.routes import Withheld
from gamekeeper.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that is not passed on.

    Args:
        status: HTTP status.
        code: A word for programs.
        message: A sentence for people.
        headers: To be sent along.
    """

    status: int
    code: str
    message: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """What a request of a slowed account has to take before it is passed on.

    Args:
        proofs: Requests that the proof of work opens which it brought, 0 if it brought none; None
            if none is needed.
        withheld: What its answer goes without.
    """

    proofs: int | None
    withheld: Withheld | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is done with a request.

    Args:
        action: A word for metrics: `pass`, `delay`, `withhold`, `challenge`, `deny`, ...
        wait_s: How long it waits before it is passed on.
        withheld: What its answer goes without.
        refusal: Why it is not passed on.
    """

    action: str
    wait_s: float = 0.0
    withheld: Withheld | None = None
    refusal: Refusal | None = None


PASS = Act(action="pass")
MOST_SLOWED_INPUTS = 16
"""In one request of a slowed account: a batch of thousands would go around its buckets."""


class Steps:
    """Performs the ladder.

    Args:
        ladder: What each step does.
        key: Secret for challenges and keyed noise.
    """

    def __init__(self, ladder: Ladder, key: bytes) -> None:
        self._key = key
        self._challenges = Challenges(key, bits_for(ladder.proof_s))
        self.renew(ladder)

    def renew(self, ladder: Ladder) -> None:
        """Goes on with another ladder; proofs that were used stay used."""
        key = self._key
        self._ladder = ladder
        self._withheld = _withheld(ladder.limit, key)
        slow = ladder.slow
        self._rates = (
            (slow.requests_per_minute / 60, slow.burst),
            (slow.requests_per_day / 86_400, slow.requests_per_day),
        )
        self._challenges.bits = bits_for(ladder.proof_s)

    def act(
        self,
        decision: Decision | None,
        account: str,
        now: float,
        *,
        proof: str | None,
        authenticated_at: float | None,
    ) -> Act | Take:
        """Returns what is done with a request of an account for which `decision` holds, or what it
        has to take first: `take` does that here, `taken` where replicas share.

        Args:
            decision: The strongest that holds.
            account: Whose request.
            now: Epoch seconds.
            proof: What the request brought as a proof of work.
            authenticated_at: When the caller last authenticated, epoch seconds, if that is known.
        """
        if decision is None or decision.verdict.step <= Verdict.WATCH.step:
            return PASS
        if decision.verdict is Verdict.DENY:
            return Act(action="deny", refusal=denial(decision))
        if decision.verdict is Verdict.CHALLENGE:
            return self._challenge(decision, account, now, proof, authenticated_at)
        withheld = self._withheld if decision.verdict is Verdict.LIMIT else None
        return Take(proofs=None, withheld=withheld)

    @property
    def rates(self) -> tuple[tuple[float, float], ...]:
        """Tokens a second and size of each bucket of a slowed account."""
        return self._rates

    def take(self, take: Take, account: Account, now: float) -> Act:
        """Takes from the account's own buckets of this process."""
        if take.proofs is not None:
            account.proofs = take.proofs or account.proofs
            if account.proofs <= 0:
                return self.taken(take, account.name, None, now)
            account.proofs -= 1
        wait = account.wait_s(now, self._rates)
        if wait > self._ladder.slow.wait_s:
            account.give_back()
        return self.taken(take, account.name, wait, now)

    def taken(self, take: Take, account: str, wait_s: float | None, now: float) -> Act:
        """Returns what is done with a request that took from its buckets.

        Args:
            take: What it had to take.
            account: Whose request.
            wait_s: How long it has to wait, in seconds; beyond the longest wait it took nothing.
                None if it needs a proof of work.
            now: Epoch seconds.
        """
        if wait_s is None:
            challenge = self._challenges.make(account, now)
            return Act(action="challenge", refusal=_work(challenge))
        if wait_s > self._ladder.slow.wait_s:
            return Act(action="throttle", refusal=_too_fast(wait_s - self._ladder.slow.wait_s))
        action = "withhold" if take.withheld else "delay" if wait_s else "pass"
        return Act(action=action, wait_s=wait_s, withheld=take.withheld)

    def _challenge(
        self,
        decision: Decision,
        account: str,
        now: float,
        proof: str | None,
        authenticated_at: float | None,
    ) -> Act | Take:
        if decision.challenge == "reauthenticate":
            back = authenticated_at is not None and authenticated_at > decision.since
            return PASS if back else Act(action="challenge", refusal=_step_up(decision))
        proves = proof is not None and self._challenges.is_proof(account, proof, now)
        proofs = self._ladder.proof_requests if proves else 0
        return Take(proofs=proofs, withheld=self._withheld)


def _withheld(limit: Limited, key: bytes) -> Withheld:
    scores = make_defence(limit.scores, key, **limit.parameters) if limit.scores else None
    return Withheld(
        logprobs=limit.logprobs,
        logit_bias=limit.logit_bias,
        choices=limit.choices,
        reasoning=limit.reasoning,
        scores=scores,
        decimals=limit.decimals,
    )


def too_many(inputs: int) -> Act:
    """Returns what is done with a batch of an account that is slowed."""
    message = (
        f"this account is slowed: send at most {MOST_SLOWED_INPUTS} inputs in a request,"
        f" not {inputs:,}"
    )
    refusal = Refusal(status=429, code="slowed", message=message, headers=(("retry-after", "1"),))
    return Act(action="throttle", refusal=refusal)


def denial(decision: Decision) -> Refusal:
    """Returns the refusal of an account for which `deny` holds."""
    message = f"access to this API is suspended; quote decision {decision.id} to the provider"
    return Refusal(status=403, code="suspended", message=message)


def _too_fast(wait_s: float) -> Refusal:
    retry = (("retry-after", str(max(1, round(wait_s)))),)
    return Refusal(
        status=429,
        code="slowed",
        message="this account is slowed; send fewer requests",
        headers=retry,
    )


def _step_up(decision: Decision) -> Refusal:
    message = (
        f"sign in again to continue to use this key; quote decision {decision.id} to the provider"
    )
    challenge = 'Bearer error="insufficient_user_authentication"'  # RFC 9470
    return Refusal(
        status=401, code="step_up", message=message, headers=(("www-authenticate", challenge),)
    )


def _work(challenge: str) -> Refusal:
    message = (
        f"send the solution of the challenge in the header {HEADER};"
        " see the provider's documentation"
    )
    return Refusal(
        status=429, code="proof_required", message=message, headers=((CHALLENGE_HEADER, challenge),)
    )
