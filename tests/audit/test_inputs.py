"""Tables of inputs with text and gaps, and the labels beside them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gamekeeper.audit.columns import Columns, unnamed, with_columns
from gamekeeper.audit.inputs import TrueLabels, read_inputs, read_labels
from gamekeeper.base.errors import InputError, UsageError

TABLE = "age,city,income\n31,Oslo,1.5\n,Lima,2.5\n40,,3.5\n52,Oslo,4.5\n"


def written(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_text_becomes_codes_and_comes_back(tmp_path: Path) -> None:
    """Gaps stay gaps."""
    read = read_inputs(written(tmp_path, TABLE))
    assert read.columns.names == ("age", "city", "income")
    assert read.columns.categories == (None, ("Lima", "Oslo"), None)
    assert read.columns.missing == (True, True, False)
    assert np.isnan(read.rows[1, 0]) and read.rows[:, 1].tolist()[:2] == [1, 0]
    assert read.columns.cells(read.rows)[:3] == [
        [31.0, "Oslo", 1.5],
        [None, "Lima", 2.5],
        [40.0, None, 3.5],
    ]
    assert any("missing in age, city" in said for said in read.remarks)


def test_codes_between_texts_are_rounded_and_clipped(tmp_path: Path) -> None:
    """Made-up inputs are numbers of any size."""
    columns = read_inputs(written(tmp_path, TABLE)).columns
    rows = np.array([[1, code, 1] for code in (-3, 0.4, 0.6, 9)], float)
    assert columns.column(rows, 1) == ["Lima", "Lima", "Oslo", "Oslo"]


def test_frame_has_names_and_text(tmp_path: Path) -> None:
    """Of the library that is installed."""
    read = read_inputs(written(tmp_path, TABLE))
    frame = read.columns.frame(read.rows)
    assert list(frame.columns) == ["age", "city", "income"]
    assert list(frame["city"])[:2] == ["Oslo", "Lima"]


def test_free_text_is_not_a_category(tmp_path: Path) -> None:
    """It is named, with what to do."""
    rows = "".join(f"{i},message number {i}\n" for i in range(50))
    with pytest.raises(InputError, match="column note is free text"):
        read_inputs(written(tmp_path, f"n,note\n{rows}"))


def test_other_inputs_get_the_same_codes(tmp_path: Path) -> None:
    """In the same order of columns; a text that is new has no code."""
    first = read_inputs(written(tmp_path, TABLE))
    turned = written(tmp_path, "income,city,age\n1,Oslo,30\n2,Oslo,31\n", "other.csv")
    other = read_inputs(turned, like=first.columns)
    assert other.rows.tolist() == [[30, 1, 1], [31, 1, 2]]
    new = written(tmp_path, "income,city,age\n1,Bern,30\n2,Oslo,31\n", "new.csv")
    with pytest.raises(InputError, match="Bern"):
        read_inputs(new, like=first.columns)


def test_target_of_numbers_refuses_text(tmp_path: Path) -> None:
    """Codes would mean nothing to it."""

    class Plain:
        name = "plain"

    read = read_inputs(written(tmp_path, TABLE))
    with pytest.raises(UsageError, match="takes numbers only; columns of text: city"):
        with_columns(Plain(), read.columns)  # type: ignore[arg-type]
    assert with_columns(Plain(), unnamed(3)).name == "plain"  # type: ignore[arg-type]


def labels(*given: object) -> TrueLabels:
    kind = np.str_ if isinstance(given[0], str) else np.float64
    return TrueLabels(path=Path("labels.csv"), given=np.array(given, kind))


@pytest.mark.parametrize(
    ("given", "names", "classes", "numbers", "said"),
    [
        ((0, 2, 1), (), None, [0, 2, 1], ""),
        ((1, 2, 3), (), None, [0, 1, 2], "numbered in ascending order, from 0: 1, 2, 3"),
        ((-1, 1), (), None, [0, 1], "ascending order, from 0: -1, 1"),
        (("dog", "cat"), (), None, [1, 0], "order of their names: cat, dog"),
        ((1, 2), (), 3, [1, 2], "positions of the target's 3 classes"),
        ((0, 1), (), 2, [0, 1], "positions of the target's 2 classes"),
        ((3, 7), ("3", "7"), None, [0, 1], "by value: 3, 7"),
        ((0.5, 1.5), ("0.5", "1.5"), None, [0, 1], "by value"),
        ((0, 1), ("1", "0"), None, [1, 0], "by value: 1, 0"),
        ((0, 1), ("False", "True"), None, [0, 1], ""),
        ((0, 1), ("0", "1", "2"), 3, [0, 1], "without a label: 2"),
        (("dog", "cat"), ("dog", "cat"), None, [0, 1], "by name"),
        (("01", "02"), ("02", "01"), None, [1, 0], "by name"),
        (("yes", "yes"), ("no", "yes"), None, [1, 1], "by name; classes of the target without a"),
    ],
)
def test_labels_are_matched_with_classes(
    given: tuple[object, ...],
    names: tuple[str, ...],
    classes: int | None,
    numbers: list[int],
    said: str,
) -> None:
    """By name, by value, or as positions; and it is said how."""
    found = labels(*given).numbered(names, classes)
    assert found.numbers.tolist() == numbers and said in found.remark
    assert bool(found.remark) == bool(said)


@pytest.mark.parametrize(
    ("given", "names", "classes", "both"),
    [
        (("bird", "cat"), ("dog", "cat"), None, ("bird, cat", "dog, cat")),
        ((3, 9), ("3", "7"), None, ("3, 9", "3, 7")),
        ((0, 1), ("-1", "1"), None, ("0, 1", "-1, 1")),
        ((-1, 1), ("0", "1"), 2, ("-1, 1", "0, 1")),
        ((1, 2), ("0", "1"), 2, ("1, 2", "0, 1")),
        ((1, 0), ("cat", "dog"), 2, ("0, 1", "cat, dog")),
        ((1, 2), ("cat", "dog"), None, ("1, 2", "cat, dog")),
        (("cat", "dog"), ("0", "1"), None, ("cat, dog", "0, 1")),
        (("cat", "dog"), (), 2, ("cat, dog", "0 to 1")),
        ((1, 2, 3), (), 3, ("1, 2, 3", "0 to 2")),
        ((-1, 1), (), 2, ("-1, 1", "0 to 1")),
    ],
)
def test_labels_of_other_classes_are_refused(
    given: tuple[object, ...], names: tuple[str, ...], classes: int | None, both: tuple[str, str]
) -> None:
    """With both sets, and never matched by their order."""
    with pytest.raises(InputError, match="labels are not classes of the target") as raised:
        labels(*given).numbered(names, classes)
    assert all(said in str(raised.value) for said in (*both, "is not guessed"))


@pytest.mark.parametrize("classes", [None, 3])
def test_values_are_not_classes(classes: int | None) -> None:
    """Labels of hundreds of values are a regression's."""
    values = TrueLabels(path=Path("labels.csv"), given=np.random.default_rng(0).random(800))
    with pytest.raises(InputError, match="not a whole number"):
        values.numbered((), classes)


def test_labels_are_read_with_or_without_a_name(tmp_path: Path) -> None:
    """The number of inputs decides."""
    for text in ("label\n3\n7\n", "3\n7\n"):
        assert read_labels(written(tmp_path, text), 2).values.tolist() == [3, 7]
    texts = read_labels(written(tmp_path, "kind\ncat\ndog\n"), 2)
    assert texts.is_text
    with pytest.raises(InputError, match="true values are text"):
        texts.values  # noqa: B018
    np.save(tmp_path / "row.npy", np.array([[1, 0, 1]]))
    assert read_labels(tmp_path / "row.npy", 3).values.tolist() == [1, 0, 1]


def test_table_is_not_a_file_of_labels(tmp_path: Path) -> None:
    """Which of its columns would be the label is not known."""
    pl.DataFrame({"id": [1, 2], "label": [0, 1]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(UsageError, match=r"has 2 columns \(id, label\)"):
        read_labels(tmp_path / "t.parquet", 2)


def test_columns_are_the_same_if_names_and_texts_are() -> None:
    """What a row of numbers means depends on both."""
    one = Columns(names=("a",), categories=(("x", "y"),), missing=(False,))
    assert one.digest == one.reordered([0]).digest != one.named(["b"]).digest
