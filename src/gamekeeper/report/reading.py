"""How a log was read, for people: format, accounts, what was left out and why, some rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gamekeeper.base.text import one_line
from gamekeeper.exchange import OPTIONAL, ReadSummary
from gamekeeper.report.formatting import count, counted

_SHOWN_FILES = 12
_SHOWN_FAULTS = 8
_PROMPT_CHARS = 60
_NAME_CHARS = 20
_HASH_CHARS = 8  # of an account beside its alias


def reading_lines(read: ReadSummary) -> list[str]:
    """Returns what was read and what was not, a line each; without any text of the log."""
    first, *others = reading_facts(read)
    return [first[1], *(f"{name:<9} {says}" for name, says in others)]


def reading_facts(read: ReadSummary) -> list[tuple[str, str]]:
    """Returns what was read and what was not, with a name for each; records come first."""
    records = f"{counted(read.records, 'record')}: {counted(read.kept_rows, 'exchange')}"
    facts = [
        ("records", records),
        ("account", _fields(read.account_fields) or "no account was found"),
    ]
    if read.owner_fields:
        facts.append(("owner", _fields(read.owner_fields)))
    if read.passed_over:
        passed = f"{count(read.skipped_records)}, because they are not exchanges:"
        facts.append(("passed over", f"{passed} {_reasons(read.passed_over)}"))
    if read.without_text:
        facts.append(("without text", f"{count(read.without_text)}, such as an image alone"))
    if read.bad_rows:
        facts.append(("left out", f"{counted(read.bad_rows, 'row')} for a fault{_repeated(read)}"))
    if read.cut_by_writer:
        cut = f"{counted(read.cut_by_writer, 'prompt')} by the software that wrote the log"
        facts.append(("cut", f"{cut}; what follows in them is not compared"))
    if read.cut_prompts:
        long = counted(read.cut_prompts, "prompt")
        facts.append(("too long", f"{long}; what follows in them is not compared"))
    return facts


def _repeated(read: ReadSummary) -> str:
    if not read.duplicate_rows:
        return ""
    return f", of which {count(read.duplicate_rows)} the same as an earlier one"


def print_reading(
    read: ReadSummary,
    console: Console,
    *,
    abouts: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    accounts: int,
) -> None:
    """Prints how a log is read.

    Args:
        read: What was counted.
        console: Where to print.
        abouts: What each format is and what it is recognised by, by name.
        rows: Some exchanges, as they were understood.
        accounts: How many accounts there are.
    """
    _print_formats(read, console, abouts)
    first, *others = reading_lines(read)
    _say(console, f"{first} of {counted(accounts, 'account')}", "bold")
    for line in others:
        _say(console, line)
    _say(console, f"columns   {', '.join(_seen(read))}")
    if missing := [name for name in OPTIONAL if name not in read.columns_seen]:
        _say(console, f"not there {', '.join(missing)}", "dim")
    for fault in read.faults[:_SHOWN_FAULTS]:
        _say(console, f"fault     {fault.where}: {fault.problem}, {counted(fault.count, 'row')}")
    for remark in read.remarks:
        _say(console, f"note      {remark}", "yellow")
    if rows:
        console.print(_table(rows))


def _print_formats(read: ReadSummary, console: Console, abouts: Mapping[str, str]) -> None:
    by_format: dict[str, list[str]] = {}
    for file, name in read.formats.items():
        by_format.setdefault(name, []).append(file)
    for name, files in by_format.items():
        _say(console, f"format    {name}: {abouts.get(name, '')}")
        for file in files[:_SHOWN_FILES]:
            _say(console, f"          {file}", "dim")
        if len(files) > _SHOWN_FILES:
            _say(console, f"          and {count(len(files) - _SHOWN_FILES)} more files", "dim")
    if others := [file for file in read.files if file not in read.formats]:
        _say(console, f"no rows   {', '.join(others[:_SHOWN_FILES])}", "dim")


def _table(rows: Iterable[Mapping[str, Any]]) -> Table:
    title = "Rows as they were understood, times in UTC"
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=title)
    table.add_column("Time", no_wrap=True)
    for name in ("Account", "Model"):
        table.add_column(name, max_width=_NAME_CHARS, overflow="ellipsis", no_wrap=True)
    table.add_column("Prompt", ratio=1, min_width=_NAME_CHARS)
    for row in rows:
        table.add_row(
            Text(f"{row['time']:%Y-%m-%d %H:%M:%S}"),
            Text(_account(row)),
            Text(one_line(row["model"] or "")),
            Text(_content(row)),
        )
    return table


def _account(row: Mapping[str, Any]) -> str:
    alias = row["alias"]
    account = one_line(row["account"])
    return f"{account[:_HASH_CHARS]} {one_line(alias)}" if alias else account


def _content(row: Mapping[str, Any]) -> str:
    if row["prompt"] is not None:
        return one_line(row["prompt"], _PROMPT_CHARS)
    if row["features"] is not None:
        return f"{len(row['features'])} numbers"
    return "(no text)"


def _fields(fields: Mapping[str, int]) -> str:
    return ", ".join(f"{one_line(name)} ({count(n)})" for name, n in fields.items())


def _reasons(passed: Mapping[str, int]) -> str:
    ordered = sorted(passed.items(), key=lambda item: -item[1])
    return ", ".join(f"{count(number)} {reason}" for reason, number in ordered)


def _seen(read: ReadSummary) -> list[str]:
    first = ("time", "account", "owner", "prompt", "features")
    rest = sorted(read.columns_seen - set(first))
    return [name for name in (*first, *rest) if name in read.columns_seen]


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style))


def shown_rows(frame: pl.DataFrame, number: int = 3) -> list[dict[str, Any]]:
    """Returns some exchanges of a batch, of different accounts where there are."""
    first_of_each = frame.unique("account", keep="first", maintain_order=True)
    chosen = first_of_each.head(number)
    if chosen.height < number:
        chosen = pl.concat([chosen, frame.head(number)]).unique(maintain_order=True).head(number)
    return chosen.to_dicts()
