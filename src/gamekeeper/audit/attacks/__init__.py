"""Ways to a surrogate, one a file; in this order, the hungriest last, for all share one budget.

Equation solving comes first: of a linear model it needs so few queries that nothing else counts.
"""

from gamekeeper.audit.attacks import (  # isort: skip
    equation_solving,
    learned_copy,
    tree_paths,
    active_selection,
    head_stealing,
    counterfactuals,
    relu_networks,
    boundary_walk,
    public_copy,
    data_free,
)
from gamekeeper.audit.attacks._attack import (
    ATTACKS,
    Attack,
    AttackCard,
    AttackerKnowledge,
    Documentation,
    Interface,
    Surrogate,
)


def attack_names() -> tuple[str, ...]:
    """Returns what can be played, in order."""
    return tuple(ATTACKS)


__all__ = [
    "ATTACKS",
    "Attack",
    "AttackCard",
    "AttackerKnowledge",
    "Documentation",
    "Interface",
    "Surrogate",
    "active_selection",
    "attack_names",
    "boundary_walk",
    "counterfactuals",
    "data_free",
    "equation_solving",
    "head_stealing",
    "learned_copy",
    "public_copy",
    "relu_networks",
    "tree_paths",
]
