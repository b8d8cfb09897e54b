"""The log formats we read, in the order in which they are tried: the most specific first."""

from collections import Counter
from collections.abc import Iterable

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats import (
    applications,
    azure,
    bedrock,
    chats,
    gamekeeper,
    helicone,
    langfuse,
    langsmith,
    litellm,
    openai,
    services,
    tracers,
    traces,
)
from gamekeeper.exchange.formats.form import Format, Row

__all__ = ["FORMATS", "Format", "Row", "recognise"]

FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        *applications.FORMATS,
        *services.FORMATS,
        chats.FORMAT,
        langsmith.FORMAT,
        langfuse.FORMAT,
        helicone.FORMAT,
        tracers.FORMAT,
        traces.FORMAT,
        bedrock.FORMAT,
        azure.FORMAT,
        litellm.FORMAT,
        openai.FORMAT,
        gamekeeper.FORMAT,
    )
}


def recognise(records: Iterable[Record]) -> Format | None:
    """Returns the format that most of `records` look like, None if none of them looks like any.

    A record counts for the first format that it looks like, or for our own where it has all that an
    exchange needs under our names. Most, since a log may begin with other records; of two with as
    many the more specific one.
    """
    votes: Counter[str] = Counter()
    for record in records:
        if gamekeeper.is_whole(record):
            votes[gamekeeper.FORMAT.name] += 1
        elif form := next((form for form in FORMATS.values() if form.sniff(record)), None):
            votes[form.name] += 1
    winner = max(FORMATS, key=lambda name: votes[name])  # the first of those with as many
    return FORMATS[winner] if votes[winner] else None
