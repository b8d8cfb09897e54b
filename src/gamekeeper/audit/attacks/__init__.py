"""Ways to a surrogate, one a file."""

from gamekeeper.audit.attacks import learned_copy, equation_solving  # isort: skip  (the yardstick first)
from gamekeeper.audit.attacks._attack import ATTACKS, Attack, AttackCard, Interface, Loot, Surrogate

__all__ = ["ATTACKS", "Attack", "AttackCard", "Interface", "Loot", "Surrogate", "equation_solving", "learned_copy"]
