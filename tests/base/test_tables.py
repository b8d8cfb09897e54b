"""One reader of tables: what it takes for names, what it leaves out, and what it refuses."""

from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest

from gamekeeper.base.errors import InputError
from gamekeeper.base.tables import Header, read_table

RNG = np.random.default_rng(0)


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lines(rows: np.ndarray, first: str = "", form: str = "{:.3f}") -> str:
    body = "\n".join(",".join(form.format(cell) for cell in row) for row in rows)
    return f"{first}\n{body}\n" if first else f"{body}\n"


def numbered(width: int, begin: int = 0, step: int = 1) -> str:
    return ",".join(str(begin + at * step) for at in range(width))


FRACTIONS = RNG.normal(size=(20, 6)) * 50
PIXELS = RNG.integers(0, 256, size=(20, 784))
COUNTS = RNG.integers(0, 9, size=(20, 6))

NAMED = {
    "text above numbers": lines(FRACTIONS, "a,b,c,d,e,f"),
    "quoted text above numbers": lines(FRACTIONS, '"a, b","b","c","d","e","f"'),
    "text and years above fractions": lines(FRACTIONS, "id,2017,2018,2019,2020,2021"),
    "text above repeated text": "colour,size\n" + "red,big\nblue,small\n" * 5,
    "numbers and a text above classes": "0,1,2,class\n" + "0.5,1.5,.25,x\n0.1,7.5,.5,y\n" * 4,
    "an empty column": "a,b\n1,\n2,\n",
    "truth values": "a,flag\n1,True\n2,False\n",
    "numpy's comment": lines(FRACTIONS, "# a,b,c,d,e,f"),
}
COUNTED = {
    "over fractions": lines(FRACTIONS, numbered(6)),
    "over pixels": lines(PIXELS, numbered(784), "{:.0f}"),
    "over one row": lines(FRACTIONS[:1], numbered(6)),
    "beside an index": ",0,1\n0,1.5,2\n1,3,4\n",
}
WITHOUT_NAMES = {
    "fractions": lines(FRACTIONS),
    "counts": lines(COUNTS[1:], "3,1,4,1,5,9", "{:.0f}"),
    "pixels": lines(PIXELS, "", "{:.0f}"),
    "one row": "0,1,2\n",
    "flowers": "5.1,3.5,setosa\n4.9,3.0,setosa\n6.1,2.9,virginica\n",
    "flowers with a count": "1,5.1,setosa\n2,4.9,setosa\n3,6.1,virginica\n",
    "a missing first cell": "?,1.5,2\n3,1.25,4\n5,1.5,4\n",
    "text that occurs again": "red,big\nblue,small\nred,small\nred,big\n",
    "notation of numpy": lines(FRACTIONS, "", "{:.18e}"),
    "scaled and sorted features": lines(np.sort(RNG.normal(size=(9, 4)), axis=1)),
    "counts in order": lines(np.array([[1, 2, 3], [0, 2, 4], [2, 3, 5]]), "", "{:.0f}"),
}
ASKED = {
    "counted columns over counts": lines(COUNTS, numbered(6), "{:.0f}"),
    "an array of numpy.arange": lines(np.arange(12).reshape(3, 4), "", "{:.0f}"),
    "wavelengths": lines(RNG.uniform(0, 1, size=(20, 6)), numbered(6, 400, 10)),
    "years": lines(FRACTIONS, numbered(6, 2001)),
    "a zero above classes": "0\n" + "1\n0\n2\n" * 4,
    "zero and one": "0,1\n1,1\n0,0\n",
    "texts that never repeat": "name,town\nann,rome\nbob,oslo\n",
    "a broken cell in the first row": lines(FRACTIONS, "error,1.5,2.5,3.5,4.5,5.5"),
    "numbers like those below and a text unlike": "1,2,group\n" + "3,4,x\n0,1,y\n" * 4,
}


