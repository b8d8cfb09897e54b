"""Payload: what is left of a prompt when every fragment that occurs in another prompt is taken out.

Whether a group deals from one deck can only be read off the payload. A template makes all prompts of a group alike,
and text that an account sends again (a candidate answer, a document) makes its own prompts alike.
"""

import numpy as np
import polars as pl

from gamekeeper.encoding.content import DIM, ContentEncoder


class Payloads:
    """Vectors of payloads, made when first asked for.

    Args:
        fragments: As `shape.fragments` returns them.
        rows: Number of exchanges.
        encoder: Makes the vectors; None where `vectors` are given.
        vectors: Vectors that stand for the payload as they are (features of a tabular API), shape (rows, d).
    """

    def __init__(
        self,
        fragments: pl.DataFrame,
        rows: int,
        encoder: ContentEncoder | None,
        vectors: np.ndarray | None = None,
    ) -> None:
        self._encoder = encoder
        self._given = vectors
        self._texts = _texts(fragments)
        self._has = np.ones(rows, bool) if vectors is not None else np.zeros(rows, bool)
        self._has[self._texts["row"].to_numpy()] = True
        self._place = np.full(rows, -1, np.int64)
        self._place[self._texts["row"].to_numpy()] = np.arange(len(self._texts))
        self._known = np.zeros(rows, bool)
        self._vectors = np.zeros((0, 0), np.float32) if vectors is not None else np.zeros((rows, DIM), np.float16)

    def rows_with(self, rows: np.ndarray) -> np.ndarray:
        """Returns those of `rows` that have a payload."""
        return rows[self._has[rows]]

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Returns the payload vectors of `rows`, float32, shape (len(rows), d); each must have one."""
        if self._given is not None:
            return self._given[rows]
        self._encode(rows[~self._known[rows]])
        return self._vectors[rows].astype(np.float32)

    def _encode(self, rows: np.ndarray) -> None:
        if not len(rows):
            return
        assert self._encoder is not None
        rows = np.unique(rows)
        texts = self._texts["text"].gather(self._place[rows]).to_list()
        self._vectors[rows] = self._encoder.encode(texts)
        self._known[rows] = True


def _texts(fragments: pl.DataFrame) -> pl.DataFrame:
    """Columns `row` and `text`: the fragments of the prompt that stand in no other exchange, joined in order."""
    lonely = pl.col("row").n_unique().over("fragment") == 1
    return (
        fragments.filter(lonely)
        .filter(pl.col("part") == "prompt")
        .group_by("row", maintain_order=True)
        .agg(pl.col("text").str.join(" "))
    )
