"""`gamekeeper demo-live`: a month at a model API in a few minutes, with the guard in front of it,
to watch.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from gamekeeper._cli.options import Quiet, Seed
from gamekeeper.base.clock import SteadyClock
from gamekeeper.base.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from gamekeeper.guard.assembly import Guard
    from gamekeeper.guard.policy import GuardPolicy
    from gamekeeper.simulate import LabelledTraffic
    from gamekeeper.simulate.log_player import LogPlayer

NAME = "demo-live"
_DAY_S = 86_400


def run(
    out: Annotated[Path, typer.Option(help="Folder for the guard's state; must not exist.")] = Path(
        "demo-live"
    ),
    minutes: Annotated[float, typer.Option(help="Minutes that the month takes.", min=0.2)] = 4,
    scale: Annotated[
        float, typer.Option(help="Accounts, as a multiple of the standard month's 1,500.")
    ] = 0.5,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Record verdicts, do nothing.")
    ] = False,
    stay: Annotated[
        bool, typer.Option("--stay", help="Leave the page up when the month is over.")
    ] = False,
    seed: Seed = 1,
    quiet: Quiet = False,
) -> None:
    """Watch the guard find and slow campaigns in minutes.

    Needs no input; extra `guard`. A simulated month of ordinary callers and thieves is sent to a
    small model behind the guard, its clock sped up so that a day passes in seconds. Open the page
    that is printed; campaigns appear there with their reasons.

    Example:

      gamekeeper demo-live --minutes 4 --stay
    """
    from rich.console import Console

    from gamekeeper.guard.server.http import run as run_server
    from gamekeeper.simulate import simulate

    if out.exists():
        raise UsageError(f"{out} exists; remove it, or name another folder with --out")
    console = Console(stderr=True, quiet=quiet)
    traffic = simulate(seed=seed, scale=scale)
    console.print(
        f"composed {len(traffic.exchanges):,} exchanges of {len(traffic.labels):,} accounts"
    )
    outcome = run_server(_play(traffic, out, minutes * 60, not dry_run, stay, console.print))
    Console().print(outcome)


class _FastClock:
    """The month's own time: constant until `begin`, then `speed` times as fast as real time."""

    def __init__(self, first: float, speed: float) -> None:
        self._first = first
        self._speed = speed
        self._began = -1.0

    def begin(self) -> None:
        self._began = monotonic()

    def __call__(self) -> float:
        return (
            self._first
            if self._began < 0
            else self._first + (monotonic() - self._began) * self._speed
        )


async def _play(
    traffic: "LabelledTraffic",
    out: Path,
    seconds: float,
    enforce: bool,
    stay: bool,
    narrate: Callable[[str], None],
) -> "Table":
    from gamekeeper.guard.admin import admin_app, admin_url
    from gamekeeper.guard.assembly import Guard
    from gamekeeper.guard.server.http import listening
    from gamekeeper.guard.server.upstream import Upstream
    from gamekeeper.simulate.example_model import ExampleModel
    from gamekeeper.simulate.log_player import LogPlayer

    first, last = _span(traffic)
    fast = _FastClock(first, (last - first) / seconds)

    def narrate_at(text: str) -> None:
        narrate(f"day {(fast() - first) / _DAY_S:4.1f}  {text[:200]}")

    guard = Guard(
        _policy(out, seconds, enforce), clock=SteadyClock(fast, fast), on_notice=narrate_at
    )
    assert guard.keys is not None
    credentials = {
        account: guard.keys.issue(account)[1].reveal() for account in traffic.labels["account"]
    }
    limits = guard.policy.limits
    async with AsyncExitStack() as up:
        target = await up.enter_async_context(listening(ExampleModel(), "127.0.0.1", 0, limits))
        upstream = Upstream(f"http://127.0.0.1:{target}", limits, guard.core.metrics)
        up.push_async_callback(upstream.close)
        await guard.start()
        up.push_async_callback(guard.stop)
        front = await up.enter_async_context(
            listening(guard.door(upstream), "127.0.0.1", 0, limits)
        )
        admin = await up.enter_async_context(listening(admin_app(guard), "127.0.0.1", 0, limits))
        narrate(f"look at {admin_url(guard, admin)}")
        callers = LogPlayer(traffic.exchanges, f"http://127.0.0.1:{front}", credentials, fast)
        fast.begin()
        await callers.play()
        outcome = _outcome(traffic, callers, guard)
        if stay:
            narrate("the month is over; Ctrl-C ends the page")
            await _until_interrupted()
    return outcome


def _span(traffic: "LabelledTraffic") -> tuple[float, float]:
    times = traffic.exchanges["time"].dt.timestamp("ms") / 1000
    return float(times[0]), float(times[-1])


def _policy(out: Path, seconds: float, enforce: bool) -> "GuardPolicy":
    from gamekeeper.guard.policy import Admin, GuardPolicy, Identity, Ladder, State, Watch

    return GuardPolicy(
        enforce=enforce,
        identity=Identity(modes=("keys",), trusted_proxies=("127.0.0.1/32",), asn_header="x-asn"),
        ladder=Ladder(hours=24 * 7),
        watch=Watch(every_s=seconds / 15, days=30, keep_days=3_650),
        state=State(folder=str(out)),
        admin=Admin(port=0),
    )


async def _until_interrupted() -> None:
    await asyncio.Event().wait()


def _outcome(traffic: "LabelledTraffic", callers: "LogPlayer", guard: "Guard") -> "Table":
    """Each true campaign and all ordinary accounts: answered, slowed or refused, and found as which
    campaign.
    """
    from rich.table import Table

    from gamekeeper.verdict import Verdict

    table = Table(title="beside the truth", title_justify="left")
    for heading in ("who", "accounts", "slowed or more", "answered", "refused", "found as"):
        table.add_column(heading, justify="left" if heading in ("who", "found as") else "right")
    held = {
        a: c.id
        for c in guard.core.decisions.campaigns.values()
        for a in (*c.accounts, *dict(c.joined))
    }
    now = guard.core.clock.now()
    slowed = {
        a
        for a in held
        if (d := guard.core.decisions.of(a, now)) and d.verdict.step >= Verdict.SLOW.step
    }
    for who, accounts in _groups(traffic):
        answered = sum(
            n for (a, status), n in callers.outcomes.items() if a in accounts and status == 200
        )
        refused = sum(
            n for (a, status), n in callers.outcomes.items() if a in accounts and status != 200
        )
        names = sorted({held[a] for a in accounts if a in held})
        inside = len(accounts & slowed)
        table.add_row(
            who, str(len(accounts)), str(inside), f"{answered:,}", f"{refused:,}", ", ".join(names)
        )
    return table


def _groups(traffic: "LabelledTraffic") -> "Iterator[tuple[str, frozenset[str]]]":
    named = traffic.labels.with_columns(traffic.labels["campaign"].fill_null("ordinary"))
    for (who,), rows in sorted(named.group_by("campaign"), key=lambda g: str(g[0][0])):
        yield str(who), frozenset(rows["account"])
