"""What an account is called where people read: a short id, and beside it what people call it.

Many gateways name accounts by a digest of the key, 64 digits that nobody can tell apart. Such a
name is cut to its first digits, as many as are unique in the log, and its alias follows:
`9f2c41d07ab3… (checkout-service)`. Every unique beginning of a name is accepted where a name is.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise, takewhile

import polars as pl

from gamekeeper.base.errors import UsageError
from gamekeeper.base.text import one_line

_DIGEST = re.compile(r"(?:[0-9a-f]{40,}|[0-9A-F]{40,})")
_LENGTHS = (12, 16, 24, 32)
_LISTED = 5
_MORE_CHARS = 5  # shown of a name beyond what others begin with
_ALIAS_CHARS = 60


class AccountNames:
    """The names of one result's accounts for people.

    Args:
        accounts: Columns `account` and `alias`, as `HuntResult.accounts`.
    """

    def __init__(self, accounts: pl.DataFrame) -> None:
        named = accounts.select("account", "alias").drop_nulls()
        self._aliases = dict(named.iter_rows())
        names = accounts["account"]
        digests = names.filter(names.str.contains(f"^{_DIGEST.pattern}$"))
        unique = (
            length for length in _LENGTHS if digests.str.slice(0, length).n_unique() == len(digests)
        )
        self._length = next(unique, None)

    def alias(self, account: str) -> str | None:
        """Returns what people call an account, if the log says."""
        return self._aliases.get(account)

    def short(self, account: str) -> str:
        """Returns an account's name, a long digest cut to as many digits as are unique."""
        if self._length is None or not _DIGEST.fullmatch(account):
            return account
        return f"{account[: self._length]}…"

    def __call__(self, account: str) -> str:
        """Returns the short name, and the alias in parentheses; may hold hostile characters."""
        alias = self._aliases.get(account)
        if alias is None or alias == account:
            return self.short(account)
        return f"{self.short(account)} ({one_line(alias, _ALIAS_CHARS)})"


def matching(names: pl.Series, subject: str, what: str) -> str | None:
    """Returns the one name that is `subject` or begins with it; None where none does.

    Raises:
        UsageError: Several begin with it.
    """
    if (names == subject).any():
        return subject
    # a name as it is shown, with the ellipsis behind it, is a beginning too
    begin = subject.rstrip("…")
    if not begin:
        return None
    found = names.filter(names.str.starts_with(begin)).unique().sort()
    if len(found) > 1:
        raise UsageError(_ambiguous(found.head(_LISTED + 1).to_list(), len(found), subject, what))
    return str(found[0]) if len(found) else None


def told_apart(names: Iterable[str]) -> list[str]:
    """Returns sorted names, each cut to what tells it from the others and a little more."""
    names = list(names)
    alike = [0, *(_alike(one, other) for one, other in pairwise(names)), 0]
    needed = [max(before, after) + _MORE_CHARS for before, after in pairwise(alike)]
    return [
        name if len(name) <= chars + 1 else f"{name[:chars]}…"
        for name, chars in zip(names, needed, strict=True)
    ]


def _alike(one: str, other: str) -> int:
    """With how many of the same characters two names begin."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _ambiguous(found: Sequence[str], count: int, subject: str, what: str) -> str:
    listed = ", ".join(one_line(name) for name in told_apart(found)[:_LISTED])
    more = f" and {count - _LISTED:,} more" if count > _LISTED else ""
    return f'{count:,} {what} begin with "{one_line(subject)}": {listed}{more}; give more of it'
