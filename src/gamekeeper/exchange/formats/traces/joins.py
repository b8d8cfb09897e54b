"""Joins the spans and log records of a trace: contents, account, and what is said twice.

- A log record with a message belongs to the span that it names. Without that span, the messages of
  one span id make an exchange of their own.
- A span without an account takes it from the spans around it: its parents, the nearest first; else
  the root or server span of its trace; else from the only account that the trace names.
- A call inside a call is the same call, seen by an SDK and by what it calls: the inner one counts.

What needs nothing of the others is whole and does not wait for them.
"""

from collections.abc import Iterable

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.traces import accounts, roles
from gamekeeper.exchange.formats.traces.contents import tell

_CALLS = (roles.CALL, roles.OUTER, roles.EMBED)
_LOGS = (roles.EVENT, roles.DETAILS)
_SERVERS = ("2", "server", "span_kind_server", "spankind.server")
# Of a span around a call only what names and describes the caller is of use to the call.
_NOT_OF_CALLERS = (
    "span",
    "gen_ai.",
    "llm.",
    "ai.prompt",
    "ai.response",
    "ai.usage",
    "ai.operationId",
    "input.",
    "output.",
    "operation.name",
    "error.",
    "traceloop.entity",
    "openinference.",
    "langfuse.observation",
)


def part_key(record: Record) -> tuple[str, int | None] | None:
    """Returns the trace of a record that others of its trace may need, or that may need them."""
    span = record["span"]
    trace = span["traceId"]
    if trace is None:
        return None
    role = span["role"]
    if role == roles.OTHER:
        return (trace, None) if _is_around(record) else None
    if role == roles.PROMPT or span["failed"]:
        return None
    return (trace, None)


def is_whole(parts: list[Record]) -> bool:
    """True if no part needs another one that is not there."""
    roles_there = {part["span"]["role"] for part in parts}
    if roles.OUTER in roles_there and roles_there.isdisjoint((roles.CALL, roles.DETAILS)):
        return False
    spans = {part["span"]["spanId"] for part in parts if part["span"]["role"] in _CALLS}
    questioned = {part["span"]["spanId"] for part in parts if _is_question(part)}
    return all(_is_whole(part, spans, questioned) for part in parts)


def _is_question(part: Record) -> bool:
    span = part["span"]
    return bool(span["role"] == roles.DETAILS or span["eventName"] == "gen_ai.user.message")


def _is_whole(part: Record, spans: set[str | None], questioned: set[str | None]) -> bool:
    span = part["span"]
    role = span["role"]
    if role == roles.EVENT:
        return span["spanId"] in spans
    if role == roles.OTHER:
        return True
    has_content = span["content"] or span["spanId"] in questioned
    return bool(has_content and (span["named"] or role == roles.OUTER))


def join(parts: list[Record]) -> list[Record]:
    """Returns the spans of a trace, each with what others say of it; messages are part of them."""
    calls = {part["span"]["spanId"]: part for part in parts if part["span"]["role"] in _CALLS}
    joined = [part for part in parts if not _is_told(part, calls)]
    _mark_outer(joined)
    for part in joined:
        if part["span"]["role"] != roles.OTHER and not part["span"]["named"]:
            _name(part, parts)
    return joined


def late(parts: list[Record]) -> list[Record]:
    """Returns parts of a trace that was whole before they came: they say again what was said."""
    calls = any(part["span"]["role"] in (roles.CALL, roles.EMBED) for part in parts)
    for part in parts:
        if not calls and part["span"]["role"] in (roles.OUTER, *_LOGS):
            part["span"]["twice"] = True
    return parts


def _is_around(record: Record) -> bool:
    """True if a span that is not a call may say who called: it names somebody or is the first."""
    span = record["span"]
    if span["named"]:
        return True
    is_log = "body" in span or span["eventName"] is not None
    return not is_log and (span["parentSpanId"] is None or _is_server(span))


def _is_server(span: Record) -> bool:
    return str(span.get("kind")).lower() in _SERVERS


def _is_told(part: Record, calls: dict[str | None, Record]) -> bool:
    """Gives a log record to the span that it belongs to; False if it stays a record of its own."""
    span = part["span"]
    if span["role"] not in _LOGS:
        return False
    call = calls.setdefault(span["spanId"], part)  # the first one carries those that follow
    if call is not part or span["role"] == roles.EVENT or "body" in span:
        tell(call, part)
        _give_name(call, part)
    return call is not part


def _mark_outer(parts: list[Record]) -> None:
    """Marks calls that say what a call inside them says."""
    by_id = {part["span"]["spanId"]: part for part in parts}
    inner = [p for p in parts if p["span"]["role"] == roles.CALL and p["span"]["content"]]
    for part in inner:
        parent = by_id.get(part["span"]["parentSpanId"])
        if parent is not None and parent is not part and parent["span"]["role"] in _CALLS:
            parent["span"]["twice"] = True
            _give_name(part, parent)
    strays = [part for part in inner if part["span"]["parentSpanId"] not in by_id]
    for part in parts:
        if part["span"]["role"] == roles.OUTER and any(_is_step(part, s) for s in strays):
            part["span"]["twice"] = True


def _is_step(outer: Record, inner: Record) -> bool:
    """True if a call is a step of a call of the Vercel AI SDK, by the names of both."""
    name = roles.vercel_name(outer)
    step = roles.vercel_name(inner)
    return name is not None and step is not None and step.startswith(f"{name}.")


def _name(part: Record, parts: list[Record]) -> None:
    for other in _around(part, parts):
        _give_name(part, other)
    roots = [other for other in parts if _is_root(other)]
    if len(roots) == 1:
        _give_name(part, roots[0])
    named = [other for other in parts if other["span"]["named"]]
    if named and len({str(accounts.name_in(other)) for other in named}) == 1:
        _give_name(part, named[0])


def _around(part: Record, parts: list[Record]) -> Iterable[Record]:
    """Yields the spans around a span, the nearest first."""
    by_id = {other["span"]["spanId"]: other for other in parts}
    seen = {part["span"]["spanId"]}
    parent = part["span"]["parentSpanId"]
    while parent in by_id and parent not in seen:
        seen.add(parent)
        yield by_id[parent]
        parent = by_id[parent]["span"]["parentSpanId"]


def _is_root(part: Record) -> bool:
    span = part["span"]
    return span["role"] == roles.OTHER and (span["parentSpanId"] is None or _is_server(span))


def _give_name(part: Record, other: Record) -> None:
    """Gives a call the account of another span of its trace, and what else describes the caller."""
    if other["span"]["named"] and not part["span"]["named"]:
        part["span"]["named"] = True
        part.update({key: other[key] for key in accounts.KEYS if key in other})
    _describe(part, other)


def _describe(part: Record, other: Record) -> None:
    for key, value in other.items():
        if key not in accounts.KEYS and not key.startswith(_NOT_OF_CALLERS):
            part.setdefault(key, value)
