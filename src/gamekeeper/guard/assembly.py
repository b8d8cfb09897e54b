"""Builds a guard from its policy, with the tasks that run beside requests and its doors."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Scope

from gamekeeper.base.clock import SteadyClock
from gamekeeper.base.log import get_logger
from gamekeeper.casebook import Casebook
from gamekeeper.guard.budgets.encrypted_rows import ENCRYPTED_ROUTE, RowLedger
from gamekeeper.guard.budgets.shared_budgets import StrictBudgets
from gamekeeper.guard.core import Core
from gamekeeper.guard.decisions.decision import Tracked
from gamekeeper.guard.doors.asgi import AsgiDoor
from gamekeeper.guard.gate import Gate
from gamekeeper.guard.identity import Budget, Principal, account_mask, state_secret
from gamekeeper.guard.identity.access import DEFAULT_POLICY, Access
from gamekeeper.guard.identity.authenticator import Authenticator
from gamekeeper.guard.identity.dpop import Dpop
from gamekeeper.guard.identity.jwt import JwtIssuer
from gamekeeper.guard.identity.keys import Keys
from gamekeeper.guard.identity.nonce import Nonces
from gamekeeper.guard.identity.upstream import UpstreamAccounts
from gamekeeper.guard.policy import GuardPolicy, Issuer
from gamekeeper.guard.routes import ClassifierRoute, Routes, known_routes
from gamekeeper.guard.store import Store, StoreGoneError, open_store
from gamekeeper.guard.sync import Sync
from gamekeeper.guard.takeover import TakeoverJudge, habits_for
from gamekeeper.guard.telemetry.spans import Telemetry
from gamekeeper.guard.watch.feed import Feed, Finding

if TYPE_CHECKING:
    from gamekeeper.guard.doors.encrypted import EncryptedApi, EncryptedDoor

log = get_logger("gamekeeper.guard")

_SIGN_S = 30.0
_KEYS_S = 0.5


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
        self.policy = policy
        self.folder = Path(policy.state.folder)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        clock = clock or SteadyClock()
        self._on_notice = on_notice
        self._writing = Lock()
        self.store = open_store(policy.state.redis or policy.state.folder)
        self.mask = account_mask(self.store)
        self.casebook = Casebook.open(self.folder / "casebook", clock=clock.now)
        self.core = Core(
            policy, self.store, state_secret(self.store, "ladder"), record=self._record, clock=clock
        )
        if policy.state.redis is not None and policy.state.strict_budgets:
            self.core.strict = StrictBudgets(policy.state.redis)
        self.sync = Sync(self.core, self._record)
        self.feed = Feed(self.folder, policy.watch, self.core.metrics, self._add_finding)
        self.core.watch = self.feed
        self.routes = Routes((*known_routes(), *_classifiers(policy)))
        self.keys = Keys(self.store, clock.now) if "keys" in policy.identity.modes else None
        self.issuers = _issuers(policy)
        self.upstream_accounts = _upstream_accounts(policy, self.store)
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
        self._access = _access(policy, self.routes, self.keys)
        self.gate = Gate(self.core, self._access, self._is_known, self.telemetry, self.takeover)
        self._tasks: list[asyncio.Task[None]] = []
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
        authenticator = None if account_of else self._authenticator()
        named = None if account_of is None else self._masked_by(account_of)
        return AsgiDoor(
            app,
            self.gate,
            self.routes,
            self.policy,
            authenticator,
            self.upstream_accounts,
            named,
        )

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
        return EncryptedDoor(
            app, self.core, self.gate, ledger, self.policy, self._authenticator(), self._access
        )

    async def start(self) -> None:
        """Starts what runs beside requests."""
        self._record("guard-started", "guard", {"enforce": self.policy.enforce})
        beside = (
            self.sync.run(),
            self.takeover.run(),
            self.feed.run(),
            self._hear(),
            self._sign(),
            self._refresh_keys(),
        )
        self._tasks = [asyncio.create_task(each) for each in beside]

    async def stop(self) -> None:
        """Ends it; what was counted and decided is kept."""
        if self.core.strict is not None:
            await self.core.strict.close()  # what it cannot settle is saved with the rest
        for task in reversed(self._tasks):
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        if self.telemetry is not None:
            await asyncio.to_thread(self.telemetry.close)
        self._record("guard-stopped", "guard", {})
        self.casebook.close()
        self.store.close()

    def _record(self, kind: str, subject: str, body: dict[str, Any]) -> None:
        with self._writing:
            self.casebook.append(kind, subject, body)

    def _add_finding(self, finding: Finding) -> None:
        self._findings.put_nowait(finding)

    async def _hear(self) -> None:
        """Takes in what the linking process says, one thing after the other, off the event loop
        where it blocks.
        """
        while True:
            finding = await self._findings.get()
            try:
                if finding["kind"] == "ground":  # counters belong to the event loop
                    self.core.touched(finding["cells"])
                elif finding["kind"] == "shift":  # so do habits
                    self.takeover.shifted(finding["accounts"], self.core.clock.now())
                else:
                    await asyncio.to_thread(self._take, finding)
            except StoreGoneError as error:
                log.error(
                    "a finding was lost until the next pass: the store cannot be reached (%s)",
                    error,
                )

    def _take(self, finding: Finding) -> None:
        now = self.core.clock.now()
        if finding["kind"] == "joined":
            self._joined(finding["accounts"], now)
        elif finding["kind"] == "pass":
            self.core.metrics.pass_s.set(finding["seconds"])
            self.core.metrics.pass_at.set(now)
            self._passed([Tracked.from_document(document) for document in finding["campaigns"]])

    def _passed(self, campaigns: list[Tracked]) -> None:
        for decision in self.core.track(campaigns):
            self._on_notice(
                f"{decision.verdict} for {decision.subject} until {decision.until:.0f}:"
                f" {decision.reasons[0]}"
            )

    def _joined(self, accounts: dict[str, str], now: float) -> None:
        for account, campaign in accounts.items():
            if self.core.decisions.join(campaign, account, now):
                self._on_notice(
                    f"{account} joins campaign {campaign}: its first prompts match the template"
                )

    async def _sign(self) -> None:
        while True:
            await asyncio.sleep(_SIGN_S)
            await asyncio.to_thread(self._sign_head)

    def _sign_head(self) -> None:
        with self._writing:
            self.casebook.sign()

    async def _refresh_keys(self) -> None:
        """Sees keys that were revoked or issued elsewhere, and issuers' new keys."""
        while True:
            await asyncio.sleep(_KEYS_S)
            try:
                if self.keys is not None:
                    await asyncio.to_thread(self.keys.refresh)
                for issuer in self.issuers:
                    await issuer.refresh_if_due(self.core.clock.now())
            except StoreGoneError:
                continue  # said by the core, which meets the same store

    def _authenticator(self) -> Authenticator:
        identity = self.policy.identity
        nonces = Nonces(state_secret(self.store, "dpop-nonce")) if identity.dpop_nonce else None
        bound = identity.dpop != "off" and (self.keys is not None or self.issuers)
        return Authenticator(
            keys=self.keys,
            issuers=self.issuers,
            dpop=Dpop(self.store, origin=identity.origin, nonces=nonces) if bound else None,
            dpop_required=identity.dpop == "required",
            upstream=self.upstream_accounts,
            mask=self.mask,
        )

    def _is_known(self, principal: Principal) -> bool:
        if principal.kind != "upstream" or self.upstream_accounts is None:
            return True
        return self.upstream_accounts.is_confirmed(principal.account)


