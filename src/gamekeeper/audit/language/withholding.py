"""What a provider of a language model can keep to itself, in steps.

Of all defences against learning a skill from answers, taking away the reasoning is the one that was
seen to matter: surrogates of mathematics fell from 67.8 to 31.4 %, surrogates of code did not fall
(DistillGuard, 2026); paraphrasing and poisoning answers did little.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from gamekeeper.audit.targets import Reply

Withhold = Callable[[Reply], Reply]
_STEP = re.compile(r"(?<=[.;,\n])\s+|\n+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Withholding:
    """What is kept back, and what that costs.

    Args:
        name: Unique.
        purpose: What it does, one sentence.
        cost_to_users: What honest users lose.
        undone_by: What a thief does about it.
        source: Where the idea comes from.
        apply: A reply to what is given out of it.
    """

    name: str
    purpose: str
    cost_to_users: str
    undone_by: str
    source: str
    apply: Withhold


def _summarised(reply: Reply) -> Reply:
    """Keeps the first and the last step; of a trace without sentences, the first and the
    last word.
    """
    steps = [step for step in _STEP.split(reply.trace) if step.strip()]
    steps = steps if len(steps) > 2 else reply.trace.split()
    return replace(reply, trace=" ".join([steps[0], steps[-1]]) if len(steps) > 2 else reply.trace)


def _withheld(reply: Reply) -> Reply:
    return replace(reply, trace="")


_SOURCE = "Providers do so since 2025; measured in DistillGuard, 2026, with naive surrogates."
WITHHOLDINGS = {
    made.name: made
    for made in (
        Withholding(
            name="traces-summarised",
            purpose="Gives only the first and the last step of the reasoning.",
            cost_to_users="Users cannot check the reasoning.",
            undone_by="Asking for the steps in the answer itself.",
            source=_SOURCE,
            apply=_summarised,
        ),
        Withholding(
            name="traces-withheld",
            purpose="Gives no reasoning.",
            cost_to_users="Users cannot check the reasoning.",
            undone_by="Asking for the steps in the answer itself; more answers.",
            source=_SOURCE,
            apply=_withheld,
        ),
    )
}
"""By name, from less to more."""
