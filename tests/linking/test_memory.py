import numpy as np
import pytest

from gamekeeper.linking.memory import LEVELS, Deck, Memory

DIM = 32


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def deck(rng: np.random.Generator, size: int, topics: int = 40) -> np.ndarray:
    """Cards on many topics: near each other within one."""
    centres = rng.standard_normal((topics, DIM))
    return unit(centres[rng.integers(0, topics, size)] + 0.5 * rng.standard_normal((size, DIM)))


def people(
    rng: np.random.Generator, accounts: int, each: int, topics: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Accounts that each keep to a few topics of their own, and stay with one for a while."""
    centres = rng.standard_normal((accounts, topics, DIM))
    topic = np.arange(each) * topics // each
    vectors = centres[:, topic, :] + 0.7 * rng.standard_normal((accounts, each, DIM))
    return unit(vectors.reshape(-1, DIM)), np.repeat(np.arange(accounts), each)


def measure_memory(
    vectors: np.ndarray, accounts: np.ndarray, sittings: np.ndarray | None = None
) -> Memory:
    """Of the whole deck; every prompt a sitting where None."""
    order = np.arange(len(vectors))
    deck = Deck(vectors, accounts, order if sittings is None else sittings, order)
    return deck.memory(deck.all_rows)


def by_sitting(rng: np.random.Generator, sittings: int, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Sittings that each keep to a subject, and their numbers; forty sittings have one subject."""
    subjects = rng.standard_normal((sittings // 40, DIM))
    of = np.repeat(rng.permutation(sittings) % len(subjects), each)
    vectors = unit(subjects[of] + 0.7 * rng.standard_normal((sittings * each, DIM)))
    return vectors, np.repeat(np.arange(sittings), each)


def test_one_deck_has_no_memory() -> None:
    """Cards dealt without looking: both measures within four errors of 0."""
    rng = np.random.default_rng(1)
    memory = measure_memory(deck(rng, 600), np.repeat(np.arange(20), 30))
    assert abs(memory.own_interest) < 4 * memory.own_interest_error
    assert abs(memory.follow_up) < 4 * memory.follow_up_error


def test_people_with_own_topics_read_high() -> None:
    """Their neighbours are their own, and what they ask next is near what they asked."""
    memory = measure_memory(*people(np.random.default_rng(2), 20, 30))
    assert memory.own_interest > 1.0 and memory.follow_up > 0.2


def test_shuffled_labels_forget() -> None:
    """The same prompts with their senders shuffled are a deck: exact decoys."""
    rng = np.random.default_rng(3)
    vectors, accounts = people(rng, 20, 30)
    vectors = vectors[rng.permutation(len(vectors))]
    memory = measure_memory(vectors, accounts)
    assert abs(memory.own_interest) < 4 * memory.own_interest_error
    assert abs(memory.follow_up) < 4 * memory.follow_up_error


def test_errors_are_as_large_as_the_scatter() -> None:
    """Over many shuffles both measures scatter around 0 by about the error that they state."""
    rng = np.random.default_rng(4)
    scores = []
    accounts = np.repeat(np.arange(12), 20)
    for _ in range(150):
        m = measure_memory(deck(rng, 240), accounts)
        scores.append((m.own_interest / m.own_interest_error, m.follow_up / m.follow_up_error))
    mean = np.mean(scores, axis=0)
    spread = np.std(scores, axis=0)
    assert (abs(mean) < 0.35).all(), mean
    assert ((spread > 0.5) & (spread < 1.4)).all(), spread


def test_deck_dealt_to_uneven_hands_is_still_a_deck() -> None:
    """One account with half of the cards has more neighbours of its own: chance says so too."""
    sizes = [300, *[15] * 20]
    memory = measure_memory(deck(np.random.default_rng(5), 600), np.repeat(np.arange(21), sizes))
    assert abs(memory.own_interest) < 4 * memory.own_interest_error


def test_numbers_of_accounts_do_not_matter() -> None:
    """Only who is who counts."""
    vectors, accounts = people(np.random.default_rng(6), 5, 10)
    assert measure_memory(vectors, accounts) == measure_memory(vectors, 7 * accounts + 3)


@pytest.mark.parametrize(("rows", "accounts"), [(0, 1), (19, 4), (40, 1)])
def test_too_little_is_not_measured(rows: int, accounts: int) -> None:
    """NaN, which is not 0: nothing was learned."""
    vectors = deck(np.random.default_rng(7), rows)
    memory = measure_memory(vectors, np.sort(np.arange(rows) % accounts))
    assert np.isnan([memory.own_interest, memory.follow_up]).all()


def test_prompts_all_alike_are_no_error() -> None:
    """A group that sends one text has no near and far."""
    same = np.tile(deck(np.random.default_rng(8), 1), (60, 1))
    memory = measure_memory(same, np.repeat(np.arange(6), 10))
    assert abs(memory.follow_up) < 4 * memory.follow_up_error


def test_deck_dealt_by_sitting_is_a_deck_at_that_level() -> None:
    """Its prompts keep to a subject, but which account gets a sitting does not matter."""
    vectors, sittings = by_sitting(np.random.default_rng(9), 160, 6)
    accounts = sittings // 8
    memory = measure_memory(vectors, accounts, sittings)
    assert memory.follow_up > 4 * memory.follow_up_error
    assert abs(memory.back) < 4 * memory.back_error


def test_people_come_back_to_their_subjects() -> None:
    """In another sitting too."""
    rng = np.random.default_rng(10)
    vectors, accounts = people(rng, 20, 48, topics=1)
    memory = measure_memory(vectors, accounts, np.arange(len(vectors)) // 6)
    assert memory.back > 4 * memory.back_error


@pytest.mark.parametrize("level", LEVELS)
def test_accounts_of_a_deck_are_told_from_people(level: str) -> None:
    """At its level a deck's accounts are interchangeable, but for one in a thousand; people are
    not at either.
    """
    rng = np.random.default_rng(13)
    if level == "prompt":
        dealt = deck(rng, 800)
        accounts = np.repeat(np.arange(20), 40)
        sittings = np.arange(800) // 8
    else:
        dealt, sittings = by_sitting(rng, 160, 6)
        accounts = sittings // 8
    own, owners = people(rng, 20, 60, topics=3)
    both = Deck(
        np.concatenate([dealt, own]),
        np.concatenate([accounts, owners + 20]),
        np.concatenate([sittings, np.arange(len(own)) // 10 + sittings.max() + 1]),
        np.arange(len(dealt) + len(own)),
    )
    deals = both.deals(both.all_rows, level)
    assert (deals < 20).sum() >= 18
    assert (deals >= 20).sum() <= 2


def test_order_of_equal_times_is_not_known() -> None:
    """A log that has days alone cannot show that people follow up: nothing was measured."""
    vectors, accounts = people(np.random.default_rng(14), 20, 40, topics=4)
    deck = Deck(vectors, accounts, np.arange(len(vectors)), np.zeros(len(vectors), int))
    memory = deck.memory(deck.all_rows)
    assert np.isnan(memory.follow_up)
    assert memory.own_interest > 4 * memory.own_interest_error
