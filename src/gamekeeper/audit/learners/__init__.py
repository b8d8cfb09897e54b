"""What a thief trains: several kinds of learner, each judged on answers held out, the best kept."""

from gamekeeper.audit.learners._lessons import Learn, Lessons, Predict, Scores
from gamekeeper.audit.learners.contest import Contest, best_learner, why_no_learners
from gamekeeper.audit.learners.guessing import quick_guess

__all__ = [
    "Contest",
    "Learn",
    "Lessons",
    "Predict",
    "Scores",
    "best_learner",
    "quick_guess",
    "why_no_learners",
]
