"""Whether an account's last day of queries is unlike its own history; computed in the linking
process.

The distance of two sets of vectors is that of their means, squared, without the part that small
sets have by chance (the linear kernel's unbiased MMD):

    d(A, B) = mean a.a' + mean b.b' - 2 mean a.b        over pairs of different rows

The last 24 hours are compared with the 24-hour windows before them. They changed if both hold:

 - each earlier window is put in their place: none lies half as far from the rest as they do
 - blocks of exchanges (up to ten of one sitting) change places between the last day and the rest,
   199 times: at most one such exchange in a hundred gives as large a distance

Text is compared by content vectors, tabular queries by features and their absolute values, scaled:
whoever sweeps an input space has the same means as its owner, but a wider spread.

Source: Gretton et al., A kernel two-sample test, JMLR 2012; permutation by blocks as in Politis and
    Romano, 1994.
"""

from typing import Any, NamedTuple

import numpy as np
import polars as pl

from gamekeeper.encoding import ContentEncoder, FeatureScale, load_encoder

_DAY_S = 86_400
_ROWS_A_DAY = 8
_EARLIER_DAYS = 6
# exchanges that are compared
_LAST = 64
_HISTORY = 192
_AT_ONCE = 20_000  # exchanges in a pass: four seconds of one core
_BLOCK = 10
_SITTING_S = 1_800
_PERMUTATIONS = 199
_P = 0.01
_TIMES = 2.0


