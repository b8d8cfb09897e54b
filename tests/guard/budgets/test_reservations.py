"""Budgets are hard: whatever requests do at the same time, what is let through fits."""

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gamekeeper.base.clock import day_of
from gamekeeper.guard.budgets.accounts import Accounts, Reservation
from gamekeeper.guard.core import Core
from gamekeeper.guard.gate import Gate, Passage, Request, StoppedError
from gamekeeper.guard.identity import Budget, Principal
from gamekeeper.guard.policy import GuardPolicy, Price
from gamekeeper.guard.routes import known_routes, serialise
from gamekeeper.guard.routes.query import Usage
from gamekeeper.guard.store import Spent
from gamekeeper.guard.store.memory import MemoryStore
from gamekeeper.guard.sync import Sync
from guard.builders import HERE, KEY, NOW, Hands, make_principal, make_query
from guard.routes.builders import chat

CHAT = known_routes()[0]
TODAY = day_of(NOW)
QUERY = make_query()
NOTHING = Spent()
EACH = Spent(1, 100, 10_000)
BUDGETS = [Budget(requests=10), Budget(tokens=1_000), Budget(usd=0.1)]


def core_of(clock: Hands | None = None) -> Core:
    policy = GuardPolicy(enforce=True, prices={"*": Price(usd_per_request=0.01)})
    return Core(policy, MemoryStore(), KEY, clock=clock or Hands())  # type: ignore[arg-type]


def asked_by(who: Principal, **fields: object) -> Request:
    return Request(
        route=CHAT,
        path="/v1/chat/completions",
        raw=serialise(chat(**fields)),
        principal=who,
        caller=HERE,
    )


@pytest.mark.parametrize(("budget", "rounds"), list(zip(BUDGETS, (1_000, 100, 100), strict=True)))
def test_three_hundred_at_once_never_let_an_eleventh_through(budget: Budget, rounds: int) -> None:
    """A thousand times over, in another order each time."""
    core = core_of()
    rng = random.Random(7)
    for round in range(rounds):
        who = make_principal(f"account-{round}", budget=budget)
        waiting = [None] * 300
        under_way: list[Reservation] = []
        let_through = 0
        while waiting or under_way:
            if waiting and (not under_way or rng.random() < 0.97):
                waiting.pop()
                judged = core.judge(who, "openai.chat", QUERY, NOW, estimate=EACH)
                if judged.reservation is not None:
                    under_way.append(judged.reservation)
                    let_through += 1
                continue
            core.settle(under_way.pop(rng.randrange(len(under_way))), QUERY, Usage(40, 60))
        account = core.accounts.of(who.account)
        assert let_through == 10
        assert account.spent == Spent(10, 1_000, 100_000) and account.held == NOTHING


@pytest.mark.parametrize("budget", BUDGETS)
def test_clients_that_leave_and_upstreams_that_fail_open_no_gap(budget: Budget) -> None:
    """Through the gate, as a door does it: what is under way and what was answered always fits
    together; what the upstream refused is free again.
    """
    core = core_of()
    gate = Gate(core)
    gate._estimate = lambda *_: EACH  # type: ignore[method-assign]
    who = make_principal(budget=budget)
    request = Request(
        route=CHAT,
        path="/v1/chat/completions",
        raw=serialise(chat()),
        principal=who,
        caller=HERE,
    )
    costs: list[int] = []
    under_way = 0

    async def one(number: int) -> None:
        nonlocal under_way
        await asyncio.sleep(0.0001 * (number % 50))
        try:
            passage = await gate.reserve(gate.enter(request))
        except StoppedError as stopped:
            assert stopped.refusal.code == "budget"
            return
        under_way += 1
        assert under_way + len(costs) <= 10
        await asyncio.sleep(0.0001 * (number % 7))
        under_way -= 1
        end(passage, number)

    def end(passage: Passage, number: int) -> None:
        if number % 5 == 0:
            gate.drop(passage)
            return
        gate.progress(passage, Usage(20, 10))
        costs.append(1)
        if number % 5 == 1:
            core.settle(passage.reservation, QUERY, Usage(70, 30))  # its client left
        else:
            gate.leave(passage, Usage(50, 50))

    async def run() -> None:
        await asyncio.gather(*(one(number) for number in range(300)))

    asyncio.run(run())
    assert 0 < len(costs) <= 10
    for _ in range(10 - len(costs)):  # what the upstream refused last is free again
        gate.leave(gate.enter(request), Usage(50, 50))
    with pytest.raises(StoppedError):
        gate.enter(request)
    account = core.accounts.of("acme")
    assert account.spent == Spent(10, 1_000, 100_000)
    assert account.held == NOTHING and account.open == 0


