"""What a thief of answers trains: several kinds of surrogate, each judged on answers held out, the
best kept.
"""

from gamekeeper.audit.language.surrogates._training_set import Learn, TrainingSet, Write
from gamekeeper.audit.language.surrogates.model_selection import best_surrogate, why_no_writer

__all__ = ["Learn", "TrainingSet", "Write", "best_surrogate", "why_no_writer"]
