"""Builds a guard from its policy, with the tasks that run beside requests and its doors."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Scope

from gamekeeper.base.clock import SteadyClock
from gamekeeper.base.errors import UsageError
from gamekeeper.base.log import get_logger
from gamekeeper.casebook import Casebook
from gamekeeper.guard.budgets.encrypted_rows import RowLedger
from gamekeeper.guard.budgets.shared_buckets import SharedBuckets
from gamekeeper.guard.budgets.shared_budgets import StrictBudgets
from gamekeeper.guard.core import Core
from gamekeeper.guard.decisions.decision import Tracked
from gamekeeper.guard.doors.asgi import AsgiDoor
from gamekeeper.guard.gate import Gate
from gamekeeper.guard.identity import ObjectIds, Principal, account_mask, state_secret
from gamekeeper.guard.identity.entrance import Entrance, note_modes, require_known
from gamekeeper.guard.identity.keys import Keys
from gamekeeper.guard.identity.upstream import UpstreamAccounts
from gamekeeper.guard.policy import GuardPolicy
from gamekeeper.guard.routes import Routes
from gamekeeper.guard.server.supervisor import Supervisor
from gamekeeper.guard.store import StoreGoneError, open_store
from gamekeeper.guard.sync import SILENT_S, Entries, Sync
from gamekeeper.guard.takeover import TakeoverJudge, habits_for
from gamekeeper.guard.telemetry.health import Health
from gamekeeper.guard.telemetry.spans import Telemetry
from gamekeeper.guard.watch.feed import Feed, Finding

if TYPE_CHECKING:
    from gamekeeper.guard.doors.encrypted import EncryptedApi, EncryptedDoor

log = get_logger("gamekeeper.guard")

_SIGN_S = 30.0
_KEYS_S = 0.5
_KEYS_SILENT_S = 60.0  # some issuers take seconds to answer


class Guard:
    """A guard: what judges requests behind its doors, and the tasks that run beside them.

    Args:
        policy: What to do.
        clock: The time.
        on_notice: Called with each thing that a person should know, as a sentence.

    Raises:
        InputError: Policy, state or casebook cannot be used.
    """

    def __init__(
        self,
        policy: GuardPolicy,
        *,
        clock: SteadyClock | None = None,
        on_notice: Callable[[str], None] = log.info,
    ) -> None:
        require_known(policy)
        self.policy = policy
        self.folder = Path(policy.state.folder)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        clock = clock or SteadyClock()
        self._on_notice = on_notice
        self.store = open_store(policy.state.redis or policy.state.folder)
        self.mask = account_mask(self.store)
        self.casebook = Casebook.open(self.folder / "casebook", clock=clock.now)
        self._record = Entries(
            self.casebook.append, lambda: self.core.metrics.set_aside.labels("entry").inc()
        )
        self.core = Core(
            policy, self.store, state_secret(self.store, "ladder"), record=self._record, clock=clock
        )
        if policy.state.redis is not None:
            self.core.buckets = SharedBuckets(policy.state.redis)
        if policy.state.redis is not None and policy.state.strict_budgets:
            self.core.strict = StrictBudgets(policy.state.redis)
        self.tasks = Supervisor(self.core.metrics, on_notice)
        self.health = Health()
        self.sync = Sync(self.core, self._record, lambda: self.tasks.beat("store"))
        self.feed = Feed(self.folder, policy.watch, self.core.metrics, self._add_finding)
        self.core.watch = self.feed
        self.upstream_accounts = UpstreamAccounts(state_secret(self.store, "upstream"))
        self.telemetry = Telemetry.wanted(policy.telemetry, state_secret(self.store, "telemetry"))
        self.takeover = TakeoverJudge(
            policy.ladder,
            self.core.decisions,
            habits_for(policy),
            self.store,
            decide=self.core.decide,
            now=clock.now,
            record=self._record,
            count=lambda signal: self.core.metrics.signals.labels(signal).inc(),
            on_notice=on_notice,
        )
        self._object_ids = ObjectIds(state_secret(self.store, "object-ids"))
        self._doors: list[AsgiDoor] = []
        self._install(Entrance.of(policy, self.store, clock.now, self.mask))
        self._findings: asyncio.Queue[Finding] = asyncio.Queue()

    def door(
        self, app: ASGIApp, account_of: Callable[[Scope], str | None] | None = None
    ) -> AsgiDoor:
        """Returns an ASGI door in front of an app.

        Args:
            app: Gets judged requests only.
            account_of: Says who asks by the scope, where something before the door authenticated
                them; else the policy's `identity` does.
        """
        named = None if account_of is None else self._masked_by(account_of)
        authenticator = None if account_of else self.entrance.authenticator(self.upstream_accounts)
        door = AsgiDoor(
            app,
            self.gate,
            self.entrance.routes,
            self.policy,
            authenticator,
            self.upstream_accounts,
            named,
        )
        self._doors.append(door)
        return door

    def reload(self, policy: GuardPolicy) -> None:
        """Goes on with another policy. Requests that are under way end under the old one.

        Raises:
            InputError: The policy has faults; the old one holds.
            UsageError: It changes what only a restart can change; the old one holds.
        """
        _require_same(self.policy, policy)
        require_known(policy)
        entrance = Entrance.of(policy, self.store, self.core.clock.now, self.mask)
        entrance.authenticator(self.upstream_accounts)
        self.policy = policy
        self.core.renew(policy)
        self.takeover.ladder = policy.ladder
        self._install(entrance)
        for door in self._doors:
            authenticator = (
                None if door.is_told_accounts else entrance.authenticator(self.upstream_accounts)
            )
            door.renew(self.gate, entrance.routes, policy, authenticator, self.upstream_accounts)
        self._record("policy-reloaded", "guard", {"enforce": policy.enforce})
        self._on_notice("the policy was read again and holds from now on")

    def _install(self, entrance: Entrance) -> None:
        self.entrance = entrance
        note_modes(self.store, entrance.policy)
        self.upstream_accounts.budget = entrance.budget
        self.gate = Gate(
            self.core,
            entrance.access,
            self._is_known,
            self.telemetry,
            self.takeover,
            self._object_ids,
        )

    @property
    def routes(self) -> Routes:
        """The APIs that the guard judges."""
        return self.entrance.routes

    @property
    def keys(self) -> Keys | None:
        """The keys of ours; None where they are not accepted."""
        return self.entrance.keys

    def _masked_by(
        self, account_of: Callable[[Scope], str | None]
    ) -> Callable[[Scope], str | None]:
        """Returns the function with its accounts masked: some apps charge the key itself."""

        def named(scope: Scope) -> str | None:
            account = account_of(scope)
            return account and self.mask.mask(account)

        return named

    def encrypted_door(self, app: "EncryptedApi") -> "EncryptedDoor":
        """Returns the door in front of an app that answers encrypted input; it wants keys with a
        budget of rows.
        """
        from gamekeeper.guard.doors.encrypted import EncryptedDoor

        ledger = RowLedger(self.store)
        authenticator = self.entrance.authenticator(self.upstream_accounts)
        return EncryptedDoor(
            app, self.core, self.gate, ledger, self.policy, authenticator, self.entrance.access
        )

    async def start(self) -> None:
        """Starts what runs beside requests."""
        self._record("guard-started", "guard", {"enforce": self.policy.enforce})
        # Tasks end in reverse order: the store takes what all others leave behind.
        self.tasks.start("store", self.sync.run, silent_s=SILENT_S)
        self.tasks.start("takeover", self.takeover.run)
        self.tasks.start("linking", self.feed.run)
        self.tasks.start("findings", self._hear)
        self.tasks.start("casebook", self._sign)
        self.tasks.start("keys", self._refresh_keys, silent_s=_KEYS_SILENT_S)

    async def stop(self) -> None:
        """Ends it; what was counted and decided is kept."""
        if self.core.strict is not None:
            await self.core.strict.close()  # what it cannot settle is saved with the rest
        if self.core.buckets is not None:
            await self.core.buckets.close()
        await self.tasks.stop()
        if self.telemetry is not None:
            await asyncio.to_thread(self.telemetry.close)
        self._record("guard-stopped", "guard", {})
        try:
            self.casebook.close()
        finally:
            self.store.close()

    def _add_finding(self, finding: Finding) -> None:
        self._findings.put_nowait(finding)

    async def _hear(self) -> None:
        """Takes in what the linking process says, one thing after the other, off the event loop
        where it blocks.
        """
        while True:
            finding = await self._findings.get()
            try:
                await self._take_in(finding)
            except StoreGoneError as error:
                log.error(
                    "a finding was lost until the next pass: the store cannot be reached (%s)",
                    error,
                )
            except Exception as error:  # one that cannot be taken in does not stop the others
                self.core.metrics.set_aside.labels("finding").inc()
                log.error("a finding was set aside: %s: %s", type(error).__name__, error)

    async def _take_in(self, finding: Finding) -> None:
        if finding["kind"] == "ground":  # counters belong to the event loop
            self.core.touched(finding["cells"])
        elif finding["kind"] == "shift":  # so do habits
            self.takeover.shifted(finding["accounts"], self.core.clock.now())
        else:
            await asyncio.to_thread(self._take, finding)

    def _take(self, finding: Finding) -> None:
        now = self.core.clock.now()
        if finding["kind"] == "joined":
            self._joined(finding["accounts"], now)
        elif finding["kind"] == "pass":
            self.core.metrics.pass_s.set(finding["seconds"])
            self.core.metrics.pass_at.set(now)
            self.core.metrics.pass_failed.set(0)
            self._passed([Tracked.from_document(document) for document in finding["campaigns"]])
        elif finding["kind"] == "pass-failed":
            self.core.metrics.pass_failures.inc()
            self.core.metrics.pass_failed.set(1)
            self._on_notice(f"a pass over recent traffic failed: {finding['error']}")
        elif finding["kind"] == "set-aside":
            self.core.metrics.set_aside.labels(finding["what"]).inc(finding["count"])

    def _passed(self, campaigns: list[Tracked]) -> None:
        for decision in self.core.track(campaigns):
            self._on_notice(
                f"{decision.verdict} for {decision.subject} until {decision.until:.0f}:"
                f" {decision.reasons[0]}"
            )

    def _joined(self, accounts: dict[str, str], now: float) -> None:
        for account in self.core.decisions.join(accounts, now):
            self._on_notice(
                f"{account} joined campaign {accounts[account]} by its opening: watched"
            )

    async def _sign(self) -> None:
        while True:
            await asyncio.sleep(_SIGN_S)
            await asyncio.to_thread(self._sign_head)

    def _sign_head(self) -> None:
        self._record.retry()
        self.casebook.sign()

    async def _refresh_keys(self) -> None:
        """Sees keys that were revoked or issued elsewhere, and issuers' new keys."""
        while True:
            await asyncio.sleep(_KEYS_S)
            with suppress(StoreGoneError):  # said by the task "store", which asks the same store
                if self.keys is not None:
                    await asyncio.to_thread(self.keys.refresh)
                for issuer in self.entrance.issuers:
                    await issuer.refresh_if_due(self.core.clock.now())
            self.tasks.beat("keys")

    def _is_known(self, principal: Principal) -> bool:
        if not principal.is_claim:
            return True
        return self.upstream_accounts.is_confirmed(principal.account)


def _require_same(old: GuardPolicy, new: GuardPolicy) -> None:
    """Raises for what only a restart can change."""
    changed = [
        table
        for table in ("state", "watch", "admin", "telemetry", "limits")
        if getattr(old, table) != getattr(new, table)
    ]
    if changed:
        tables = ", ".join(f"[{table}]" for table in changed)
        raise UsageError(f"{tables}: changed, and that needs a restart; the old policy holds")
