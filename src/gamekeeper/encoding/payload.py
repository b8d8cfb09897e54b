"""Payload: what is left of a prompt without templates and without text that was sent before.

Whether prompts are interchangeable between the accounts of a group can only be measured on the
payload. A template makes all prompts of a group alike, so a fragment that two accounts send exactly
alike is not payload. Text that an account sends again (a candidate answer, a document) makes its
own prompts alike, so a fragment counts only where it first occurs.
"""

import numpy as np
import polars as pl

from gamekeeper.encoding.content import DIM, ContentEncoder


class Payloads:
    """The payloads of all exchanges of a sample as vectors, which are made at their first use.

    Args:
        fragments: As `shape.fragments` returns them.
        accounts: Account number of each exchange, in order of account and time, shape (n,).
        encoder: Makes the vectors; None where `vectors` are given.
        vectors: Vectors that are the payload already (features of a tabular API), shape (n, d).
    """

    def __init__(
        self,
        fragments: pl.DataFrame,
        accounts: np.ndarray,
        encoder: ContentEncoder | None,
        vectors: np.ndarray | None = None,
    ) -> None:
        self._encoder = encoder
        self._given = vectors
        rows = len(accounts)
        self._texts = _texts(fragments, accounts)
        self._has = np.ones(rows, bool) if vectors is not None else np.zeros(rows, bool)
        self._has[self._texts["row"].to_numpy()] = True
        self._place = np.full(rows, -1, np.int64)
        self._place[self._texts["row"].to_numpy()] = np.arange(len(self._texts))
        self._known = np.zeros(rows, bool)
        self._vectors = (
            np.zeros((0, 0), np.float32)
            if vectors is not None
            else np.zeros((rows, DIM), np.float16)
        )

    @property
    def are_features(self) -> bool:
        """Whether the payloads are the rows of a tabular API."""
        return self._given is not None

    def rows_with(self, rows: np.ndarray) -> np.ndarray:
        """Returns those of `rows` that have a payload."""
        return np.asarray(rows[self._has[rows]])

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Returns the payload vectors of `rows`, float32, shape (len(rows), d); each must
        have one.
        """
        if self._given is not None:
            return np.asarray(self._given[rows])
        self._encode(rows[~self._known[rows]])
        return np.asarray(self._vectors[rows], dtype=np.float32)

    def _encode(self, rows: np.ndarray) -> None:
        if not len(rows):
            return
        assert self._encoder is not None
        rows = np.unique(rows)
        texts = self._texts["text"].gather(self._place[rows]).to_list()
        self._vectors[rows] = self._encoder.encode(texts)
        self._known[rows] = True


def _texts(fragments: pl.DataFrame, accounts: np.ndarray) -> pl.DataFrame:
    """Columns `row` and `text`: the fragments of each prompt that are its payload, joined
    in order.
    """
    sender = pl.Series("sender", accounts[fragments["row"].to_numpy()])
    # a sum of hashes wraps; it names the prompt by all its fragments
    whole = pl.col("exact").hash(7).sum().over("row").alias("whole")
    one_sender = pl.col("sender").min().over("exact") == pl.col("sender").max().over("exact")
    # a prompt that was repeated as a whole is not a template
    one_prompt = pl.col("whole").min().over("exact") == pl.col("whole").max().over("exact")
    comes_first = pl.col("row") == pl.col("row").min().over("exact", "sender")
    return (
        fragments.with_columns(sender, whole)
        .filter((one_sender | one_prompt) & comes_first)
        .filter(pl.col("part") == "prompt")
        .group_by("row", maintain_order=True)
        .agg(pl.col("said").str.join(" ").alias("text"))
    )
