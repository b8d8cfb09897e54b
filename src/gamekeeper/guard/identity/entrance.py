"""Who may come in, and for what: all of a guard that follows from its policy alone.

It is built at start, and again when the policy is read again while the guard runs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from gamekeeper.base.names import NameMask
from gamekeeper.guard.budgets.encrypted_rows import ENCRYPTED_ROUTE
from gamekeeper.guard.identity import Budget, account_mask, state_secret
from gamekeeper.guard.identity.access import DEFAULT_POLICY, Access
from gamekeeper.guard.identity.authenticator import Authenticator
from gamekeeper.guard.identity.dpop import Dpop
from gamekeeper.guard.identity.jwt import JwtIssuer
from gamekeeper.guard.identity.keys import Keys
from gamekeeper.guard.identity.nonce import Nonces
from gamekeeper.guard.identity.upstream import UpstreamAccounts
from gamekeeper.guard.policy import GuardPolicy, Issuer
from gamekeeper.guard.policy.closed import require_closed
from gamekeeper.guard.routes import UNKNOWN, ClassifierRoute, Routes, known_routes, unjudged_names
from gamekeeper.guard.store import Store
from gamekeeper.guard.store.memory import MemoryStore

_TABLE = "guard"
_MODES = "identity-modes"
_MODES_FORMAT = "gamekeeper/identity-modes@1"


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """What of a guard follows from its policy alone: who may come in, and for what.

    Args:
        policy: Which it follows from.
        routes: The APIs that are judged.
        keys: Those of ours; None where they are not accepted.
        issuers: Whose tokens are accepted.
        access: Who may use what; None where nothing is scoped.
        budget: Of accounts that have no key of ours.
        dpop: Checks proofs of bound credentials; None where none is accepted.
        mask: Masks secrets in the names of accounts.
    """

    policy: GuardPolicy
    routes: Routes
    keys: Keys | None
    issuers: list[JwtIssuer]
    access: Access | None
    budget: Budget
    dpop: Dpop | None
    mask: NameMask

    @classmethod
    def of(
        cls, policy: GuardPolicy, store: Store, now: Callable[[], float], mask: NameMask
    ) -> "Entrance":
        """Builds it.

        Raises:
            InputError: A file that the policy names cannot be used.
            UsageError: Settings do not fit together.
        """
        routes = Routes((*known_routes(), *_classifiers(policy)))
        keys = Keys(store, now) if "keys" in policy.identity.modes else None
        issuers = _issuers(policy)
        bound = policy.identity.dpop != "off" and (keys is not None or issuers)
        return cls(
            policy=policy,
            routes=routes,
            keys=keys,
            issuers=issuers,
            access=_access(policy, routes, keys),
            budget=_budget(policy),
            dpop=_dpop(policy, store) if bound else None,
            mask=mask,
        )

    def authenticator(self, upstream_accounts: UpstreamAccounts) -> Authenticator:
        """Returns what tells who asks.

        Args:
            upstream_accounts: Names accounts by the upstream's credentials, where they count.

        Raises:
            UsageError: Settings do not fit together.
        """
        identity = self.policy.identity
        return Authenticator(
            keys=self.keys,
            issuers=self.issuers,
            dpop=self.dpop,
            dpop_required=identity.dpop == "required",
            upstream=upstream_accounts if "upstream" in identity.modes else None,
            mask=self.mask,
        )


def note_modes(store: Store, policy: GuardPolicy) -> None:
    """Writes into the state whom its guard accepts, so that whoever issues a key can be told."""
    record = orjson.dumps({"format": _MODES_FORMAT, "modes": policy.identity.modes})
    if store.load(_TABLE).get(_MODES) != record:
        store.put(_TABLE, _MODES, record)


def noted_modes(store: Store) -> tuple[str, ...] | None:
    """Returns whom the last guard of a state accepted; None if none has run."""
    record = store.load(_TABLE).get(_MODES)
    return None if record is None else tuple(orjson.loads(record)["modes"])


def require_usable(policy: GuardPolicy) -> None:
    """Raises if a guard could not start with a policy; changes nothing.

    Raises:
        InputError: The policy, or a file that it names, has faults.
        UsageError: Settings do not fit together.
    """
    require_known(policy)
    store = MemoryStore()
    entrance = Entrance.of(policy, store, lambda: 0.0, account_mask(store))
    if "host" not in policy.identity.modes:
        entrance.authenticator(UpstreamAccounts(b""))


def require_known(
    policy: GuardPolicy, authorization: str | None = None, path: Path | None = None
) -> None:
    """Raises if a policy names what there is not, or lets anybody in; see `require_closed`."""
    routes = Routes((*known_routes(), *_classifiers(policy)))
    require_closed(
        policy,
        authorization=authorization,
        routes=routes.names,
        unjudged=(*unjudged_names(), UNKNOWN),
        path=path,
    )


def _dpop(policy: GuardPolicy, store: Store) -> Dpop:
    identity = policy.identity
    nonces = Nonces(state_secret(store, "dpop-nonce")) if identity.dpop_nonce else None
    return Dpop(store, origin=identity.origin, nonces=nonces)


def _classifiers(policy: GuardPolicy) -> list[ClassifierRoute]:
    return [
        ClassifierRoute(
            c.path,
            c.rows,
            c.scores,
            c.label,
            c.model,
            features=c.features,
            classes=c.classes,
            fields=c.fields,
        )
        for c in policy.classifiers
    ]


def _budget(policy: GuardPolicy) -> Budget:
    day = policy.identity.budget
    return Budget(requests=day.requests, tokens=day.tokens, usd=day.usd, cells=day.new_ground)


def _issuers(policy: GuardPolicy) -> list[JwtIssuer]:
    if "jwt" not in policy.identity.modes:
        return []
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
            account_prefix=account_prefix(i, policy),
            budget=_budget(policy),
        )
        for i in policy.identity.issuers
    ]


def account_prefix(issuer: Issuer, policy: GuardPolicy) -> str:
    """Returns what is put before the accounts of an issuer's tokens.

    Accounts of two sources must differ: a token could else name the account of a key.
    """
    if issuer.account_prefix is not None:
        return issuer.account_prefix
    identity = policy.identity
    has_others = len(identity.issuers) > 1 or "keys" in identity.modes
    return f"{issuer.issuer}|" if has_others else ""


def _access(policy: GuardPolicy, routes: Routes, keys: Keys | None) -> Access | None:
    """The policy's Cedar file; without one the scopes of keys and tokens decide; nothing where
    there are none.
    """
    names = (*routes.names, *unjudged_names(), UNKNOWN, ENCRYPTED_ROUTE)
    if policy.identity.access is not None:
        return Access.read(Path(policy.identity.access), routes=names)
    scoped = keys is not None or "jwt" in policy.identity.modes
    return Access.read(DEFAULT_POLICY, routes=names) if scoped else None
