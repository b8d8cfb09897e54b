"""Finds and opens what a log is read from."""

from gamekeeper.exchange.sources.local import STDIN, find_sources, known_suffix, size_of
from gamekeeper.exchange.sources.source import ByteSource, Source, Sources, TableSource

__all__ = [
    "STDIN",
    "ByteSource",
    "Source",
    "Sources",
    "TableSource",
    "find_sources",
    "known_suffix",
    "size_of",
]
