"""API keys: issued, found, rotated, revoked.

`find` looks in memory only; `refresh` reads the store when it changed, so that a revocation on the
command line reaches a running guard. An unknown id costs what a known one costs: it is compared
with digests that nothing has.
"""

import hashlib
import math
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from gamekeeper.base.errors import Fault, InputError, UsageError
from gamekeeper.base.secret import Secret, is_same_secret
from gamekeeper.base.text import has_secret, mask_secrets
from gamekeeper.guard.identity.key_record import (
    REVOKED,
    KeyRecord,
    Revocation,
    digest_of,
    key_bytes,
    read_key,
    read_revocation,
    revocation_bytes,
)
from gamekeeper.guard.identity.key_text import (
    ID_BYTES,
    SECRET_BYTES,
    id_of,
    is_key_id,
    key_id,
    key_text,
)
from gamekeeper.guard.identity.principal import Budget, CredentialError, Principal, is_name
from gamekeeper.guard.identity.shared_secret import TABLE
from gamekeeper.guard.store import Store

_NO_DIGEST = hashlib.sha256(secrets.token_bytes(32)).digest()
_NAMED_KEYS_SHOWN = 5


class _Entry(NamedTuple):
    digest: bytes
    previous: bytes
    previous_until: float
    expires: float
    revoked: bool
    principal: Principal | None
    previous_principal: Principal | None


_NOBODY = _Entry(_NO_DIGEST, _NO_DIGEST, -math.inf, -math.inf, True, None, None)


