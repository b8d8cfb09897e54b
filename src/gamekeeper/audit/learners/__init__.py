"""What a thief trains: several kinds of learner, each judged on answers held out, the best kept."""

from gamekeeper.audit.learners._lessons import Learn, Lessons, Predict
from gamekeeper.audit.learners.contest import Contest, best_learner, why_no_learners

__all__ = ["Contest", "Learn", "Lessons", "Predict", "best_learner", "why_no_learners"]
