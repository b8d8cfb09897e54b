"""What exports of applications and services have in common: a table of where a call's parts are.

Each part is under one of several paths, the first of which leads somewhere: time, request,
response, model, error, and who called. What a record is (a question, a call of another API, another
record) and how records are taken apart differ from export to export and are functions.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.form import (
    EMBEDDINGS,
    FAILED,
    NO_BODY,
    NO_CONTENT,
    Format,
    PassedOver,
    Row,
    alone,
)
from gamekeeper.exchange.formats.observed import answered_in, asked_in, parameters_in
from gamekeeper.exchange.formats.outcomes import has_failed
from gamekeeper.exchange.paths import dig

Paths: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Where the records of one export keep the parts of a call.

    Of several paths the first that leads to something counts. `why_not` says what a record is that
    is not a question: another record, a call of another API, `EMBEDDINGS`; None for a question.
    """

    name: str
    about: str
    known_by: str
    sniff: Callable[[Record], bool]
    why_not: Callable[[Record], PassedOver | str | None]
    split: Callable[[Record], Iterable[Record]] = alone
    times: Paths
    requests: Paths = ()
    responses: Paths = ()
    models: Paths = ()
    parameters: Paths = ()
    errors: Paths = ()
    statuses: Paths = ()
    principals: Paths = ()
    owners: Paths = ()
    claimed: Paths = ()
    conversations: Paths = ()
    input_tokens: Paths = ()
    output_tokens: Paths = ()
    addresses: Paths = ()
    clients: Paths = ()
    ids: Paths = ()
    zone: str | None = "UTC"
    account_try: str
    prompt_try: str


def _row(shape: Shape, record: Record) -> Row | PassedOver:
    """Returns the row of a call, or why a record is not an exchange."""
    kind = shape.why_not(record)
    if isinstance(kind, PassedOver) and kind not in (NO_BODY, NO_CONTENT):
        return kind
    outcome = {"error": _first(record, shape.errors), "status": _first(record, shape.statuses)}
    if has_failed(outcome):
        return FAILED
    if isinstance(kind, PassedOver):
        return kind
    asked = asked_in(_first(record, shape.requests))
    if isinstance(asked, PassedOver):
        return NO_BODY if asked == NO_CONTENT else asked
    answer = None if kind == EMBEDDINGS else answered_in(_first(record, shape.responses))
    return {
        **asked,
        **parameters_in(_first(record, shape.parameters)),
        "time": _first(record, shape.times),
        "principals": _names(record, shape.principals),
        "owners": _names(record, shape.owners),
        "claimed": _names(record, shape.claimed),
        "model": _first(record, shape.models),
        "conversation": _first(record, shape.conversations),
        "answer": answer,
        "input_tokens": _first(record, shape.input_tokens),
        "output_tokens": _first(record, shape.output_tokens),
        "ip": _first(record, shape.addresses),
        "client": _first(record, shape.clients),
        "request_id": _first(record, shape.ids),
        "call": kind,
    }


def _first(record: Record, paths: Paths) -> Any:
    found = (dig(record, path) for path in paths)
    return next((value for value in found if value not in (None, "", [], {})), None)


def _names(record: Record, paths: Paths) -> Record:
    found = {path: dig(record, path) for path in paths}
    return {path: value for path, value in found.items() if isinstance(value, (str, int)) and value}


def under(holders: Paths, names: Paths) -> Paths:
    """Returns the paths of names inside of holders: `metadata.user_id`."""
    return tuple(f"{holder}.{name}" for holder in holders for name in names)


def format_of(shape: Shape) -> Format:
    """Returns the format that reads an export of a shape."""
    return Format(
        name=shape.name,
        about=shape.about,
        known_by=shape.known_by,
        sniff=shape.sniff,
        row=partial(_row, shape),
        split=shape.split,
        zone=shape.zone,
        account_try=shape.account_try,
        prompt_try=shape.prompt_try,
    )