class Asking:
    """Watches what accounts ask.

    Args:
        encoder: Name of the content encoder.
    """

    def __init__(self, encoder: str) -> None:
        self._name = encoder
        self._encoder: ContentEncoder | None = None
        self._looked: dict[str, float] = {}

    def shifts(self, rows: pl.DataFrame, now: float) -> dict[str, dict[str, Any]]:
        """Returns whose queries changed: `p` and `says` by account.

        Args:
            rows: A sample of recent exchanges: `account`, `time`, `prompt`, `features`, `row_hash`.
            now: Epoch seconds.
        """
        sample = self._fitting(_sample(rows, now), now)
        found = {}
        for (account,), own in sample.sort("account", "at").group_by(
            "account", maintain_order=True
        ):
            if (told := self._shift(own)) is not None:
                found[str(account)] = told
        return found

    def _fitting(self, sample: pl.DataFrame, now: float) -> pl.DataFrame:
        """Those that asked since they were looked at; as many as a pass has time for, the longest
        waiting first.
        """
        sizes = (
            sample.group_by("account")
            .agg(pl.len().alias("rows"), pl.col("at").max().alias("last"))
            .sort("account")
        )
        looked = {account: self._looked.get(account, float("-inf")) for account in sizes["account"]}
        waiting = [(looked[a], a, rows) for a, rows, last in sizes.iter_rows() if last > looked[a]]
        left = _AT_ONCE
        chosen = list[str]()
        for _, account, rows in sorted(waiting):
            left -= rows
            if chosen and left < 0:
                break
            chosen.append(account)
        self._looked = {a: at for a, at in looked.items() if at > float("-inf")} | dict.fromkeys(
            chosen, now
        )
        return sample.filter(pl.col("account").is_in(chosen))

    def _shift(self, own: pl.DataFrame) -> dict[str, Any] | None:
        vectors, is_content = self._vectors(own)
        own = own.filter(is_content)
        vectors = vectors[is_content]
        return change(vectors, own["day"].to_numpy(), own["at"].to_numpy())

    def _vectors(self, own: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Vectors of an account's rows, and which rows have content."""
        prompts = own["prompt"].drop_nulls()
        if 2 * len(prompts) >= len(own):
            if self._encoder is None:
                self._encoder = load_encoder(self._name)
            vectors = self._encoder.encode(own["prompt"].fill_null("").to_list())
            return vectors, np.linalg.norm(vectors, axis=1) > 0
        widths = own["features"].list.len()
        width = int(widths.drop_nulls().mode().max() or 0)  # type: ignore[arg-type]  # lengths are whole numbers
        is_usual = (widths == width).fill_null(False).to_numpy()
        vectors = np.zeros((len(own), 2 * width), np.float32)
        earlier = own.filter(is_usual & (own["day"] > 0).to_numpy())["features"]
        if len(earlier):
            x = FeatureScale.of(earlier).scaled(own.filter(is_usual)["features"])
            vectors[is_usual] = np.nan_to_num(np.hstack([x, np.abs(x)]))
        return vectors, is_usual


def _sample(rows: pl.DataFrame, now: float) -> pl.DataFrame:
    """Rows of the accounts that can be compared; `day` counts back from 0, the last 24 h."""
    at = rows.with_columns((pl.col("time").dt.epoch("us") / 1e6).alias("at")).filter(
        pl.col("at") <= now
    )
    aged = at.with_columns(((now - pl.col("at")) // _DAY_S).cast(pl.Int32).alias("day"))
    rank = pl.col("row_hash").rank("ordinal").over("account", pl.col("day") == 0)
    kept = aged.filter(rank <= pl.when(pl.col("day") == 0).then(_LAST).otherwise(_HISTORY))
    daily = kept.group_by("account", "day").len().filter(pl.col("len") >= _ROWS_A_DAY)
    has_last = (pl.col("day") == 0).any()
    earlier = (pl.col("day") > 0).sum()
    enough = daily.group_by("account").agg(has_last.alias("last"), earlier.alias("earlier"))
    enough = enough.filter(pl.col("last") & (pl.col("earlier") >= _EARLIER_DAYS))
    return kept.join(enough, on="account", how="semi")


class _Set(NamedTuple):
    """What the distance needs of a set of vectors; sets of different rows add up.

    Args:
        total: Their sum; leading axes make many sets of it.
        squares: Sum of their squared norms.
        size: How many.
    """

    total: np.ndarray
    squares: np.ndarray
    size: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray) -> "_Set":
        exact = vectors.astype(np.float64)
        return cls(exact.sum(0), np.array([(exact**2).sum()]), np.array([float(len(exact))]))

    def less(self, other: "_Set") -> "_Set":
        return _Set(self.total - other.total, self.squares - other.squares, self.size - other.size)


def change(vectors: np.ndarray, day: np.ndarray, at: np.ndarray) -> dict[str, Any] | None:
    """Returns `p` and `says` if the last day is unlike the history; None if not, or if there is too
    little.

    Args:
        vectors: Of one account's exchanges, in order of time, float, shape (n, d).
        day: 24-hour windows back from now, 0 the last, int, shape (n,).
        at: Times, epoch seconds, shape (n,).
    """
    sizes = dict(zip(*(c.tolist() for c in np.unique(day, return_counts=True)), strict=True))
    earlier = [d for d, size in sizes.items() if d > 0 and size >= _ROWS_A_DAY]
    if sizes.get(0, 0) < _ROWS_A_DAY or len(earlier) < _EARLIER_DAYS:
        return None
    last = _Set.of(vectors[day == 0])
    history = _Set.of(vectors[day > 0])
    days = [_Set.of(vectors[day == d]) for d in earlier]
    far = distance(last, history).item()
    usual = max(distance(d, history.less(d)).item() for d in days)
    if far <= _TIMES * max(usual, 0.0) or (p_value := _permuted(vectors, day == 0, at, far)) > _P:
        return None
    says = (
        f"{sizes[0]} queries of the last day lie {far:.3f} from the account's history, "
        f"its {len(earlier)} earlier days at most {usual:.3f}"
    )
    return {"p": p_value, "says": says}


def distance(a: _Set, b: _Set) -> np.ndarray:
    """Returns the unbiased squared distance of the means of two sets."""
    within = [
        ((s.total**2).sum(-1) - s.squares) / np.maximum(s.size * (s.size - 1), 1) for s in (a, b)
    ]
    return np.asarray(within[0] + within[1] - 2 * (a.total * b.total).sum(-1) / (a.size * b.size))


def _permuted(vectors: np.ndarray, is_last: np.ndarray, at: np.ndarray, value: float) -> float:
    """p-value of `value` when blocks change sides; as many blocks make the last day each time."""
    ends = np.diff(at, prepend=at[0]) > _SITTING_S
    ends |= np.diff(is_last, prepend=is_last[0])
    sitting = np.cumsum(ends)
    within = np.arange(len(at)) - np.searchsorted(sitting, sitting)
    block = np.cumsum(ends | (within % _BLOCK == 0)) - 1
    n = int(block[-1]) + 1
    sums = np.zeros((n, vectors.shape[1]))
    np.add.at(sums, block, vectors)
    squares = np.bincount(block, (vectors.astype(np.float64) ** 2).sum(1), minlength=n)
    sizes = np.bincount(block, minlength=n)
    chosen = int(is_last[np.searchsorted(block, np.arange(n))].sum())
    rng = np.random.default_rng(0)
    sides = np.zeros((_PERMUTATIONS, n))
    for side in sides:
        side[rng.choice(n, chosen, replace=False)] = 1
    one, other = (_Set(side @ sums, side @ squares, side @ sizes) for side in (sides, 1 - sides))
    found = distance(one, other)
    return float((1 + (found >= value).sum()) / (1 + _PERMUTATIONS))
