"""Nearest neighbours by products of matrices."""

import numpy as np
import pytest

from gamekeeper.linking.search import Nearest, nearest


def clustered(count: int, seed: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((400, 16))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    noise = 0.1 * rng.standard_normal((count, 16))
    return (centres[rng.integers(0, 400, count)] + noise).astype(np.float32)


def all_squares(vectors: np.ndarray, row: int) -> np.ndarray:
    return np.asarray(((vectors - vectors[row]) ** 2).sum(axis=1))


def exact(vectors: np.ndarray, k: int) -> Nearest:
    return nearest(vectors, k, exact_below=len(vectors) + 1, rounds=1)


@pytest.mark.parametrize(("count", "k"), [(1, 1), (7, 7), (600, 5), (3_000, 42)])
def test_exact_search_finds_the_nearest_in_order(count: int, k: int) -> None:
    """Few columns and many, which are compared in groups first; the vector itself comes first."""
    vectors = clustered(count)
    found = exact(vectors, k)
    for row in range(0, count, max(1, count // 40)):
        squares = all_squares(vectors, row)
        assert found.rows[row, 0] == row
        assert np.allclose(squares[found.rows[row]], np.sort(squares)[:k], atol=1e-5)
        assert np.allclose(found.squares[row], np.sort(squares)[:k], atol=1e-5)


def test_equal_vectors_are_each_others_neighbours() -> None:
    """At no distance, and no vector twice."""
    found = exact(np.repeat(clustered(50), 4, axis=0), 4)
    assert np.abs(found.squares).max() < 1e-5 and (found.squares >= 0).all()
    assert np.array_equal(
        np.sort(found.rows // 4, axis=1), np.repeat(np.arange(200) // 4, 4).reshape(-1, 4)
    )


def test_search_in_lists_finds_most_of_what_the_exact_one_does() -> None:
    """Not every pair is compared; nine of ten neighbours on clustered rows are still found."""
    vectors = clustered(21_000)
    found = nearest(vectors, 5, exact_below=20_000, rounds=8)
    assert (np.diff(found.squares, axis=1) >= 0).all()
    asked = np.random.default_rng(2).choice(21_000, 200, replace=False)
    true = [np.argsort(all_squares(vectors, row))[:5] for row in asked]
    shares = [len(set(found.rows[row]) & set(e)) / 5 for row, e in zip(asked, true, strict=True)]
    assert np.mean(shares) > 0.9


def test_lists_with_too_few_members_leave_places_empty() -> None:
    """No neighbour is minus one, at an infinite distance, after all that there are."""
    found = nearest(clustered(100), 100, exact_below=1, rounds=2)
    empty = found.rows < 0
    assert empty.any() and np.array_equal(empty, np.isinf(found.squares))
    assert (found.rows[:, 0] == np.arange(100)).all()
