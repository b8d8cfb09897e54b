"""Surrogates without a network: one that chooses among answers, one that remembers the most like
question.

A language model is often asked to sort: which department, is it spam, how severe. Then a linear
model on what the text means (wordllama) and how it is spelt (character n-grams) is all the copy
that a thief needs.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gamekeeper.audit.language.surrogates._training_set import TrainingSet, Write
from gamekeeper.audit.targets import Array

if TYPE_CHECKING:
    from gamekeeper.encoding.content import ContentEncoder

# different answers for each that was given; beyond it they are not chosen, they are written
_MOST_CHOICES = 0.2
_SPELT = (2, 4)  # characters
_MOST_SPELT = 20_000
_MEANT = 2.0  # weight of meaning beside spelling


def has_choices(training: TrainingSet) -> bool:
    """Whether answers repeat often enough to be chosen from."""
    return 2 <= len(set(training.answers)) <= max(2, _MOST_CHOICES * len(training))


def chooser(training: TrainingSet) -> Write:
    """Learns which answer to choose."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    spelling = TfidfVectorizer(
        analyzer="char_wb", ngram_range=_SPELT, max_features=_MOST_SPELT, sublinear_tf=True
    )

    def features(prompts: Sequence[str]) -> Any:
        return hstack(
            [spelling.transform(prompts), csr_matrix(_MEANT * _meanings(prompts))]
        ).tocsr()

    spelling.fit(training.prompts)
    model = LogisticRegression(C=20, max_iter=1_000).fit(
        features(training.prompts), training.answers
    )
    return lambda prompts: [str(answer) for answer in model.predict(features(prompts))]


def rememberer(training: TrainingSet) -> Write:
    """Gives the answer of the question that is most like the one asked."""
    known = _meanings(training.prompts)

    def write(prompts: Sequence[str]) -> list[str]:
        return [training.answers[i] for i in (_meanings(prompts) @ known.T).argmax(axis=1)]

    return write


def _meanings(prompts: Sequence[str]) -> Array:
    """Vectors of unit norm, shape (n, 256)."""
    return np.asarray(_encoder().encode(prompts))


@cache
def _encoder() -> "ContentEncoder":
    from gamekeeper.encoding import load_encoder

    return load_encoder("auto")
