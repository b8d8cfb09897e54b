"""How each credential is usually used: a small record each, kept in the store's `seen` table.

Nearly every request comes from where the last one came from, in the same hour: that costs a
comparison. What is left unpacks the record, reads the signals, and learns. A record is some 150
bytes and an object around it.

What is written is what changed: first what was newly met, within seconds; then, as there is time,
hours and the time of the latest use, which change with every hour. `kill -9` loses what was not
written yet.
"""

from base64 import b64decode, b64encode
from itertools import chain, islice

import orjson

from gamekeeper.base.log import get_logger
from gamekeeper.guard.identity import Principal
from gamekeeper.guard.identity.caller import Caller
from gamekeeper.guard.store import Store
from gamekeeper.guard.takeover import dormant_wakes, far_places, new_hours, new_system, rate_jump
from gamekeeper.guard.takeover.card import Reading
from gamekeeper.guard.takeover.history import History, Places
from gamekeeper.guard.takeover.places import Countries, Where, where
from gamekeeper.guard.takeover.use import DAY_S, Use

log = get_logger("gamekeeper.guard")

TABLE = "seen"
PREFIX = "habit:"

_FORMAT = "gamekeeper/habit@1"
_HOUR_S = 3600
_IDLE_DAYS = 365
_FIRST_DAYS = 2  # whoever sets a key up tries it from several systems
_SIGNALS = (new_system.read, far_places.read, dormant_wakes.read, rate_jump.read, new_hours.read)
_NEVER = 1 << 60


class _Habit:
    """A credential's record and what changes with every request.

    Args:
        packed: Its history.
        used: Latest use, epoch seconds.
        hour_ends: Of the clock hour of its latest use, epoch seconds.
        in_hour: Exchanges in that hour.
        mark: Hash of address and client of the latest use; no use has 0.
        alarm: Exchanges in an hour that are looked at.
    """

    __slots__ = ("alarm", "hour_ends", "in_hour", "mark", "packed", "used")

    def __init__(self, packed: bytes, used: float, hour_ends: int, in_hour: int) -> None:
        self.packed = packed
        self.used = used
        self.hour_ends = hour_ends
        self.in_hour = in_hour
        self.mark = 0
        self.alarm = 0

    def document(self) -> bytes:
        """Returns it as the store keeps it."""
        packed = b64encode(self.packed).decode("ascii")
        return orjson.dumps(
            {
                "format": _FORMAT,
                "used": self.used,
                "hour_ends": self.hour_ends,
                "in_hour": self.in_hour,
                "history": packed,
            }
        )

    @classmethod
    def read(cls, record: bytes) -> "_Habit":
        """Reads what `document` wrote; raises ValueError, KeyError or TypeError for
        anything else.
        """
        document = orjson.loads(record)
        if document["format"] != _FORMAT:
            raise ValueError(document["format"])
        packed = b64decode(document["history"], validate=True)
        History.unpack(packed)
        return cls(
            packed, float(document["used"]), int(document["hour_ends"]), int(document["in_hour"])
        )


