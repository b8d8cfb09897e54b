"""The guard without its doors: judges a request, counts an answer, keeps decisions and counters.

Nothing here waits: what blocks (store, casebook) is done twice a second off the event loop, linking
in a process of its own. What a judgement needs is in memory.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

from gamekeeper.base.clock import SteadyClock, day_of
from gamekeeper.base.log import get_logger
from gamekeeper.exchange.limits import cut_features, cut_text
from gamekeeper.guard.budgets.accounts import Account, Accounts, Reservation
from gamekeeper.guard.budgets.day_budget import refused_by
from gamekeeper.guard.budgets.prices import Prices
from gamekeeper.guard.budgets.shared_buckets import SharedBuckets
from gamekeeper.guard.budgets.shared_budgets import StrictBudgets
from gamekeeper.guard.budgets.token_estimate import MOST_HELD_TOKENS
from gamekeeper.guard.decisions.decision import Decision, Tracked
from gamekeeper.guard.decisions.ladder import (
    MOST_SLOWED_INPUTS,
    PASS,
    Act,
    Refusal,
    Steps,
    Take,
    denial,
    too_many,
)
from gamekeeper.guard.decisions.register import Decisions, Record
from gamekeeper.guard.identity import Budget, Principal
from gamekeeper.guard.identity.caller import Caller
from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.routes.query import Query, Usage
from gamekeeper.guard.store import SlowedStore, Spent, Store, StoreGoneError
from gamekeeper.guard.telemetry.metrics import Metrics
from gamekeeper.verdict import Verdict

log = get_logger("gamekeeper.guard")

_GONE = Refusal(
    status=503, code="unavailable", message="the guard cannot reach its store; try again soon"
)
_NO_BUDGET = Budget()
_MOST_ROWS = 256
"""Rows of one request that are linked, evenly spread: one of thousands of inputs makes some hundred
times its own size. Where new ground is counted, all are.
"""
ONE_REQUEST = Spent(requests=1)
"""What the least of requests costs."""


class Watch(Protocol):
    """Where answered exchanges go to be linked."""

    def send(self, row: dict[str, Any]) -> None:
        """Takes an exchange; never blocks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the guard thinks of a request, and what is done with it.

    Args:
        decision: The strongest decision that holds for its account.
        act: What is done; nothing in a dry run.
        would: What would be done, were the policy enforced.
        reservation: What the request may cost, held from its account's budget until it is settled;
            None if the request goes no further.
        take: What it has to take from buckets that replicas share, before it may go on: see
            `Core.take_shared`; None if nothing.
    """

    decision: Decision | None
    act: Act
    would: Act
    reservation: Reservation | None = None
    take: Take | None = None


class Core:
    """Judges requests, counts answers, and keeps decisions and counters.

    Args:
        policy: What to do.
        store: Where decisions and counters are kept.
        key: Secret for challenges and keyed noise, 32 bytes.
        record: Writes to the casebook.
        watch: Where answered exchanges go.
        clock: The time.
    """

    def __init__(
        self,
        policy: GuardPolicy,
        store: Store,
        key: bytes,
        *,
        record: Record = lambda kind, subject, body: None,
        watch: Watch | None = None,
        clock: SteadyClock | None = None,
    ) -> None:
        self.policy = policy
        self.store = store
        self.watch = watch
        self.clock = clock or SteadyClock()
        self.metrics = Metrics()
        self.decisions = Decisions(store, policy.ladder, record)
        self._steps = Steps(policy.ladder, key)
        self._prices = Prices(policy.prices)
        today = day_of(self.clock.now())
        slowed = store.slowed() if isinstance(store, SlowedStore) else {}
        self.accounts = Accounts(store.spent(today), today, policy.limits.accounts, slowed)
        self._done: Counter[tuple[str, str]] = Counter()
        self.store_up = True
        self.strict: StrictBudgets | None = None
        self.buckets: SharedBuckets | None = None
        self.decisions.refresh(self.clock.now())
        self.metrics.enforcing.set(policy.enforce)
        self.metrics.store_up.set(1)

    def renew(self, policy: GuardPolicy) -> None:
        """Goes on with another policy."""
        self.policy = policy
        self._steps.renew(policy.ladder)
        self._prices = Prices(policy.prices)
        self.decisions.ladder = policy.ladder
        self.metrics.enforcing.set(policy.enforce)

    def judge(
        self,
        principal: Principal,
        route: str,
        query: Query,
        now: float,
        *,
        estimate: Spent = ONE_REQUEST,
        proof: str | None = None,
        is_known: bool = True,
    ) -> Judgement:
        """Judges a request: its budget first, then what holds for its account; and reserves what it
        may cost.

        Args:
            principal: Who asks, as authenticated.
            route: Name of the route.
            query: What is asked.
            now: Epoch seconds.
            estimate: What it may cost.
            proof: A proof of work that came along.
            is_known: Whether the account is more than a claim; nothing is kept of one that is not
                once its requests are done.
        """
        accounts = self.accounts
        name = principal.account
        account = accounts.of(name) if is_known else accounts.claimed(name)
        refusal = self._unavailable()
        if principal.budget is not _NO_BUDGET and refusal is None:
            refusal = refused_by(principal.budget, account.spent, account.held, now)
        if refusal is not None:
            refused = Act(action=refusal.code, refusal=refusal)
            return self._judged(principal, route, None, refused, refused)
        decision = self.decisions.of(
            principal.account, now, principal.subject, principal.authenticated_at
        )
        would = self._steps.act(
            decision, name, now, proof=proof, authenticated_at=principal.authenticated_at
        )
        if isinstance(would, Take) and query.inputs > MOST_SLOWED_INPUTS:
            would = too_many(query.inputs)
        if isinstance(would, Take):
            if self.buckets is not None and self.policy.enforce:
                act = Act(action="slow", withheld=would.withheld)
                reservation = accounts.reserve(account, estimate, is_claim=not is_known)
                return Judgement(
                    decision=decision, act=act, would=act, reservation=reservation, take=would
                )
            would = self._taken_here(would, account, now)
        act = would if self.policy.enforce else PASS
        if act.refusal is not None:
            return self._judged(principal, route, decision, act, would)
        reservation = accounts.reserve(account, estimate, is_claim=not is_known)
        return self._judged(principal, route, decision, act, would, reservation)

    async def take_shared(
        self, principal: Principal, route: str, judgement: Judgement, now: float
    ) -> Judgement:
        """Takes what a request has to take from the buckets that replicas share; from this
        process's own where the store cannot be reached.
        """
        take = judgement.take
        assert take is not None
        act = await self._taken_shared(principal.account, take, now)
        return self._judged(principal, route, judgement.decision, act, act, judgement.reservation)

    async def _taken_shared(self, account: str, take: Take, now: float) -> Act:
        assert self.buckets is not None
        steps = self._steps
        most_s = self.policy.ladder.slow.wait_s
        if self.store_up:
            try:
                wait_s = await self.buckets.take(
                    account, steps.rates, most_s, now, proofs=take.proofs
                )
                return steps.taken(take, account, wait_s, now)
            except StoreGoneError as error:
                log.warning("an account was slowed by this process alone: %s", error)
        return self._taken_here(take, self.accounts.claimed(account), now)

    def _taken_here(self, take: Take, account: Account, now: float) -> Act:
        act = self._steps.take(take, account, now)
        self.accounts.note_slowed(account)
        return act

    async def reserve_shared(
        self, account: str, budget: Budget, reservation: Reservation, now: float
    ) -> Refusal | None:
        """Takes a request off the budget that replicas share, where budgets are strict.

        Args:
            account: Whose.
            budget: What it may use up in a day.
            reservation: Of the request, in this process.
            now: Epoch seconds.

        Returns:
            A refusal if the budget is used up, or if the store cannot be reached and requests do
            not pass then. The reservation is closed in that case.
        """
        if self.strict is None or budget == _NO_BUDGET:
            return None
        refusal = await self._taken_off_shared(account, budget, reservation, now)
        if refusal is not None:
            self.accounts.close(reservation)
        return refusal

    async def _taken_off_shared(
        self, account: str, budget: Budget, reservation: Reservation, now: float
    ) -> Refusal | None:
        assert self.strict is not None
        if self.store_up:
            try:
                taken = await self.strict.reserve(
                    account,
                    budget,
                    reservation.estimate,
                    now,
                    is_claim=reservation.is_claim,
                )
            except StoreGoneError as error:
                log.warning(
                    "a strict budget was not checked: the store cannot be reached (%s)", error
                )
            else:
                if isinstance(taken, Refusal):
                    return taken
                self.accounts.share(reservation, taken)
                return None
        return None if self.policy.state.when_gone == "open" else _GONE

    def reserve_own(
        self, principal: Principal, now: float, *, is_known: bool
    ) -> Reservation | Refusal:
        """Takes a request off a budget that counts beside the account's own: the principal names
        the counters.
        """
        accounts = self.accounts
        name = principal.account
        account = accounts.of(name) if is_known else accounts.claimed(name)
        refusal = refused_by(principal.budget, account.spent, account.held, now)
        return refusal or accounts.reserve(account, ONE_REQUEST, is_claim=not is_known)

    def denied(self, principal: Principal, route: str, now: float) -> Refusal | None:
        """Returns the refusal of an account, or a credential, that is denied; None if it is not, or
        in a dry run.
        """
        decision = self.decisions.of(
            principal.account, now, principal.subject, principal.authenticated_at
        )
        if decision is None or decision.verdict is not Verdict.DENY or not self.policy.enforce:
            return None
        act = Act(action="deny", refusal=denial(decision))
        self._judged(principal, route, decision, act, act)
        return act.refusal

    def estimate(self, query: Query, input_tokens: int, output_tokens: int) -> Spent:
        """Returns what a request may cost, before it is answered; no more than a model can take
        and give, whatever the request asks for.
        """
        most = MOST_HELD_TOKENS
        return self._cost(query, Usage(min(input_tokens, most), min(output_tokens, most)))

    def pay(self, reservation: Reservation, query: Query, usage: Usage) -> None:
        """Charges what a request has cost so far; it is not over."""
        total = self._cost(query, usage)
        taken = reservation.shared
        if taken is None:
            self.accounts.pay(reservation, total)
        elif reservation.is_open:
            assert self.strict is not None
            reservation.paid = total
            self.strict.pay(taken, total, lambda due: self.accounts.charge_shared(taken, due))

    def settle(self, reservation: Reservation, query: Query, usage: Usage) -> None:
        """Charges what a request has cost in all; it is over."""
        self._settle(reservation, self._cost(query, usage))

    def release(self, reservation: Reservation) -> None:
        """Ends a request that costs nothing: the upstream refused it, or could not be reached."""
        self._settle(reservation, reservation.paid)

    def owe(self, reservation: Reservation, query: Query, usage: Usage) -> None:
        """Ends a request whose client left and whose account is only a claim: it is charged once
        the upstream accepts its credential, and counts against its next requests until then. This
        process alone remembers that.
        """
        if not reservation.is_open:
            return
        self.release(reservation)
        self.accounts.owe(reservation, self._cost(query, usage))

    def answered(
        self,
        principal: Principal,
        route: str,
        query: Query,
        usage: Usage,
        caller: Caller,
        now: float,
        *,
        is_exchange: bool = True,
    ) -> None:
        """Counts an answer that was given, and hands it over to be linked if it is an exchange."""
        input_tokens = usage.input_tokens or 0
        output_tokens = usage.output_tokens or 0
        metrics = self.metrics
        if is_exchange:
            metrics.exchanges_of(route).inc(query.inputs)
        metrics.input_tokens.inc(input_tokens)
        metrics.output_tokens.inc(output_tokens)
        if self.watch is not None and is_exchange:
            for row in exchange_rows(principal, query, usage, caller, now):
                self.watch.send(row)

    def take_actions(self) -> Counter[tuple[str, str]]:
        """Returns what was done since the last call: requests by account and action."""
        done = self._done
        self._done = Counter()
        return done

    def touched(self, cells: dict[str, int]) -> None:
        """Charges new ground, as the linking process counted it."""
        for account, new in cells.items():
            self.accounts.charge(account, Spent(cells=new))

    def track(self, campaigns: list[Tracked]) -> list[Decision]:
        """Takes in the campaigns of a pass; blocks on the store."""
        made = self.decisions.track(campaigns, self.clock.now())
        self.update_gauges()
        return made

    def decide(self, decision: Decision) -> bool:
        """Makes a decision; blocks on the store."""
        new = self.decisions.add(decision)
        self.update_gauges()
        return new

    def lift(self, id: str, by: str, why: str) -> Decision | None:
        """Lifts a decision; blocks on the store."""
        lifted = self.decisions.lift(id, by=by, why=why, now=self.clock.now())
        self.update_gauges()
        return lifted

    def _cost(self, query: Query, usage: Usage) -> Spent:
        input_tokens = usage.input_tokens or 0
        output_tokens = usage.output_tokens or 0
        micro_usd = self._prices.micro_usd(query.model, input_tokens, output_tokens)
        return Spent(1, input_tokens + output_tokens, micro_usd, 0)

    def _settle(self, reservation: Reservation, total: Spent) -> None:
        if not reservation.is_open:
            return
        if reservation.shared is None:
            self.accounts.pay(reservation, total)
        else:
            assert self.strict is not None
            taken = reservation.shared
            self.strict.settle(taken, total, lambda due: self.accounts.charge_shared(taken, due))
        self.accounts.close(reservation)

    def _judged(
        self,
        principal: Principal,
        route: str,
        decision: Decision | None,
        act: Act,
        would: Act,
        reservation: Reservation | None = None,
    ) -> Judgement:
        self.metrics.requests_of(route, act.action).inc()
        if would is not act:
            self.metrics.would.labels(route, would.action).inc()
        if would.action != "pass":
            self._done[principal.account, would.action] += 1
        return Judgement(decision=decision, act=act, would=would, reservation=reservation)

    def _unavailable(self) -> Refusal | None:
        return None if self.store_up or self.policy.state.when_gone == "open" else _GONE

    def update_gauges(self) -> None:
        """Says in metrics which decisions and campaigns hold."""
        held = Counter(str(d.verdict) for d in self.decisions.all.values())
        for verdict in Verdict:
            self.metrics.decisions.labels(str(verdict)).set(held[str(verdict)])
        self.metrics.campaigns.set(len(self.decisions.campaigns))
        self.metrics.members.set(
            sum(len(c.accounts) + len(c.joined) for c in self.decisions.campaigns.values())
        )


def exchange_rows(
    principal: Principal, query: Query, usage: Usage, caller: Caller, now: float
) -> list[dict[str, Any]]:
    """Returns an answered request in hunt's columns, one row an input; tokens are shared among
    them.
    """
    inputs: list[tuple[str, Any]] = [("prompt", cut_text(prompt)) for prompt in query.prompts]
    inputs += [("features", cut_features(row)) for row in query.features]
    counts_ground = principal.budget.cells is not None
    all_inputs = len(inputs)
    if all_inputs > _MOST_ROWS and not counts_ground:
        inputs = inputs[:: -(-all_inputs // _MOST_ROWS)]
    shared = {
        "time": now,
        "account": principal.account,
        "model": cut_text(query.model),
        "system": cut_text(query.system),
        "turn": query.turn,
        "input_tokens": _share(usage.input_tokens, all_inputs),
        "output_tokens": _share(usage.output_tokens, all_inputs),
        "temperature": query.temperature,
        "n": query.n,
        "logprobs": query.logprobs,
        "tools": query.tools,
        "ip": caller.ip,
        "asn": caller.asn,
        "client": cut_text(caller.client),
    }
    if counts_ground:
        shared["count_ground"] = True  # watch.rows.COUNT_GROUND, which would load frames here
    return [{**shared, name: value} for name, value in inputs]


def _share(tokens: int | None, inputs: int) -> int | None:
    return None if tokens is None else tokens // max(inputs, 1)