@pytest.mark.parametrize("text", NAMED.values(), ids=NAMED)
def test_a_first_line_unlike_the_others_is_names_and_that_is_said(
    tmp_path: Path, text: str
) -> None:
    """All other lines are rows."""
    table = read_table(write(tmp_path / "t.csv", text))
    assert len(table.names) == table.frame.width
    assert table.frame.height == text.count("\n") - 1
    assert "line 1 is read as the names" in table.remarks[0]
    assert table.names[0] == {'"': "a, b", "#": "a"}.get(text[0], text.split(",")[0])


@pytest.mark.parametrize("text", COUNTED.values(), ids=COUNTED)
def test_columns_that_pandas_counts_have_no_names_and_that_is_said(
    tmp_path: Path, text: str
) -> None:
    """The line is a header all the same."""
    table = read_table(write(tmp_path / "t.csv", text))
    assert table.names == ()
    assert table.frame.height == text.count("\n") - 1
    assert "header without names" in table.remarks[0]


@pytest.mark.parametrize("text", WITHOUT_NAMES.values(), ids=WITHOUT_NAMES)
def test_a_first_line_like_the_others_is_data_and_that_is_said(tmp_path: Path, text: str) -> None:
    """No row is lost."""
    table = read_table(write(tmp_path / "t.csv", text))
    assert table.names == ()
    assert table.frame.height == text.count("\n")
    assert table.remarks[0] == "there is no header: line 1 is read as data"


@pytest.mark.parametrize("text", ASKED.values(), ids=ASKED)
def test_a_first_line_that_may_be_either_is_asked_for(tmp_path: Path, text: str) -> None:
    """The option answers, and so does the number of rows."""
    path = write(tmp_path / "t.csv", text)
    count = text.count("\n")
    with pytest.raises(InputError, match="--header yes"):
        read_table(path)
    assert read_table(path, header="yes").frame.height == count - 1
    assert read_table(path, header="no").frame.height == count
    assert read_table(path, rows=count - 1).frame.height == count - 1
    assert read_table(path, rows=count).frame.height == count
    with pytest.raises(InputError, match=rf"{count} lines[\s\S]*{count + 5} with a header"):
        read_table(path, rows=count + 4)


def test_the_number_of_rows_overrules_no_certain_line(tmp_path: Path) -> None:
    """One label too many is a mistake, not a header."""
    path = write(tmp_path / "t.csv", "3\n" + "1\n0\n2\n3\n" * 4)
    with pytest.raises(InputError, match="17 rows"):
        read_table(path, rows=16)
    named = write(tmp_path / "n.csv", "class\n" + "1\n0\n" * 4)
    assert read_table(named, rows=8).names == ("class",)
    with pytest.raises(InputError, match="8 rows"):
        read_table(named, rows=9)


def test_a_label_that_occurs_once_is_no_header_if_the_rows_fit(tmp_path: Path) -> None:
    """Without their number it is read as a name, and that is said."""
    path = write(tmp_path / "t.csv", "rare\n" + "common\n" * 5)
    assert read_table(path, rows=6).frame.height == 6
    assert read_table(path).names == ("rare",)


@pytest.mark.parametrize(
    "text",
    [
        ",a,b\n0,1.5,2\n1,3,4\n2,4,1\n",
        ",0,1\n0,1.5,2\n1,3,4\n2,4,1\n",
        '"","a","b"\n"1",1.5,2\n"2",3,4\n"3",4,1\n',
        ",a,b\n17,1.5,2\n3,3,4\n251,4,1\n",
        "Unnamed: 0,a,b\n0,1.5,2\n1,3,4\n2,4,1\n",
        ",a,b\nx,1.5,2\ny,3,4\nz,4,1\n",
    ],
    ids=["pandas", "pandas without names", "R", "rows of a split", "written twice", "texts"],
)
def test_an_index_without_a_name_is_left_out_and_that_is_said(tmp_path: Path, text: str) -> None:
    """As pandas and R write it."""
    table = read_table(write(tmp_path / "t.csv", text))
    assert table.numbers().tolist() == [[1.5, 2], [3, 4], [4, 1]]
    assert table.names == (() if text.startswith(",0,1") else ("a", "b"))
    assert any("left out" in remark for remark in table.remarks)


