"""Two guards on one server: each learns what the other decided and spent; strict budgets hold for
both together.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest

from gamekeeper.guard.budgets.prices import Prices
from gamekeeper.guard.budgets.shared_buckets import SharedBuckets
from gamekeeper.guard.budgets.shared_budgets import StrictBudgets
from gamekeeper.guard.core import Core
from gamekeeper.guard.decisions.proof_of_work import CHALLENGE_HEADER, solve
from gamekeeper.guard.gate import Gate, Passage, Request, StoppedError
from gamekeeper.guard.identity import Budget, Principal
from gamekeeper.guard.policy import GuardPolicy, Ladder, Price, State
from gamekeeper.guard.routes import known_routes, serialise
from gamekeeper.guard.routes.query import Usage
from gamekeeper.guard.routes.unjudged_route import UnjudgedRoute
from gamekeeper.guard.store import Spent, StoreGoneError
from gamekeeper.guard.store.memory import MemoryStore
from gamekeeper.guard.store.redis import RedisStore
from gamekeeper.guard.sync import Sync
from gamekeeper.verdict import Verdict
from guard.builders import HERE, KEY, NOW, Hands, make_decision, make_principal, make_query
from guard.routes.builders import chat
from guard.store.servers import Server

pytestmark = pytest.mark.extra

CHAT = known_routes()[0]
DAY = "2026-11-18"


class Replica:
    """A guard's core and gate on a shared server."""

    def __init__(self, server: Server, clock: Hands, **state: object) -> None:
        ladder = Ladder(proof_s=0.0001)
        settings = State.model_validate({"redis": server.url} | state)
        self.policy = GuardPolicy(enforce=True, ladder=ladder, state=settings)
        self.store = RedisStore(server.url)
        self.core = Core(self.policy, self.store, KEY, clock=clock)  # type: ignore[arg-type]
        if self.policy.state.strict_budgets:
            self.core.strict = StrictBudgets(server.url)
        self.core.buckets = SharedBuckets(server.url)
        self.sync = Sync(self.core)
        self.gate = Gate(self.core)

    async def ask(self, principal: Principal, proof: str | None = None) -> Passage | str:
        """A passage, or the code of the refusal."""
        try:
            return await self.asked(principal, proof)
        except StoppedError as stopped:
            return stopped.refusal.code

    async def asked(self, principal: Principal, proof: str | None = None) -> Passage:
        """A passage; raises the refusal."""
        request = Request(
            route=CHAT,
            path="/v1/chat/completions",
            raw=serialise(chat()),
            principal=principal,
            caller=HERE,
            proof=proof,
        )
        return await self.gate.reserve(self.gate.enter(request))

    def answer(self, principal: Principal, tokens: int = 0) -> None:
        """Counts an answer."""
        query = make_query()
        judgement = self.core.judge(principal, "openai.chat", query, NOW)
        assert judgement.reservation is not None
        self.core.settle(judgement.reservation, query, Usage(tokens, 0))

    async def settled(self) -> None:
        """Waits until strict budgets are settled."""
        assert self.core.strict is not None
        await asyncio.gather(*self.core.strict._open)

    async def close(self) -> None:
        """Ends it."""
        assert self.core.buckets is not None
        await self.core.buckets.close()
        if self.core.strict is not None:
            await self.core.strict.close()
        self.store.close()


@asynccontextmanager
async def replicas(
    server: Server, clock: Hands | None = None, **state: object
) -> AsyncIterator[tuple[Replica, Replica]]:
    clock = clock or Hands()
    both = Replica(server, clock, **state), Replica(server, clock, **state)
    try:
        yield both
    finally:
        for each in both:
            await each.close()


NAP_S = 0.01


async def seconds_until(holds: Callable[[], bool], most: float = 5) -> float:
    """Seconds of waiting, counted in naps: a machine that wakes us late does not make it longer."""
    naps = 0
    while not holds():
        assert naps * NAP_S < most, "it never happened"
        await asyncio.sleep(NAP_S)
        naps += 1
    return naps * NAP_S


