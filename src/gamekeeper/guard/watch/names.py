"""Campaigns keep their names from pass to pass, and over restarts."""

from collections.abc import Sequence
from pathlib import Path

import orjson

from gamekeeper.base.files import replace_file

_FORMAT = "gamekeeper/campaign-names@1"


class Names:
    """The names of campaigns, kept from pass to pass. A campaign keeps the name of the earlier one
    that it shares most members with.

    It must share at least half of the smaller of the two. A name is never given to another.

    Args:
        path: Where names and members are kept; None keeps them in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._last = 0
        self._members: dict[str, frozenset[str]] = {}
        if path is not None and path.exists():
            read = orjson.loads(path.read_bytes())
            self._last = read["last"]
            self._members = {
                name: frozenset(accounts) for name, accounts in read["members"].items()
            }

    def give(self, members: Sequence[Sequence[str]]) -> list[str]:
        """Returns a name for each campaign."""
        names: list[str] = []
        for accounts in members:
            names.append(self._known(frozenset(accounts), set(names)) or self._new())
            self._members[names[-1]] = frozenset(accounts)
        self._save()
        return names

    def _known(self, accounts: frozenset[str], given: set[str]) -> str | None:
        shared = {
            n: len(accounts & m) / max(min(len(accounts), len(m)), 1)
            for n, m in self._members.items()
        }
        best = max(
            (n for n in shared if n not in given), key=lambda n: (shared[n], n), default=None
        )
        return best if best is not None and shared[best] >= 0.5 else None

    def _new(self) -> str:
        self._last += 1
        return f"K{self._last}"

    def _save(self) -> None:
        if self._path is None:
            return
        members = {name: sorted(accounts) for name, accounts in self._members.items()}
        content = orjson.dumps({"format": _FORMAT, "last": self._last, "members": members})
        replace_file(self._path, content)
