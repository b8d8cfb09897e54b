"""Keeps memory and store in step, twice a second: counters and actions go out, what others changed
comes in.

All that blocks (store, casebook) is done here, off the event loop. `Core` judges by what is in
memory and waits for nothing.

One record that cannot be stored never keeps the others from it: a batch that is refused is handed
over in halves, down to the record that is refused, which is set aside. What could not be stored
because store or disk are gone waits for the next time.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any, TypeVar

import orjson

from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.base.log import get_logger
from gamekeeper.guard.core import Core
from gamekeeper.guard.decisions.register import Record
from gamekeeper.guard.store import (
    RefusedError,
    SharedStore,
    SlowedState,
    SlowedStore,
    Spent,
    StoreGoneError,
)
from gamekeeper.guard.store._store import SLOWED_KEPT_S

log = get_logger("gamekeeper.guard")

FLUSH_S = 0.5
SILENT_S = 10.0
"""After so long without a beat, decisions of people and replicas are taken to be ignored."""

_REFUSED = (RefusedError, OverflowError, TypeError, ValueError, UsageError)
_PART_BYTES = 256 << 10  # of actions in one entry; a line of the casebook may have 1 MiB
_WAITING_ENTRIES = 10_000

Item = TypeVar("Item")


class Entries:
    """Writes to the casebook. Entries wait in memory while the disk takes none, so that a full disk
    does not keep decisions from taking effect.

    Args:
        append: Of the casebook.
        on_set_aside: Called for each entry that is never written.
    """

    def __init__(
        self,
        append: Callable[[str, str, dict[str, Any]], object],
        on_set_aside: Callable[[], None] = lambda: None,
    ) -> None:
        self._append = append
        self._on_set_aside = on_set_aside
        self._turn = Lock()
        self._waiting = deque[tuple[str, str, dict[str, Any]]]()

    def __call__(self, kind: str, subject: str, body: dict[str, Any]) -> None:
        """Writes an entry, or keeps it until the disk takes it; blocks.

        Raises:
            UsageError: It cannot be written: it is too long, or not JSON.
        """
        with self._turn:
            if self._is_written(kind, subject, body):
                return
            if len(self._waiting) >= _WAITING_ENTRIES:
                self._set_aside(kind, subject, "too many entries wait for the disk")
            else:
                self._waiting.append((kind, subject, body))

    def retry(self) -> None:
        """Writes what waits, as far as the disk takes it; blocks."""
        with self._turn:
            self._write_waiting()

    def _is_written(self, kind: str, subject: str, body: dict[str, Any]) -> bool:
        if not self._write_waiting():
            return False
        try:
            self._append(kind, subject, body)
        except (OSError, InputError) as error:
            log.error("the casebook cannot be written: entries wait in memory (%s)", error)
            return False
        return True

    def _write_waiting(self) -> bool:
        """Writes what waits, in its order; returns whether nothing waits any more."""
        had_waited = bool(self._waiting)
        while self._waiting:
            kind, subject, body = self._waiting[0]
            try:
                self._append(kind, subject, body)
            except (OSError, InputError):
                return False
            except UsageError as error:
                self._set_aside(kind, subject, str(error))
            self._waiting.popleft()
        if had_waited:
            log.warning("the casebook can be written again")
        return True

    def _set_aside(self, kind: str, subject: str, why: str) -> None:
        self._on_set_aside()
        log.error("an entry %s of the casebook about %s was set aside: %s", kind, subject, why)


class Sync:
    """Keeps the memory of a guard and its store in step.

    Args:
        core: Its accounts, decisions and actions.
        record: Writes to the casebook.
        on_done: Called each time that memory and store were brought in step, or the store was found
            to be gone.
    """

    def __init__(
        self,
        core: Core,
        record: Record = lambda kind, subject, body: None,
        on_done: Callable[[], None] = lambda: None,
    ) -> None:
        self._core = core
        self._record = record
        self._on_done = on_done
        self._shared = core.store if isinstance(core.store, SharedStore) else None
        self._changed_at = 0
        self._learned = dict[str, Spent]()
        self._slowed = dict[str, SlowedState]()
        self._unreadable = set[tuple[str, str]]()

    async def run(self) -> None:
        """Runs until cancelled; then once more."""
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                await self._step_beside()
                self._on_done()
        except asyncio.CancelledError:
            self.step()
            raise

    def step(self) -> None:
        """Does once what `run` does twice a second."""
        unsaved, done = self._collected()
        try:
            self._save(unsaved, done)
        finally:
            self._saved(unsaved)

    async def _step_beside(self) -> None:
        """Does a step with all that blocks in a thread. One that was begun is finished, even if
        it is cancelled: its outcome says what is stored.
        """
        unsaved, done = self._collected()
        saving = asyncio.ensure_future(asyncio.to_thread(self._save, unsaved, done))
        try:
            await asyncio.shield(saving)
        finally:
            if not saving.done():
                await asyncio.wait([saving])
            self._saved(unsaved)

    def _collected(self) -> tuple[dict[str, Spent], Counter[tuple[str, str]]]:
        """Takes what is to be saved; on the event loop, where requests change it."""
        core = self._core
        core.metrics.clock_off.set(core.clock.follow())
        core.metrics.accounts.set(len(core.accounts))
        self._slowed |= core.accounts.unsaved_slowed()
        return core.accounts.unsaved(), core.take_actions()

    def _save(self, unsaved: dict[str, Spent], done: Counter[tuple[str, str]]) -> None:
        """Saves counters and actions, sees what others changed, ends what has ended; blocks.

        Args:
            unsaved: Counters; those that are stored or set aside are taken out of it.
            done: Actions.
        """
        try:
            self._record_actions(done)
            self._add(unsaved)
            self._keep_slowed()
            self._look()
        except StoreGoneError as error:
            self._changed_at = 0
            self._is_up(False, str(error))
        except Exception as error:
            self._is_up(False, type(error).__name__)  # what cannot be read may hold a decision
            raise
        else:
            self._is_up(True)

    def _add(self, unsaved: dict[str, Spent]) -> None:
        """Adds counters to those in the store."""
        day = self._core.accounts.day

        def add(accounts: list[str]) -> None:
            self._core.store.add(day, {name: unsaved[name].bounded() for name in accounts})
            for name in accounts:
                del unsaved[name]

        def set_aside(name: str, error: Exception) -> None:
            spent = unsaved.pop(name)
            self._set_aside("counter", f"what {name} spent ({spent})", error)

        if unsaved:
            _in_parts(list(unsaved), add, set_aside)

    def _look(self) -> None:
        """Sees what others changed, and ends what has ended."""
        core = self._core
        if core.decisions.refresh(core.clock.now()):
            core.update_gauges()
        unreadable = core.decisions.unreadable
        for table, id in unreadable.keys() - self._unreadable:
            self._set_aside("record", f"{id} of the table {table}", unreadable[table, id])
        self._unreadable = set(unreadable)
        self._learn()

    def _learn(self) -> None:
        """Asks a shared store what accounts spent elsewhere.

        What was saved just now is in it: nothing counts twice.
        """
        if self._shared is not None:
            self._changed_at, self._learned = self._shared.changed(
                self._core.accounts.day, self._changed_at
            )

    def _keep_slowed(self) -> None:
        """Saves the buckets of slowed accounts, where replicas do not share them in the store."""
        store = self._core.store
        slowed = self._slowed
        if not isinstance(store, SlowedStore) or not slowed:
            return
        oldest = self._core.clock.now() - SLOWED_KEPT_S

        def keep(accounts: list[str]) -> None:
            store.keep_slowed({name: slowed[name] for name in accounts}, oldest)
            for name in accounts:
                del slowed[name]

        def set_aside(name: str, error: Exception) -> None:
            del slowed[name]
            self._set_aside("bucket", f"the bucket of {name}", error)

        _in_parts(list(slowed), keep, set_aside)

    def _saved(self, unsaved: dict[str, Spent]) -> None:
        """Takes back what was not saved; else takes over what others spent."""
        accounts = self._core.accounts
        if unsaved:
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

        def record(actions: list[dict[str, Any]]) -> None:
            body = {"enforced": self._core.policy.enforce, "actions": actions}
            self._record("actions", "accounts", body)

        def set_aside(action: dict[str, Any], error: Exception) -> None:
            self._set_aside("action", f"the action {action}", error)

        actions = [
            {"account": account, "action": action, "requests": n}
            for (account, action), n in done.items()
        ]
        for part in _by_size(actions):
            _in_parts(part, record, set_aside)

    def _set_aside(self, what: str, which: str, error: Exception) -> None:
        self._core.metrics.set_aside.labels(what).inc()
        log.error("%s was set aside: %s: %s", which, type(error).__name__, error)

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


def _in_parts(
    items: list[Item],
    take: Callable[[list[Item]], None],
    set_aside: Callable[[Item, Exception], None],
) -> None:
    """Hands items over together; in halves where that is refused, down to the one that is."""
    waiting = [items]
    while waiting:
        part = waiting.pop()
        try:
            take(part)
        except _REFUSED as error:
            if len(part) == 1:
                set_aside(part[0], error)
                continue
            middle = len(part) // 2
            waiting += [part[middle:], part[:middle]]


def _by_size(actions: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Returns actions in parts that fit into an entry of the casebook."""
    part: list[dict[str, Any]] = []
    size = 0
    for action in actions:
        size += _bytes(action)
        if part and size > _PART_BYTES:
            yield part
            part = []
            size = _bytes(action)
        part.append(action)
    if part:
        yield part


def _bytes(action: dict[str, Any]) -> int:
    try:
        return len(orjson.dumps(action))
    except orjson.JSONEncodeError:  # half of a surrogate pair in a name: it is set aside later
        return 0
