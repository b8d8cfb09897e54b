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
    """Without their number it is read as a name only where texts hardly occur once."""
    path = write(tmp_path / "t.csv", "rare\n" + "common\n" * 5)
    assert read_table(path, rows=6).frame.height == 6
    assert read_table(path, rows=5).names == ("rare",)
    with pytest.raises(InputError, match="--header yes"):
        read_table(path)
    assert read_table(write(path, "label\n" + "no\nyes\n" * 60)).names == ("label",)


WAVES = RNG.uniform(0, 1, size=(20, 6))
FIVE_DIGITS = RNG.integers(10_000, 99_999, size=(20, 6))
COLOURS = ["red", "blue", "green"]


def things(first: str, count: int, *columns: list[str]) -> str:
    """Lines of a number and texts, which come again in turn."""
    rows = [
        ",".join([f"{at / 7:.2f}", *(column[at % len(column)] for column in columns)])
        for at in range(count)
    ]
    return "\n".join([first, *rows]) + "\n"


MAY_BE_NAMES = {
    "decreasing wavenumbers": lines(WAVES, numbered(6, 4000, -2)),
    "wavenumbers with a half": lines(WAVES, "4000.5,3998.5,3996.5,3994.5,3992.5,3990.5"),
    "selected columns": lines(WAVES, "120,7,45,3,88,9"),
    "selected columns of sparse numbers": lines(WAVES * (WAVES > 0.6), "120,7,45,3,88,9", "{:g}"),
    "selected columns above large numbers": lines(FIVE_DIGITS, "120,7,45,3,88,9", "{:.0f}"),
    "years above large numbers": lines(FIVE_DIGITS, numbered(6, 2019), "{:.0f}"),
    "two years above large numbers": lines(FIVE_DIGITS[:, :2], "2019,2020", "{:.0f}"),
    "a year above large numbers": lines(FIVE_DIGITS[:, :1], "2019", "{:.0f}"),
    "columns in reverse": lines(PIXELS, numbered(784, 783, -1), "{:.0f}"),
    "steps like those below": lines(COUNTS, "1,2,3,4,5,6", "{:.0f}"),
    "increasing like those below": lines(
        RNG.integers(0, 999, size=(30, 7)), "3,90,95,310,500,777,800", "{:.0f}"
    ),
    "a word for a missing number": things("unknown,blue,a", 30, COLOURS, ["a", "b"]),
    "a word in another language": things("onbekend,blue,a", 30, COLOURS, ["a", "b"]),
    "a word beside new texts": things("onbekend,ann", 8, [f"n{at}" for at in range(8)]),
    "words for missing numbers": "missing,n.a.\n" + "1.5,2\n2.5,3\n" * 5,
    "one word twice": "offline,offline,red\n" + "1.5,2,blue\n2.5,3,green\n" * 5,
    "a missing id beside numbers": ",5.1,3.5,1.4\n0,4.9,3.0,1.3\n1,4.7,3.2,1.2\n2,4.6,3.1,1.5\n",
    "a missing id beside years": ",2019,2020\n0,2018,2021\n1,2017,2022\n",
    "a missing id beside a text that recurs": ",red\n1,red\n2,blue\n3,red\n",
    "texts above others": "red,round\nblue,square\ngreen,oval\nblue,square\n",
}


@pytest.mark.parametrize("text", MAY_BE_NAMES.values(), ids=MAY_BE_NAMES)
def test_what_may_be_names_or_data_is_asked_and_the_rows_resolve_it(
    tmp_path: Path, text: str
) -> None:
    """Numbers unlike those below in any order; a text that may mean a missing number."""
    path = write(tmp_path / "t.csv", text)
    count = text.count("\n")
    with pytest.raises(InputError, match="--header yes"):
        read_table(path)
    assert read_table(path, rows=count).frame.height == count
    assert read_table(path, header="no").frame.height == count


