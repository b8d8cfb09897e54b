"""What `--answers` can say; by itself, so that help can list it without loading anything."""

from enum import StrEnum


class AnswerKind(StrEnum):
    """What `--answers` can be told, and what a source may know."""

    LABELS = "labels"
    SCORES = "scores"
    SCORE = "score"
    VALUES = "values"
    MULTILABEL = "multilabel"
    EMBEDDINGS = "embeddings"
