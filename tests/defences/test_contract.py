"""What every defence keeps, whatever the scores."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from defences.builders import (
    FIRST_KEPT,
    KEY,
    KEYED,
    NAMES,
    OTHER_KEY,
    answers,
    inputs_of,
    made_of,
    scores_of,
)
from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.defences import DEFENCES, Defence, make_defence

defences = pytest.mark.parametrize("name", NAMES)

# multiples of an eighth make ties and zeros common; the others are near ties and tiny numbers
weight = st.one_of(
    st.integers(0, 8).map(lambda i: i / 8),
    st.floats(0, 1, allow_subnormal=False),
    st.sampled_from([0.1, 0.1 + 2**-56, 1e-12, 1e-300]),
)
simplex = (
    st.tuples(st.integers(1, 5), st.integers(1, 12))
    .flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=weight))
    .map(lambda rows: np.where(rows.sum(1, keepdims=True) > 1e-6, rows, 1.0))
    .map(lambda rows: rows / rows.sum(1, keepdims=True))
)


@pytest.mark.parametrize("made", DEFENCES.values(), ids=DEFENCES)
def test_card_is_complete(made: Defence) -> None:
    """Purpose, cost, what undoes it and where it comes from; parameters with a meaning."""
    for field in fields(made.card):
        assert field.name in ("parameters", "keeps_top1") or getattr(made.card, field.name), (
            field.name
        )
    assert all(p.meaning for p in made.card.parameters)
    assert DEFENCES[made.card.name] is made


@defences
@settings(max_examples=60, deadline=None)
@given(rows=simplex)
def test_rows_stay_probabilities(name: str, rows: np.ndarray) -> None:
    """None below 0, none missing, sums as before: with ties, zeros, one class and two."""
    given_ = answers(name, rows)
    assert given_.shape == rows.shape and given_.dtype == np.float64
    assert np.isfinite(given_).all() and (given_ >= 0).all()
    assert given_.sum(1) == pytest.approx(rows.sum(1), abs=2e-6)


@pytest.mark.parametrize("name", FIRST_KEPT)
@settings(max_examples=60, deadline=None)
@given(rows=simplex)
def test_first_place_is_kept_and_stands_alone(name: str, rows: np.ndarray) -> None:
    """Of equal ones the first; nobody shares the place afterwards, so that other ways to break ties
    agree.
    """
    given_ = answers(name, rows)
    place = np.arange(len(rows))
    first = given_[place, rows.argmax(1)]
    given_[place, rows.argmax(1)] = -1.0
    assert (given_ < first[:, None]).all()


@pytest.mark.parametrize("name", FIRST_KEPT)
def test_first_place_by_one_bit_is_kept(name: str) -> None:
    """The later class is ahead by the last bit: scaling makes them equal, and the answer
    must not.
    """
    row = np.array([[0.3, np.nextafter(0.3, 1), 0.3]]) * 0.7
    assert answers(name, row).argmax(1) == row.argmax(1) == 1


@defences
def test_scores_are_not_changed_in_place(name: str) -> None:
    """The guard still needs the true ones: to log, and to judge by."""
    rows = scores_of(20)
    before = rows.copy()
    answers(name, rows)
    assert (rows == before).all()


@defences
def test_batch_and_single_rows_agree(name: str) -> None:
    """Splitting a batch into calls of one is no way to other answers."""
    rows = scores_of(30)
    inputs = inputs_of(30)
    made = made_of(name)
    alone = np.concatenate([made(rows[i : i + 1], inputs[i : i + 1]) for i in range(30)])
    assert alone == pytest.approx(made(rows, inputs), abs=1e-12)


@defences
def test_same_key_gives_the_same_answer(name: str) -> None:
    """Two replicas made apart answer alike to the bit: there is nothing to average."""
    rows = scores_of(30)
    assert (answers(name, rows) == answers(name, rows)).all()


@pytest.mark.parametrize("name", KEYED)
def test_another_key_gives_another_answer(name: str) -> None:
    """Whoever knows the code and not the key cannot work out the noise."""
    rows = scores_of(30, spread=5)
    ours = answers(name, rows, key=KEY)
    others = answers(name, rows, key=OTHER_KEY)
    assert (np.abs(ours - others).sum(1) > 1e-3).all()


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(KEYED)))
def test_defence_without_noise_does_not_depend_on_key_or_input(name: str) -> None:
    """Its card lists no key's secret, and there is none in its answers."""
    rows = scores_of(30)
    ours = answers(name, rows, inputs_of(30), key=KEY)
    assert (ours == answers(name, rows, inputs_of(30, seed=1), key=OTHER_KEY)).all()