def test_client_that_leaves_while_its_budget_is_asked_for_holds_nothing() -> None:
    """Replicas ask a server, which takes a while."""

    class Hanging:
        async def reserve(self, *_: object, **__: object) -> None:
            await asyncio.Event().wait()

    core = core_of()
    core.strict = Hanging()  # type: ignore[assignment]
    gate = Gate(core)
    who = make_principal(budget=Budget(requests=10))
    request = Request(
        route=CHAT, path="/v1/chat/completions", raw=serialise(chat()), principal=who, caller=HERE
    )

    async def run() -> None:
        asking = asyncio.ensure_future(gate.reserve(gate.enter(request)))
        await asyncio.sleep(0)
        assert core.accounts.of("acme").held == Spent(1)
        asking.cancel()
        await asyncio.wait([asking])

    asyncio.run(run())
    assert core.accounts.of("acme").held == NOTHING == core.accounts.of("acme").spent


def test_request_that_cannot_be_narrowed_holds_nothing() -> None:
    """It is refused after it was judged."""
    core = core_of()
    request = Request(
        route=CHAT,
        path="/v1/chat/completions",
        raw=serialise(chat(stream=True, stream_options="none")),
        principal=make_principal(),
        caller=HERE,
    )
    with pytest.raises(StoppedError) as stopped:
        Gate(core).enter(request)
    assert stopped.value.refusal.code == "unreadable"
    assert core.accounts.of("acme").held == NOTHING


def test_at_most_the_last_request_goes_beyond_a_budget() -> None:
    """By what it costs more than was thought; those after it are refused."""
    core = core_of()
    who = make_principal(budget=Budget(tokens=1_000))
    judged = [core.judge(who, "openai.chat", QUERY, NOW, estimate=Spent(1, 300)) for _ in range(20)]
    passed = [each.reservation for each in judged if each.reservation is not None]
    assert len(passed) == 4  # 3 hold 900 of 1,000: the fourth is the last
    for reservation in passed:
        core.settle(reservation, QUERY, Usage(250, 0))
    assert core.accounts.of("acme").spent.tokens == 1_000


@pytest.mark.parametrize("ends", ["settle", "release"])
def test_request_that_ends_twice_is_charged_once(ends: str) -> None:
    """A door that settles in two places must not take or give anything twice."""
    core = core_of()
    judged = core.judge(make_principal(), "openai.chat", QUERY, NOW, estimate=EACH)
    assert judged.reservation is not None
    end: dict[str, Callable[[Reservation], None]] = {
        "settle": lambda reservation: core.settle(reservation, QUERY, Usage(40, 60)),
        "release": core.release,
    }
    end[ends](judged.reservation)
    once = core.accounts.of("acme").spent
    for each in ("settle", "release", "settle"):
        end[each](judged.reservation)
    core.pay(judged.reservation, QUERY, Usage(500, 500))
    account = core.accounts.of("acme")
    assert account.spent == once == (EACH if ends == "settle" else NOTHING)
    assert account.held == NOTHING and account.open == 0


def test_day_changes_under_a_request() -> None:
    """What it cost until midnight is yesterday's; what it cost less than was thought is nobody's
    tomorrow.
    """
    clock = Hands()
    core = core_of(clock)
    sync = Sync(core)
    kinds = {"less": Usage(10, 0), "more": Usage(90, 0), "same": Usage(50, 0)}
    open_over_night = {}
    for name in kinds:
        judged = core.judge(make_principal(name), "openai.chat", QUERY, NOW, estimate=EACH)
        assert judged.reservation is not None
        core.pay(judged.reservation, QUERY, Usage(50, 0))
        open_over_night[name] = judged.reservation
    sync.step()
    clock.time += 86_400
    sync.step()
    for name, usage in kinds.items():
        core.settle(open_over_night[name], QUERY, usage)
    sync.step()
    store = core.store
    assert {each.tokens for each in store.spent(TODAY).values()} == {50}
    today = store.spent(day_of(clock.time))
    assert today == {"more": Spent(0, 40)}
    for name in kinds:
        account = core.accounts.of(name)
        assert account.held == NOTHING and min(account.spent) >= 0


def test_what_was_given_back_before_midnight_and_not_saved_is_not_tomorrows() -> None:
    """A store that is gone over midnight."""
    core = core_of()
    core.accounts.charge("acme", Spent(1, 500))
    core.accounts.unsaved()  # is saved
    core.accounts.charge("acme", Spent(0, -300))
    assert core.accounts.turn(NOW + 86_400)
    assert core.accounts.of("acme").spent == NOTHING
    assert not any(core.accounts.unsaved().get("acme", NOTHING))


