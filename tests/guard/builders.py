"""What the guard's tests are made of."""

from pathlib import Path
from typing import Any

from gamekeeper.guard.core import ONE_REQUEST, Core
from gamekeeper.guard.decisions.decision import Decision, Tracked
from gamekeeper.guard.identity import Budget, Principal
from gamekeeper.guard.identity.caller import Caller
from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.routes.query import Query, Usage
from gamekeeper.guard.store import SqliteStore
from gamekeeper.verdict import Verdict

NOW = 1_795_000_000.0
KEY = b"0" * 32


class Hands:
    """A clock that tests move."""

    def __init__(self, now: float = NOW) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def follow(self) -> float:
        return 0.0


class Kept:
    """A watch and a casebook that keep what they get."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.entries: list[tuple[str, str, dict[str, Any]]] = []

    def send(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def record(self, kind: str, subject: str, body: dict[str, Any]) -> None:
        self.entries.append((kind, subject, body))


def make_principal(account: str = "acme", **fields: Any) -> Principal:
    return Principal(**({"account": account, "credential": f"k-{account}", "kind": "key"} | fields))


def make_query(prompt: str = "what is new?", **fields: Any) -> Query:
    return Query(**({"model": "m", "prompts": (prompt,)} | fields))


def make_core(
    tmp_path: Path, policy: GuardPolicy | None = None, clock: Hands | None = None, **fields: Any
) -> Core:
    store = fields.pop("store", None) or SqliteStore(tmp_path / "guard.sqlite")
    return Core(policy or GuardPolicy(enforce=True), store, KEY, clock=clock or Hands(), **fields)  # type: ignore[arg-type]


def make_decision(
    verdict: Verdict = Verdict.SLOW, account: str = "acme", **fields: Any
) -> Decision:
    told = {"reasons": ("because",), "since": NOW, "until": NOW + 3600, "by": "guard"} | fields
    return Decision.make(
        told.pop("subject", f"account:{account}"), verdict, told.pop("cause", "test"), **told
    )


def make_tracked(id: str = "K1", accounts: tuple[str, ...] = ("a", "b"), **fields: Any) -> Tracked:
    usual = {
        "p_benign": 0.0005,
        "verdict": Verdict.LIMIT,
        "families": ("content", "shape", "infrastructure"),
        "reasons": ("they ask alike",),
        "innocent": ("a class",),
        "exchanges": 100,
        "found": NOW,
        "last_found": NOW,
    }
    return Tracked(id=id, accounts=frozenset(accounts), **(usual | fields))


def judge(core: Core, account: str = "acme", **fields: Any) -> Any:
    budget = fields.pop("budget", Budget())
    principal = make_principal(
        account, budget=budget, authenticated_at=fields.pop("authenticated_at", None)
    )
    return core.judge(principal, "openai.chat", make_query(), core.clock.now(), **fields)


def answer(core: Core, who: Principal, usage: Usage, query: Query | None = None) -> None:
    """Has a request judged and answered, whatever is held against its account."""
    query = query or make_query()
    reservation = core.accounts.reserve(core.accounts.of(who.account), ONE_REQUEST)
    core.settle(reservation, query, usage)
    core.answered(who, "openai.chat", query, usage, HERE, core.clock.now())


HERE = Caller("203.0.113.7", "sdk/1")
