"""How to hunt."""

from dataclasses import dataclass

from gamekeeper.campaigns import SearchOptions
from gamekeeper.exchange import ReadOptions


@dataclass(frozen=True, kw_only=True)
class HuntOptions(SearchOptions, ReadOptions):
    """How to hunt: how to read the logs, and how to search them."""
