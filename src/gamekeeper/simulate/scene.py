"""What all accounts of one simulated month share: randomness, calendar, internet, models."""

from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import numpy as np

from gamekeeper.simulate.arrivals import DAY_S, FloatArray, IntArray
from gamekeeper.simulate.network import Internet

START = datetime(2026, 4, 1, tzinfo=UTC)  # the first midnight of the traffic
MODELS = ("atlas-large", "atlas-small", "atlas-code")
MODEL_SHARES = (0.5, 0.35, 0.15)
NEW_MODEL = "atlas-next"  # released when half the time is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The randomness, length and internet that all accounts of one simulation share.

    Args:
        rng: Randomness of numbers.
        dice: Randomness of words; Python's is ten times faster than numpy's one draw at a time.
        days: Length of the traffic.
        internet: Where networks are drawn from.
    """

    rng: np.random.Generator
    dice: Random
    days: int
    internet: Internet

    @classmethod
    def open(cls, seed: int, days: int) -> "Scene":
        """Makes a scene; the same seed makes the same one."""
        rng = np.random.default_rng(seed)
        return cls(
            rng=rng, dice=Random(int(rng.integers(2**62))), days=days, internet=Internet(rng)
        )

    @property
    def release_s(self) -> float:
        """When the new model is released; seconds from the start."""
        return self.days * DAY_S / 2

    def size(self, middle: float, spread: float, low: int, high: int) -> int:
        """Draws a number of exchanges: lognormal around `middle`, clipped to `low..high`."""
        return int(np.clip(self.rng.lognormal(np.log(middle), spread), low, high))

    def split(self, count: int, ends: float = 0.35) -> IntArray:
        """Splits `count` messages into conversations, each ending after a turn with chance `ends`.

        Returns:
            Turns of each conversation, shape (c,), 1..12, summing to `count`.
        """
        drawn = np.minimum(self.rng.geometric(ends, count), 12)
        whole = np.cumsum(drawn)
        last = int(np.searchsorted(whole, count))
        turns = drawn[: last + 1].astype(np.int64)
        turns[-1] -= whole[last] - count
        return turns

    def habitual_models(self, times: FloatArray) -> list[str]:
        """Draws the model of each call: an account keeps to one, and some accounts change to the
        new model after its release.
        """
        habit = str(self.rng.choice(MODELS, p=MODEL_SHARES))
        adopts = self.rng.random() < 0.3
        since = self.release_s + self.rng.exponential(4 * DAY_S) if adopts else np.inf
        return [NEW_MODEL if time > since else habit for time in times]
