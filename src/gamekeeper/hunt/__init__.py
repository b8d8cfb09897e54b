"""Finds the campaigns in stored logs: `hunt` is the path, `HuntResult` what it found.

Names are loaded when first asked for, so that a report can know results without loading what makes them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gamekeeper.campaigns.result import Campaign, HuntResult
    from gamekeeper.hunt.driver import hunt
    from gamekeeper.hunt.options import HuntOptions

__all__ = ["Campaign", "HuntOptions", "HuntResult", "hunt"]

_HOME = {
    "Campaign": "campaigns.result",
    "HuntOptions": "hunt.options",
    "HuntResult": "campaigns.result",
    "hunt": "hunt.driver",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"gamekeeper.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
