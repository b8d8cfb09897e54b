"""The tokens of the content vectors are those of wordllama's own tokenizer, one for one."""

import random
from functools import cache
from importlib.metadata import distribution
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamekeeper.encoding.content import WordLlama

PIECES = [
    "<s>",
    "</s>",
    "<unk>",
    "<0x0A>",
    "▁",
    " ",
    "  ",
    "\n",
    "\t",
    "é",
    "e\u0301",
    "🏳️‍🌈",
    "你好",
    "ab",
]
RANGES = [
    (0, 0x80),
    (0x80, 0x600),
    (0x900, 0x1200),
    (0x3040, 0x9FFF),
    (0xAC00, 0xD7A4),
    (0xE000, 0x1FB00),
]
WIDEST = 2_000


@cache
def tokenizer() -> Any:
    tokenizers = pytest.importorskip("tokenizers", reason="needs the group test")
    name = "l2_supercat_tokenizer_config.json"
    (file,) = [f for f in distribution("wordllama").files or () if f.name == name]
    return tokenizers.Tokenizer.from_file(str(file.locate()))


@cache
def ours() -> WordLlama:
    return WordLlama()


def theirs(texts: list[str]) -> list[list[int]]:
    return [e.ids for e in tokenizer().encode_batch_fast(texts, add_special_tokens=False)]


def texts_of_every_kind(seed: int, count: int) -> list[str]:
    """Any script, white space, digits, parts of words, one part again and again, controls."""
    rng = random.Random(seed)
    parts = [str(tokenizer().id_to_token(i)).replace("▁", " ") for i in range(259, 32_000)]
    letters = [chr(c) for a, b in RANGES for c in range(a, b, 7) if not 0xD800 <= c < 0xE000]
    alphabets = [parts, letters, list(" \n\t▁ab"), list("0123456789abcdef{}[]<>/="), list("aeiost")]
    texts = []
    for _ in range(count):
        alphabet = rng.choice(alphabets)
        length = rng.choice([0, 1, 3, 10, 40, 200])
        text = "".join(rng.choice(alphabet) for _ in range(length))
        texts.append((text * rng.choice([1, 1, 1, 9]))[:WIDEST])
    return texts


def test_tokens_are_those_of_the_librarys_tokenizer() -> None:
    """Over texts of every kind, and the tokens that a text may spell."""
    texts = [*texts_of_every_kind(seed=1, count=2_000), *PIECES]
    texts += [a + b + c for a in PIECES for b in PIECES for c in PIECES]
    assert ours()._token_ids(texts) == theirs(texts)


@pytest.mark.slow
def test_tokens_are_the_same_over_a_hundred_thousand_texts() -> None:
    """Rare merges show only in many texts."""
    for seed in range(2, 12):
        texts = texts_of_every_kind(seed, count=10_000)
        assert ours()._token_ids(texts) == theirs(texts)


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=300))
def test_any_text_has_the_same_tokens(text: str) -> None:
    """Whatever characters there are."""
    text = text.encode("utf-8", "ignore").decode()
    assert ours()._token_ids([text]) == theirs([text])


def test_vectors_are_the_mean_of_the_librarys() -> None:
    """The direction of the mean of wordllama's own token vectors."""
    texts = ["How do I bake bread without yeast?", "为什么天空是蓝色的?", "def f(x):\n    return x"]
    safetensors = pytest.importorskip("safetensors.numpy", reason="needs the group test")
    (file,) = [f for f in distribution("wordllama").files or () if f.name.endswith(".safetensors")]
    weights = safetensors.load_file(str(file.locate()))["embedding.weight"].astype(np.float32)
    means = np.array([weights[ids].mean(axis=0) for ids in theirs(texts)])
    expected = means / np.linalg.norm(means, axis=1, keepdims=True)
    assert np.allclose(ours().encode(texts), expected, atol=1e-6)
