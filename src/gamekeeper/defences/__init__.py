"""What can be done to a classifier's scores before they are given out, one defence a file.

None of them stops a copy: whatever keeps the first place leaves the thief the labels, and those
suffice with more queries. They take away the advantage of soft scores. What each costs users, and
what the best thief who knows of it still reaches, is measured in `docs/measurements/defences.md`.
"""

from gamekeeper.defences import (
    adaptive_misinformation,
    keyed_noise,
    labels_only,
    modelguard,
    modelguard_s,
    reverse_sigmoid,
    rounding,
    top_k,
)
from gamekeeper.defences._defence import (
    DEFENCES,
    Defence,
    DefenceCard,
    Parameter,
    Scores,
    make_defence,
)
from gamekeeper.defences.keyed import number_bytes, text_bytes
from gamekeeper.defences.modelguard_s import fit_codebook

__all__ = [
    "DEFENCES",
    "Defence",
    "DefenceCard",
    "Parameter",
    "Scores",
    "adaptive_misinformation",
    "fit_codebook",
    "keyed_noise",
    "labels_only",
    "make_defence",
    "modelguard",
    "modelguard_s",
    "number_bytes",
    "reverse_sigmoid",
    "rounding",
    "text_bytes",
    "top_k",
]
