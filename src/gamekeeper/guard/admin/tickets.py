"""Tickets: one-time secrets that open one page, within a minute, where a browser cannot send the
token.
"""

import secrets
from collections.abc import Callable

LIVES_S = 60.0
_KEPT = 100


class Tickets:
    """The tickets that were made and not used yet.

    Args:
        clock: Epoch seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: dict[str, float] = {}

    def draw(self) -> str:
        """Returns a new ticket; of too many that were not used, the oldest is dropped."""
        while len(self._open) >= _KEPT:
            self._open.pop(next(iter(self._open)))
        ticket = secrets.token_urlsafe(24)
        self._open[ticket] = self._clock() + LIVES_S
        return ticket

    def is_ticket(self, query: bytes) -> bool:
        """Returns whether a query string, `ticket=...`, opens the page; it is used up by that."""
        name, _, ticket = query.partition(b"=")
        if name != b"ticket":
            return False
        return self._open.pop(ticket.decode("latin-1"), 0.0) > self._clock()
