"""Finds the campaigns in stored logs: `hunt` is the path, `HuntResult` what it found.

Names are loaded when first asked for, so that a report can know results without loading what makes them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gamekeeper.hunt.driver import hunt
    from gamekeeper.hunt.options import HuntOptions
    from gamekeeper.hunt.result import Campaign, HuntResult

__all__ = ["Campaign", "HuntOptions", "HuntResult", "hunt"]

_HOME = {"Campaign": "result", "HuntOptions": "options", "HuntResult": "result", "hunt": "driver"}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"gamekeeper.hunt.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
