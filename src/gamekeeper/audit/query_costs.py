"""Defences that leave answers unchanged and make queries more expensive: what they cost an attacker
who knows of them.

    coverage-budget   an account may touch so many cells of the input space; an attacker who needs
                      more makes more accounts, and splits the space among them:
                      accounts = cells touched / cells allowed
    proof-of-work     an answer costs computing, the more the more an account has asked; an
                      attacker who splits queries among accounts pays for accounts instead of work

Both are set by honest accounts: the budget so that all but one in a hundred of those that ask
`honest_queries` inputs of the domain stay within it; the work so that these pay the least. Fidelity
is what it was; dollars are not.

Source: Dubinski et al., Bucks for Buckets (B4B), NeurIPS 2023 (coverage); Dziedzic et al.,
    Increasing the Cost of Model
Extraction with Calibrated Proof of Work, ICLR 2022; counted against a thief with many accounts,
which is ours.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gamekeeper.audit.options import AuditOptions
from gamekeeper.audit.result import Users
from gamekeeper.audit.targets import Array

_CELLS = 256
_HONEST_DRAWS = 400
_WITHIN = 0.99  # of honest accounts
_WORK_S = 1.0  # of computing for an answer, at an honest pace


@dataclass(frozen=True, slots=True)
class Surcharge:
    """What an attacker pays beside the queries.

    Args:
        accounts: That are needed.
        cpu_s: Seconds of computing that are asked for.
    """

    accounts: int
    cpu_s: float = 0.0


class QueryCost(Protocol):
    """A defence that leaves answers as they are."""

    name: str

    @property
    def users(self) -> Users:
        """What it costs honest users."""
        ...

    def surcharge(self, asked: Array) -> Surcharge:
        """Returns what the cheapest way to ask inputs, shape (n, width), costs."""
        ...


class CoverageBudget:
    """A defence that limits how much of the input space an account may cover.

    Args:
        pool: Inputs of the domain, shape (n, width).
        options: Say what an honest account asks.
    """

    name = "coverage-budget"
    purpose = (
        "Stops an account that covers more of the input space than honest ones do; for comparison"
        " in audits."
    )
    undone_by = (
        "More accounts, each with a part of the space; a thief with inputs of the domain looks"
        " honest for a long time."
    )

    def __init__(self, pool: Array, options: AuditOptions) -> None:
        rng = np.random.default_rng(options.seed)
        self._middle = pool.mean(axis=0)
        self._spread = pool.std(axis=0) + 1e-12
        rows = self._scaled(pool)
        self._centres = rows[rng.permutation(len(rows))[:_CELLS]]
        cells = self._cells(pool)
        each = options.honest_queries
        touched = [
            len(np.unique(cells[rng.integers(len(cells), size=each)])) for _ in range(_HONEST_DRAWS)
        ]
        self._allowed = max(1, int(np.ceil(np.quantile(touched, _WITHIN))))
        self.users = Users(said=f"1 in 100 accounts that ask {each} inputs is stopped")

    def surcharge(self, asked: Array) -> Surcharge:
        """See `QueryCost`."""
        touched = len(np.unique(self._cells(asked))) if len(asked) else 0
        return Surcharge(accounts=max(1, -(-touched // self._allowed)))

    def _scaled(self, inputs: Array) -> Array:
        return np.asarray((inputs - self._middle) / self._spread)

    def _cells(self, inputs: Array) -> Array:
        """The centre that each input is nearest to."""
        rows = self._scaled(inputs)
        far = (self._centres**2).sum(axis=1) - 2 * rows @ self._centres.T
        return np.asarray(far.argmin(axis=1))


class ProofOfWork:
    """A defence that requires computing for each query.

    Args:
        pool: Inputs of the domain; not used here.
        options: Say what an honest account asks, and what accounts and computing cost.
    """

    name = "proof-of-work"
    purpose = (
        "Requires computing for an answer, more the more an account has asked; for comparison in"
        " audits."
    )
    undone_by = (
        "More accounts; at a level that honest users accept, the work costs a thief almost nothing."
    )

    def __init__(self, pool: Array, options: AuditOptions) -> None:
        self._honest = options.honest_queries
        self._prices = options.prices
        self.users = Users(said=f"{_WORK_S:g} s of computing for each query")

    def surcharge(self, asked: Array) -> Surcharge:
        """See `QueryCost`."""
        most = max(1, -(-len(asked) // self._honest))
        return min(
            (self._of(len(asked), accounts) for accounts in range(1, most + 1)), key=self._usd
        )

    def _of(self, queries: int, accounts: int) -> Surcharge:
        """Work for n queries of an account: the least for the honest ones, then in proportion to
        what was asked.
        """
        each = queries / accounts
        honest = self._honest
        work = each if each <= honest else honest + (each**2 - honest**2) / (2 * honest)
        return Surcharge(accounts, accounts * work * _WORK_S)

    def _usd(self, surcharge: Surcharge) -> float:
        return (
            surcharge.accounts * self._prices.per_account
            + surcharge.cpu_s / 3600 * self._prices.per_core_hour
        )


QUERY_COSTS: dict[str, type[CoverageBudget] | type[ProofOfWork]] = {
    made.name: made for made in (CoverageBudget, ProofOfWork)
}
"""By name."""
