"""Lines of text with delimiters, as columns of text: CSV and its relatives.

The delimiter is the one that divides the first lines into equally many cells. A comma as the
decimal mark is recognised where another delimiter, or quotes, leave no doubt; where it may as well
be a delimiter, or separate thousands, the table is refused.
"""

import codecs
import csv
import io
import re
from pathlib import Path

import numpy as np
import polars as pl

from gamekeeper.base._headers import MISSING
from gamekeeper.base.errors import InputError, input_error

EXPECTED = "a table as .csv, .tsv, .npy, .parquet or .json"
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_SAMPLE_LINES = 50
_DECIMAL_COMMA = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$"
_WHOLE = r"^[+-]?\d+$"
_THOUSAND = r"^[+-]?[1-9]\d{0,2},\d{3}$"  # or a number with three decimals
_GROUPED = (
    r"^[+-]?\d{1,3}("
    r"(,\d{3}){2,}(\.\d+)?|(,\d{3})+\.\d+"
    r"|(\.\d{3}){2,}(,\d+)?|(\.\d{3})+,\d+"
    r"|([ '’\u00a0\u2009\u202f]\d{3})+([.,]\d+)?)$"
)
_PLAIN = r"^[+-]?(\d+\.?\d*|\d*[.,]\d+)([eE][+-]?\d+)?$"
_NO_THOUSANDS = "save it with a point as the decimal mark, and without separators of thousands"
_LONG = 3  # digits; shorter numbers are labels and counts
_MIN_DECIMALS = 20  # numbers of which none ends in 0: of whole ones, one in ten does


def read_cells(path: Path) -> tuple[pl.DataFrame, list[str]]:
    """Returns all cells of a file as text, null where one is empty, and remarks for people.

    Raises:
        InputError: It is not text, has no lines, or its lines differ in length.
    """
    text = _text(path)
    if not text:
        raise input_error(path, "the table is empty", "no line", EXPECTED)
    delimiter = _delimiter(path, text)
    _require_even(path, text, delimiter)
    frame = _cells(path, text, delimiter)
    remarks = []
    if delimiter == "," and frame.width == 2:
        remarks = _pairs(path, frame)
    elif delimiter in ";|":
        remarks = [f"columns are separated by {_DELIMITERS[delimiter]}"]
    _require_no_groups(path, frame, delimiter)
    return _with_points(path, frame, remarks)