def test_a_column_without_a_name_that_is_no_index_is_refused(tmp_path: Path) -> None:
    """It would be matched to nothing."""
    with pytest.raises(InputError, match="no name"):
        read_table(write(tmp_path / "t.csv", "a,,b\n1,2,3\n4,5,6\n"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "a;b\n1,5;2\n-2,25;3\n"),
        ("t.tsv", "a\tb\n1.5\t2\n-2.25\t3\n"),
        ("t.csv", "a|b\n1.5|2\n-2.25|3\n"),
        ("t.csv", "a;b\n1.5;2\n-2.25;3\n"),
        ("t.csv", "\ufeffa,b\r\n1.5,2\r\n-2.25,3\r\n\r\n"),
        ("t.csv", '"a","b"\n"1.5","2"\n"-2.25","3"\n'),
        ("t.csv", "a, b\n 1.5, 2\n-2.25 ,3"),
        ("t.csv", "a,b\r1.5,2\r-2.25,3\r"),
        ("t.csv", "a\tb\n1,5\t2\n-2,25\t3\n"),
    ],
    ids=["decimal comma", "tabs", "bars", "semicolons", "BOM", "quotes", "blanks", "CR", "mixed"],
)
def test_delimiters_and_endings_of_lines_are_recognised(
    tmp_path: Path, name: str, text: str
) -> None:
    """As spreadsheets of several countries and decades write them."""
    table = read_table(write(tmp_path / name, text))
    assert table.names == ("a", "b")
    assert table.numbers().tolist() == [[1.5, 2], [-2.25, 3]]
    if ";" in text:
        assert any("semicolons" in remark for remark in table.remarks)


def test_an_empty_last_cell_is_a_cell(tmp_path: Path) -> None:
    """Also where tabs separate cells."""
    table = read_table(write(tmp_path / "t.tsv", "a\tb\n1\t2\n3\t\n"))
    assert table.frame.row(1) == (3.0, None)


def test_a_spreadsheet_in_utf_16_is_read(tmp_path: Path) -> None:
    """ "Unicode text" of Excel."""
    table = read_table(write(tmp_path / "t.csv", "ä,b\n1,2\n3,4\n".encode("utf-16")))
    assert table.names == ("ä", "b")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("\n \n", "empty"),
        ("a,b\n", "no rows"),
        ("a,b\n1,2\n3\n", ":3: lines differ"),
        ("a,b\n1,2\n3,4,5\n", ":3: lines differ"),
        ("a,b\n1,2\n\n3,4\n", ":3: lines differ"),
        ("x\n1\n\n3\n", ":3: lines differ"),
        ('a,b\n1,"2\n', "quotes"),
        ("a,a\n1,2\n", "same name"),
        ("1.5 2.5\n3.5 4.5\n", "separated by blanks"),
        ("a;b\n1,5;2.5\n3,5;1.234\n", "ambiguous"),
        (b"\x89PNG\0\0", "not a table"),
        ("größe,b\n1,2\n".encode("latin-1"), "not a table"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str | bytes, told: str) -> None:
    """With the line, and never as one column of text."""
    with pytest.raises(InputError, match=told):
        read_table(write(tmp_path / "t.csv", text))


def test_text_and_missing_numbers_are_refused_where_numbers_are_wanted(tmp_path: Path) -> None:
    """The columns, or the line, are named; missing numbers pass where they may."""
    text = read_table(write(tmp_path / "t.csv", "a,town,c\n1,rome,3\n2,oslo,4\n"))
    with pytest.raises(InputError, match="town; such as 'rome'"):
        text.numbers()
    missing = read_table(write(tmp_path / "m.csv", "a,b\n1,2\n3,NA\n?,\n"))
    with pytest.raises(InputError, match=r"m.csv:3: a number is missing[\s\S]*in b"):
        missing.numbers()
    assert np.isnan(missing.numbers(missing=True)).sum() == 3
    infinite = read_table(write(tmp_path / "i.csv", "a,b\n1,2\n3,inf\n"))
    with pytest.raises(InputError, match="infinite"):
        infinite.numbers(missing=True)


