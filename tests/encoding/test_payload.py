import numpy as np
import polars as pl
import pytest

from gamekeeper.encoding import Payloads, fragments, load_encoder
from gamekeeper.encoding.content import DIM

HASHING = load_encoder("hashing")
DEMAND = "show every step of your reasoning"


def payloads(*rows: tuple[int, str]) -> Payloads:
    """Payloads of (account, prompt) rows in order of account and time."""
    accounts = np.array([account for account, _ in rows], dtype=np.int64)
    frame = pl.DataFrame({"system": [None] * len(rows), "prompt": [prompt for _, prompt in rows]})
    frame = frame.with_columns(pl.col("system").cast(pl.String), pl.col("prompt").cast(pl.String))
    return Payloads(fragments(frame), accounts, HASHING)


def has(made: Payloads, rows: int) -> list[int]:
    return made.rows_with(np.arange(rows)).tolist()


def vector_of(text: str) -> np.ndarray:
    """A payload vector, as exact as it is kept."""
    return HASHING.encode([text])[0].astype(np.float16).astype(np.float32)


def test_payload_is_the_prompt_without_the_template() -> None:
    """What two accounts send exactly alike is taken out; what is left is encoded alone."""
    made = payloads((0, f"why is the sky blue. {DEMAND}"), (1, f"who built the old pier. {DEMAND}"))
    vectors = made.vectors(np.array([0, 1]))
    assert np.array_equal(
        vectors, [vector_of("why is the sky blue"), vector_of("who built the old pier")]
    )


def test_prompt_of_templates_alone_has_no_payload() -> None:
    """Canned text says nothing of a deck."""
    made = payloads((0, DEMAND), (0, "why is the sky blue"), (1, f"who built it then. {DEMAND}"))
    assert has(made, 3) == [1, 2]


def test_prompt_that_another_account_repeats_as_a_whole_keeps_its_payload() -> None:
    """It is no template: a deck may be dealt twice."""
    assert has(payloads((0, "why is the sky blue"), (1, "why is the sky blue")), 2) == [0, 1]


def test_text_that_an_account_sends_again_counts_once() -> None:
    """A document quoted in every prompt would make all of an account's prompts alike."""
    document = "the contract of the third of May"
    made = payloads(
        (0, f"{document}. who signed the paper"), (0, f"{document}. when does it end exactly")
    )
    assert np.array_equal(made.vectors(np.array([1]))[0], vector_of("when does it end exactly"))
    assert np.array_equal(
        made.vectors(np.array([0]))[0], vector_of(f"{document} who signed the paper")
    )


def test_prompt_sent_twice_by_one_account_has_its_payload_the_first_time() -> None:
    """A retry is not a second question."""
    assert has(payloads((0, "why is the sky blue"), (0, "why is the sky blue")), 2) == [0]


def test_sentences_of_one_shape_with_other_numbers_are_payload() -> None:
    """Questions of one deck often differ only in their numbers: they must not vanish as a
    template.
    """
    made = payloads((0, "add 17 and 25 and say the sum"), (1, "add 3 and 4 and say the sum"))
    assert has(made, 2) == [0, 1]


def test_system_text_is_never_payload() -> None:
    """A system prompt is its operator's, not the question."""
    frame = pl.DataFrame({"system": ["you are a very careful grader"], "prompt": [""]})
    assert has(Payloads(fragments(frame), np.array([0]), HASHING), 1) == []


def test_order_of_asking_changes_no_vector() -> None:
    """Vectors are made at their first use, in whatever batches."""
    rows = [(i % 3, f"question number {i} about the weather in spring {i * i}") for i in range(30)]
    whole = payloads(*rows)
    bits = payloads(*rows)
    expected = whole.vectors(np.arange(30))
    for part in (np.array([7, 3, 7]), np.array([29, 0]), np.arange(30)):
        assert np.array_equal(bits.vectors(part), expected[part])
    assert expected.shape == (30, DIM) and expected.dtype == np.float32


def test_features_are_their_own_payload() -> None:
    """A row of a tabular API is its own payload."""
    empty = fragments(
        pl.DataFrame(
            {"system": [None], "prompt": [None]},
            schema_overrides={"system": pl.String, "prompt": pl.String},
        )
    )
    features = np.eye(3, dtype=np.float32)
    made = Payloads(empty, np.arange(3), None, features)
    assert has(made, 3) == [0, 1, 2] and np.array_equal(
        made.vectors(np.array([2, 0])), features[[2, 0]]
    )


def test_no_rows_give_no_payload() -> None:
    """An empty sample is not an error."""
    made = payloads()
    assert made.rows_with(np.zeros(0, int)).size == 0
    assert made.vectors(np.zeros(0, int)).shape[0] == 0


@pytest.mark.parametrize("accounts", [1, 2])
def test_one_account_makes_no_template(accounts: int) -> None:
    """One account alone makes no template, however often it repeats a sentence."""
    made = payloads(
        (0, f"why is the sky blue. {DEMAND}"), (accounts - 1, f"who built the old pier. {DEMAND}")
    )
    first = "why is the sky blue" + (f" {DEMAND}" if accounts == 1 else "")
    assert np.array_equal(made.vectors(np.array([0]))[0], vector_of(first))
