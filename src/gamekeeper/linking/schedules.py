"""Which account of a group starts the next sitting: the trace of software that deals conversations.

People who share an office, a client or a class start their sittings independently, given the hour,
the day, and what happens to all of them. Software that deals conversations to accounts looks at
all accounts first, and takes the one idle longest, the one used least, the next in turn, or the
same one until its quota is used up. Four traces are summed over the sittings of a group:

    idle    share of the other accounts that started a sitting since the starter did
    used    share of the other accounts that were used more than the starter, of late
    turn    how often the same account follows the same account
    apart   minus how many accounts are in use within the same hour

Each trace counts in standard deviations of decoys, and only as far as two kinds of decoys agree,
because each kind keeps what the other breaks:

    weeks   an account's sittings are moved by whole weeks: its hours and weekdays stay
    hours   accounts that start a sitting within the same two hours, and none just before or after,
            change places: what happens to all at once stays
    days    an account's days change places within the week: its hours stay

`idle`, `used` and `turn` are put to weeks and hours, `apart` to weeks and days; in logs too short
for weeks, days take their place. An account's first and last day never move. Each kind of decoy is
drawn from a group of transformations, so a rank among decoys is exact where that kind's assumption
holds, and the larger of two ranks is valid where either does. The two tests are combined by
Bonferroni's inequality.

Source: this project. Randomisation tests: Hoeffding, The large-sample power of tests based on
    permutations, 1952. Moving events within blocks: Amarasingham, Harrison, Hatsopoulos and Geman,
    Conditional modeling and the jitter method of spike resampling, J. Neurophysiology 2012.
    Intersection of tests: Berger, Multiparameter hypothesis testing, Technometrics 1982. `idle` is
    the stack distance of Mattson et al., Evaluation techniques for storage hierarchies, 1970.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gamekeeper.linking.card import Card
from gamekeeper.linking.sample import LinkSample

MIN_ACCOUNTS = 4
"""Accounts below which a group has no schedule to speak of."""
MIN_SITTINGS = 60
"""Sittings of a group below which nothing can be read."""
MIN_MOVABLE = 30
"""Sittings that each kind of decoy must be able to move."""
MIN_OWN = 8
"""The same, of one account that is read by itself."""

_DAY_S = 86_400.0
_HOUR_S = 3_600.0
_WINDOWS_S = (7_200.0, 3_600.0, 1_800.0)  # the shorter ones for accounts that are hardly ever idle
_LATELY_S = _DAY_S
_MOST_SITTINGS = 4_000  # more tell nothing that these do not
_LONGEST_S = 366 * _DAY_S
_MOST_ACCOUNTS = 256
_REFERENCE = 99  # decoys that only give means and standard deviations
_BATCHES = (100, 400)  # most groups are ordinary, and are so after the first
_ENOUGH = 20  # decoys at least as strong, after which a group is ordinary
_QUANTILES = (0.5, 0.95, 0.99)

SCHEDULE = Card(
    name="schedule",
    family="schedule",
    purpose="whether one piece of software chooses which account starts the next sitting",
    unit="standard deviations of decoys",
    needs=("time",),
    look_alikes="keys of one owner behind a router, call centres that work in shifts, pipelines "
    "whose steps have a key each: one operator, not a thief",
    evasions="choosing the account at random, which gives up even use of quota; other traffic on "
    "the same accounts, half of it or more, which costs that traffic; so much traffic that "
    "accounts are never idle for half an hour",
    source="this project",
    maturity="experimental",
)
"""It says "one operator". What that operator does is for other families to say."""

Draw = Callable[[np.random.Generator, int], np.ndarray]
"""Measures the traces of so many decoys: (decoys, traces)."""


@dataclass(frozen=True, kw_only=True)
class ScheduleReading:
    """How far the sittings of a group look dealt by one piece of software.

    Args:
        p_value: That accounts which start their sittings independently look so as well, 0 to 1.
        statistic: The strongest trace, in standard deviations of the decoys that it is least far
            from.
        usual: The decoys' median.
        high: Their 95th percentile.
        ordinary: What one in a hundred decoys reaches.
        decoys: How many were drawn of each kind, at most.
        which: Name of the trace: `idle`, `used`, `turn` or `apart`.
        says: What that trace means, in words; worth reading only where `p_value` is small.
    """

    p_value: float
    statistic: float
    usual: float
    high: float
    ordinary: float
    decoys: int
    which: str
    says: str


@dataclass(frozen=True, kw_only=True)
class Sittings:
    """Sittings of a group in order of their start.

    Args:
        account: 0 to `accounts` - 1, int, shape (n,).
        start_s: First exchange, seconds since the epoch, shape (n,).
        end_s: Last exchange, shape (n,).
        accounts: Number of accounts, at most 256.
    """

    account: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    accounts: int

    @classmethod
    def of(cls, sample: LinkSample, accounts: np.ndarray) -> "Sittings":
        """Reads those of `accounts` (at most 256, ascending) from a sample; the latest of many."""
        rows = np.flatnonzero(np.isin(sample.accounts, accounts))
        sitting = sample.sitting[rows]
        first = np.flatnonzero(np.diff(sitting, prepend=-1))
        last = np.append(first[1:], len(rows))[: len(first)] - 1
        start = sample.time_s[rows[first]]
        order = np.argsort(start, kind="stable")[-_MOST_SITTINGS:]
        order = order[start[order] > start.max(initial=0) - _LONGEST_S]
        return cls(
            account=np.searchsorted(accounts, sample.accounts[rows[first]])[order],
            start_s=start[order].astype(np.float64),
            end_s=sample.time_s[rows[last]][order].astype(np.float64),
            accounts=len(accounts),
        )


def read_schedule(
    sample: LinkSample, accounts: np.ndarray, rng: np.random.Generator, decoys: int = 999
) -> ScheduleReading | None:
    """Reads whether one piece of software deals the sittings of a group.

    Args:
        sample: The exchanges that are compared.
        accounts: Numbers of the group's accounts.
        rng: Of the decoys.
        decoys: Of each kind. Fewer are drawn for a group that is soon seen to be ordinary; p is
            never below 2 / (1 + decoys).

    Returns:
        None where too little is there to tell: below `MIN_ACCOUNTS` or `MIN_SITTINGS`, and in logs
        of a few days.

    Benign look-alikes and evasions: see `SCHEDULE`.
    """
    return read_sittings(Sittings.of(sample, _busiest(sample, accounts)), rng, decoys)


def read_members(
    sample: LinkSample, accounts: np.ndarray, rng: np.random.Generator, decoys: int = 199
) -> np.ndarray:
    """Reads how far each account of a group shows the group's schedule by itself.

    One account is moved while the others stay. What counts is how many others start exactly once
    between two of its starts, and how many were used more than it.

    Args:
        sample: The exchanges that are compared.
        accounts: Numbers of the accounts of a group whose own `p_value` is small, shape (k,).
        rng: Of the decoys.
        decoys: Of each kind.

    Returns:
        p of each account, shape (k,); NaN where it has too few sittings that can be moved.
    """
    busiest = _busiest(sample, accounts)
    found = dict(
        zip(
            busiest.tolist(),
            own_p_values(Sittings.of(sample, busiest), rng, decoys).tolist(),
            strict=True,
        )
    )
    return np.array([found.get(account, np.nan) for account in accounts.tolist()])


def _busiest(sample: LinkSample, accounts: np.ndarray) -> np.ndarray:
    """The accounts with most sittings, as many as can be read, ascending."""
    accounts = np.unique(accounts)
    order = np.argsort(-sample.all_sittings[accounts], kind="stable")
    return np.sort(accounts[order[:_MOST_ACCOUNTS]])


def read_sittings(
    sittings: Sittings, rng: np.random.Generator, decoys: int = 999
) -> ScheduleReading | None:
    """Reads the same from sittings."""
    if sittings.accounts < MIN_ACCOUNTS or len(sittings.start_s) < MIN_SITTINGS:
        return None
    day = _days(sittings)
    moves = [_by_weeks(sittings, day), _by_days(sittings, day)]
    moves = [one for one in moves if one.movable >= MIN_MOVABLE]
    if not moves:
        return None
    ranks = [_rank_apart(sittings, moves, rng, decoys)]
    changes = max((_Hours(sittings, w) for w in _WINDOWS_S), key=lambda one: one.movable)
    if changes.movable >= MIN_MOVABLE:
        ranks.append(_rank_dealt(sittings, moves[0], changes, rng, decoys))
    best = min(ranks, key=lambda one: (one.p_value, -one.statistic))
    return ScheduleReading(
        p_value=min(1.0, len(ranks) * best.p_value),
        statistic=best.statistic,
        usual=best.quantiles[0],
        high=best.quantiles[1],
        ordinary=best.ordinary,
        decoys=best.decoys,
        which=best.trace,
        says=_says(sittings, best),
    )


def own_p_values(sittings: Sittings, rng: np.random.Generator, decoys: int = 199) -> np.ndarray:
    """Reads `read_members` from sittings; one p-value an account."""
    p_values = np.full(sittings.accounts, np.nan)
    if not len(sittings.start_s):
        return p_values
    day = _days(sittings)
    weeks = _by_weeks(sittings, day)
    # one account has as many arrangements of whole weeks as weeks: its weekdays move one by one
    weeks = replace(weeks, block=sittings.account * 7 + day % 7)
    for account in range(sittings.accounts):
        own = sittings.account == account
        moves = [m.of(own) for m in (weeks, _by_days(sittings, day))]
        moves = [m for m in moves if m.movable >= MIN_OWN]
        if moves:
            others = _Others(sittings, account)
            seen = others.traces(np.zeros((1, int(own.sum())), np.int64))[0]
            kinds = [lambda rng, count, m=m, o=others: o.traces(m.draw(rng, count)) for m in moves]
            p_values[account] = _rank(("once", "used"), seen, kinds, rng, decoys).p_value
    return p_values


@dataclass(frozen=True, kw_only=True)
class _Rank:
    """A statistic, the largest of traces, ranked among every kind of decoy."""

    p_value: float
    statistic: float
    quantiles: tuple[float, float, float]
    decoys: int
    trace: str

    @property
    def ordinary(self) -> float:
        """What one in a hundred decoys reaches."""
        return self.quantiles[-1]


def _rank_apart(
    sittings: Sittings, moves: Sequence["_Moves"], rng: np.random.Generator, decoys: int
) -> _Rank:
    together = _Together(sittings)
    seen = together.apart(np.zeros((1, len(sittings.start_s)), np.int64))[0]
    kinds = [lambda rng, count, m=m: together.apart(m.draw(rng, count)) for m in moves]
    return _rank(("apart",), seen, kinds, rng, decoys)


def _rank_dealt(
    sittings: Sittings, moves: "_Moves", changes: "_Hours", rng: np.random.Generator, decoys: int
) -> _Rank:
    seen = _traces(sittings, sittings.account[None], None)[0]
    kinds = [
        lambda rng, count: _dealt(sittings, moves.draw(rng, count)),
        lambda rng, count: _traces(sittings, changes.draw(rng, count), None),
    ]
    return _rank(("idle", "used", "turn"), seen, kinds, rng, decoys)


def _rank(
    names: Sequence[str],
    seen: np.ndarray,
    kinds: Sequence[Draw],
    rng: np.random.Generator,
    decoys: int,
) -> _Rank:
    """Ranks the largest trace among each kind of decoys; the larger p counts."""
    scales = []
    for draw in kinds:
        # decoys of their own, so that the others and the group remain exchangeable
        reference = draw(rng, _REFERENCE)
        scales.append((reference.mean(axis=0), reference.std(axis=0) + 1e-9))
    deviations = np.stack([(seen - mean) / spread for mean, spread in scales])
    agreed = deviations.min(axis=0)
    strongest = float(agreed.max())
    p_value = 0.0
    quantiles = np.full(len(_QUANTILES), -np.inf)
    drawn = 0
    for draw, (mean, spread) in zip(kinds, scales, strict=True):
        values = _values(draw, mean, spread, strongest, rng, decoys)
        p_value = max(p_value, _sequential_p_value(strongest, values))
        quantiles = np.maximum(quantiles, np.quantile(values, _QUANTILES))
        drawn = max(drawn, len(values))
    usual, high, ordinary = quantiles.tolist()
    return _Rank(
        p_value=p_value,
        statistic=strongest,
        quantiles=(usual, high, ordinary),
        decoys=drawn,
        trace=names[int(agreed.argmax())],
    )


def _values(
    draw: Draw,
    mean: np.ndarray,
    spread: np.ndarray,
    strongest: float,
    rng: np.random.Generator,
    decoys: int,
) -> np.ndarray:
    """Statistics of decoys, until enough are as strong."""
    values = np.zeros(0)
    for batch in (*_BATCHES, decoys):
        count = min(batch, decoys - len(values))
        if count > 0:
            more = ((draw(rng, count) - mean) / spread).max(axis=1)
            values = np.concatenate([values, more])
        if (values >= strongest).sum() >= _ENOUGH:
            break
    return values


def _sequential_p_value(value: float, decoys: np.ndarray) -> float:
    """The rank of `value`, or the share at the decoy that made enough as strong.

    Source: Besag and Clifford, Sequential Monte Carlo p-values, Biometrika 1991.
    """
    stronger = np.flatnonzero(decoys >= value)
    if len(stronger) >= _ENOUGH:
        return float(_ENOUGH / (stronger[_ENOUGH - 1] + 1))
    return float((1 + len(stronger)) / (1 + len(decoys)))


def _says(sittings: Sittings, rank: _Rank) -> str:
    return (
        f"of {sittings.accounts} accounts, {_WORDS[rank.trace]}: in {len(sittings.start_s)}"
        f" sittings, {rank.statistic:.1f} standard deviations from accounts on their own, of which"
        f" one group in a hundred reaches {rank.ordinary:.1f}"
    )


_WORDS = {
    "idle": "the one that was idle longest starts the next sitting",
    "used": "the one that was used least starts the next sitting",
    "turn": "the same one follows the same one",
    "apart": "one is in use while the others rest",
}


# Decoys


@dataclass(frozen=True, kw_only=True)
class _Moves:
    """Days that change places: those of one block, by the same number of places.

    Args:
        block: Number of the block of each sitting, shape (n,).
        place: Place of its day in the block, shape (n,).
        room: Places of the block, shape (n,); 1 where it stays.
        step: Days from a place to the next.
    """

    block: np.ndarray
    place: np.ndarray
    room: np.ndarray
    step: int

    @property
    def movable(self) -> int:
        """Sittings that may come to another day."""
        return int((self.room > 1).sum())

    def of(self, sittings: np.ndarray) -> "_Moves":
        """Those of some sittings alone, bool, shape (n,)."""
        return replace(
            self,
            block=np.unique(self.block[sittings], return_inverse=True)[1].reshape(-1),
            place=self.place[sittings],
            room=self.room[sittings],
        )

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draws decoys: days by which each sitting is moved, shape (count, n)."""
        # any number that is a multiple of every room draws all places equally often
        places = int(np.lcm.reduce(np.unique(self.room)))
        by = rng.integers(0, places, (count, int(self.block.max()) + 1))[:, self.block]
        return np.asarray(((self.place + by) % self.room - self.place) * self.step)


