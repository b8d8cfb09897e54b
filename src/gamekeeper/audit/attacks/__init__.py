"""Ways to a surrogate, one a file; in this order, the hungriest last, for all share one budget."""

from gamekeeper.audit.attacks import (  # isort: skip
    learned_copy,
    equation_solving,
    tree_paths,
    active_selection,
    head_stealing,
    counterfactuals,
    relu_networks,
    boundary_walk,
)
from gamekeeper.audit.attacks._attack import ATTACKS, Attack, AttackCard, Interface, Loot, Surrogate

__all__ = [
    "ATTACKS",
    "Attack",
    "AttackCard",
    "Interface",
    "Loot",
    "Surrogate",
    "active_selection",
    "boundary_walk",
    "counterfactuals",
    "equation_solving",
    "head_stealing",
    "learned_copy",
    "relu_networks",
    "tree_paths",
]
