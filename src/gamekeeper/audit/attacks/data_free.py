"""Data-free: without any input of the domain, generates inputs and asks the most informative ones.

Of the domain nothing is used but what documentation gives: how wide an input is, whether it is a
picture, from where to where values go, and which of them are whole. Pictures are strokes, shapes
and fields, rows are low or high as a whole (`gamekeeper.audit.synthetic`); making them costs
nothing, so several times what is asked is made, and chosen from.

Generators that are trained against the target (DFME, MAZE) need millions of queries. Archives of
inputs of which the target is sure, moved, blended and drawn over, were tried and did worse than
choosing among fresh ones (docs/decisions).

Source: the choice among them, uncertainty as in Pal et al., ActiveThief, AAAI 2020; the made-up
    inputs are ours.
"""

from collections.abc import Iterator

import numpy as np

from gamekeeper.audit import synthetic
from gamekeeper.audit.asking import Ask
from gamekeeper.audit.attacks._attack import (
    AttackCard,
    AttackerKnowledge,
    Documentation,
    Interface,
    Surrogate,
    attack,
)
from gamekeeper.audit.attacks._outside import FEWEST, copies, picked
from gamekeeper.audit.learners import TrainingSet, why_no_learners
from gamekeeper.audit.targets import Array

_OFFERED, _MOST_OFFERED = 10, 20_000  # times what is asked, and at most; or twice what is asked
_WIDEST_ROW = 100
_WIDEST_PICTURE = 1_024


@attack
class DataFree:
    """The attack that generates all of its inputs."""

    card = AttackCard(
        name="data-free",
        purpose=(
            "Generates inputs, asks the most informative ones, and trains several kinds of learner"
            " on the answers."
        ),
        needs=(
            "Labels, and what documentation says of inputs: width, range, whole numbers, whether"
            " pictures."
        ),
        fits=(
            "Small pictures, and rows of few features; shows what is possible without any input of"
            " the domain."
        ),
        source="Choice as in Pal et al., ActiveThief, AAAI 2020; the made-up inputs are ours.",
        makes_inputs=True,
        fewest=FEWEST,
        extra="audit",
        under_defences=False,
    )

    def why_not(self, interface: Interface) -> str | None:
        """See `Attack`."""
        if missing := interface.why_no_classes or interface.why_not_drawn:
            return missing
        what, most = (
            ("rows", _WIDEST_ROW) if interface.picture is None else ("pictures", _WIDEST_PICTURE)
        )
        if interface.width > most:
            return (
                f"{what} of {interface.width} values are not made up by chance; {most} are the most"
                " that is tried"
            )
        return why_no_learners()

    def surrogates(
        self, ask: Ask, knowledge: AttackerKnowledge, rng: np.random.Generator
    ) -> Iterator[Surrogate]:
        """See `Attack`."""
        documentation = knowledge.documentation

        def choose(training: TrainingSet, n: int) -> Array:
            offered = _made_up(max(2 * n, min(_OFFERED * n, _MOST_OFFERED)), documentation, rng)
            chosen: Array = offered[picked(offered, training, n, rng)]
            return chosen

        return copies(ask, knowledge, choose, rng)


def _made_up(n: int, documentation: Documentation, rng: np.random.Generator) -> Array:
    low = documentation.low
    high = documentation.high
    if documentation.picture is None:
        made = low + synthetic.rows(n, len(low), rng) * (high - low)
    else:
        made = low + synthetic.pictures(n, documentation.picture, rng) * (high - low)
    return np.asarray(np.where(documentation.whole, np.round(made), made))
