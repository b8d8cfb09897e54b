"""Links: what of a target's value may be linear in the inputs, as in generalised linear models.

    identity   a regression, a logit
    log        Poisson and gamma regression, a price that was learnt by its logarithm
    logit      a share, or a percentage, of a logistic model

Source: Nelder & Wedderburn, Generalized Linear Models, 1972.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

_INSIDE = 1e-9  # of the range, by which a share is kept from its ends
_LARGEST = 700.0  # exponent that a float can hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link and its inverse, both of arrays of shape (n, outputs).

    Args:
        name: In reports.
        to_linear: Values to what is linear.
        to_values: The way back.
    """

    name: str
    to_linear: Callable[[Array], Array]
    to_values: Callable[[Array], Array]


IDENTITY = Link(name="identity", to_linear=lambda values: values, to_values=lambda linear: linear)
LOG = Link(
    name="log", to_linear=np.log, to_values=lambda linear: np.exp(np.minimum(linear, _LARGEST))
)


def links_for(values: Array) -> list[Link]:
    """Returns the links that values, shape (n, outputs), may have."""
    links = [IDENTITY]
    if (values > 0).all():
        links.append(LOG)
    links += [_logit(top) for top in (1.0, 100.0) if (values >= 0).all() and (values <= top).all()]
    return links


def _logit(top: float) -> Link:
    def to_linear(values: Array) -> Array:
        share = np.clip(values / top, _INSIDE, 1 - _INSIDE)
        return np.asarray(np.log(share) - np.log1p(-share))

    def to_values(linear: Array) -> Array:
        return np.asarray(top / (1 + np.exp(np.clip(-linear, -_LARGEST, _LARGEST))))

    return Link(name=f"logit of {top:g}", to_linear=to_linear, to_values=to_values)