class Keys:
    """The keys of one state.

    Args:
        store: Where they are kept.
        clock: Returns the time, epoch s.
        entropy: Draws n random bytes.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._version: int | None = None
        self._stored: dict[str, bytes] = {}
        self._records: dict[str, KeyRecord] = {}
        self._entries: dict[str, _Entry] = {}
        self.faults: tuple[Fault, ...] = ()
        self.refresh()

    def issue(
        self,
        account: str,
        *,
        models: Iterable[str] | None = None,
        routes: Iterable[str] | None = None,
        budget: Budget | None = None,
        expires: float | None = None,
        bound_to: str | None = None,
    ) -> tuple[KeyRecord, Secret[str]]:
        """Makes a key.

        Args:
            account: Who is charged.
            models: Models that it may ask; a trailing `*` stands for any ending; None for all.
            routes: Routes that it may use; None for all.
            budget: Limits of a day and of its life; None for none.
            expires: From when it counts no more, epoch s; None for never.
            bound_to: Thumbprint of the key that must prove each request.

        Returns:
            What is kept, and the key's text, which is kept nowhere.

        Raises:
            UsageError: A value does not fit.
        """
        now = self._clock()
        limits = budget or Budget()
        _require_fitting(account, limits, expires, now)
        scopes = _scope("model", models), _scope("route", routes)
        while True:
            id = key_id(self._entropy(ID_BYTES))
            text = key_text(id, self._entropy(SECRET_BYTES))
            record = KeyRecord(
                id=id,
                account=account,
                digest=digest_of(text),
                since=now,
                models=scopes[0],
                routes=scopes[1],
                budget=limits,
                issued_at=now,
                expires=expires,
                bound_to=bound_to,
            )
            if self._store.put_new(TABLE, id, key_bytes(record)):
                self._read()
                return record, Secret(text, once=True)

    def rotate(self, id: str, overlap_s: float) -> tuple[KeyRecord, Secret[str]]:
        """Gives a key a new secret; what else it is stays, its expiry too.

        Args:
            id: Which.
            overlap_s: How long the secret until now counts too, s. One that a rotation before left
                goes at once.

        Raises:
            UsageError: There is no such key, or it counts no more.
        """
        now = self._clock()
        old = self._known(id)
        if old.revoked or _is_over(old.expires, now):
            raise UsageError(
                f"key {id} is {'revoked' if old.revoked else 'expired'}; issue a new one"
            )
        if not (math.isfinite(overlap_s) and overlap_s >= 0):
            raise UsageError("the overlap is a time of 0 s or more")
        text = key_text(id, self._entropy(SECRET_BYTES))
        new = replace(
            old,
            digest=digest_of(text),
            since=now,
            previous=old.digest,
            previous_since=old.since,
            previous_until=now + overlap_s,
        )
        self._store.put(TABLE, id, key_bytes(new))
        self._read()
        return self._records[id], Secret(text, once=True)

    def revoke(self, id: str, why: str) -> Revocation:
        """Ends a key for good; returns the revocation that stands, which is the first.

        Raises:
            UsageError: There is no such key.
        """
        if not is_key_id(id) or id not in self._fresh():
            raise _no_key(id, self._records)
        self._store.put_new(
            TABLE, REVOKED + id, revocation_bytes(Revocation(at=self._clock(), why=why))
        )
        return read_revocation(id, self._fresh()[REVOKED + id])

    def list(self) -> tuple[KeyRecord, ...]:
        """Returns all keys, the oldest first. `faults` names those whose records cannot be read."""
        self._read()
        return tuple(sorted(self._records.values(), key=lambda r: (r.issued_at, r.id)))

    def find(self, presented: str, now: float) -> Principal:
        """Returns whose key this is. Looks in memory only.

        Args:
            presented: The key's text, as it was sent.
            now: Epoch s.

        Raises:
            CredentialError: It is no key, or counts no more.
        """
        id = id_of(presented)
        if id is None:
            raise CredentialError(
                "malformed_key",
                "This is not an API key of this service, or it was cut short or mistyped.",
            )
        entry = self._entries.get(id, _NOBODY)
        digest = digest_of(presented)
        is_current = is_same_secret(digest, entry.digest)
        is_previous = is_same_secret(digest, entry.previous) & (now < entry.previous_until)
        principal = entry.principal if is_current else entry.previous_principal
        if principal is None or not (is_current | is_previous):
            raise CredentialError("invalid_key", "The API key is not valid.")
        if entry.revoked:
            raise CredentialError(
                "invalid_key", "The API key is not valid.", account=principal.account
            )
        if now >= entry.expires:
            raise CredentialError(
                "expired_key", "The API key has expired.", account=principal.account
            )
        return principal

    def refresh(self) -> bool:
        """Reads the keys if the store changed; returns whether it did.

        Raises:
            StoreGoneError: The store cannot be reached; the keys known until now stay.
        """
        version = self._store.version()
        if version == self._version:
            return False
        self._read()
        self._version = version  # as it was before reading: a write meanwhile is read next time
        return True

    def _fresh(self) -> Mapping[str, bytes]:
        self._read()
        return self._stored

    def _known(self, id: str) -> KeyRecord:
        self._read()
        if id not in self._records:
            raise _no_key(id, self._records)
        return self._records[id]

    def _read(self) -> None:
        stored = self._store.load(TABLE)
        records = dict[str, KeyRecord]()
        faults = list[Fault]()
        for id in filter(is_key_id, stored):
            try:
                records[id] = self._record(id, stored)
            except InputError as error:
                faults += error.faults
        entries = {id: _entry(record) for id, record in records.items()}
        self._stored = stored
        self._records = records
        self._entries = entries
        self.faults = tuple(faults)

    def _record(self, id: str, stored: Mapping[str, bytes]) -> KeyRecord:
        revoked = stored.get(REVOKED + id)
        known = self._records.get(id)
        if (
            known
            and stored[id] == self._stored.get(id)
            and revoked == self._stored.get(REVOKED + id)
        ):
            return known
        record = read_key(id, stored[id])
        return replace(record, revoked=read_revocation(id, revoked)) if revoked else record


def _entry(record: KeyRecord) -> _Entry:
    return _Entry(
        digest=record.digest,
        previous=record.previous or _NO_DIGEST,
        previous_until=record.previous_until if record.previous else -math.inf,
        expires=math.inf if record.expires is None else record.expires,
        revoked=record.revoked is not None,
        principal=record.principal(record.since),
        previous_principal=record.principal(record.previous_since),
    )


def _is_over(expires: float | None, now: float) -> bool:
    return expires is not None and now >= expires


def _require_fitting(account: str, budget: Budget, expires: float | None, now: float) -> None:
    if not is_name(account):
        raise UsageError("an account is named by 1 to 256 printable characters")
    if has_secret(account):
        raise UsageError(
            f'the account name "{mask_secrets(account)}" looks like a key; names are shown in logs '
            "and reports, so choose another"
        )
    limits = (budget.requests, budget.tokens, budget.usd, budget.cells, budget.rows)
    if any(limit is not None and not (math.isfinite(limit) and limit >= 0) for limit in limits):
        raise UsageError("a budget is a number of 0 or more")
    if _is_over(expires, now):
        raise UsageError("the key would have expired already")


def _scope(what: str, names: Iterable[str] | None) -> frozenset[str] | None:
    if names is None:
        return None
    scope = frozenset(names)
    if not scope or not all(is_name(name) and "*" not in name[:-1] for name in scope):
        raise UsageError(
            f'a {what} is a name, or the beginning of names with one "*" at its end, such as gpt-*'
        )
    return scope


def _no_key(id: str, known: Mapping[str, KeyRecord]) -> UsageError:
    shown = ", ".join(sorted(known)[:_NAMED_KEYS_SHOWN])
    some = (
        f"; there are {shown}{', ...' if len(known) > _NAMED_KEYS_SHOWN else ''}"
        if known
        else "; there are none"
    )
    name = id if is_key_id(id) else "of that id"  # somebody may have pasted the whole key
    return UsageError(f"no key {name}{some}")
