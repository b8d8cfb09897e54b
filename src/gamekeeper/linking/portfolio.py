"""A single account of a tabular API: does it score a portfolio, or does it copy the model?

A portfolio has what a sweep lacks. Its columns depend on each other as in the world, and its rows
are near each other: customers come again a little changed, and others are of the same kind. Columns
are compared by normal scores of their ranks, so that units and outliers do not matter. Two readings
of an account's latest n rows, n one of `SIZES`:

    made up     share of its rows whose nearest row is nearer in its own rows with each column
                shuffled than in its own rows; a half where columns do not depend on each other
    no regulars  geometric mean, over its rows, of the rank of the nearest own row among the nearest
                rows of others: 1/e where its own rows are no nearer than anybody's
    nobody near  median distance of its rows to the nearest row of others

All are ranked among spliced accounts: stretches of two or four ordinary accounts joined until they
hold n rows, and read in the same way. An account is judged only if it is as broad as ordinary
accounts joined together.

Blind spots: a thief who asks the rows of one portfolio; one who lets a tenth of its rows return, as
a broker's do; one who asks near one place. `docs/how-to/tabular-apis.md` has the budget that
bounds them.

Source: Henze, A multivariate two-sample test based on the number of nearest neighbor type
coincidences, Annals of Statistics 1988 (the statistic of both readings); what is compared with what
is ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.stats import norm, rankdata

from gamekeeper.evidence import discoveries, rank_p_value
from gamekeeper.linking.card import Card
from gamekeeper.linking.sample import LinkSample
from gamekeeper.linking.strength import ONE_DECK, Z

MADE_UP = Card(
    name="made-up-rows",
    family="coverage",
    purpose=(
        "How little the columns of a single account's rows depend on each other, for an account"
        " whose rows are as broad as those of many accounts."
    ),
    unit="share of rows nearer to its own columns shuffled than to its own rows (a half: chance)",
    needs=("features",),
    look_alikes="a load test or a validator that draws each column at random",
    evasions="rows of real people, or of a model of them: such data is needed first",
    source="Henze 1988; measured in benchmarks/tabular",
)

NO_REGULARS = Card(
    name="no-regulars",
    family="coverage",
    purpose=(
        "How little a single account's rows are its own: no customer comes again, and rows are no"
        " nearer to each other than to those of other accounts."
    ),
    unit="geometric mean rank of its nearest own row among nearest rows of others (.37: chance)",
    needs=("features",),
    look_alikes="a broker for everybody whose customers come once; a book that is moved in parts",
    evasions=(
        "asking a tenth of the rows again, a little changed: costs a tenth of the queries; asking"
        " all in two days: a daily budget bounds that"
    ),
    source="Henze 1988; measured in benchmarks/tabular",
)

NOBODY_NEAR = Card(
    name="nobody-near",
    family="coverage",
    purpose=(
        "How far a single account's rows are from all other accounts' rows, for an account whose"
        " rows are as broad as those of many accounts."
    ),
    unit="median distance of a row to the nearest row of others, in spreads of a column",
    needs=("features",),
    look_alikes="a stress test; a new kind of customer with a large and mixed book",
    evasions="rows like those of people: such data is needed first",
    source="this project, measured in benchmarks/tabular",
)

SIZES = (32, 64, 128, 256, 512)
"""Rows that are compared: the largest of these that an account has. One size gives one chance
distribution, so that accounts of different sizes are never ranked against each other."""

_PIECES = (2, 4)  # ordinary accounts in a spliced one
_EACH = 40  # rows of one ordinary account among the rows of others, at most
_OTHERS = 20_000
_DECOYS = 999  # spliced accounts of each size
_FEW_DECOYS = 99  # enough for a median
_TAIL = 0.05
"""Share of the decoys whose excess over the others gives p-values smaller than they can count."""
_LEAST_COUNTED = 10
_MIN_DAYS = 2  # on which a portfolio would have met somebody again
_FAR = 1.5  # times the usual distance to others
_DAY_S = 86_400
_BROAD = 0.9  # of the distance of two rows of different ordinary accounts
_PAIRS = 2_000
_MIN_ORDINARY = 20
_READINGS = 3
_SAYS = {
    MADE_UP.name: (
        "the columns of a single account's rows do not depend on each other: {value:.0%} of its"
        " latest {rows} rows are nearer to its own columns shuffled than to its own rows (ordinary"
        " accounts joined together: {usual:.0%}; independent columns: 50%)"
    ),
    NOBODY_NEAR.name: (
        "nobody else asks what a single account asks: half of its latest {rows} rows are farther"
        " than {value:.1f} spreads of a column from any row of others (ordinary accounts joined"
        " together: {usual:.1f})"
    ),
    NO_REGULARS.name: (
        "a single account scores rows of everybody and meets nobody again: among the nearest rows"
        " of others, the nearest of its own latest {rows} rows ranks {value:.0%} (ordinary accounts"
        " joined together: {usual:.0%}; chance: 37%)"
    ),
}
_PRODUCT = 250_000
"""Multiplications of one matrix product: larger ones are shared among threads, which costs more
than it gains while the other cores are busy."""
_DIGITS = 4  # of a distance: rounding errors are not an order


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioReading:
    """Readings of one account, real or spliced.

    Args:
        made_up: Share of its rows nearer to shuffled ones than to its own; .5 where columns do not
            depend on each other.
        regulars: Mean over rows of -ln of the rank of the nearest own row among the nearest rows
            of others, as a share; 1 where its own are no nearer.
        regulars_error: Its standard error.
        to_others: Median distance of its rows to the nearest row of others.
        breadth: Mean squared distance of two of its rows, over that of two rows of different
            ordinary accounts.
    """

    made_up: float
    regulars: float
    regulars_error: float
    to_others: float
    breadth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioClaim:
    """A single account that does not look like a portfolio.

    Args:
        account: Account number.
        card: Of the reading that says so.
        value: The reading; large is unlike a portfolio.
        decoys: The same of spliced accounts.
        p_value: Rank among them.
        says: The reading as a sentence.
    """

    account: int
    card: Card
    value: float
    decoys: np.ndarray
    p_value: float
    says: str


def portfolio_claims(
    sample: LinkSample,
    held: np.ndarray,
    innocent: np.ndarray,
    false_discovery_rate: float,
    seed: int,
) -> list[PortfolioClaim]:
    """Finds single accounts that do not look like portfolios.

    Args:
        sample: Of a tabular API.
        held: Numbers of accounts that are not judged: members of campaigns.
        innocent: Numbers of ordinary accounts, which spliced accounts are made of.
        false_discovery_rate: Of each reading's claims.
        seed: Of the splices.
    """
    ordinary = innocent[sample.exchanges[innocent] >= SIZES[0]]
    if len(ordinary) < _MIN_ORDINARY:
        return []
    rows = _Rows(sample, innocent, np.random.default_rng(seed))
    judged = np.setdiff1d(np.flatnonzero(sample.exchanges >= SIZES[0]), held)
    readings = {int(account): rows.read_account(int(account)) for account in judged}
    broad = [account for account in readings if readings[account].breadth >= _BROAD]
    few = _Decoys(rows, ordinary, _FEW_DECOYS, seed)
    suspect = _unlike(broad, rows, readings, few)
    if not suspect:
        return []
    # what may be a sweep does not teach what is ordinary
    unsuspected = np.setdiff1d(ordinary, suspect)
    if len(unsuspected) < _MIN_ORDINARY:
        return []
    decoys = _Decoys(rows, unsuspected, _DECOYS, seed + 1)
    claims = [_better_claim(account, rows, readings[account], decoys) for account in suspect]
    p_values = np.ones(len(broad))  # those that are not suspect were tested too
    p_values[: len(claims)] = [claim.p_value for claim in claims]
    confirmed = discoveries(p_values, false_discovery_rate)
    return [claim for claim, ok in zip(claims, confirmed, strict=False) if ok]


def _unlike(
    accounts: Sequence[int],
    rows: "_Rows",
    readings: Mapping[int, PortfolioReading],
    decoys: "_Decoys",
) -> list[int]:
    """The accounts that are nearer to chance than to spliced accounts."""
    return [
        account
        for account in accounts
        if any(
            _is_far_from_usual(readings[account], claim, rows.size(account))
            for claim in _claims(account, rows, readings[account], decoys)
        )
    ]


def _better_claim(
    account: int, rows: "_Rows", reading: PortfolioReading, decoys: "_Decoys"
) -> PortfolioClaim:
    """The strongest of the claims whose reading is nearer to chance than to spliced accounts."""
    size = rows.size(account)
    claims = _claims(account, rows, reading, decoys)
    unlike = [claim for claim in claims if _is_far_from_usual(reading, claim, size)]
    if unlike:
        return min(unlike, key=lambda claim: claim.p_value)
    return replace(claims[0], p_value=1.0)


def _claims(
    account: int, rows: "_Rows", reading: PortfolioReading, decoys: "_Decoys"
) -> list[PortfolioClaim]:
    """What each reading says of an account; p-values are multiplied by the number of readings."""
    cards = [MADE_UP, NOBODY_NEAR]
    if rows.days(account) >= _MIN_DAYS:
        cards.append(NO_REGULARS)
    spliced = decoys.of(rows.size(account))
    return [_claim(account, card, rows.size(account), reading, spliced) for card in cards]


def _claim(
    account: int,
    card: Card,
    size: int,
    reading: PortfolioReading,
    spliced: Sequence[PortfolioReading],
) -> PortfolioClaim:
    value = _value(card, reading)
    decoys = np.array([_value(card, each) for each in spliced])
    return PortfolioClaim(
        account=account,
        card=card,
        value=value,
        decoys=decoys,
        p_value=min(1.0, _READINGS * tail_p_value(value, decoys)),
        says=_SAYS[card.name].format(rows=size, value=value, usual=float(np.median(decoys))),
    )


def _value(card: Card, reading: PortfolioReading) -> float:
    """The reading of a card; large is unlike a portfolio."""
    if card is MADE_UP:
        return reading.made_up
    if card is NOBODY_NEAR:
        return reading.to_others
    return float(np.exp(-reading.regulars))


def tail_p_value(value: float, decoys: np.ndarray) -> float:
    """Returns the rank of `value` among decoys, and beyond the last ten of them a bound.

    There the excess over the decoys' 95 % quantile is taken as exponential: an approximation, too
    large where the tail is lighter than that, as those of shares and means are.

    Source: Knijnenburg et al., Fewer permutations, more accurate P-values, Bioinformatics 2009,
        who fit a generalized Pareto tail; its shape is held at 0 here.
    """
    if np.sum(decoys >= value) >= _LEAST_COUNTED:
        return rank_p_value(value, decoys)
    threshold = float(np.quantile(decoys, 1 - _TAIL))
    excess = decoys[decoys > threshold] - threshold
    if not len(excess):
        return rank_p_value(value, decoys)
    bound = _TAIL * np.exp(-(value - threshold) / excess.mean())
    return float(bound)


def _is_far_from_usual(reading: PortfolioReading, claim: PortfolioClaim, size: int) -> bool:
    """Whether it has less than half of what spliced accounts have, at the upper end of its 95 %
    interval.
    """
    usual = float(np.median(claim.decoys))
    if claim.card is MADE_UP:
        depends = 0.5 - claim.value + Z * 0.5 / np.sqrt(size)
        return bool(depends < ONE_DECK * (0.5 - usual))
    if claim.card is NOBODY_NEAR:
        return claim.value > _FAR * usual
    keeps = reading.regulars - 1 + Z * reading.regulars_error
    return bool(keeps < ONE_DECK * (-np.log(usual) - 1))


class _Rows:
    """The rows of a sample as normal scores, and those that stand for the other accounts."""

    def __init__(self, sample: LinkSample, innocent: np.ndarray, rng: np.random.Generator) -> None:
        self.rng = rng
        self.scores = normal_scores(sample.vectors)
        self._ends = np.cumsum(sample.exchanges)
        self.exchanges = sample.exchanges
        self._time_s = sample.time_s
        self.senders = sample.accounts
        self._others = self._balanced(innocent)

    def _balanced(self, innocent: np.ndarray) -> np.ndarray:
        """Some rows of each ordinary account, so that a busy one does not stand for all."""
        parts = [self.rng.permutation(self.of(int(a)))[:_EACH] for a in innocent]
        return np.asarray(self.rng.permutation(np.concatenate(parts))[:_OTHERS])

    def of(self, account: int) -> np.ndarray:
        """Returns the rows of an account, in order of time."""
        end = self._ends[account]
        return np.arange(end - self.exchanges[account], end)

    def size(self, account: int) -> int:
        """Returns how many rows of an account are compared."""
        return max(size for size in SIZES if size <= self.exchanges[account])

    def days(self, account: int) -> int:
        """Returns on how many days an account sent the rows that are compared."""
        latest = self._time_s[self.of(account)[-self.size(account) :]]
        return len(np.unique(latest // _DAY_S))

    def read_account(self, account: int) -> PortfolioReading:
        """Reads an account's latest rows."""
        return self.read(self.of(account)[-self.size(account) :])

    def read(self, rows: np.ndarray) -> PortfolioReading:
        """Reads these rows as one account's."""
        own = self.scores[rows]
        of_others = self._others[~np.isin(self.senders[self._others], self.senders[rows])]
        others = self.scores[self.rng.choice(of_others, len(rows) - 1)]
        shuffled = self.rng.permuted(own, axis=0)[1:]
        to_own = _nearest(own, own, is_same=True)
        to_others = _nearest(own, others)
        surprise = _surprise(to_own, to_others)
        return PortfolioReading(
            made_up=_share_beyond(to_own, _nearest(own, shuffled)),
            regulars=float(surprise.mean()),
            # the others are drawn too, so twice the variance
            regulars_error=float(surprise.std() * np.sqrt(2 / len(rows))),
            to_others=float(np.median(to_others)),
            breadth=_pair_distance(own, own, self.rng) / self._usual_breadth,
        )

    @cached_property
    def _usual_breadth(self) -> float:
        others = self.scores[self._others]
        return max(_pair_distance(others, others, self.rng), 1e-9)


