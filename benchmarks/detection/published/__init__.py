"""Published detectors, each written from its paper, over the same logs and vectors as `hunt`.

A detector is a function

    (subject, reference) -> score of each account of `subject`, float64, shape (accounts,)

where `reference` is ordinary traffic of other people and days; the higher the score, the more
suspicious; -inf where an account has too few exchanges to be measured. None of them was made for a
log of many accounts of a language model; what had to be decided for that is said in each file.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from published.coverage import coverage
from published.evilcohort import evilcohort
from published.fraudar import fraudar
from published.mahalanobis import mahalanobis
from published.mmd import mmd_of_accounts, mmd_of_streams
from published.prada import prada
from published.seat import seat
from published.shared_attributes import CAREFUL, CARELESS, shared_attributes
from published.synchrotrap import synchrotrap
from published.traffic import Traffic

Detector = Callable[[Traffic, Traffic], np.ndarray]

DETECTORS: Mapping[str, Detector] = {
    "mmd": mmd_of_accounts,
    "mmd-streams": mmd_of_streams,
    "prada": prada,
    "seat": seat,
    "mahalanobis": mahalanobis,
    "coverage": coverage,
    "synchrotrap": synchrotrap,
    "evilcohort": evilcohort,
    "fraudar": fraudar,
    "shared-card-or-address": partial(shared_attributes, names=CAREFUL),
    "shared-anything": partial(shared_attributes, names=CARELESS),
}
