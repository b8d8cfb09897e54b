"""Raw values become columns: what is converted, what is absent, what is a fault."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamekeeper.exchange.columns import SCHEMA
from gamekeeper.exchange.placeholders import is_nobody, is_redacted, nobody, redacted
from gamekeeper.exchange.typed import REQUEST, typed

NAN = float("nan")
KEPT: list[tuple[str, Any, Any]] = [
    ("account", 41.0, "41"),
    ("account", "41.0", "41"),
    ("account", 2**70, str(2**70)),
    ("account", Decimal("41.00"), "41"),
    ("account", " key-1\x00", "key-1"),
    ("account", UUID(int=41), "00000000-0000-0000-0000-000000000029"),
    ("account", b"key-1", "key-1"),
    ("account", NAN, None),
    ("account", "None", "None"),
    ("payment", "[REDACTED]", None),
    ("conversation", "-", None),
    ("model", "\\N", None),
    ("ip", "NULL", None),
    ("prompt", "NULL", "NULL"),
    ("prompt", "\\N", None),
    ("prompt", " kept ", " kept "),
    ("prompt", "cut \ud83d", "cut \ufffd"),
    ("turn", "3", 3),
    ("turn", "3.0", 3),
    ("turn", 3.0, 3),
    ("turn", "", None),
    ("turn", "nan", None),
    ("turn", NAN, None),
    ("temperature", "\\N", None),
    ("temperature", NAN, None),
    ("temperature", Decimal("0.5"), 0.5),
    ("logprobs", "t", True),
    ("logprobs", "No", False),
    ("logprobs", "NULL", None),
    ("features", "[1, 2.5]", [1.0, 2.5]),
]
WRONG: list[tuple[str, Any]] = [
    ("account", 41.5),
    ("account", float(2**60)),
    ("account", True),
    ("account", {"id": 1}),
    ("account", "key-\ud83d"),
    ("account", Decimal("1e999999")),
    ("account", b"\xff"),
    ("prompt", ["a"]),
    ("client", 5),
    ("turn", 1.5),
    ("turn", "9" * 30),
    ("turn", 2**64),
    ("temperature", float("inf")),
    ("temperature", "inf"),
    ("temperature", 10**400),
    ("logprobs", "maybe"),
    ("logprobs", 2),
    ("features", {"a": 1}),
    ("features", [True, "x"]),
]


@pytest.mark.parametrize(("name", "value", "kept"), KEPT)
def test_value_is_kept_exactly_or_absent(name: str, value: Any, kept: Any) -> None:
    """Alone and beside a value that keeps the column from being converted as a whole."""
    for values in ([value], [value, object()]):
        read = typed(name, values, len(values))
        assert read.column.to_list()[0] == kept
        assert 0 not in read.wrong and not read.not_ours


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_value_of_another_kind_is_wrong(name: str, value: Any) -> None:
    """Nothing is rounded, cut or guessed."""
    read = typed(name, [value, None], 2)
    assert (read.wrong, read.column.to_list()) == ([0], [None, None])


@pytest.mark.parametrize("name", ["client", "tools", "logprobs", "temperature", "model"])
@pytest.mark.parametrize("value", [{"name": "x"}, [{"type": "function"}]])
def test_object_in_an_optional_column_is_not_ours(name: str, value: Any) -> None:
    """The log has a field of its own with that name."""
    read = typed(name, [None, value], 2)
    assert (read.not_ours, read.wrong, read.column.to_list()) == ([1], [], [None, None])


def test_columns_of_tables_are_read_as_lists_are() -> None:
    """Floats of pandas, decimals of Spark, text of CSV."""
    floats = pl.Series([1.0, None, NAN, 1.5, 2.0**60])
    assert typed("account", floats, 5).column.to_list() == ["1", None, None, None, None]
    assert typed("account", floats, 5).wrong == [3, 4]
    decimals = pl.Series([Decimal("10.00"), None], dtype=pl.Decimal(20, 2))
    assert typed("account", decimals, 2).column.to_list() == ["10", None]
    assert typed("n", pl.Series(["2", " ", "3.0", "none"]), 4).column.to_list() == [
        2,
        None,
        3,
        None,
    ]
    assert typed("n", pl.Series(["2", "x"]), 2).wrong == [1]


NOBODY = ["", " - ", "None", "<nil>", "anonymous", "N/A", "0" * 32, str(UUID(int=0)), "[unknown]"]
REDACTED = [
    "***",
    "[REDACTED]",
    "<redacted>",
    "sk-****",
    "Bearer ***",
    "[API_KEY_REDACTED]",
    "xxxx",
]
REDACTED += ["[Filtered]", "**REDACTED**", "[REDACTED_API_KEY]", "•••••"]
NAMES = ["0", "7", "a", "Nonesuch", "sk-...9f2c", "key-***0123456789abcdef", "team-x", "nullify"]


def test_words_in_the_place_of_a_name_are_told_from_names() -> None:
    """One by one and as columns."""
    assert all(map(is_nobody, NOBODY)) and all(map(is_redacted, REDACTED[:5] + REDACTED[6:]))
    assert not any(is_nobody(name) or is_redacted(name) for name in NAMES)
    names = pl.DataFrame({"name": [*NOBODY, *REDACTED, *NAMES]})
    read = names.select(nobody=nobody(pl.col("name")), redacted=redacted(pl.col("name")))
    assert read["nobody"].to_list() == list(map(is_nobody, names["name"]))
    assert read["redacted"].to_list() == list(map(is_redacted, names["name"]))


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=4)
    | st.sampled_from(["NaN", "None", "-", "3.0", "true", "1", "[1]"])
)
NESTED = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("a"), inner),
    max_leaves=3,
)
VALUES = NESTED | st.decimals() | st.binary(max_size=3)
COLUMNS = [name for name in (*SCHEMA, REQUEST) if name not in ("time", "account_created")]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(COLUMNS), st.lists(VALUES, max_size=4))
def test_column_reads_as_its_values_do_one_by_one(name: str, values: list[Any]) -> None:
    """Whatever the values are, and nothing raises."""
    whole = typed(name, values, len(values))
    alone = [typed(name, [value], 1) for value in values]
    assert repr(whole.column.to_list()) == repr(
        [read.column[0] if name != "features" else read.column.to_list()[0] for read in alone]
    )
    assert whole.wrong == [row for row, read in enumerate(alone) if read.wrong]
    assert whole.not_ours == [row for row, read in enumerate(alone) if read.not_ours]
