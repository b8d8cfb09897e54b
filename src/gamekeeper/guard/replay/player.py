"""A log played before the guard, on the log's own clock.

Every hour of the log is judged exchange by exchange, what is answered goes to the window, and
accounts that use a known template join its campaign and are watched; every `every_s` the window is
searched for campaigns. A log that is shorter is searched once, at its end. All of it is the guard's
own code.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from gamekeeper.base.clock import SteadyClock
from gamekeeper.base.progress import OnProgress, ignore_progress
from gamekeeper.campaigns import SearchOptions
from gamekeeper.guard.core import Core
from gamekeeper.guard.decisions.decision import Tracked
from gamekeeper.guard.identity import Budget, Principal
from gamekeeper.guard.identity.caller import Caller
from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.routes.query import Query, Usage
from gamekeeper.guard.store.memory import MemoryStore
from gamekeeper.guard.sync import Sync
from gamekeeper.guard.watch.names import Names
from gamekeeper.guard.watch.openings import Openings
from gamekeeper.guard.watch.passes import look, options_of
from gamekeeper.guard.watch.window import Window
from gamekeeper.verdict import Verdict

_STEP = timedelta(hours=1)
FEW = 100
"""Answered exchanges; with fewer there is nothing to compare, and nothing is searched."""

_KEY = bytes(32)  # nothing is given out that it would keep secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A campaign that the guard would have followed.

    Args:
        campaign: As it was last seen.
        found: When, UTC.
        decided: When each verdict was first decided about it.
    """

    campaign: Tracked
    found: datetime
    decided: dict[Verdict, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What the guard would have done.

    Args:
        exchanges: A row an exchange, by time: `time`, `account`, `action` (`pass`, `delay`,
            `withhold`, `throttle`, `challenge`, `deny`, `budget`), `wait_s`, `is_answered`.
        held: `account`, and when it was first held at `slow` or more (`slowed`) and at `limit` or
            more (`limited`); null if it never was. Accounts that never were are left out.
        watched: When each account was first held at `watch` or more; others are left out.
        grouped: Accounts that were in a campaign or joined one at any time, whatever the verdict.
        followed: Campaigns, by name.
        searches: How often the log was searched for campaigns.
        searched_at_end: Whether the only search was at the log's end, because none was due before.
    """

    exchanges: pl.DataFrame
    held: pl.DataFrame
    watched: dict[str, datetime]
    grouped: frozenset[str]
    followed: tuple[Followed, ...]
    searches: int
    searched_at_end: bool = False


def replay(
    log: pl.DataFrame,
    policy: GuardPolicy,
    *,
    every_s: float = 86_400,
    enforce: bool = True,
    on_progress: OnProgress = ignore_progress,
) -> Replayed:
    """Plays a log before a guard.

    Args:
        log: Of `exchange.SCHEMA`, in any order.
        policy: What to do; `[watch] every_s` is not used.
        every_s: Between two searches, in seconds of the log.
        enforce: Whether it acts, whatever the policy says; a dry run decides the same and does
            nothing.
        on_progress: Called with exchanges done, and in all.
    """
    log = log.sort("time", "account", maintain_order=True)
    player = _Player(policy.model_copy(update={"enforce": enforce}), every_s, log["time"][0])
    done = 0
    for part in _steps(log):
        player.take(part)
        done += len(part)
        on_progress(done, len(log))
    return player.outcome(log)


class _Player:
    """The guard without its doors and its processes.

    Args:
        policy: What to do.
        every_s: Between two searches.
        first: Time of the first exchange.
    """

    def __init__(self, policy: GuardPolicy, every_s: float, first: datetime) -> None:
        self._now = first.timestamp()
        self._clock = SteadyClock(lambda: self._now, lambda: self._now)
        self._core = Core(policy, MemoryStore(), _KEY, clock=self._clock)
        self._sync = Sync(self._core)
        self._window = Window(policy.watch.days, policy.watch.max_sample)
        self._options: SearchOptions = options_of(policy.watch)
        self._openings = Openings(days=policy.watch.days)
        self._names = Names(None)
        self._found: dict[str, float] = {}
        self._every_s = every_s
        self._due = self._now + every_s
        self._budget = _budget(policy)
        self._queries: dict[str | None, Query] = {}
        self._actions: list[tuple[str, float, bool]] = []
        self._watched: dict[str, float] = {}
        self._slowed: dict[str, float] = {}
        self._limited: dict[str, float] = {}
        self._grouped: set[str] = set()
        self._decided: dict[str, dict[Verdict, datetime]] = {}
        self._searches = 0

    def take(self, rows: pl.DataFrame) -> None:
        """Judges an hour's exchanges, links those that would have been answered, and looks if it is
        time.
        """
        self._now = rows["time"][0].timestamp()
        self._sync.step()  # ends what has ended, and begins a day of budgets
        answered = [self._judge(*row) for row in _judged(rows)]
        seen = rows.filter(pl.Series(answered))
        self._window.take(seen)
        self._core.decisions.join(self._openings.match(seen), self._clock.now())
        if self._now >= self._due:
            self._search()
        self._note()

    def outcome(self, log: pl.DataFrame) -> Replayed:
        """Returns what would have been done; a log that was not searched yet is searched."""
        is_searched = self._searches > 0
        if not is_searched:
            self._search()
            self._note()
        actions, waits, answered = zip(*self._actions, strict=True)
        exchanges = log.select("time", "account").with_columns(
            pl.Series("action", actions),
            pl.Series("wait_s", waits),
            pl.Series("is_answered", answered),
        )
        held = pl.DataFrame(
            [(a, _utc(at), _utc(self._limited.get(a))) for a, at in self._slowed.items()],
            schema={
                "account": pl.String,
                "slowed": pl.Datetime("us", "UTC"),
                "limited": pl.Datetime("us", "UTC"),
            },
            orient="row",
        )
        campaigns = self._core.decisions.campaigns
        followed = tuple(
            Followed(campaign=c, found=_time(c.found), decided=self._decided.get(c.id, {}))
            for c in campaigns.values()
        )
        return Replayed(
            exchanges=exchanges,
            held=held,
            watched={account: _time(at) for account, at in self._watched.items()},
            grouped=frozenset(self._grouped),
            followed=followed,
            searches=self._searches,
            searched_at_end=self._searches > 0 and not is_searched,
        )

    def _judge(self, now: float, account: str, model: str | None, tokens: int) -> bool:
        """Whether an exchange would have been answered."""
        self._now = now
        principal = Principal(account=account, credential=account, kind="host", budget=self._budget)
        query = self._queries.setdefault(model, Query(model=model))
        judgement = self._core.judge(principal, "replay", query, now)
        act = judgement.act
        is_answered = act.refusal is None
        usage = Usage(0, tokens)
        if judgement.reservation is not None:
            self._core.settle(judgement.reservation, query, usage)
        if is_answered:
            self._core.answered(principal, "replay", query, usage, Caller(), now)
        self._actions.append((act.action, act.wait_s, is_answered))
        return is_answered

    def _search(self) -> None:
        self._due = self._now + self._every_s
        if self._window.exchanges < FEW:
            return
        self._searches += 1
        read = self._window.read_summary(())
        passed = look(
            self._window.merged(), read, self._options, self._names, self._found, self._clock.now()
        )
        self._openings.learn(passed.result.campaigns, passed.rows, self._clock.now())
        self._core.track(list(passed.tracked))

    def _note(self) -> None:
        """Notes who is held now, and since when."""
        now = self._clock.now()
        decisions = self._core.decisions
        for campaign in decisions.campaigns.values():
            members = (*campaign.accounts, *dict(campaign.joined))
            self._grouped.update(members)
            for account in members:
                self._note_account(account, campaign.id, now)

    def _note_account(self, account: str, campaign: str, now: float) -> None:
        decision = self._core.decisions.of(account, now)
        if decision is None:
            return
        self._decided.setdefault(campaign, {}).setdefault(decision.verdict, _time(now))
        self._watched.setdefault(account, now)
        if decision.verdict.step >= Verdict.SLOW.step:
            self._slowed.setdefault(account, now)
        if decision.verdict.step >= Verdict.LIMIT.step:
            self._limited.setdefault(account, now)


def _steps(log: pl.DataFrame) -> Iterator[pl.DataFrame]:
    hours = log.group_by_dynamic("time", every=_STEP).agg(pl.len().alias("n"))["n"]
    start = 0
    for n in hours:
        yield log.slice(start, n)
        start += n


def _judged(rows: pl.DataFrame) -> Iterator[tuple[float, str, str | None, int]]:
    """What judging takes of each exchange: time in epoch seconds, account, model, tokens."""
    tokens = pl.sum_horizontal(pl.col("input_tokens", "output_tokens").fill_null(0))
    return rows.select(pl.col("time").dt.epoch("us") / 1e6, "account", "model", tokens).iter_rows()


def _budget(policy: GuardPolicy) -> Budget:
    """Of every account, new ground left out: counting it takes a process of its own."""
    day = policy.identity.budget
    return Budget(requests=day.requests, tokens=day.tokens, usd=day.usd)


def _time(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)


def _utc(epoch_s: float | None) -> datetime | None:
    return None if epoch_s is None else _time(epoch_s)