CLEAR_NAMES = {
    "a number and categories": things("size,colour", 30, COLOURS),
    "two numbers and names": "age,name,height\n31,ann,1.7\n44,bob,1.8\n",
    "texts of another shape": "code,town\n" + "".join(f"A{at},T{at}\n" for at in range(80)),
    "a number alone": "price\n1.5\n2.5\n",
    "a number called value": "value\n1\n2\n3\n",
}


@pytest.mark.parametrize("text", CLEAR_NAMES.values(), ids=CLEAR_NAMES)
def test_ordinary_names_are_not_asked_about(tmp_path: Path, text: str) -> None:
    """So that hardly anybody needs the option."""
    assert read_table(write(tmp_path / "t.csv", text)).names == tuple(
        text.split("\n")[0].split(",")
    )


def plain(values: np.ndarray, form: str) -> list[list[str]]:
    return [[form.format(value) for value in row] for row in values]


ORDINARY = {
    "normal": lambda rng, n, k: plain(rng.normal(size=(n, k)), "{}"),
    "one decimal": lambda rng, n, k: plain(rng.normal(5, 2, size=(n, k)).round(1), "{:g}"),
    "uniform": lambda rng, n, k: plain(rng.uniform(size=(n, k)), "{:g}"),
    "lognormal": lambda rng, n, k: plain(rng.lognormal(size=(n, k)), "{:g}"),
    "correlated": lambda rng, n, k: plain(
        rng.lognormal(4, 1, size=(n, 1)) * rng.uniform(1, 2, size=(n, k)), "{:.0f}"
    ),
    "large whole numbers": lambda rng, n, k: plain(
        rng.integers(10_000, 99_999, size=(n, k)), "{:.0f}"
    ),
    "digits": lambda rng, n, k: plain(rng.integers(0, 10, size=(n, k)), "{:.0f}"),
    "counts": lambda rng, n, k: plain(rng.poisson(3, size=(n, k)), "{:.0f}"),
    "mostly 0": lambda rng, n, k: plain(
        (rng.normal(size=(n, k)) * (rng.random((n, k)) < 0.3)).round(3), "{:g}"
    ),
    "categories": lambda rng, n, k: plain(rng.integers(0, 4, size=(n, k)), "c{}"),
    "numbers and a class": lambda rng, n, k: [
        [*numbers, *texts]
        for numbers, texts in zip(
            plain(rng.normal(size=(n, k)), "{:.2f}"),
            plain(rng.integers(0, 3, size=(n, 1)), "c{}"),
            strict=True,
        )
    ],
}


@pytest.mark.parametrize("kind", ORDINARY)
def test_ordinary_data_without_names_are_data_in_nearly_all_cases(
    tmp_path: Path, kind: str
) -> None:
    """Of 21 lines and four columns, none is read as names, and at most 5 in 100 are asked about.

    With more draws: 0 to 0.5 in 100, with correlated whole numbers of long tails 2.
    """
    asked = 0
    for seed in range(100):
        cells = ORDINARY[kind](np.random.default_rng(seed), 21, 4)
        text = "\n".join(",".join(row) for row in cells)
        try:
            table = read_table(write(tmp_path / "t.csv", text))
        except InputError:
            asked += 1
            continue
        assert table.frame.height == 21
    assert asked <= 5


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


DECIMALS = [f"{value:.2f}".replace(".", ",") for value in RNG.normal(size=42)]


@pytest.mark.parametrize("delimiter", ["\t", "|", ";"])
def test_decimal_commas_without_names_do_not_separate(tmp_path: Path, delimiter: str) -> None:
    """Each line has as many commas as numbers."""
    rows = [delimiter.join(DECIMALS[at : at + 6]) for at in range(0, 42, 6)]
    table = read_table(write(tmp_path / "t.csv", "\n".join(rows)))
    assert table.numbers().shape == (7, 6)
    assert table.numbers()[0, 0] == float(DECIMALS[0].replace(",", "."))
    assert "a comma is the decimal mark" in table.remarks


