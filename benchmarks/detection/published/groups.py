"""Groups of accounts that edges tie together."""

import numpy as np


class Components:
    """Connected components that grow edge by edge.

    Args:
        count: Number of accounts.
    """

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))
        self.members = [[number] for number in range(count)]

    def find(self, number: int) -> int:
        """The account that stands for a component."""
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def tie(self, one: int, other: int) -> list[int]:
        """Joins the components of two accounts and returns all members."""
        one, other = self.find(one), self.find(other)
        if one == other:
            return self.members[one]
        if len(self.members[one]) < len(self.members[other]):
            one, other = other, one
        self._parent[other] = one
        self.members[one] += self.members[other]
        self.members[other] = []
        return self.members[one]

    def sizes(self) -> np.ndarray:
        """Size of each account's component, shape (count,)."""
        return np.array([len(self.members[self.find(n)]) for n in range(len(self._parent))])