def test_columns_are_put_in_order_by_their_names(tmp_path: Path) -> None:
    """And refused where one is missing or unknown; both lists are shown."""
    table = read_table(write(tmp_path / "t.csv", "b,a\n1,2\n3,4\n"))
    ordered = table.ordered(("a", "b"), "the model")
    assert ordered.numbers().tolist() == [[2, 1], [4, 3]] and ordered.names == ("a", "b")
    assert "order of the model" in ordered.remarks[-1]
    assert table.ordered(("b", "a"), "the model") is table
    with pytest.raises(InputError, match="missing: c; unknown: b"):
        table.ordered(("a", "c"), "the model")
    with pytest.raises(InputError, match="unknown: b"):
        table.ordered(("a",), "the model")


def test_columns_without_names_are_taken_as_they_are_if_they_fit(tmp_path: Path) -> None:
    """And that is said."""
    np.save(tmp_path / "t.npy", FRACTIONS[:, :2])
    table = read_table(tmp_path / "t.npy")
    assert "in the order of the model: a, b" in table.ordered(("a", "b"), "the model").remarks[-1]
    with pytest.raises(InputError, match="3 columns"):
        table.ordered(("a", "b", "c"), "the model")


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        (FRACTIONS, (20, 6)),
        (np.arange(5), (5, 1)),
        (np.array([[True, False]]), (1, 2)),
        (FRACTIONS.astype(np.float16), (20, 6)),
    ],
)
def test_arrays_are_tables_without_names(
    tmp_path: Path, values: np.ndarray, shape: tuple[int, int]
) -> None:
    """Whole numbers from 0 in the first row are data there."""
    np.save(tmp_path / "t.npy", values)
    table = read_table(tmp_path / "t.npy")
    assert table.names == () and table.numbers().shape == shape


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((2, 3, 4)),
        np.zeros((0, 3)),
        np.array(3.0),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        np.array([1j]),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
    ],
)
def test_arrays_that_are_no_table_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    """Images, none, a number, a structure, complex numbers, times."""
    np.save(tmp_path / "t.npy", values)
    with pytest.raises(InputError):
        read_table(tmp_path / "t.npy")


