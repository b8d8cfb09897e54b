"""The prompts of planted campaigns, made by the project's own generator of traffic.

A hunt that finds nothing plants campaigns to say what it could have found (`campaigns.power`).
Their prompts are self-contained tasks over many subjects, as a distiller would collect them; each
planted campaign takes another kind, so that two of them are not taken for one.
"""

from collections.abc import Sequence
from random import Random

_KINDS = ("task", "math", "code", "tools")


def planted_deck(campaign: int, prompts: int, seed: int) -> Sequence[str]:
    """Returns the prompts of a planted campaign, all different.

    Args:
        campaign: Its place among those that are planted together.
        prompts: How many.
        seed: The same seed gives the same prompts.
    """
    from gamekeeper.simulate.decks import make_deck
    from gamekeeper.simulate.lexicon import load

    kind = _KINDS[campaign % len(_KINDS)]
    return make_deck(load("en"), kind, prompts, Random(f"{seed} {campaign}"))