def test_another_delimiter_in_texts_does_not_separate(tmp_path: Path) -> None:
    """Where commas fit, and cells between the others are not numbers."""
    text = "a,b;c\nx,y;z\nu,v;w\n"
    assert read_table(write(tmp_path / "t.csv", text), header="yes").names == ("a", "b;c")


def test_quoted_decimal_commas_are_numbers(tmp_path: Path) -> None:
    """Names with a comma keep it."""
    text = '"a, b",c\n"5,2",1\n"0,237",2\n'
    table = read_table(write(tmp_path / "t.csv", text))
    assert table.names == ("a, b", "c") and table.numbers().tolist() == [[5.2, 1], [0.237, 2]]


@pytest.mark.parametrize(
    "text",
    [
        'a,b\n"5,237",1\n"1,200",2\n',
        "a\tb\n5,237\t1\n1,200\t2\n",
        'a,b\n"1,234,567",1\n"12",2\n',
        'a,b\n"1,234.5",1\n"12.5",2\n',
        "a;b\n1.234,5;1\n2,5;2\n",
        "a;b\n1.234.567;1\n2;2\n",
        "a;b\n1 234;1\n2;2\n",
        "a;b\n1\u202f234,5;1\n2;2\n",
        "a;b\n1'234;1\n2;2\n",
    ],
)
def test_separators_of_thousands_are_refused(tmp_path: Path, text: str) -> None:
    """As text the numbers would be categories."""
    with pytest.raises(InputError, match="numbers are ambiguous"):
        read_table(write(tmp_path / "t.csv", text))


def test_one_column_with_decimal_commas_is_not_two(tmp_path: Path) -> None:
    """It is refused where the second numbers look like decimals; otherwise two columns are said."""
    column = "".join(f"{value:.4f}\n".replace(".", ",") for value in RNG.uniform(size=40))
    shortest = "".join(f"{value}\n".replace(".", ",") for value in RNG.uniform(1, 9, size=40))
    for text in (column, shortest, "0,8007\n-0,7512\n"):
        with pytest.raises(InputError, match="commas are ambiguous"):
            read_table(write(tmp_path / "t.csv", text))
    said = read_table(write(tmp_path / "t.csv", "0,8007\n1,7512\n")).remarks
    assert any("separating two columns" in remark for remark in said)
    named = read_table(write(tmp_path / "t.csv", "a,b\n0,8007\n1,0512\n"))
    assert named.names == ("a", "b")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "zip,price\n01001,1.5\n99501,2.5\n,3.5\n"),
        ("t.csv", "01001,1.5\n99501,2.5\n,3.5\n"),
        ("t.json", '[["01001",1.5],["99501",2.5],[null,3.5]]'),
        ("t.json", '[{"zip":"01001","p":1.5},{"zip":"99501","p":2.5},{"zip":null,"p":3.5}]'),
    ],
)
def test_numbers_with_leading_zeros_stay_text_and_that_is_said(
    tmp_path: Path, name: str, text: str
) -> None:
    """A zip code is not a number."""
    table = read_table(write(tmp_path / name, text))
    assert table.frame.to_series().to_list() == ["01001", "99501", None]
    assert table.frame.to_series(1).to_list() == [1.5, 2.5, 3.5]
    column = "zip" if "zip" in text else "column 1"
    assert f"numbers with leading zeros are read as text: {column}" in table.remarks
    with pytest.raises(InputError, match="such as '01001'"):
        table.numbers()


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
        ("a,a,b\n1,2,3\n", "same name"),
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


def test_numbers_of_columns_in_another_order_are_asked_about(tmp_path: Path) -> None:
    """As a table has them whose columns were selected by their numbers."""
    path = tmp_path / "selected.csv"
    rows = "".join(f"{a},{a + 3},{a % 5},{a % 7},{a % 2}\n" for a in range(40))
    path.write_text("4,2,0,1,3\n" + rows)
    with pytest.raises(InputError, match="--header"):
        read_table(path)
    assert read_table(path, header="yes").names == ("4", "2", "0", "1", "3")
