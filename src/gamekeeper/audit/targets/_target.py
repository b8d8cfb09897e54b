"""What every target is: something that answers rows of numbers.

An audit is for a model of one's own. What a target answers is taken as its interface gives it out:
class scores (probabilities or logits), or labels alone.
"""

from typing import Protocol

import numpy as np

from gamekeeper.base.errors import GamekeeperError

Array = np.ndarray


class TargetError(GamekeeperError):
    """The target failed, or answered what no classifier answers. What was paid for is kept."""

    exit_code = 3


class Target(Protocol):
    """The model under audit, as an interface that answers queries."""

    @property
    def name(self) -> str:
        """By which reports call it."""
        ...

    def ask(self, inputs: Array) -> Array:
        """Returns answers to inputs.

        Args:
            inputs: float64, shape (n, width).

        Returns:
            Scores, shape (n, classes), or labels, shape (n,).

        Raises:
            TargetError: It cannot answer.
        """
        ...