def normal_scores(vectors: np.ndarray) -> np.ndarray:
    """Returns each column's ranks as quantiles of the normal distribution, float32, shape (n, d).

    Equal values have one score, and a column that never varies is 0 everywhere.
    """
    ranks = (rankdata(vectors, axis=0) - 0.5) / len(vectors)
    scores = norm.ppf(ranks)
    return np.asarray(scores / np.maximum(scores.std(axis=0), 1e-6), np.float32)


def _nearest(rows: np.ndarray, among: np.ndarray, *, is_same: bool = False) -> np.ndarray:
    """Distance of each row to the nearest of `among`, or to the nearest other one."""
    squares = np.empty((len(rows), len(among)), np.float32)
    twice = np.ascontiguousarray(-2 * among.T)
    step = max(1, _PRODUCT // among.size)
    for start in range(0, len(rows), step):
        np.matmul(rows[start : start + step], twice, out=squares[start : start + step])
    squares += (among**2).sum(axis=1)
    if is_same:
        np.fill_diagonal(squares, np.inf)
    nearest = squares.min(axis=1) + (rows**2).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(nearest, 0)).round(_DIGITS))


def _share_beyond(to_own: np.ndarray, to_other: np.ndarray) -> float:
    """Share of rows that are nearer to another row than to an own one; equal ones count half."""
    return float((to_own > to_other).mean() + (to_own == to_other).mean() / 2)