def test_account_that_gave_way_keeps_what_was_not_saved_over_midnight() -> None:
    """What is unsaved counts for the new day, in memory as in the store."""
    accounts = Accounts({}, TODAY, 2)
    accounts.charge("early", EACH)
    for name in "abc":
        accounts.of(name)
    assert accounts.turn(NOW + 86_400)
    assert accounts.of("early").spent == EACH == accounts.unsaved()["early"]


def test_claim_holds_its_budget_while_it_asks_and_leaves_nothing() -> None:
    """A hundred first requests of one new credential share its budget, before the upstream has
    accepted it.
    """
    core = core_of()
    who = make_principal(budget=Budget(requests=10))
    judged = [core.judge(who, "openai.chat", QUERY, NOW, is_known=False) for _ in range(100)]
    passed = [each.reservation for each in judged if each.reservation is not None]
    assert len(passed) == 10 and len(core.accounts) == 0
    for reservation in passed:
        core.release(reservation)
    assert not core.accounts._claims and not core.accounts._accounts
    assert not core.accounts.unsaved()


def test_claim_that_is_accepted_keeps_what_its_other_requests_hold() -> None:
    """It becomes an account while they are under way."""
    core = core_of()
    who = make_principal(budget=Budget(requests=10))
    judged = [core.judge(who, "openai.chat", QUERY, NOW, is_known=False) for _ in range(10)]
    first, *others = [each.reservation for each in judged if each.reservation is not None]
    core.settle(first, QUERY, Usage(1, 1))
    assert core.judge(who, "openai.chat", QUERY, NOW).reservation is None
    for reservation in others:
        core.release(reservation)
    account = core.accounts.of("acme")
    assert (account.spent.requests, account.held, account.open) == (1, NOTHING, 0)
    assert not core.accounts._claims


def test_client_that_leaves_before_its_credential_is_accepted_still_uses_its_budget() -> None:
    """It left early ten times; all ten are charged once the upstream accepts the credential."""
    core = core_of()
    known = False
    gate = Gate(core, is_known=lambda principal: known)
    request = asked_by(make_principal(budget=Budget(requests=10)))
    for _ in range(9):
        gate.abandon(gate.enter(request))
    assert len(core.accounts) == 0 and not core.accounts.unsaved()
    accepted = gate.enter(request)
    with pytest.raises(StoppedError):
        gate.enter(request)
    known = True
    gate.leave(accepted, Usage(1, 1))
    assert core.accounts.of("acme").spent.requests == 10
    assert core.accounts.unsaved()["acme"].requests == 10


def test_what_claims_owe_takes_little_memory_and_ends_with_the_day() -> None:
    """Invented names are many; the oldest of them goes."""
    core = core_of()
    gate = Gate(core, is_known=lambda principal: False)
    for number in range(5_000):
        gate.abandon(gate.enter(asked_by(make_principal(f"invented-{number}"))))
    accounts = core.accounts
    assert len(accounts._owed) == 4_096 and "invented-4999" in accounts._owed
    assert accounts.claimed("invented-0").spent == NOTHING
    assert accounts.claimed("invented-4999").spent.requests == 1
    accounts.turn(NOW + 86_400)
    assert accounts.claimed("invented-4999").spent == NOTHING


def test_stream_to_a_claim_that_nobody_accepted_makes_no_account() -> None:
    """A page of the server's own may stream, too."""
    core = core_of()
    gate = Gate(core, is_known=lambda principal: False)
    passage = gate.enter(asked_by(make_principal()))
    gate.progress(passage, Usage(1, 1))
    gate.leave(passage, Usage(1, 1))
    assert len(core.accounts) == 0 and not core.accounts.unsaved()


def test_one_request_holds_no_more_than_a_model_can_take_and_give() -> None:
    """Whatever it asks for."""
    gate = Gate(core_of())
    request = asked_by(make_principal(budget=Budget(tokens=1_000)), max_tokens=2**62)
    estimate = gate.enter(request).reservation.estimate
    assert 10_000_000 < estimate.tokens < 10_001_000