@defences
def test_no_rows_give_no_rows(name: str) -> None:
    """An empty batch is answered, not refused."""
    assert made_of(name)(np.zeros((0, 10)), []).shape == (0, 10)


@defences
@pytest.mark.parametrize("factor", [1e-3, 0.5, 7.0, 1e9])
def test_other_sums_are_kept(name: str, factor: float) -> None:
    """Scores that sum to something else come back with that sum, changed like probabilities."""
    rows = scores_of(20)
    scaled = answers(name, rows * factor)
    assert scaled.sum(1) == pytest.approx(np.full(20, factor))
    assert scaled / factor == pytest.approx(answers(name, rows), abs=1e-6)


@defences
def test_sum_of_float32_does_not_leak(name: str) -> None:
    """A softmax in float32 misses 1 by a few bits; these are of the true scores, and are not given
    out.
    """
    rows = scores_of(200).astype(np.float32)
    assert len(set(rows.astype(np.float64).sum(1))) > 10
    assert answers(name, rows).sum(1) == pytest.approx(np.ones(200), abs=1e-12)


@defences
@pytest.mark.parametrize("bad", [np.nan, -1e-9, np.inf, -np.inf], ids=str)
def test_row_that_is_no_scores_is_refused(name: str, bad: float) -> None:
    """Nothing is given out, and the error names the row and says what would do."""
    rows = scores_of(5)
    rows[3, 2] = bad
    with pytest.raises(InputError, match=r"(?s)row 4: .*softmax"):
        answers(name, rows)


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros((2, 3)),
        np.zeros((2, 0)),
        np.full((1, 3), 1e308),
        np.ones(3),
        np.ones((1, 2, 3)),
        np.array([["a", "b"]]),
    ],
    ids=["sum of 0", "no classes", "sum overflows", "one row bare", "three axes", "words"],
)
def test_tables_that_are_no_scores_are_refused(rows: np.ndarray) -> None:
    """Each by an error of ours, not by one of arithmetic."""
    with pytest.raises(InputError):
        made_of("rounding")(rows, inputs_of(len(rows)))


@defences
def test_missing_input_is_refused(name: str) -> None:
    """A row without its input could get another row's noise."""
    with pytest.raises(InputError, match="one input for each of 3 rows"):
        made_of(name)(scores_of(3), inputs_of(2))


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("blur", {}, "blur.*labels-only.*rounding"),
        ("rounding", {"digits": 2}, "digits.*decimals"),
        ("rounding", {"decimals": 0}, "whole number from 1 to 12; found 0"),
        ("rounding", {"decimals": 1.5}, "whole number"),
        ("rounding", {"decimals": True}, "whole number"),
        ("keyed-noise", {"amount": float("nan")}, "from 0 to 1; found nan"),
        ("keyed-noise", {"by": "moon"}, "scores, input; found 'moon'"),
        ("labels-only", {"k": 1}, "none"),
        ("modelguard-s", {}, "needs codebook.*fit_codebook"),
    ],
)
def test_wrong_words_are_named(name: str, parameters: dict[str, object], said: str) -> None:
    """The error names what there is to choose from."""
    with pytest.raises(UsageError, match=said):
        make_defence(name, KEY, **parameters)


def test_short_key_is_refused() -> None:
    """Also by a defence that does not use it: policies are changed, keys stay."""
    with pytest.raises(UsageError, match="16 bytes; found 15"):
        made_of("labels-only", key=b"x" * 15)
