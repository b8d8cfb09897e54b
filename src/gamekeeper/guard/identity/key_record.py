"""What is kept of an API key: never the key, only its SHA-256.

The secret has 256 random bits, so nobody finds it from its digest: a slow hash or a secret kept
beside the digests would add nothing. The digest covers the whole text with the id: moved to another
record, it fits no key.

A revocation is a record of its own, `revoked.<id>`, that nothing overwrites: a rotation which read
the key before it was revoked, and writes after, does not bring it back.
"""

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from gamekeeper.base.errors import InputError, input_error
from gamekeeper.guard.identity.principal import Budget, Principal

KEY_FORMAT = "gamekeeper/key@1"
REVOCATION_FORMAT = "gamekeeper/revocation@1"
REVOKED = "revoked."


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """That a key counts no more.

    Args:
        at: When, epoch s.
        why: The operator's words.
    """

    at: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One API key, as it is kept.

    Args:
        id: Public name of the key.
        account: Who is charged.
        digest: SHA-256 of the key's text.
        since: When that text was made, epoch s.
        previous: SHA-256 of the text before the last rotation; None if it was never rotated.
        previous_since: When the previous text was made, epoch s.
        previous_until: Until when the previous text counts too, epoch s.
        models: Models that it may ask, None for all.
        routes: Routes that it may use, None for all.
        budget: Limits of a day.
        issued_at: When it was made, epoch s.
        expires: From when it counts no more, epoch s; None for never.
        bound_to: Thumbprint of the key that must prove each request (RFC 9449); None if not bound.
        revoked: Its revocation, None if it counts.
    """

    id: str
    account: str
    digest: bytes = field(repr=False)
    since: float
    previous: bytes | None = field(default=None, repr=False)
    previous_since: float = 0.0
    previous_until: float = 0.0
    models: frozenset[str] | None = None
    routes: frozenset[str] | None = None
    budget: Budget
    issued_at: float
    expires: float | None = None
    bound_to: str | None = None
    revoked: Revocation | None = None

    def principal(self, since: float) -> Principal:
        """Returns whoever presents a text of this key that was made at `since`.

        To get it, somebody authenticated then: a key that was rotated after a doubt arose has
        cleared it, and the text before it has not.
        """
        return Principal(
            account=self.account,
            credential=self.id,
            kind="key",
            models=self.models,
            routes=self.routes,
            budget=self.budget,
            bound=self.bound_to is not None,
            jkt=self.bound_to,
            authenticated_at=since,
        )


def digest_of(text: str) -> bytes:
    """Returns what is kept of a key's text."""
    return hashlib.sha256(text.encode("ascii")).digest()


def public_fields(record: KeyRecord) -> dict[str, Any]:
    """Returns what may be shown of a key, as JSON values."""
    return {
        "id": record.id,
        "account": record.account,
        "models": _listed(record.models),
        "routes": _listed(record.routes),
        "budget": asdict(record.budget),
        "issued_at": record.issued_at,
        "expires": record.expires,
        "bound_to": record.bound_to,
        "since": record.since,
        "previous_until": record.previous_until if record.previous else None,
        "revoked": asdict(record.revoked) if record.revoked else None,
    }


def key_bytes(record: KeyRecord) -> bytes:
    """Returns the record as it is stored; the revocation is stored apart."""
    fields = public_fields(record)
    del fields["revoked"]
    hidden = {
        "digest": record.digest.hex(),
        "previous": record.previous.hex() if record.previous else None,
        "previous_since": record.previous_since,
    }
    return orjson.dumps({"format": KEY_FORMAT, **fields, **hidden})


def read_key(id: str, stored: bytes) -> KeyRecord:
    """Returns what `key_bytes` wrote.

    Raises:
        InputError: It is not such a record, or one of a later format.
    """
    try:
        record = orjson.loads(stored)
        _require_format(record, KEY_FORMAT)
        return KeyRecord(
            id=id,
            account=record["account"],
            digest=bytes.fromhex(record["digest"]),
            since=record["since"],
            previous=bytes.fromhex(record["previous"]) if record["previous"] else None,
            previous_since=record["previous_since"],
            previous_until=record["previous_until"] or 0.0,
            models=_set(record["models"]),
            routes=_set(record["routes"]),
            budget=Budget(**record["budget"]),
            issued_at=record["issued_at"],
            expires=record["expires"],
            bound_to=record["bound_to"],
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _unreadable(id, KEY_FORMAT) from None  # the cause would quote the record


def revocation_bytes(revocation: Revocation) -> bytes:
    """Returns the revocation as it is stored."""
    return orjson.dumps({"format": REVOCATION_FORMAT, **asdict(revocation)})


def read_revocation(id: str, stored: bytes) -> Revocation:
    """Returns what `revocation_bytes` wrote.

    Raises:
        InputError: It is not such a record, or one of a later format.
    """
    try:
        record = orjson.loads(stored)
        _require_format(record, REVOCATION_FORMAT)
        return Revocation(at=record["at"], why=record["why"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _unreadable(id, REVOCATION_FORMAT) from None


def _require_format(record: dict[str, Any], wanted: str) -> None:
    if record["format"] != wanted:
        raise ValueError


def _listed(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _set(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _unreadable(id: str, wanted: str) -> InputError:
    return input_error(
        f"state, keys/{id}",
        "a key's record is unreadable; the key is refused",
        "another format, or a damaged record",
        wanted,
        "use the gamekeeper version that wrote it, or revoke the key and issue a new one",
    )