def _text(path: Path) -> bytes:
    """Returns the lines in UTF-8, without a byte order mark, separated by line feeds."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        found = error.strerror or str(error)
        raise input_error(path, "the file cannot be read", found, EXPECTED) from error
    try:
        if raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raw = raw.decode("utf-16").encode()
        is_text = b"\0" not in raw and bool(raw.decode() or True)
    except UnicodeDecodeError:
        is_text = False
    if not is_text:
        raise input_error(
            path, "the file is not a table", "bytes that are not text in UTF-8", EXPECTED
        )
    text = raw.removeprefix(codecs.BOM_UTF8)
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return text.rstrip(b"\n ")


def _delimiter(path: Path, text: bytes) -> str:
    lines = [line.decode() for line in text.split(b"\n", _SAMPLE_LINES)[:_SAMPLE_LINES]]
    widths = {delimiter: _widths(lines, delimiter) for delimiter in _DELIMITERS}
    even = [d for d, counts in widths.items() if len(set(counts)) == 1 and counts[0] > 1]
    others = [d for d in (";", "\t", "|") if d in even]
    if "," in even:
        others = [d for d in others if _has_decimal_commas(lines, d)]
        return others[0] if others else ","
    if others:
        return others[0]
    _require_no_blanks(path, lines)
    return max(widths, key=lambda delimiter: sum(count > 1 for count in widths[delimiter]))


def _widths(lines: list[str], delimiter: str) -> list[int]:
    return [len(row) for row in csv.reader(lines, delimiter=delimiter)]


def _has_decimal_commas(lines: list[str], delimiter: str) -> bool:
    """Whether commas are decimal marks: each cell with one, below the first line, is a number."""
    rows = [*csv.reader(lines, delimiter=delimiter)]
    cells = [cell.strip() for row in rows[1:] or rows for cell in row if "," in cell]
    return all(re.fullmatch(_DECIMAL_COMMA, cell) for cell in cells)


def _pairs(path: Path, frame: pl.DataFrame) -> list[str]:
    """Returns remarks on two columns of whole numbers, which may be one with a decimal comma.

    Raises:
        InputError: The second ones begin with 0, or none of many ends in 0, as decimals are
            written, or the first are -0.
    """
    left, right = (column.fill_null("") for column in frame)
    if not (left.str.contains(_WHOLE).all() and right.str.contains(r"^\d+$").all()):
        return []
    is_long = bool((right.str.len_chars() >= _LONG).any())
    ends_in_0 = bool(right.str.contains(r".0$").any())
    are_decimals = (
        bool(left.is_in(["-0", "+0"]).any())
        or bool(right.str.contains(r"^0\d").any())
        or (frame.height >= _MIN_DECIMALS and is_long and not ends_in_0)
    )
    if are_decimals:
        raise input_error(
            path,
            "commas are ambiguous",
            f"{left[0]},{right[0]} in line 1: two whole numbers, or one with a decimal comma",
            EXPECTED,
            "name the two columns in line 1, or save it with a point as the decimal mark",
        )
    said = "commas are read as separating two columns, not as decimal marks"
    return [said] if is_long else []


def _require_no_groups(path: Path, frame: pl.DataFrame, delimiter: str) -> None:
    """Refuses numbers with separators of thousands: as text they would be categories.

    Raises:
        InputError: There are some, or numbers that may have a comma as either mark.
    """
    body = frame.slice(1) if frame.height > 1 else frame
    for cells in body:
        present = cells.drop_nulls()
        grouped = present.str.contains(_GROUPED)
        if grouped.any() and (grouped | present.str.contains(_PLAIN)).all():
            raise _ambiguous(path, f"{present.filter(grouped)[0]!r}, with separators of thousands")
    marked = [cells for cells in body if _has_commas(cells)]
    if delimiter == ";" or not marked:  # which spreadsheets write where the comma is decimal
        return
    present = pl.concat([cells.drop_nulls() for cells in marked])
    commas = present.filter(present.str.contains(",", literal=True))
    if commas.str.contains(_THOUSAND).all():
        raise _ambiguous(path, f"{commas[0]!r}: thousands, or three decimals")


def _ambiguous(path: Path, found: str) -> InputError:
    return input_error(path, "numbers are ambiguous", found, EXPECTED, _NO_THOUSANDS)


def _require_no_blanks(path: Path, lines: list[str]) -> None:
    """Refuses columns that blanks separate: as one column of text they would fit nothing."""
    rows = [line.split() for line in lines[1:] or lines]
    is_even = len(rows[0]) > 1 and len({len(row) for row in rows}) == 1
    if is_even and all(_is_float(cell) for row in rows for cell in row):
        found = f"{len(rows[0])} numbers in a line, separated by blanks"
        raise input_error(path, "columns are not separated", found, EXPECTED, "use commas")


def _is_float(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _require_even(path: Path, text: bytes, delimiter: str) -> None:
    if b'"' in text:
        counts = _widths_of_quoted(path, text, delimiter)
    else:
        counts = _widths_of_plain(text, delimiter)
    other = counts != counts[0]
    if not other.any():
        return
    at = int(other.argmax())
    raise input_error(
        f"{path}:{at + 1}",
        "lines differ in length",
        f"{counts[at]} cells, separated by {_DELIMITERS[delimiter]}",
        f"{counts[0]} cells, as in line 1",
        "quote cells that contain the delimiter; with a comma as the decimal mark, separate columns"
        " by semicolons",
    )


def _widths_of_plain(text: bytes, delimiter: str) -> np.ndarray:
    marks = np.frombuffer(text, np.uint8)
    ends = np.append(np.flatnonzero(marks == ord("\n")), len(marks))
    before = np.searchsorted(np.flatnonzero(marks == ord(delimiter)), ends)
    cells = np.diff(before, prepend=0) + 1
    is_blank = np.diff(ends, prepend=-1) == 1
    return np.where(is_blank, 0, cells)


def _widths_of_quoted(path: Path, text: bytes, delimiter: str) -> np.ndarray:
    try:
        rows = csv.reader(io.StringIO(text.decode(), newline=""), delimiter=delimiter, strict=True)
        return np.array([len(row) for row in rows])
    except csv.Error as error:
        raise input_error(path, "quotes do not fit", str(error), 'cells as "a ""b"" c"') from error


def _cells(path: Path, text: bytes, delimiter: str) -> pl.DataFrame:
    try:
        frame = pl.read_csv(text, has_header=False, separator=delimiter, infer_schema_length=0)
    except pl.exceptions.PolarsError as error:
        raise input_error(path, "the file is not a table", str(error)[:200], EXPECTED) from error
    if not any(mark in text for mark in (b" ", b"\t", b'"')):
        return frame
    stripped = frame.select(pl.all().str.strip_chars())
    return stripped.select(pl.when(pl.all() != "").then(pl.all()))


def _with_points(
    path: Path, frame: pl.DataFrame, remarks: list[str]
) -> tuple[pl.DataFrame, list[str]]:
    """Returns cells with a point as the decimal mark.

    Raises:
        InputError: Some columns have a comma and some a point: 1.234 may be a thousand.
    """
    body = frame.slice(1) if frame.height > 1 else frame
    commas = [name for name in frame.columns if _has_commas(body[name])]
    if not commas:
        return frame, remarks
    points = body.select(pl.exclude(commas).str.contains(r"^[+-]?\d*\.\d+$").any())
    if any(points.row(0)) if points.width else False:
        raise _ambiguous(path, "columns with a decimal comma, and columns with a point")
    numbers = pl.col(commas)
    points_only = frame.with_columns(
        pl.when(numbers.str.contains(_DECIMAL_COMMA))
        .then(numbers.str.replace(",", ".", literal=True))
        .otherwise(numbers)
    )
    return points_only, [*remarks, "a comma is the decimal mark"]


def _has_commas(cells: pl.Series) -> bool:
    """Whether all numbers are written with a comma, and at least one is."""
    present = cells.drop_nulls()
    marked = present.str.contains(_DECIMAL_COMMA)
    if not marked.any():
        return False
    return bool((marked | present.str.contains(_WHOLE) | present.is_in(MISSING)).all())