def _days(sittings: Sittings) -> np.ndarray:
    """Day of each sitting; days begin at the hour around which least is going on."""
    return np.asarray(np.floor((sittings.start_s - _quiet_s(sittings)) / _DAY_S).astype(np.int64))


def _quiet_s(sittings: Sittings) -> float:
    hours = np.bincount((sittings.start_s // _HOUR_S % 24).astype(np.int64), minlength=24)
    around = hours + np.roll(hours, 1) + np.roll(hours, -1)
    return float(around.argmin() * _HOUR_S)


def _inner_days(sittings: Sittings, day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each sitting's account: the day after its first and the day before its last."""
    first = np.full(sittings.accounts, np.iinfo(np.int64).max)
    last = np.full(sittings.accounts, np.iinfo(np.int64).min)
    np.minimum.at(first, sittings.account, day)
    np.maximum.at(last, sittings.account, day)
    return first[sittings.account] + 1, last[sittings.account] - 1


def _by_weeks(sittings: Sittings, day: np.ndarray) -> _Moves:
    """Weeks of an account change places; what happens on its first and last day stays."""
    low, high = _inner_days(sittings, day)
    inside = (day >= low) & (day <= high)
    earliest = low + (day - low) % 7
    return _Moves(
        block=sittings.account,
        place=np.where(inside, (day - earliest) // 7, 0),
        room=np.where(inside, (high - earliest) // 7 + 1, 1),
        step=7,
    )


def _by_days(sittings: Sittings, day: np.ndarray) -> _Moves:
    """Days of an account and a week change places, working days and weekends by themselves."""
    low, high = _inner_days(sittings, day)
    inside = (day >= low) & (day <= high)
    weekday = (day + 3) % 7  # the epoch began on a Thursday
    monday = day - weekday
    weekend = weekday >= 5
    earliest = np.maximum(monday + np.where(weekend, 5, 0), low)
    latest = np.minimum(monday + np.where(weekend, 6, 4), high)
    block = np.stack([sittings.account, monday, weekend], axis=1)
    return _Moves(
        block=np.unique(block, axis=0, return_inverse=True)[1].reshape(-1),
        place=np.where(inside, day - earliest, 0),
        room=np.where(inside, latest - earliest + 1, 1),
        step=1,
    )


class _Hours:
    """Accounts that change places within a window of hours.

    Only those take part that start one sitting in the window, none in the two before and the one
    after, and are not in a long sitting then: nothing of their own then says which of the places
    is theirs. A place is a sitting that ends by the end of the next window. The conditions are the
    same for every account that takes a place, so that changes are a group of transformations.
    """

    def __init__(self, sittings: Sittings, window_s: float) -> None:
        self._account = sittings.account
        first = (sittings.start_s // window_s).astype(np.int64)
        last = (sittings.end_s // window_s).astype(np.int64)
        alone = (last - first < 2) & _has_room(sittings.account, first, last)
        window = np.unique(first, return_inverse=True)[1].reshape(-1)
        company = np.bincount(window[alone], minlength=len(window))
        self._places = np.flatnonzero(alone & (company[window] > 1))
        self._window = window[self._places]

    @property
    def movable(self) -> int:
        """Sittings that may become another account's."""
        return len(self._places)

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draws decoys: the account of each sitting, shape (count, n)."""
        accounts = np.tile(self._account, (count, 1))
        order = np.argsort(self._window + rng.random((count, len(self._places))), axis=1)
        accounts[:, self._places] = self._account[self._places][order]
        return accounts


def _has_room(account: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Whether the account's sittings before and after leave a sitting's window and those beside it
    free, bool, shape (n,).
    """
    order = np.lexsort((first, account))
    same = np.diff(account[order]) == 0
    before = order[:-1]
    after = order[1:]
    near = same & ((first[before] >= first[after] - 2) | (last[before] >= first[after] - 1))
    room = np.ones(len(account), bool)
    room[after[near]] = False
    room[before[same & (first[after] <= first[before] + 1)]] = False
    return room


# Traces


def _dealt(sittings: Sittings, days: np.ndarray) -> np.ndarray:
    """The traces of `_traces` after sittings were moved by days, shape (d, n)."""
    start = sittings.start_s + days * _DAY_S
    order = np.argsort(start, axis=1)
    return _traces(sittings, sittings.account[order], order, np.take_along_axis(start, order, 1))


def _traces(
    sittings: Sittings,
    account: np.ndarray,
    order: np.ndarray | None,
    start_s: np.ndarray | None = None,
) -> np.ndarray:
    """Measures `idle`, `used` and `turn`, shape (d, 3).

    Args:
        sittings: Of the group.
        account: Account of each sitting, in order of the starts, shape (d, n).
        order: Which sitting each is; None: as they are.
        start_s: When each starts; None: as they do.
    """
    start = sittings.start_s[None] if start_s is None else start_s
    length = sittings.end_s - sittings.start_s + 60.0  # the last answer takes time, too
    length = length[None] if order is None else length[order]
    idle, used = _idle_and_used(account, _use(start, length), sittings.accounts)
    return np.stack([idle, used, _turns(account, sittings.accounts)], axis=1)


def _use(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """What each sitting adds to the use of its account, discounted by a day's e-fold.

    Weights that grow with time rank accounts as balances that shrink would, at less cost.
    """
    since = start - start[:, :1]
    return np.asarray(length * np.exp(since / _LATELY_S))  # a number for `_LONGEST_S`


def _idle_and_used(
    account: np.ndarray, use: np.ndarray, accounts: int
) -> tuple[np.ndarray, np.ndarray]:
    count, sittings = account.shape
    # rank by the last start, 0 for the latest; one row an account, so that rows add up fast, and
    # bytes, of which `_MOST_ACCOUNTS` is as many as there are
    recency = np.repeat(np.arange(accounts, dtype=np.uint8)[:, None], count, axis=1)
    balance = np.zeros((accounts, count))
    idle = np.zeros(count)
    used = np.zeros(count)
    cells = np.ascontiguousarray((account * count + np.arange(count)[:, None]).T)
    added = np.ascontiguousarray(np.broadcast_to(use, account.shape).T)
    ranks = recency.reshape(-1)
    balances = balance.reshape(-1)
    for cell, amount in zip(cells, added, strict=True):
        rank = ranks[cell]
        idle += rank
        np.add(recency, recency < rank, out=recency)
        ranks[cell] = 0
        own = balances[cell]
        used += (balance > own).sum(axis=0, dtype=np.uint8)
        balances[cell] = own + amount
    return idle / (sittings * (accounts - 1)), used / (sittings * (accounts - 1))


def _turns(account: np.ndarray, accounts: int) -> np.ndarray:
    """Pairs of times at which the same account followed the same other one, shape (d,)."""
    pair = np.sort(account[:, :-1] * accounts + account[:, 1:], axis=1)
    same = (pair[:, 1:] == pair[:, :-1]) & (pair[:, 1:] % (accounts + 1) != 0)  # not itself
    # the k-th of a run adds k pairs: count how far back each run began
    place = np.arange(same.shape[1]) + 1
    broken = np.maximum.accumulate(np.where(same, 0, place), axis=1)
    return np.asarray(np.where(same, place - broken, 0).sum(axis=1), np.float64)


class _Together:
    """In which hours an account is in use, and how many are in the same."""

    def __init__(self, sittings: Sittings) -> None:
        quiet = _quiet_s(sittings)
        first = ((sittings.start_s - quiet) // _HOUR_S).astype(np.int64)
        last = ((sittings.end_s - quiet) // _HOUR_S).astype(np.int64)
        hours = np.minimum(last - first, 23) + 1  # a sitting of days says nothing more
        rows = np.repeat(np.arange(len(first)), hours)
        hour = first[rows] + np.arange(len(rows)) - np.repeat(np.cumsum(hours) - hours, hours)
        key = np.stack([sittings.account[rows], hour], axis=1)
        once = np.unique(key, axis=0, return_index=True)[1]
        self._row = rows[once]
        self._hour = hour[once]

    def apart(self, days: np.ndarray) -> np.ndarray:
        """Minus the squares of how many are in use, over all hours, shape (d, 1)."""
        hour = self._hour + 24 * days[:, self._row]
        hour -= hour.min()
        hours = int(hour.max()) + 1
        cell = hour + np.arange(len(days))[:, None] * hours
        inside = np.bincount(cell.reshape(-1), minlength=len(days) * hours).reshape(-1, hours)
        return np.asarray(-np.square(inside.astype(np.float64)).sum(axis=1, keepdims=True))


class _Others:
    """What one account's sittings are among those of the others, which do not move."""

    def __init__(self, sittings: Sittings, account: int) -> None:
        self._sittings = sittings
        self._own = np.flatnonzero(sittings.account == account)
        others = np.setdiff1d(np.unique(sittings.account), account)
        self._rows = [np.flatnonzero(sittings.account == other) for other in others]

    def traces(self, days: np.ndarray) -> np.ndarray:
        """Measures, for the own sittings moved by days, shape (d, own):

        - once: others that start exactly once between two starts of the account, summed
        - used: others that were used more than the account, at its starts, summed

        Returns:
            Shape (d, 2).
        """
        moved = self._sittings.start_s[self._own] + days * _DAY_S
        order = np.argsort(moved, axis=1)
        start = np.take_along_axis(moved, order, axis=1)
        balance = np.cumsum(self._use(start, self._own[order]), axis=1)[:, :-1]
        once = np.zeros(balance.shape, np.int64)
        used = np.zeros(balance.shape, np.int64)
        for rows in self._rows:
            theirs = self._sittings.start_s[rows]
            balances = np.append(0.0, np.cumsum(self._use(theirs, rows)))
            before = np.searchsorted(theirs, start)
            once += np.diff(before, axis=1) == 1
            used += balances[before[:, 1:]] > balance
        return np.stack([once.sum(axis=1), used.sum(axis=1)], axis=1).astype(np.float64)

    def _use(self, start: np.ndarray, rows: np.ndarray) -> np.ndarray:
        length = (self._sittings.end_s - self._sittings.start_s + 60.0)[rows]
        since = start - self._sittings.start_s[0]
        return np.asarray(length * np.exp(since / _LATELY_S))
