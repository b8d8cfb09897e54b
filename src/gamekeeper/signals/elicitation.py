"""Asks for what trains a model: reasoning traces, reasoning rebuilt from an answer, judgements,
tool traces.

Cues are words, so this signal knows only the languages in its list; it may add to other evidence
but never decides alone. `shape` and `content` work in any language.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from gamekeeper.linking.card import Card
from gamekeeper.signals._signal import Counts, alone, count_by, signal

_CUES = {
    "reasoning": (
        r"step[- ]by[- ]step|chain of thought|internal reasoning|reason(ing)? (carefully|in detail)"
        r"|every step|show (all )?(your )?(work|reasoning)|think (out loud|carefully|aloud)"
        r"|paso a paso|razonamiento|schritt für schritt"
        r"|gedankengang|étape par étape|raisonnement|passo a passo|raciocínio|шаг за"
        r" шагом|пошагово|рассужд"
        r"|一步一步|逐步|推理过程|思考过程|خطوة بخطوة|चरण दर चरण|단계별|段階的"
    ),
    "judgement": (
        r"\b(score|rate|grade|rank|judge|evaluate)\b.{0,80}\b(from|scale|out of|\d ?[-–to]+ ?\d+)"
        r"|rubric"
        r"|bewerte|note sur|puntúa|califica|оцени|баллов|打分|评分"
    ),
    "rebuilt": (
        r"(finished|final|given|correct) (answer|solution)|reasoning that leads"
        r"|explain why (this|the) answer"
        r"|готов(ый|ого) ответ|已知答案|答案如下"
    ),
    "tools": (
        r"\b(tool|function|api|plugin)s?\b.{0,40}\b(call|access|enabled|available|schema|invoke)|<tool"
        r"|\"parameters\"|tool_call|function_call"
    ),
}


@signal
class Elicitation:
    """Share of a group's exchanges that hold a cue."""

    card = Card(
        name="elicitation",
        family="elicitation",
        purpose=(
            "How often a group asks for reasoning traces, judgements, rebuilt reasoning or tool"
            " traces."
        ),
        unit="share of exchanges",
        needs=("prompt",),
        look_alikes="students asked to show their work, evaluation vendors, developers of agents",
        evasions=(
            "other words or another language (the cues are a list); asking for long answers without"
            " saying so"
        ),
        source=(
            "the campaigns disclosed in February 2026: reasoning demands, rubrics, rebuilt"
            " reasoning"
        ),
    )

    def summarise(self, exchanges: pl.DataFrame) -> pl.DataFrame:
        """Counts exchanges by the first cue they hold."""
        text = pl.col("prompt").str.slice(0, 4_000).str.to_lowercase()
        cue = pl.coalesce(
            *(pl.when(text.str.contains(p)).then(pl.lit(c)) for c, p in _CUES.items())
        )
        return count_by(exchanges, cue)

    def read(self, summary: Counts, groups: Sequence[np.ndarray]) -> np.ndarray:
        """Exchanges with a cue, over all of the group's."""
        return np.asarray(summary.sums(groups).sum(axis=1) / np.maximum(summary.sizes(groups), 1))

    def say(self, value: float, ordinary: float) -> str:
        """The reading as a sentence."""
        asks = "of their prompts ask for reasoning, judgements or tool traces"
        return f"{value:.0%} {asks} (ordinary: {ordinary:.0%})"

    def own(self, summary: Counts, members: np.ndarray, accounts: np.ndarray) -> np.ndarray:
        """Exchanges with a cue, over all of the account's."""
        return alone(self, summary, accounts)

    def say_own(self, value: float, ordinary: float) -> str:
        """What one account shows, as a sentence."""
        asks = "of its prompts ask for reasoning, judgements or tool traces"
        return f"{value:.0%} {asks} (ordinary accounts: {ordinary:.0%})"