def _surprise(to_own: np.ndarray, to_others: np.ndarray) -> np.ndarray:
    """-ln of the rank, as a share, of each distance to an own row among those to others."""
    ordered = np.sort(to_others)
    below = np.searchsorted(ordered, to_own, "left") + np.searchsorted(ordered, to_own, "right")
    return np.asarray(-np.log((below / 2 + 0.5) / (len(ordered) + 1)))


def _pair_distance(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> float:
    one = a[rng.integers(0, len(a), _PAIRS)]
    other = b[rng.integers(0, len(b), _PAIRS)]
    return float(((one - other) ** 2).sum(axis=1).mean())


class _Decoys:
    """Spliced accounts of each size, read when they are needed."""

    def __init__(self, rows: _Rows, ordinary: np.ndarray, count: int, seed: int) -> None:
        self._rows = rows
        self._ordinary = ordinary
        self._count = count
        self._rng = np.random.default_rng(seed)
        self._read: dict[int, list[PortfolioReading]] = {}

    def of(self, size: int) -> list[PortfolioReading]:
        """Returns the readings of spliced accounts of so many rows."""
        if size not in self._read:
            self._read[size] = [self._rows.read(self._splice(size)) for _ in range(self._count)]
        return self._read[size]

    def _splice(self, size: int) -> np.ndarray:
        """Stretches of ordinary accounts, none longer than a half or a quarter of them all."""
        longest = size // int(self._rng.choice(_PIECES))
        drawn: list[np.ndarray] = []
        missing = size
        for account in self._rng.permutation(self._ordinary):
            rows = self._rows.of(int(account))
            length = min(longest, len(rows), missing)
            first = int(self._rng.integers(0, len(rows) - length + 1))
            drawn.append(rows[first : first + length])
            missing -= length
            if not missing:
                break
        return np.concatenate(drawn)
