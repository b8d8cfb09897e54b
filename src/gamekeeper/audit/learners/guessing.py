"""A quick guess at the labels of what was not asked yet, and how sure it is: what chooses the next
queries.
"""

import numpy as np

from gamekeeper.audit.learners._training_set import Scores, TrainingSet
from gamekeeper.audit.learners.pictures import quick_network
from gamekeeper.audit.learners.preparing import fitted
from gamekeeper.audit.targets import Array

_TREES = 100


def quick_guess(training: TrainingSet, seed: int) -> Scores:
    """Returns a network of pictures, where there can be one, or else a forest; either learns labels
    alone.

    Args:
        training: What was answered, labels of two kinds at least.
        seed: Of what it draws.
    """
    network = quick_network(training, seed) if training.picture is not None else None
    return network or _forest(training, seed)


def _forest(training: TrainingSet, seed: int) -> Scores:
    from sklearn.ensemble import ExtraTreesClassifier

    trees = ExtraTreesClassifier(_TREES, random_state=seed)
    forest = fitted(trees, training, training.labels, scales=False)

    def scores(inputs: Array) -> Array:
        likely = np.zeros((len(inputs), int(training.labels.max()) + 1))
        likely[:, forest.classes_] = forest.predict_proba(inputs)
        return likely

    return scores
