"""The log formats we read, in the order in which they are tried: the most specific first."""

from collections.abc import Iterable

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats import azure, bedrock, gamekeeper, litellm, openai, otel
from gamekeeper.exchange.formats.form import Format, Row

__all__ = ["FORMATS", "Format", "Row", "recognise"]

FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        otel.FORMAT,
        bedrock.FORMAT,
        azure.FORMAT,
        litellm.FORMAT,
        openai.FORMAT,
        gamekeeper.FORMAT,
    )
}


def recognise(records: Iterable[Record]) -> Format | None:
    """Returns the first format that one of `records` looks like, None if there is none."""
    records = list(records)
    return next((form for form in FORMATS.values() if any(map(form.sniff, records))), None)
