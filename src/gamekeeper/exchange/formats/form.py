"""What a log format is: how it is recognised, and how a record of it becomes a row of ours.

A row is a dict of our column names to raw values, and may hold besides

    request_id      tells two equal requests from one that was delivered twice
    principals      who was authenticated: field of the log -> value, the narrowest first
    owners          who answers for them: field -> value, the widest first
    claimed         names that the client chooses: field -> value; never used, but named in messages
    without_text    True: the request was understood and holds no text, such as an image alone
    call            `EMBEDDINGS` for a call of an embedding model
    was_cut         True: the software that wrote the log cut the prompt

What is not there is absent or None. A format that knows who was authenticated by one field alone
may give `account` in place of `principals`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.faults import OTHER_REASON

Row: TypeAlias = dict[str, Any]

EMBEDDINGS = "embeddings"


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A record that is not an exchange, and why; counted by its reason."""

    reason: str


FAILED = PassedOver("failed calls")  # refused, throttled, or ended before a model answered
OTHER_API = PassedOver(
    "calls of other APIs"
)  # transcriptions, images, vector stores, tools, health
OTHER_RECORD = PassedOver(OTHER_REASON)  # nothing in it is of this format
KEPT_ELSEWHERE = PassedOver(
    "bodies kept elsewhere"
)  # too large for the record, in a store of its own
NO_BODY = PassedOver("calls without a body")  # the log has the call and not what was asked
NO_CONTENT = PassedOver("spans without content")
OTHER_SPAN = PassedOver("spans of other kinds")  # tools, agents, web requests, lines of a log
SAID_TWICE = PassedOver("outer spans of a call")  # says again what an inner span says
TOOL_RESULTS = PassedOver("tool results alone")  # a step in which no user wrote anything
NOBODY = PassedOver("no name of an account")  # "None", "-", "anonymous" in its place


def alone(record: Record) -> Iterable[Record]:
    """Returns a record that is one exchange by itself."""
    return (record,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A log format.

    Args:
        name: What `--format` takes.
        about: One sentence for `gamekeeper list`.
        known_by: What a record is recognised by: "`startTime` with `api_key`".
        sniff: Whether a record looks like this format's, also a record that is not an exchange.
        row: The row of a record, or why it is not an exchange; None instead of a function: the log
            has our columns already and is not parsed further.
        split: The records inside one record, such as the spans of an export; paths of `fields`
            lead into these.
        zone: The zone of times without one, where the format defines it.
        part_key: The record's group and number if exchanges are split over records, else None. The
            number is None for a part without a place of its own.
        join: The records that a group's parts make together; the parts come in order of their
            number, those without one last. A record that is one of the parts keeps its place.
        is_whole: Whether parts need no further one, so that they need not wait; None: never known.
        late: What becomes of parts whose group was whole before they came.
        account_try: What to do when the account is missing.
        prompt_try: What to do when the prompt is missing.
    """

    name: str
    about: str
    sniff: Callable[[Record], bool]
    row: Callable[[Record], Row | PassedOver] | None
    split: Callable[[Record], Iterable[Record]] = alone
    zone: str | None = None
    part_key: Callable[[Record], tuple[str, int | None] | None] | None = None
    join: Callable[[list[Record]], list[Record]] | None = None
    is_whole: Callable[[list[Record]], bool] | None = None
    late: Callable[[list[Record]], list[Record]] | None = None
    account_try: str = "--account-field FIELD, the field that holds who was authenticated"
    prompt_try: str = "--prompt-field FIELD"
    known_by: str = "its fields"