def test_decision_reaches_the_other_replica_within_a_second(server: Server) -> None:
    """And so does that it was lifted."""

    async def run() -> None:
        async with replicas(server) as (one, two):
            running = asyncio.create_task(two.sync.run())
            decision = make_decision(Verdict.DENY)
            await asyncio.to_thread(one.core.decide, decision)
            assert await seconds_until(lambda: two.core.decisions.of("acme", NOW) is not None) < 1
            assert await two.ask(make_principal()) == "suspended"
            await asyncio.to_thread(one.core.lift, decision.id, "anna", "a mistake")
            assert await seconds_until(lambda: two.core.decisions.of("acme", NOW) is None) < 1
            running.cancel()
            await asyncio.wait([running])

    asyncio.run(run())


def test_what_one_replica_counted_the_other_knows_within_a_second(server: Server) -> None:
    """Without strict budgets too: an account overdraws by what it asks meanwhile, and no more."""
    who = make_principal(budget=Budget(requests=5))

    async def run() -> None:
        async with replicas(server, strict_budgets=False) as (one, two):
            running = [asyncio.create_task(each.sync.run()) for each in (one, two)]
            for _ in range(5):
                one.answer(who)
            naps = 0
            while await two.ask(who) != "budget":
                assert naps * NAP_S < 2
                await asyncio.sleep(NAP_S)
                naps += 1
            for each in running:
                each.cancel()
            await asyncio.wait(running)

    asyncio.run(run())


def test_nothing_is_counted_twice_however_replicas_interleave(server: Server) -> None:
    """Own counts come back from the server: what is saved, what is not yet, and what others add
    must fit together.
    """
    who = make_principal()

    async def run() -> None:
        async with replicas(server) as (one, two):
            for round in range(6):
                one.answer(who, tokens=10)
                two.answer(who, tokens=1)
                (one if round % 2 else two).sync.step()
                one.answer(who, tokens=10)
            for each in (one, two, one):
                each.sync.step()
            spent = [each.core.accounts.of("acme").spent for each in (one, two)]
            assert spent == [Spent(18, 126), Spent(18, 126)] == [one.store.spent(DAY)["acme"]] * 2

    asyncio.run(run())


def test_charge_made_while_counters_are_saved_is_kept(server: Server) -> None:
    """Requests go on on the event loop while a thread saves and learns."""

    async def run() -> None:
        async with replicas(server) as (one, _):
            one.answer(make_principal())
            unsaved, done = one.sync._collected()
            one.answer(make_principal())
            one.sync._save(unsaved, done)
            one.sync._saved(unsaved)
            assert one.core.accounts.of("acme").spent == Spent(2)
            one.sync.step()
            assert one.store.spent(DAY)["acme"] == Spent(2) == one.core.accounts.of("acme").spent

    asyncio.run(run())


def test_new_day_begins_for_both(server: Server) -> None:
    """Yesterday's counters of the other replica do not come back."""
    clock = Hands()

    async def run() -> None:
        async with replicas(server, clock) as (one, two):
            one.answer(make_principal())
            one.sync.step()
            clock.time += 86_400
            for each in (one, two, one, two):
                each.sync.step()
            two.answer(make_principal())
            for each in (two, one):
                each.sync.step()
            assert [each.core.accounts.of("acme").spent for each in (one, two)] == [
                Spent(1),
                Spent(1),
            ]

    asyncio.run(run())


