"""How a log is read: the same options for every verb that reads one.

    @takes_reading
    def run(logs: Logs, out: ..., reading: "ReadOptions") -> None

gives `run` the options below in place of `reading`, and passes what they say as `ReadOptions`.
"""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

from gamekeeper.base.errors import UsageError

if TYPE_CHECKING:
    from gamekeeper.exchange import ReadOptions

_FIELD = (
    "Field of the log that holds it; a path leads into objects, lists and JSON text: auth.key_id,"
    " messages.0.content."
)
_READING = "reading"

Field = Annotated[str | None, typer.Option(help=_FIELD)]
OwnerField = Annotated[
    str | None,
    typer.Option(
        help="Field that holds who answers for the account, such as its organisation; none: do not"
        " read owners."
    ),
]


def reading_options(
    format: Annotated[str, typer.Option(help="Log format; see `gamekeeper list formats`.")] = (
        "auto"
    ),
    account_field: Field = None,
    owner_field: OwnerField = None,
    time_field: Field = None,
    prompt_field: Field = None,
    model_field: Field = None,
    field: Annotated[
        list[str] | None, typer.Option(help="Any other: COLUMN=FIELD, may be given more than once.")
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(
            help="File (TOML) that holds these options; options given here win over the file."
        ),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Time zone of times that name none, such as UTC.")
    ] = None,
    time_format: Annotated[
        str | None,
        typer.Option(help='How times are written, as strftime says it: "%d/%m/%Y %H:%M".'),
    ] = None,
    max_bad_rows: Annotated[
        float | None,
        typer.Option(
            help="Share of bad rows to tolerate, 0..1; they are left out and counted. [default:"
            " 0.001]"
        ),
    ] = None,
    calls: Annotated[
        Literal["questions", "embeddings"] | None,
        typer.Option(help="Which calls to read. [default: questions]"),
    ] = None,
    sql: Annotated[
        str | None,
        typer.Option(help="A query whose rows are the log, in place of files; @FILE reads it."),
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="Where the query runs: postgres://HOST/NAME, a file, ...")
    ] = None,
) -> "ReadOptions":
    """Returns the options of a call; a mapping file holds those that are not given.

    Raises:
        InputError: The mapping file cannot be used.
        UsageError: A field is not COLUMN=FIELD.
    """
    from gamekeeper.exchange import ReadOptions
    from gamekeeper.exchange.mappings import read_mapping

    kept: dict[str, Any] = dict(read_mapping(mapping)) if mapping is not None else {}
    named = {
        "account": account_field,
        "owner": owner_field,
        "time": time_field,
        "prompt": prompt_field,
        "model": model_field,
    }
    fields = {column: name for column, name in named.items() if name}
    fields |= dict(_pair(text) for text in field or [])
    given = {
        "format": None if format == "auto" else format,
        "timezone": timezone,
        "time_format": time_format,
        "max_bad_rows": max_bad_rows,
        "calls": calls,
        "sql": sql,
        "database": database,
    }
    kept |= {name: value for name, value in given.items() if value is not None}
    kept["fields"] = {**kept.get("fields", {}), **fields}
    return ReadOptions(**kept)


def takes_reading(verb: Callable[..., None]) -> Callable[..., None]:
    """Returns a verb with the options of reading in place of its parameter `reading`."""
    own = inspect.signature(verb).parameters
    shared = inspect.signature(reading_options).parameters

    @functools.wraps(verb)
    def run(**given: Any) -> None:
        asked = {name: given.pop(name) for name in shared}
        verb(**given, reading=reading_options(**asked))

    parameters: list[inspect.Parameter] = []
    for name, parameter in own.items():
        parameters += shared.values() if name == _READING else [parameter]
    by_name = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    run.__signature__ = inspect.Signature(by_name)  # type: ignore[attr-defined]
    run.__annotations__ = _hints(verb) | _hints(reading_options)
    del run.__wrapped__
    return run


def require_logs(logs: list[str] | None, reading: "ReadOptions") -> list[str]:
    """Returns the logs that are named.

    Raises:
        UsageError: None is, and no query either.
    """
    if not logs and not reading.sql:
        raise UsageError(
            "no logs are named; name files, folders, patterns, addresses, - for standard input, or"
            " a query with --sql"
        )
    return logs or []


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    left_out = ("return", _READING)
    plain = {n: a for n, a in function.__annotations__.items() if n not in left_out}
    holder = functools.wraps(function, updated=())(lambda: None)
    holder.__annotations__ = plain
    del holder.__wrapped__
    return get_type_hints(holder, function.__globals__, include_extras=True)


def _pair(text: str) -> tuple[str, str]:
    column, equals, name = text.partition("=")
    if not (column and equals and name):
        raise UsageError(f'--field must be COLUMN=FIELD, such as ip=client.address; found "{text}"')
    return column, name