class Habits:
    """The usual use of every credential, updated with each request.

    Args:
        limit: Credentials at most; the longest idle gives way.
        countries: Looks a country up where no proxy gives one; None does not.
    """

    def __init__(self, limit: int = 1_000_000, countries: Countries | None = None) -> None:
        self._habits: dict[str, _Habit] = {}
        self._limit = limit
        self._countries = countries
        self._unsaved: tuple[dict[str, None], dict[str, None]] = {}, {}  # what was newly met; hours
        self._before: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._habits)

    def observe(self, principal: Principal, caller: Caller, now: float) -> tuple[Reading, ...]:
        """Returns what a use is unlike, and learns it.

        Args:
            principal: Who asks, as authenticated.
            caller: Where from.
            now: Epoch seconds.
        """
        habit = self._habits.get(principal.subject)
        if (
            habit is not None
            and now < habit.hour_ends
            and habit.mark == hash((caller.ip, caller.client))
        ):
            in_hour = habit.in_hour + 1
            if in_hour < habit.alarm:
                habit.in_hour = in_hour
                habit.used = now
                return ()
        return self._look(principal.subject, habit, caller, now)

    def trust(self, principal: Principal, caller: Caller, now: float) -> None:
        """Learns a use without looking at it: its owner has just signed in again."""
        self.observe(principal, caller, now)
        self._before.pop(principal.subject, None)

    def is_latest(self, subject: str, caller: Caller) -> bool:
        """Returns whether the credential's latest use was from this address with this client."""
        habit = self._habits.get(subject)
        return habit is not None and habit.mark == hash((caller.ip, caller.client))

    def before(self, subject: str) -> bytes | None:
        """Returns the history from before the first reading that is still open; None if there is
        none.
        """
        return self._before.get(subject)

    def resume(self, subject: str, before: bytes) -> None:
        """Takes up a history from before a reading that an earlier run left open."""
        self._before[subject] = before

    def keep(self, subject: str) -> None:
        """Lets what was learnt since that reading stand."""
        self._before.pop(subject, None)

    def unlearn(self, subject: str) -> None:
        """Takes back what was learnt since that reading: a thief may have taught it."""
        before = self._before.pop(subject, None)
        habit = self._habits.get(subject)
        if before is not None and habit is not None:
            habit.packed = before
            habit.mark = 0
            self._write(subject, at_once=True)

    def unsaved(self, most: int) -> dict[str, bytes]:
        """Returns records that the store does not have, by id, and counts them as saved.

        Args:
            most: Of them; what was newly met comes first.
        """
        subjects = list(islice(chain(*self._unsaved), most))
        for subject in subjects:
            self._written(subject)
        return {PREFIX + s: self._habits[s].document() for s in subjects if s in self._habits}

    def not_saved(self, ids: list[str]) -> None:
        """Takes back that these ids were saved."""
        for id in ids:
            self._write(id.removeprefix(PREFIX), at_once=True)

    def load(self, store: Store) -> None:
        """Reads what the store has; a record that cannot be read is left where it is, and its
        habits are learnt anew.

        Raises:
            StoreGoneError: The store cannot be reached.
        """
        unreadable = 0
        for id, record in store.load(TABLE).items():
            if not id.startswith(PREFIX):
                continue
            try:
                self._habits[id.removeprefix(PREFIX)] = _Habit.read(record)
            except (ValueError, KeyError, TypeError):
                unreadable += 1
        self._habits = dict(
            sorted(self._habits.items(), key=lambda item: item[1].used)[-self._limit :]
        )
        if unreadable:
            log.warning(
                "the habits of %d credentials cannot be read and are learned again", unreadable
            )

    def forget(self, now: float) -> list[str]:
        """Forgets who was idle for a year; returns the ids of their records.

        A year before the latest use, if that is earlier: a clock that is years ahead must not empty
        everything.
        """
        latest = min(now, max((habit.used for habit in self._habits.values()), default=now))
        idle = [s for s, habit in self._habits.items() if latest - habit.used > _IDLE_DAYS * DAY_S]
        for subject in idle:
            self._drop(subject)
        return [PREFIX + subject for subject in idle]

    def _look(
        self, subject: str, habit: _Habit | None, caller: Caller, now: float
    ) -> tuple[Reading, ...]:
        place = where(caller, self._countries)
        if habit is None:
            self._begin(subject, place, caller, now)
            return ()
        is_new_hour = not habit.hour_ends - _HOUR_S <= now < habit.hour_ends
        history = History.unpack(habit.packed)
        in_hour = 1 if is_new_hour else habit.in_hour + 1
        if is_new_hour:
            rate_jump.learn(history, habit.in_hour)
        # the later of the two, if a clock was set
        since_s = min(now - habit.used, now - history.last_day * DAY_S)
        use = Use(place, now, max(0.0, since_s), in_hour)
        readings = tuple(
            reading for read in _SIGNALS if (reading := read(history, use)) is not None
        )
        if readings:
            self._before.setdefault(subject, habit.packed)
        is_new_place = _learn(history, use, is_new_hour)
        if is_new_place or is_new_hour or readings:
            self._write(subject, at_once=is_new_place or bool(readings))
        alarm = rate_jump.alarm(history)
        self._note(
            subject, habit, history, caller, now, in_hour, _NEVER if in_hour >= alarm else alarm
        )
        return readings

    def _begin(self, subject: str, place: Where, caller: Caller, now: float) -> None:
        if len(self._habits) >= self._limit:
            self._drop(next(iter(self._habits)))
        history = History(int(now // DAY_S), int(now // DAY_S))
        _learn(history, Use(place, now, 0.0, 1), True)
        self._write(subject, at_once=True)
        self._note(
            subject, _Habit(b"", now, 0, 0), history, caller, now, 1, rate_jump.alarm(history)
        )

    def _write(self, subject: str, *, at_once: bool) -> None:
        first, later = self._unsaved
        if at_once:
            first[subject] = later.pop(subject, None)
        elif subject not in first:
            later[subject] = None

    def _written(self, subject: str) -> None:
        for waiting in self._unsaved:
            waiting.pop(subject, None)

    def _drop(self, subject: str) -> None:
        del self._habits[subject]
        self._before.pop(subject, None)
        self._written(subject)

    def _note(
        self,
        subject: str,
        habit: _Habit,
        history: History,
        caller: Caller,
        now: float,
        in_hour: int,
        alarm: int,
    ) -> None:
        habit.packed = history.pack()
        habit.used = now
        habit.in_hour = in_hour
        habit.alarm = alarm
        habit.hour_ends = (int(now) // _HOUR_S + 1) * _HOUR_S
        habit.mark = hash((caller.ip, caller.client))
        self._habits.pop(subject, None)
        self._habits[subject] = habit  # now the last to give way


def _learn(history: History, use: Use, is_new_hour: bool) -> bool:
    """Takes a use in; returns whether it was from a new place."""
    day = use.day
    place = use.where
    is_new = new_system.is_new(history, use)
    if is_new and day - history.first_day >= _FIRST_DAYS:
        history.systems.meet(day)
    if far_places.is_far(history, use):
        history.far.meet(day)
    history.note_gap(use.since_s / DAY_S)
    if is_new_hour:
        history.note_hour(use.hour)
    if day > history.last_day:
        history.last_day = day
        history.active_days = history.active_days + 1
    met = _met(history, place)
    is_new_place = any(name not in places for places, name in met)
    for places, name in met:
        history.meet(places, name, day)
    history.at_network = place.network
    history.at_country = place.country.encode() if place.country else None
    return is_new_place


def _met(history: History, place: Where) -> list[tuple[Places, bytes]]:
    met = [(history.clients, place.client)]
    if place.network is not None:
        met.append((history.networks, place.network))
    if place.country is not None:
        met.append((history.countries, place.country.encode()))
    return met
