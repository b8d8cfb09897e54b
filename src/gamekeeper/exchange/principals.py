"""Who is charged for an exchange, and who answers for them.

A format lists for each record who was authenticated, the narrowest principal first (a key before
its user, a user before the project), who answers for them, the widest first (an organisation before
its teams), and what the client says of itself. Of the principals the first that holds a name is the
account. A value that stands for nobody ("None", "-", "[REDACTED]") is not a name.

What a client says of itself is never the account: a thief would choose it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from gamekeeper.base.errors import Fault
from gamekeeper.exchange.formats.form import NOBODY, PassedOver, Row
from gamekeeper.exchange.placeholders import is_nobody, is_redacted, is_whole

NO_OWNER = "none"
"""Given as the field of the owner: owners are not read."""

_ENOUGH = 20  # exchanges after which one account for all of them is worth a word
_MANY_SHARED = 0.1  # share of accounts with several owners that is worth a word
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_CLAIMED = {
    "user": "the request's `user` is what the client says",
    "enduser": "an end user is named by the client",
    "enduserid": "an end user is named by the client in many gateways",
    "customerid": "LiteLLM takes it from the request",
    "safetyidentifier": "it is a field of the request",
    "promptcachekey": "it is a field of the request",
    "heliconeuserid": "it is a header that the client sends",
    "requestuserid": "it is a header that the client sends",
    "metadatauserid": "it is a field of the request",
    "baggage": "baggage is a header that the client sends",
    "xuserid": "it is a header that the client sends",
    "sessionid": "it is chosen by the client",
    "useragent": "it is a header that the client sends",
}


class Principals:
    """Chooses the account and the owner of each exchange of one reading.

    Args:
        named: Our columns that the caller mapped by hand; their fields are taken as they are.
    """

    def __init__(self, named: Mapping[str, str]) -> None:
        self._named = named
        self.account_fields: Counter[str] = Counter()
        self.owner_fields: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self._varied: set[str] = set()
        self._first_account: str | None = None
        self._is_one_account = True
        self._owner_order: list[str] | None = None
        self._claimed: set[str] = set()
        self._narrow: dict[str, str] = {}
        self._merged: Counter[str] = Counter()
        self._owner_of: dict[str, str] = {}
        self._shared: set[str] = set()

    def resolve(self, rows: Iterable[Row | PassedOver]) -> list[Row | PassedOver]:
        """Returns the rows with `account` and `owner`; one that names nobody is passed over."""
        rows = list(rows)
        exchanges = [row for row in rows if not isinstance(row, PassedOver)]
        if self._owner_order is None and exchanges:
            self._owner_order = _owner_order(exchanges)
        return [row if isinstance(row, PassedOver) else self._resolved(row) for row in rows]

    def faults(self, logs: str) -> list[Fault]:
        """Returns the fault of a log whose callers differ in another field than was taken.

        Args:
            logs: Named in the fault.
        """
        taken = self._only_field()
        others = [field for field in self._first if field in self._varied and field != taken]
        if taken is None or not others:
            return []
        return [
            Fault(
                where=logs,
                problem="one account for all exchanges",
                found=f'"{taken}" is the same in all of them; {_listed(others)} is not',
                expected="a field that tells the callers apart",
                try_=f"--account-field {others[0]}, or --account-field {taken} if it is one caller",
            )
        ]

    def remarks(self) -> list[str]:
        """Returns what a reader of the result should know about its accounts."""
        remarks = []
        field = self._named.get("account")
        if field and (why := self._claim(field)):
            remarks.append(
                f"the account is taken from {field}, which a client may choose: {why}. A thief can"
                " write anything there"
            )
        if self._only_field() is not None or self._is_one_named():
            remarks.append(
                "all exchanges are of one account: accounts that act together cannot be seen. Name"
                " a field that tells the callers apart with --account-field"
            )
        if self._merged and field:
            narrower = self._merged.most_common(1)[0][0]
            remarks.append(
                f"{narrower} is narrower than {field}: an account holds several of it. Without"
                " --account-field the narrower one is taken"
            )
        if len(self._shared) > _MANY_SHARED * len(self._owner_of):
            remarks.append(
                f"{len(self._shared):,} of {len(self._owner_of):,} accounts have more than one"
                " owner: the fields of account and owner may be the wrong way round"
            )
        if len(self.account_fields) > 1:
            counts = ", ".join(f"{name} ({n:,})" for name, n in self.account_fields.most_common())
            remarks.append(f"accounts come from several fields: {counts}")
        return remarks

    def note_columns(self, accounts: Iterable[str], count: int, owners: int) -> None:
        """Counts exchanges whose account was a column of the log."""
        self.account_fields[self._named.get("account", "account")] += count
        for account in accounts:
            self._see_account(account)
        if owners:
            self.owner_fields[self._named.get("owner", "owner")] += owners

    def _see_narrower(self, row: Row) -> None:
        """Notes whether accounts that were named hold several of the narrowest principals."""
        account = _name(row.get("account"))
        for field, value in (row.get("principals") or {}).items():
            name = _name(value)
            if account is None or name is None or is_nobody(name) or is_redacted(name):
                continue
            if field != self._named["account"] and self._narrow.setdefault(account, name) != name:
                self._merged[field] += 1
            return

    def note_owners(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Takes accounts with their owners, each pair once a batch."""
        for account, owner in pairs:
            if self._owner_of.setdefault(account, owner) != owner:
                self._shared.add(account)

    def _claim(self, path: str) -> str | None:
        """Returns why a field may hold what the client says: its name, or the format, says so."""
        if path in self._claimed or path.rpartition(".")[2] in self._claimed:
            return "the format of the log says so"
        return claimed_by_client(path)

    def _resolved(self, row: Row) -> Row | PassedOver:
        row["owner"] = self._owner(row)
        if "account" in self._named:
            self._claimed.update(row.get("claimed") or ())
            self._see_narrower(row)
            return self._checked(row, self._named["account"], row.get("account"))
        candidates = row.get("principals")
        if candidates is None:
            return self._checked(row, "account", row.get("account"))
        chosen: tuple[str, str] | None = None
        was_nobody = False
        for field, value in candidates.items():
            name = _name(value)
            if name is None:
                continue
            if is_nobody(name) or is_redacted(name):
                was_nobody = True
                continue
            self._see_field(field, name)
            chosen = chosen or (field, name)
        if chosen is None:
            return NOBODY if was_nobody else row
        row["account"] = chosen[1]
        self.account_fields[chosen[0]] += 1
        self._see_account(chosen[1])
        return row

    def _checked(self, row: Row, field: str, value: Any) -> Row | PassedOver:
        name = _name(value)
        if name is None:
            return row  # absent or of another type: the checker says which
        if is_nobody(name) or is_redacted(name):
            return NOBODY
        self.account_fields[field] += 1
        self._see_account(name)
        return row

    def _owner(self, row: Row) -> Any:
        if "owner" in self._named:
            return self._named_owner(row)
        owners = row.get("owners")
        if not owners:
            return row.get("owner")
        for field in self._owner_order or ():
            name = _name(owners.get(field))
            if name is not None and not is_nobody(name) and not is_redacted(name):
                self.owner_fields[field] += 1
                return name
        return None

    def _named_owner(self, row: Row) -> Any:
        if self._named["owner"] == NO_OWNER:
            return None
        owner = row.get("owner")
        self.owner_fields[self._named["owner"]] += owner is not None
        return owner

    def _see_field(self, field: str, name: str) -> None:
        if field not in self._varied and self._first.setdefault(field, name) != name:
            self._varied.add(field)

    def _see_account(self, name: str) -> None:
        if self._first_account is None:
            self._first_account = name
        elif self._is_one_account and name != self._first_account:
            self._is_one_account = False

    def _only_field(self) -> str | None:
        """Returns the field of the one account of all exchanges, None if there are several."""
        if not self._is_one_account or "account" in self._named or not self._first:
            return None
        enough = self.account_fields.total() >= _ENOUGH
        return next(iter(self.account_fields)) if enough else None

    def _is_one_named(self) -> bool:
        return self._is_one_account and self.account_fields.total() >= _ENOUGH