def _classifiers(policy: GuardPolicy) -> list[ClassifierRoute]:
    return [
        ClassifierRoute(
            c.path, c.rows, c.scores, c.label, c.model, features=c.features, classes=c.classes
        )
        for c in policy.classifiers
    ]


def _budget(policy: GuardPolicy) -> Budget:
    day = policy.identity.budget
    return Budget(requests=day.requests, tokens=day.tokens, usd=day.usd, cells=day.new_ground)


def _issuers(policy: GuardPolicy) -> list[JwtIssuer]:
    if "jwt" not in policy.identity.modes:
        return []
    several = len(policy.identity.issuers) > 1
    return [
        JwtIssuer(
            issuer=i.issuer,
            audience=i.audience,
            jwks=i.jwks,
            account_claim=i.account_claim,
            models_claim=i.models_claim,
            routes_claim=i.routes_claim,
            algorithms=i.algorithms,
            max_age_s=i.max_age_s,
            account_prefix=_prefix(i, several),
            budget=_budget(policy),
        )
        for i in policy.identity.issuers
    ]


def _prefix(issuer: Issuer, several: bool) -> str:
    if issuer.account_prefix is not None:
        return issuer.account_prefix
    return f"{issuer.issuer}|" if several else ""


def _upstream_accounts(policy: GuardPolicy, store: Store) -> UpstreamAccounts | None:
    if "upstream" not in policy.identity.modes:
        return None
    return UpstreamAccounts(state_secret(store, "upstream"), budget=_budget(policy))


def _access(policy: GuardPolicy, routes: Routes, keys: Keys | None) -> Access | None:
    """The policy's Cedar file; without one the scopes of keys and tokens decide; nothing where
    there are none.
    """
    if policy.identity.access is not None:
        return Access.read(Path(policy.identity.access), routes=(*routes.names, ENCRYPTED_ROUTE))
    scoped = keys is not None or "jwt" in policy.identity.modes
    return Access.read(DEFAULT_POLICY, routes=(*routes.names, ENCRYPTED_ROUTE)) if scoped else None
