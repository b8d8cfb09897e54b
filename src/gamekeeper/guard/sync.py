"""Keeps memory and store in step, twice a second: counters and actions go out, what others changed
comes in.

All that blocks (store, casebook) is done here, off the event loop. `Core` judges by what is in
memory and waits for nothing.
"""

import asyncio
from collections import Counter

from gamekeeper.base.log import get_logger
from gamekeeper.guard.core import Core
from gamekeeper.guard.decisions.register import Record
from gamekeeper.guard.store import SharedStore, Spent, StoreGoneError

log = get_logger("gamekeeper.guard")

FLUSH_S = 0.5


class Sync:
    """Keeps the memory of a guard and its store in step.

    Args:
        core: Its accounts, decisions and actions.
        record: Writes to the casebook.
    """

    def __init__(self, core: Core, record: Record = lambda kind, subject, body: None) -> None:
        self._core = core
        self._record = record
        self._shared = core.store if isinstance(core.store, SharedStore) else None
        self._changed_at = 0
        self._learned = dict[str, Spent]()

    async def run(self) -> None:
        """Runs until cancelled; then once more."""
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                unsaved, done = self._collected()
                saved = await asyncio.to_thread(self._save, unsaved, done)
                self._saved(unsaved, saved)
        finally:
            unsaved, done = self._collected()
            self._save(unsaved, done)

    def step(self) -> None:
        """Does once what `run` does twice a second."""
        unsaved, done = self._collected()
        self._saved(unsaved, self._save(unsaved, done))

    def _collected(self) -> tuple[dict[str, Spent], Counter[tuple[str, str]]]:
        """Takes what is to be saved; on the event loop, where requests change it."""
        core = self._core
        core.metrics.clock_off.set(core.clock.follow())
        core.metrics.accounts.set(len(core.accounts))
        return core.accounts.unsaved(), core.take_actions()

    def _save(self, unsaved: dict[str, Spent], done: Counter[tuple[str, str]]) -> bool:
        """Saves counters and actions, sees what others changed, ends what has ended; blocks.

        Returns whether the counters were saved.
        """
        core = self._core
        self._record_actions(done)
        try:
            if unsaved:
                core.store.add(core.accounts.day, unsaved)
        except StoreGoneError as error:
            self._is_up(False, str(error))
            return False
        try:
            if core.decisions.refresh(core.clock.now()):
                core.update_gauges()
            self._learn()
            self._is_up(True)
        except StoreGoneError as error:
            self._changed_at = 0
            self._is_up(False, str(error))
        return True

    def _learn(self) -> None:
        """Asks a shared store what accounts spent elsewhere.

        What was saved just now is in it: nothing counts twice.
        """
        if self._shared is not None:
            self._changed_at, self._learned = self._shared.changed(
                self._core.accounts.day, self._changed_at
            )

    def _saved(self, unsaved: dict[str, Spent], saved: bool) -> None:
        accounts = self._core.accounts
        if not saved:
            accounts.restore(unsaved)
            return
        accounts.learn(self._learned)
        self._learned = {}
        if accounts.turn(self._core.clock.now()):
            self._changed_at = 0

    def _record_actions(self, done: Counter[tuple[str, str]]) -> None:
        """Actions are recorded twice a second, counted by account: one by one they would slow
        everybody.
        """
        if not done:
            return
        actions = [
            {"account": account, "action": action, "requests": n}
            for (account, action), n in done.items()
        ]
        body = {"enforced": self._core.policy.enforce, "actions": actions}
        self._record("actions", "accounts", body)

    def _is_up(self, up: bool, why: str = "") -> None:
        core = self._core
        core.metrics.store_up.set(up)
        if up and not core.store_up:
            log.warning("the store can be reached again")
        if core.store_up and not up:
            passes = core.policy.state.when_gone == "open"
            effect = "requests pass" if passes else "requests are refused"
            log.error("the store cannot be reached (%s): %s", why, effect)
        core.store_up = up