def claimed_by_client(path: str) -> str | None:
    """Returns why a field may hold what the client says of itself, None if nothing is known."""
    keys = [_SEPARATORS.sub("", key.lower()) for key in re.split(r"[.\[\]]+", path) if key]
    if path.lower().endswith("enduser.id"):
        return None  # OpenTelemetry's: taken from the token or the authentication header
    whole = "".join(keys)
    last = keys[-1] if keys else ""
    if keys and keys[0] == "baggage":
        return _CLAIMED["baggage"]
    for name in (whole, "".join(keys[-2:]), last):
        if name in _CLAIMED:
            return _CLAIMED[name]
    return None


def _owner_order(rows: list[Row]) -> list[str]:
    """Returns the fields of owners, first the widest one that takes more than one value.

    One organisation for the whole log says nothing of whose accounts belong together.
    """
    values: dict[str, set[str]] = {}
    for row in rows:
        for field, value in (row.get("owners") or {}).items():
            known = values.setdefault(field, set())
            name = _name(value)
            if name is not None and len(known) < 2:
                known.add(name)
    fields = list(values)
    telling = next((place for place, field in enumerate(fields) if len(values[field]) > 1), 0)
    return fields[telling:]


def _name(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return str(int(value)) if isinstance(value, float) and is_whole(value) else None


def _listed(fields: list[str]) -> str:
    return ", ".join(f'"{field}"' for field in fields[:3])
