from pathlib import Path

import numpy as np
import pytest

from gamekeeper.audit.journal import Journal
from gamekeeper.audit.language.interview import Vectors
from gamekeeper.audit.language.vectors import VectorAudit, coarsenings, nearest, public_features
from gamekeeper.audit.meter import Limits
from gamekeeper.audit.options import AuditOptions
from gamekeeper.audit.result import AuditResult
from gamekeeper.audit.targets import Array, CallableVectors
from gamekeeper.base.errors import UsageError

_MIXING = np.random.default_rng(0).standard_normal((512, 24)) * 0.3


def texts(n: int) -> list[str]:
    """Different ones, of a few words each."""
    words = [
        "river",
        "violin",
        "tax",
        "engine",
        "garden",
        "fever",
        "planet",
        "wool",
        "court",
        "bread",
        "winter",
        "code",
    ]
    does = [
        "repairs",
        "grows near",
        "costs more than",
        "was painted with",
        "explains",
        "hides",
        "sings of",
    ]
    rng = np.random.default_rng(3)
    made = [
        f"{rng.choice(words)} and {rng.choice(words)} {rng.choice(does)} {rng.choice(words)}"
        for _ in range(3 * n)
    ]
    return list(dict.fromkeys(made))[:n]


def built_on_public_features(texts: list[str]) -> Array:
    """A target whose body is public: a projection of what anybody can compute."""
    return np.asarray(np.tanh(public_features(texts) @ _MIXING))


def play(folder: Path, function: object, texts: list[str], **fields: object) -> AuditResult:
    options = AuditOptions(**{"budget": 1_000, "seeds": 2} | fields)  # type: ignore[arg-type]
    target = CallableVectors(function, "vectors")  # type: ignore[arg-type]
    vectors = Vectors(
        target, Journal(folder / "j.sqlite", target.name), Limits(queries=options.budget)
    )
    return VectorAudit(vectors, texts, options, target.name).run()


def test_encoder_built_on_public_features_is_copied(tmp_path: Path) -> None:
    """Its nearest neighbours are found by the copy as well, and coarser vectors give it
    away too.
    """
    result = play(tmp_path, built_on_public_features, texts(600))
    plain = result.defended[0]
    assert plain.best is not None and plain.best[1].fidelity > 0.6
    assert [each.defence for each in result.defended] == [
        "none",
        "rounded",
        "noise",
        "largest-quarter",
    ]
    assert all(each.users.label_changed > 0 for each in result.defended[1:])
    assert "vectors of 24 numbers" in result.findings[0] and result.access == "embeddings"


def test_vectors_that_have_nothing_to_do_with_the_text_are_not_copied(tmp_path: Path) -> None:
    """Fidelity is then what chance gives."""

    def random(texts: list[str]) -> Array:
        return np.stack(
            [np.random.default_rng(abs(hash(text))).standard_normal(16) for text in texts]
        )

    best = play(tmp_path, random, texts(400)).defended[0].best
    assert best is not None and best[1].fidelity < 0.1


def test_projection_to_fewer_dimensions_shows(tmp_path: Path) -> None:
    """As the rank of what was answered."""
    wide = np.random.default_rng(1).standard_normal((24, 100))
    result = play(tmp_path, lambda texts: built_on_public_features(texts) @ wide, texts(400))
    assert any("span 24 dimensions" in finding for finding in result.findings)


def test_nearest_is_another_text() -> None:
    """By the angle alone."""
    assert nearest(np.array([[1.0, 0.0], [5.0, 0.1], [0.0, 1.0], [0.1, 2.0]])).tolist() == [
        1,
        0,
        3,
        2,
    ]


def test_coarser_vectors_keep_their_shape() -> None:
    """And are other vectors."""
    rows = np.random.default_rng(0).standard_normal((10, 16))
    for name, coarsen in coarsenings(np.random.default_rng(1)).items():
        given = coarsen(rows)
        assert given.shape == rows.shape and (name == "none") == bool((given == rows).all())
    assert (
        (coarsenings(np.random.default_rng(1))["largest-quarter"](rows) != 0).sum(axis=1) == 4
    ).all()


def test_too_few_texts_are_refused(tmp_path: Path) -> None:
    """Or too small a budget."""
    with pytest.raises(UsageError, match="too few"):
        play(tmp_path, built_on_public_features, texts(50))
