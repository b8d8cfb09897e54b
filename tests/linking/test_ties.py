"""Content and shape: what ties accounts."""

import numpy as np
import polars as pl
import scipy.sparse as sp

from gamekeeper.encoding import fragments
from gamekeeper.linking.communities import communities
from gamekeeper.linking.neighbours import SPARE, K, find_near, neighbours
from gamekeeper.linking.templates import shared_shapes


def scattered(count: int, seed: int = 1) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def neighbours_of(
    vectors: np.ndarray, accounts: np.ndarray, counts: np.ndarray, prompts: np.ndarray | None = None
) -> sp.csr_matrix:
    """Neighbours where every row is compared."""
    rows = np.arange(len(vectors))
    asked = rows if prompts is None else prompts
    return neighbours(find_near(vectors), rows, counts, accounts, asked)


def test_neighbours_are_near_and_of_other_accounts() -> None:
    """As many as asked for, from among the very nearest: density decides between those, not beyond
    them.
    """
    vectors = scattered(200)
    accounts = np.arange(200) // 4
    found = neighbours_of(vectors, accounts, np.ones(200, bool))
    distance = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    for row in range(200):
        chosen = found[[row]].indices
        assert len(chosen) == K and (accounts[chosen] != accounts[row]).all()
        assert set(chosen) <= set(np.argsort(distance[row])[: K + SPARE])


def test_rows_that_do_not_count_are_no_neighbours() -> None:
    """On either side."""
    keep = np.arange(100) % 3 > 0
    found = neighbours_of(scattered(100), np.arange(100), keep)
    assert not found[~keep].nnz and not found[:, ~keep].nnz and found[keep].nnz == K * keep.sum()


def test_rows_of_one_prompt_are_no_neighbours() -> None:
    """However near: to repeat somebody is not to work with them."""
    prompts = np.arange(100) // 2
    found = neighbours_of(scattered(100), np.arange(100), np.ones(100, bool), prompts).tocoo()
    assert found.nnz == 100 * K and (prompts[found.row] != prompts[found.col]).all()


def test_no_rows_or_one_account_have_no_neighbours() -> None:
    """And no error."""
    assert neighbours_of(scattered(0), np.zeros(0, int), np.zeros(0, bool)).shape == (0, 0)
    assert neighbours_of(scattered(1), np.zeros(1, int), np.ones(1, bool)).nnz == 0
    assert neighbours_of(scattered(30), np.zeros(30, int), np.ones(30, bool)).nnz == 0


def shapes_of(prompts: list[str], accounts: list[int], account_count: int) -> list[list[int]]:
    frame = pl.DataFrame(
        {"system": [None] * len(prompts), "prompt": prompts}, schema_overrides={"system": pl.String}
    )
    return [
        rows.tolist() for rows in shared_shapes(fragments(frame), np.array(accounts), account_count)
    ]


def test_template_around_different_payload_is_one_shape() -> None:
    """Two sentences that the same six accounts send belong together; their own text does not."""
    words = ["amber", "basalt", "cobalt", "drizzle", "ember", "fjord"]
    demand = "grade the answer against the rubric. return a single mark only"
    prompts = [f"the {word} of the northern sea. {demand}" for word in words] + [
        "an unrelated question of mine"
    ]
    assert shapes_of(prompts, list(range(7)), 1_000) == [[0, 1, 2, 3, 4, 5]]


def test_sentence_of_few_accounts_is_no_shared_shape() -> None:
    """Four are a family, five a shape."""
    prompts = ["grade the answer against the rubric"] * 5
    assert shapes_of(prompts, [0, 1, 2, 3, 3], 1_000) == []
    assert shapes_of(prompts, [0, 1, 2, 3, 4], 1_000) == [[0, 1, 2, 3, 4]]


def test_sentence_of_very_many_accounts_tells_nothing() -> None:
    """Everybody's opening is a tool's default, not a campaign."""
    assert shapes_of(["translate the following text please"] * 300, list(range(300)), 1_000) == []


def test_no_fragments_give_no_shapes() -> None:
    """A log of short or missing prompts."""
    assert shapes_of(["hi"], [0], 1) == []


def test_communities_are_the_same_each_time() -> None:
    """Two cliques and a bridge: found, twice the same, whatever randomness ran before."""
    a, b = np.triu_indices(5, 1)
    ends = np.concatenate([a, a + 5, [4]]), np.concatenate([b, b + 5, [5]])
    first = communities(10, *ends, np.ones(21), resolution=1.0)
    np.random.default_rng().random(7)
    assert np.array_equal(first, communities(10, *ends, np.ones(21), resolution=1.0))
    assert len(set(first[:5])) == len(set(first[5:])) == 1 and first[0] != first[9]
