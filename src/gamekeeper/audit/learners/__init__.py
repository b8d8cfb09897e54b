"""What a thief trains: several kinds of learner, each judged on answers held out, the best kept."""

from gamekeeper.audit.learners._training_set import (
    ByLogOdds,
    ByScores,
    Learn,
    Predict,
    Scored,
    Scores,
    TrainingSet,
)
from gamekeeper.audit.learners.guessing import quick_guess
from gamekeeper.audit.learners.model_selection import ModelSelection, best_learner, why_no_learners

__all__ = [
    "ByLogOdds",
    "ByScores",
    "Learn",
    "ModelSelection",
    "Predict",
    "Scored",
    "Scores",
    "TrainingSet",
    "best_learner",
    "quick_guess",
    "why_no_learners",
]