@pytest.mark.parametrize(
    ("path", "body", "least"),
    [
        ("/v1/images/generations", {"model": "m", "prompt": "x", "n": 3}, 3 * 6_240),
        ("/v1/audio/speech", {"model": "m", "input": "x", "voice": "v"}, 6_000),
        ("/v1/embeddings", {"model": "m", "input": "x"}, 0),
    ],
)
def test_answer_that_is_no_text_is_held_by_a_constant(
    path: str, body: dict[str, object], least: int
) -> None:
    """Requests in parallel would overdraw a budget of tokens by it."""
    gate = Gate(core_of())
    route = next(route for route in known_routes() if route.matches("POST", path))
    request = Request(
        route=route,
        path=path,
        raw=serialise(body),
        principal=make_principal(budget=Budget(tokens=1_000)),
        caller=HERE,
    )
    assert least < gate.enter(request).reservation.estimate.tokens < least + 10


def test_account_with_a_request_under_way_does_not_give_way() -> None:
    """Its budget would be free again."""
    accounts = Accounts({}, TODAY, 2)
    held = accounts.reserve(accounts.of("busy"), EACH)
    for name in "abcdef":
        accounts.of(name)
    assert accounts.of("busy").held == EACH
    accounts.close(held)


class Books(RuleBasedStateMachine):
    """Requests of a few accounts begin, cost, end and fail in any order, over midnight too."""

    @initialize()
    def begin(self) -> None:
        self.now = NOW
        self.accounts = Accounts({}, TODAY, 2)
        self.open: list[tuple[Reservation, Spent]] = []
        self.saved: dict[tuple[str, str], Spent] = {}
        self.collected: dict[str, Spent] = {}

    @rule(name=st.sampled_from("abcd"), tokens=st.integers(0, 2**60), is_claim=st.booleans())
    def reserve(self, name: str, tokens: int, is_claim: bool) -> None:
        """A request begins."""
        of = self.accounts.claimed if is_claim else self.accounts.of
        estimate = Spent(1, tokens)
        reservation = self.accounts.reserve(of(name), estimate, is_claim=is_claim)
        self.open.append((reservation, estimate.bounded()))

    @rule(at=st.integers(0, 99), tokens=st.integers(0, 2**60))
    def pay(self, at: int, tokens: int) -> None:
        """One has cost so much."""
        if self.open:
            self.accounts.pay(self.open[at % len(self.open)][0], Spent(1, tokens))

    @rule(at=st.integers(0, 99))
    def close(self, at: int) -> None:
        """One ends."""
        if self.open:
            reservation, _ = self.open.pop(at % len(self.open))
            self.accounts.close(reservation)
            self.accounts.close(reservation)

    @rule(seconds=st.sampled_from([1.0, 86_400.0, -86_400.0]))
    def turn(self, seconds: float) -> None:
        """Time passes; a clock may be set back."""
        self.now += seconds
        self.accounts.turn(self.now)

    @rule(is_saved=st.booleans())
    def save(self, is_saved: bool) -> None:
        """Counters go to the store, or come back from it."""
        unsaved = self.accounts.unsaved()
        if not is_saved:
            self.accounts.restore(unsaved)
            return
        for name, spent in unsaved.items():
            key = (self.accounts.day, name)
            total = self.saved.get(key, NOTHING).plus(spent)
            assert min(total) >= 0
            self.saved[key] = total

    @invariant()
    def what_is_held_is_what_is_left_of_open_requests(self) -> None:
        """And nothing is ever less than nothing."""
        if not hasattr(self, "open"):
            return
        for name in "abcd":
            account = self.accounts.claimed(name)
            mine = [each for each, _ in self.open if each.account is account]
            held = NOTHING
            for each in mine:
                held = held.plus(each.paid.left_of(each.estimate))
            assert account.held == held and account.open == len(mine)
            assert min(account.spent) >= 0 and min(account.held) >= 0

    @invariant()
    def every_open_request_is_of_the_account_that_is_asked_next(self) -> None:
        """Two states of one account would give its budget twice."""
        if hasattr(self, "open"):
            for each, _ in self.open:
                assert self.accounts.claimed(each.account.name) is each.account

    @invariant()
    def today_is_what_was_saved_and_what_is_not_yet(self) -> None:
        """Memory and store agree."""
        if not hasattr(self, "open"):
            return
        for name in "abcd":
            saved = self.saved.get((self.accounts.day, name), NOTHING)
            unsaved = self.accounts._unsaved.get(name, NOTHING)
            assert self.accounts.claimed(name).spent == saved.plus(unsaved)


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


@given(st.lists(st.integers(-(2**62), 2**62), min_size=4, max_size=4))
def test_bounded_counts_are_those_that_json_and_lua_hold(counts: list[int]) -> None:
    """Whatever an upstream states."""
    assert all(float(each) == each for each in Spent(*counts).bounded())
