"""Ways to a surrogate, one a file."""

from gamekeeper.audit.attacks import learned_copy, active_selection, equation_solving, head_stealing  # isort: skip
from gamekeeper.audit.attacks._attack import ATTACKS, Attack, AttackCard, Interface, Loot, Surrogate

__all__ = [
    "ATTACKS",
    "Attack",
    "AttackCard",
    "Interface",
    "Loot",
    "Surrogate",
    "active_selection",
    "equation_solving",
    "head_stealing",
    "learned_copy",
]
