"""How much of the space of prompts a group covers, and how rarely it repeats a prompt."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from gamekeeper.linking.card import Card
from gamekeeper.signals._signal import Counts, alone, count_by, signal


@signal
class NewGround:
    """Cells of a fixed random partition that a group touches, over those that as many exchanges of
    all accounts touch.
    """

    card = Card(
        name="new-ground",
        family="coverage",
        purpose=(
            "How many cells of the space of prompts a group touches for the number of its"
            " exchanges."
        ),
        unit="cells touched, over those that as many exchanges drawn from all accounts would touch",
        needs=("cell",),
        look_alikes="evaluation suites, resellers, search-like products",
        evasions=(
            "copying one narrow skill only; splitting over accounts does not help, cells are"
            " counted for the group"
        ),
        source=(
            "Dubinski et al., Bucks for Buckets (B4B), NeurIPS 2023; counted for groups, not"
            " accounts"
        ),
        maturity="experimental",
    )

    def summarise(self, exchanges: pl.DataFrame) -> pl.DataFrame:
        """Counts exchanges by cell."""
        return count_by(exchanges, pl.col("cell"))

    def read(self, summary: Counts, groups: Sequence[np.ndarray]) -> np.ndarray:
        """Distinct cells over the expected number, by rarefaction of all accounts' counts."""
        counts = summary.sums(groups)
        everyone = np.asarray(summary.matrix.sum(axis=0)).ravel()
        share = everyone / max(everyone.sum(), 1)
        fair = np.array([(1 - (1 - share) ** n).sum() for n in counts.sum(axis=1)])
        return np.asarray((counts > 0).sum(axis=1) / np.maximum(fair, 1e-9))

    def say(self, value: float, ordinary: float) -> str:
        """The reading as a sentence."""
        covered = (
            f"{value:.2f} times the part of the prompt space that as many mixed exchanges would"
        )
        return f"they cover {covered} (ordinary: {ordinary:.2f})"

    def own(self, summary: Counts, members: np.ndarray, accounts: np.ndarray) -> np.ndarray:
        """Each account's own cells over the expected number."""
        return alone(self, summary, accounts)

    def say_own(self, value: float, ordinary: float) -> str:
        """What one account shows, as a sentence."""
        covered = (
            f"{value:.2f} times the part of the prompt space that as many mixed exchanges would"
        )
        return f"it covers {covered} (ordinary accounts: {ordinary:.2f})"


@signal
class AskedOnce:
    """How rarely a group repeats a prompt."""

    card = Card(
        name="asked-once",
        family="coverage",
        purpose="Share of a group's prompts that it sends exactly once.",
        unit="share of exchanges",
        needs=("prompt_hash",),
        look_alikes="readers, search-like products, any user who never repeats a question",
        evasions="paying for some answers twice",
        source=(
            "deduplicated query sets of published distillation data; arithmetic: nobody pays twice"
        ),
        maturity="experimental",
    )

    def summarise(self, exchanges: pl.DataFrame) -> pl.DataFrame:
        """Counts exchanges by the hash of their prompt."""
        return count_by(exchanges, pl.col("prompt_hash"))

    def read(self, summary: Counts, groups: Sequence[np.ndarray]) -> np.ndarray:
        """Prompts sent once by the group, over its exchanges."""
        matrix = summary.matrix
        values = []
        for group in groups:
            sent = np.asarray(matrix[group].sum(axis=0)).ravel()
            values.append((sent == 1).sum() / max(sent.sum(), 1))
        return np.array(values)

    def say(self, value: float, ordinary: float) -> str:
        """The reading as a sentence."""
        return (
            f"{value:.0%} of their prompts are sent once and never again (ordinary: {ordinary:.0%})"
        )

    def own(self, summary: Counts, members: np.ndarray, accounts: np.ndarray) -> np.ndarray:
        """Prompts that each account sends once, over its exchanges."""
        return alone(self, summary, accounts)

    def say_own(self, value: float, ordinary: float) -> str:
        """What one account shows, as a sentence."""
        once = f"{value:.0%} of its prompts are sent once and never again"
        return f"{once} (ordinary accounts: {ordinary:.0%})"