@pytest.mark.parametrize("requests", [1, 10])
def test_replicas_cannot_overdraw_a_strict_budget_together(
    server: Server, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty requests at once through two replicas: exactly the budget passes."""
    monkeypatch.setattr(
        "gamekeeper.guard.budgets.shared_budgets._ANSWER_S", 20
    )  # a busy machine answers late
    monkeypatch.setattr("gamekeeper.guard.store._redis.CONNECT_S", 20)
    who = make_principal(budget=Budget(requests=requests))

    async def run() -> None:
        async with replicas(server, strict_budgets=True) as both:
            got = await asyncio.gather(*(both[n % 2].ask(who) for n in range(40)))
            assert sum(isinstance(each, Passage) for each in got) == requests
            assert [each for each in got if not isinstance(each, Passage)] == ["budget"] * (
                40 - requests
            )

    asyncio.run(run())


@pytest.mark.parametrize(
    ("budget", "name"),
    [
        (Budget(tokens=100), "tokens"),
        (Budget(usd=0.0001), "usd"),
        (Budget(cells=100), "new ground"),
    ],
)
def test_strict_budget_of_any_kind_ends_for_the_other_replica_at_once(
    server: Server, budget: Budget, name: str
) -> None:
    """What an answer cost is added right after it, not with the next flush."""
    who = make_principal(budget=budget)

    async def run() -> None:
        async with replicas(server, strict_budgets=True) as (one, two):
            passage = await one.asked(who)
            taken = passage.reservation.shared
            assert taken is not None and one.core.strict is not None
            one.core.strict.settle(taken, Spent(1, 100, 100, 100), lambda due: None)
            await one.settled()
            with pytest.raises(StoppedError) as refused:
                await two.asked(who)
            refusal = refused.value.refusal
            assert refusal.status == 429 and name in refusal.message

    asyncio.run(run())


def test_answer_and_failure_settle_a_strict_budget_exactly(server: Server) -> None:
    """An answer costs its tokens and one request, in the shared counters once; a failure gives the
    request back.
    """
    who = make_principal(budget=Budget(requests=2))

    async def run() -> None:
        async with replicas(server, strict_budgets=True) as (one, two):
            answered = await one.ask(who)
            failed = await two.ask(who)
            assert isinstance(answered, Passage) and isinstance(failed, Passage)
            assert await one.ask(who) == "budget"
            one.gate.leave(answered, Usage(30, 12))
            two.gate.drop(failed)
            for each in (one, two):
                await each.settled()
                each.sync.step()
            assert one.store.spent(DAY) == {"acme": Spent(1, 42)}
            assert isinstance(await two.ask(who), Passage)

    asyncio.run(run())


def test_who_has_no_budget_never_waits_for_the_server(server: Server) -> None:
    """Even when it hangs."""

    async def run() -> None:
        async with replicas(server, strict_budgets=True, when_gone="closed") as (one, _):
            server.hang()
            began = monotonic()
            passage = await one.ask(make_principal())
            assert isinstance(passage, Passage) and passage.reservation.shared is None
            assert monotonic() - began < 0.5  # what it waits for a server that hangs
            server.wake()

    asyncio.run(run())


@pytest.mark.parametrize(("when_gone", "passes"), [("open", True), ("closed", False)])
def test_strict_budget_without_its_server_does_as_the_policy_says(
    server: Server, when_gone: str, passes: bool
) -> None:
    """Within two seconds; and what passes is counted, and saved once the server is back."""
    who = make_principal(budget=Budget(requests=10))

    async def run() -> None:
        async with replicas(server, strict_budgets=True, when_gone=when_gone) as (one, _):
            server.kill()
            began = monotonic()
            got = await one.ask(who)
            assert monotonic() - began < 2
            assert isinstance(got, Passage) if passes else got == "unavailable"
            if isinstance(got, Passage):
                one.gate.leave(got, Usage(5, 5))
            server.start()
            one.sync.step()
            assert one.store.spent(DAY) == ({"acme": Spent(1, 10)} if passes else {})

    asyncio.run(run())


def test_answer_that_cannot_be_settled_is_saved_later(server: Server) -> None:
    """The server died between request and answer."""
    who = make_principal(budget=Budget(requests=10))

    async def run() -> None:
        async with replicas(server, strict_budgets=True) as (one, _):
            passage = await one.ask(who)
            assert isinstance(passage, Passage)
            server.kill()
            one.gate.leave(passage, Usage(30, 12))
            await one.settled()
            one.sync.step()
            server.start()
            one.sync.step()
            assert one.store.spent(DAY) == {"acme": Spent(1, 42)}

    asyncio.run(run())


def keys_of(server: Server, pattern: str) -> list[bytes]:
    """What the server holds under such names."""
    import redis

    with redis.Redis(unix_socket_path=str(server.socket)) as client:
        return client.keys(pattern)  # type: ignore[return-value]


def test_claimed_account_leaves_nothing_on_the_server(server: Server) -> None:
    """Made-up credentials must not fill the server's memory."""
    who = make_principal(budget=Budget(requests=10))

    async def run() -> None:
        async with replicas(server, strict_budgets=True) as (one, _):
            one.gate = Gate(one.core, is_known=lambda principal: False)
            passages = [await one.asked(who) for _ in range(2)]
            assert keys_of(server, "*:claims:*") and one.store.spent(DAY) == {}
            one.gate.drop(passages[0])
            one.gate.abandon(passages[1])
            await one.settled()
            assert not keys_of(server, "*:claims:*") and one.store.spent(DAY) == {}

    asyncio.run(run())


def test_first_requests_of_a_credential_share_its_budget_over_replicas(server: Server) -> None:
    """Before the upstream has accepted it, at two replicas; and what it then costs is charged."""
    who = make_principal(budget=Budget(requests=3))

    async def run() -> None:
        async with replicas(server, strict_budgets=True) as both:
            one, two = both
            for each in both:
                each.gate = Gate(each.core, is_known=lambda principal: False)
            got = [await both[n % 2].ask(who) for n in range(6)]
            first, second, third, *others = got
            assert others == ["budget"] * 3
            one.gate = two.gate = Gate(one.core)
            assert await one.ask(who) == "budget", "claims under way count once it is accepted"
            assert isinstance(first, Passage) and isinstance(third, Passage)
            one.gate.leave(first, Usage(30, 12))
            one.gate.drop(third)
            await one.settled()
            assert one.store.spent(DAY) == {"acme": Spent(1, 42)}
            assert isinstance(await one.ask(who), Passage)
            assert isinstance(second, Passage)

    asyncio.run(run())


def test_budget_of_a_passed_api_holds_over_replicas(server: Server) -> None:
    """Ten uploads; the account itself has no budget."""
    files = UnjudgedRoute("openai.files")

    async def run() -> None:
        async with replicas(server, strict_budgets=True) as both:

            async def upload(replica: Replica) -> Passage | str:
                request = Request(
                    route=files, path="/v1/files", raw=b"x", principal=SLOWED, caller=HERE
                )
                try:
                    return await replica.gate.reserve(replica.gate.enter_unjudged(request, 3))
                except StoppedError as stopped:
                    return stopped.refusal.code

            got = [await upload(both[n % 2]) for n in range(10)]
            passed = [each for each in got if isinstance(each, Passage)]
            assert len(passed) == 3 and got.count("budget") == 7
            both[0].gate.drop(passed[0])
            await both[0].settled()
            assert isinstance(await upload(both[1]), Passage)

    asyncio.run(run())


def test_stream_is_paid_while_it_runs_beyond_what_was_reserved(server: Server) -> None:
    """The other replica knows before it ends; in the end it costs what it cost."""
    who = make_principal(budget=Budget(tokens=5_000))

    async def run() -> None:
        async with replicas(server, strict_budgets=True) as (one, two):
            stream = await one.asked(who)
            one.gate.progress(stream, Usage(10, 10))
            assert isinstance(await two.ask(who), Passage)
            for output in (3_000, 4_000, 6_000):  # more comes while the first is brought
                one.gate.progress(stream, Usage(10, output))
            await one.settled()
            assert await two.ask(who) == "budget"
            one.gate.progress(stream, Usage(10, 7_000))
            one.gate.leave(stream, Usage(10, 4_500))
            await one.settled()
            reserved = stream.reservation.estimate.tokens
            assert one.store.spent(DAY)["acme"] == Spent(2, 4_510 + reserved)

    asyncio.run(run())


def test_request_for_any_number_of_tokens_erases_nothing_that_was_spent(server: Server) -> None:
    """The upstream refuses it, so that all of it is put back: what was spent before stays."""
    who = make_principal(budget=Budget(requests=100))

    async def run() -> None:
        async with replicas(server, strict_budgets=True) as (one, _):
            one.gate.leave(await one.asked(who), Usage(300, 100))
            await one.settled()
            huge = Spent(1, 2**70, 2**70)
            one.gate._estimate = lambda *_: huge  # type: ignore[method-assign]
            passages = [await one.asked(who) for _ in range(3)]
            for passage in passages:
                one.gate.drop(passage)
                await one.settled()
            assert one.store.spent(DAY) == {"acme": Spent(1, 400)}

    asyncio.run(run())


def test_store_that_is_gone_at_the_start_is_said(tmp_path: Path) -> None:
    """A guard without its counters does not start."""
    pytest.importorskip("redis")
    with pytest.raises(StoreGoneError):
        RedisStore(f"unix://{tmp_path}/nobody?db=0")


SLOW = make_decision(Verdict.SLOW)
BURST = GuardPolicy().ladder.slow.burst
SLOWED = make_principal()


def test_two_replicas_give_one_burst_together(server: Server) -> None:
    """Requests of a slowed account that do not wait, counted over both; the others wait, or are
    refused.
    """

    async def run() -> None:
        async with replicas(server) as both:
            for each in both:
                await asyncio.to_thread(each.core.decide, SLOW)
            got = await asyncio.gather(*(both[n % 2].ask(SLOWED) for n in range(40)))
            passed = [each for each in got if isinstance(each, Passage)]
            waits = [each.judgement.act.wait_s for each in passed]
            assert waits.count(0) == BURST
            assert {each for each in got if not isinstance(each, Passage)} == {"slowed"}
            assert max(waits) <= both[0].policy.ladder.slow.wait_s
            held = [each.core.accounts.of("acme").held.requests for each in both]
            assert sum(held) == len(passed)

    asyncio.run(run())


def test_replica_that_starts_again_gives_no_burst_again(server: Server) -> None:
    """Its buckets are in the server."""

    async def run() -> None:
        for starts in range(2):
            async with replicas(server) as (one, _):
                one.core.decide(SLOW)
                waits = [await waiting_s(one, SLOWED) for _ in range(BURST)]
            assert waits.count(0) == (0 if starts else BURST)

    asyncio.run(run())


def test_replicas_judge_a_slowed_account_as_one_process_does(server: Server) -> None:
    """The script and the buckets in memory are two ways to say one thing."""
    clock = Hands()
    alone = Core(GuardPolicy(enforce=True), MemoryStore(), KEY, clock=clock)  # type: ignore[arg-type]
    alone.decide(SLOW)
    pauses = [0, 0, 0, 0, 0, 3, 0.5, 40, 0, 0, 0, 0, 9, 100, 0, 86_400 * 3, 0, 0, 0, 0]

    async def run() -> None:
        async with replicas(server, clock) as (one, two):
            for each in (one, two):
                each.core.decide(SLOW)
            for number, pause in enumerate(pauses):
                clock.time += pause
                here = await waiting_s(one if number % 2 else two, SLOWED)
                judged = alone.judge(SLOWED, "openai.chat", make_query(), clock.time)
                expected = None if judged.act.refusal else judged.act.wait_s
                assert here == (expected if expected is None else pytest.approx(expected, abs=1e-6))

    asyncio.run(run())


async def waiting_s(replica: Replica, who: Principal) -> float | None:
    """How long a request waits; None if it is refused."""
    try:
        return (await replica.asked(who)).judgement.act.wait_s
    except StoppedError:
        return None


def test_proof_of_work_opens_for_both_replicas(server: Server) -> None:
    """For as many requests as the policy says, whichever of them answers."""
    decision = make_decision(Verdict.CHALLENGE, challenge="proof")
    most = GuardPolicy().ladder.proof_requests

    async def run() -> None:
        async with replicas(server) as both:
            for each in both:
                each.core.decide(decision)
            with pytest.raises(StoppedError) as refused:
                await both[0].asked(SLOWED)
            proof = solve(dict(refused.value.refusal.headers)[CHALLENGE_HEADER])
            opened = [await both[0].ask(SLOWED, proof)]
            while opened[-1] != "proof_required":
                assert len(opened) <= most
                clock_of(both).time += 60
                opened.append(await both[len(opened) % 2].ask(SLOWED))
            assert len(opened) == most + 1

    asyncio.run(run())


def clock_of(both: tuple[Replica, Replica]) -> Hands:
    clock = both[0].core.clock
    assert isinstance(clock, Hands)
    return clock


def test_slowed_account_stays_slowed_without_the_server(server: Server) -> None:
    """By the buckets of each process."""

    async def run() -> None:
        async with replicas(server, when_gone="open") as (one, _):
            one.core.decide(SLOW)
            server.kill()
            waits = [await waiting_s(one, SLOWED) for _ in range(BURST + 2)]
            assert waits[:BURST] == [0] * BURST
            assert all(wait is None or wait > 0 for wait in waits[BURST:])

    asyncio.run(run())


@pytest.mark.parametrize(
    "budget", [Budget(requests=10), Budget(tokens=10 * 100), Budget(usd=10 * 0.01)]
)
def test_hundreds_at_once_overdraw_no_strict_budget(
    server: Server, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With answers that come, clients that leave and upstreams that refuse, over two replicas; at
    most the last request goes beyond.
    """
    monkeypatch.setattr("gamekeeper.guard.budgets.shared_budgets._ANSWER_S", 20)
    monkeypatch.setattr("gamekeeper.guard.store._redis.CONNECT_S", 20)
    who = make_principal(budget=budget)
    under_way = 0
    most_under_way = 0
    answered = 0

    async def run() -> None:
        nonlocal answered
        async with replicas(server) as both:
            for each in both:
                each.core._prices = Prices({"*": Price(usd_per_request=0.01)})
                each.gate._estimate = lambda *_: Spent(1, 100, 10_000)  # type: ignore[method-assign]

            async def one(number: int) -> None:
                nonlocal under_way, most_under_way, answered
                replica = both[number % 2]
                got = await replica.ask(who)
                if not isinstance(got, Passage):
                    assert got == "budget"
                    return
                under_way += 1
                most_under_way = max(most_under_way, answered + under_way)
                await asyncio.sleep(0.001 * (number % 7))
                under_way -= 1
                if number % 5 == 0:
                    replica.gate.drop(got)
                    return
                answered += 1
                if number % 3 == 0:
                    replica.core.settle(got.reservation, got.query, Usage(60, 40))
                else:
                    replica.gate.leave(got, Usage(50, 50))

            await asyncio.gather(*(one(number) for number in range(300)))
            for each in both:
                await each.settled()
                each.sync.step()
            spent = both[0].store.spent(DAY)["acme"]
            assert spent == Spent(answered, 100 * answered, 10_000 * answered)
            assert most_under_way <= 10 and answered <= 10
            assert both[0].core.accounts.of("acme").held == Spent()

    asyncio.run(run())


def test_estimate_beyond_all_bounds_is_still_a_number_for_the_server(server: Server) -> None:
    """A client that asks for 2^63 tokens must not make the server refuse the script, which would
    pass it where requests pass without the server.
    """
    who = make_principal(budget=Budget(tokens=1_000))

    async def run() -> None:
        async with replicas(server, when_gone="open") as (one, two):
            huge = Spent(1, 2**70, 2**70)
            one.gate._estimate = lambda *_: huge  # type: ignore[method-assign]
            first = await one.asked(who)
            assert await two.ask(who) == "budget"
            one.gate.leave(first, Usage(300, 2**70))
            await one.settled()
            assert one.store.spent(DAY)["acme"].tokens == 2**53
            one.store.add(DAY, {"acme": Spent(0, 2**53), "other": Spent(0, -5)})
            assert one.store.spent(DAY) == {"acme": Spent(1, 2**53), "other": Spent()}

    asyncio.run(run())