def test_arrays_of_objects_are_not_unpickled(tmp_path: Path) -> None:
    """Reading one would run its code."""
    np.save(tmp_path / "t.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "t.npy")


def test_texts_in_an_array_are_labels(tmp_path: Path) -> None:
    """Of a fixed width, which is no pickle."""
    np.save(tmp_path / "t.npy", np.array(["yes", "no"]))
    assert read_table(tmp_path / "t.npy").frame.to_series().to_list() == ["yes", "no"]


def test_parquet_has_names_and_types(tmp_path: Path) -> None:
    """Truth values are 0 and 1; categories are text."""
    frame = pl.DataFrame({"a": [1, None], "b": [True, False], "c": ["x", "y"], "d": [0.5, 1.5]})
    frame.with_columns(pl.col("c").cast(pl.Categorical)).write_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.names == ("a", "b", "c", "d")
    assert table.frame.row(1) == (None, 0.0, "y", 1.5)
    pl.DataFrame({"a": [[1, 2]]}).write_parquet(tmp_path / "n.parquet")
    with pytest.raises(InputError, match="not a number or a text"):
        read_table(tmp_path / "n.parquet")
    with pytest.raises(InputError, match="cannot be read"):
        read_table(write(tmp_path / "x.parquet", b"PAR1"))


@pytest.mark.parametrize("named", [True, False])
def test_the_index_of_pandas_in_parquet_is_left_out(tmp_path: Path, named: bool) -> None:
    """As its metadata say, or by the name that it gives."""
    index = "customer" if named else "__index_level_0__"
    metadata = {"pandas": orjson.dumps({"index_columns": [index]}).decode()} if named else None
    frame = pl.DataFrame({"a": [1.5, 2.5], index: [7, 9]})
    frame.write_parquet(tmp_path / "t.parquet", metadata=metadata)
    table = read_table(tmp_path / "t.parquet")
    assert table.names == ("a",) and index in table.remarks[0]


@pytest.mark.parametrize(
    ("values", "names", "rows"),
    [
        ([[1, 2], [3, None]], (), [[1, 2], [3, None]]),
        ([0, 1, 2], (), [[0], [1], [2]]),
        ([{"a": 1, "b": 2}, {"b": 4, "a": True}], ("a", "b"), [[1, 2], [1, 4]]),
        ([["a", "b"], [1, 2], [3, 4]], ("a", "b"), [[1, 2], [3, 4]]),
    ],
)
def test_json_is_lists_or_objects(tmp_path: Path, values: Any, names: Any, rows: Any) -> None:
    """Names of objects in any order."""
    table = read_table(write(tmp_path / "t.json", orjson.dumps(values)))
    assert table.names == names
    assert [list(row) for row in table.frame.rows()] == rows


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "3", "[[1],[2,3]]", '[{"a":1},{"b":1}]', '[{"a":1},2]', "[[[1]]]", "[[]]"],
)
def test_json_that_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    """Ragged rows, other names, nothing."""
    with pytest.raises(InputError):
        read_table(write(tmp_path / "t.json", text))


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".parquet", ".json"])
def test_damaged_files_are_read_or_refused(tmp_path: Path, suffix: str) -> None:
    """Never another error: numpy evaluates headers, and the reader of Parquet panics."""
    path = tmp_path / f"t{suffix}"
    frame = pl.DataFrame({"a": FRACTIONS[:, 0], "b": ["x", "y"] * 10})
    if suffix == ".npy":
        np.save(path, FRACTIONS)
    elif suffix == ".json":
        path.write_text(frame.write_json())
    else:
        frame.write_parquet(path) if suffix == ".parquet" else frame.write_csv(path)
    whole = path.read_bytes()
    for seed in range(100):
        rng = np.random.default_rng(seed)
        damaged = bytearray(whole)
        for at in rng.integers(0, min(len(damaged), 400), size=3):
            damaged[-at if seed % 2 else at] = rng.integers(0, 256)
        path.write_bytes(damaged[: rng.integers(1, len(damaged))] if seed % 3 else damaged)
        try:
            read_table(path).numbers(missing=True)
        except InputError:
            continue


@pytest.mark.parametrize("name", ["t.csv", "t.npy", "t.parquet", "t.json"])
def test_a_missing_file_is_said(tmp_path: Path, name: str) -> None:
    """And a folder."""
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(InputError):
        read_table(tmp_path / name)


def test_what_pandas_style_writers_wrote_is_read_back(tmp_path: Path) -> None:
    """Names of any kind, values to the last digit."""
    frame = pl.DataFrame({"a": FRACTIONS[:, 0], "b, c": FRACTIONS[:, 1], 'd "e"': FRACTIONS[:, 2]})
    frame.write_csv(tmp_path / "t.csv")
    table = read_table(tmp_path / "t.csv")
    assert table.names == tuple(frame.columns)
    assert (table.numbers() == frame.to_numpy()).all()


@pytest.mark.parametrize("header", ["yes", "no"])
def test_the_option_overrules_what_is_recognised(tmp_path: Path, header: Header) -> None:
    """Whatever the first line looks like."""
    table = read_table(write(tmp_path / "t.csv", "a,b\n1,2\n3,4\n"), header=header)
    assert bool(table.names) is (header == "yes")
    assert table.frame.height == (2 if header == "yes" else 3)


def test_a_large_table_is_read_in_less_than_a_second(tmp_path: Path) -> None:
    """100,000 rows of 30 numbers: 0.4 s on two idle cores; here the time of all cores is added up."""
    values = pl.DataFrame(RNG.normal(size=(100_000, 30)))
    values.write_csv(tmp_path / "t.csv")
    began = process_time()
    rows = read_table(tmp_path / "t.csv").numbers()
    assert process_time() - began < 2
    assert rows.shape == (100_000, 30)
