"""Compares once a second what the live page shows, and tells open pages which parts of it have
changed.
"""

import asyncio
from collections.abc import Hashable

from gamekeeper.guard.admin.figures import value
from gamekeeper.guard.admin.listeners import Listeners
from gamekeeper.guard.admin.traffic import Traffic
from gamekeeper.guard.core import Core

BEAT_S = 1.0


class Pulse:
    """The task that finds changes and publishes them to open pages.

    Args:
        core: That is looked at.
        traffic: Sampled on the way.
        listeners: The open pages.
    """

    def __init__(self, core: Core, traffic: Traffic, listeners: Listeners) -> None:
        self._core = core
        self._traffic = traffic
        self._listeners = listeners
        self._last = self._parts()

    async def run(self) -> None:
        """Runs until cancelled. The supervisor of tasks restarts it."""
        while True:
            await asyncio.sleep(BEAT_S)
            self.beat(self._core.clock.now())

    def beat(self, now: float) -> None:
        """Looks for changes once."""
        if (point := self._traffic.sample(now)) is not None:
            self._listeners.publish("traffic", point._asdict())
        last = self._last
        self._last = self._parts()
        if changed := [name for name, part in self._last.items() if part != last[name]]:
            self._listeners.publish("changed", changed)

    def _parts(self) -> dict[str, Hashable]:
        """Each part of the page by something that changes with it.

        Lists are taken first: other threads change the dictionaries meanwhile.
        """
        core = self._core
        metrics = self._core.metrics
        decisions = list(core.decisions.all.values())
        campaigns = list(core.decisions.campaigns.values())
        return {
            "summary": (core.store_up, value(metrics.watching), value(metrics.pass_at)),
            "decisions": hash(tuple((d.id, d.until) for d in decisions)),
            "campaigns": hash(
                tuple((c.id, c.last_found, c.verdict, len(c.joined)) for c in campaigns)
            ),
        }
