"""From exchanges taken in to campaigns found: the path that `hunt` walks over logs and `guard` over recent traffic.

    intake -> compare -> claims, ranked among decoys -> weigh -> findings

Names are loaded when first asked for, so that a report can know results without loading what makes them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gamekeeper.campaigns.intake import Intake
    from gamekeeper.campaigns.options import SearchOptions
    from gamekeeper.campaigns.path import new_intake, search
    from gamekeeper.campaigns.result import Campaign, HuntResult

__all__ = ["Campaign", "HuntResult", "Intake", "SearchOptions", "new_intake", "search"]

_HOME = {
    "Campaign": "result",
    "HuntResult": "result",
    "Intake": "intake",
    "SearchOptions": "options",
    "new_intake": "path",
    "search": "path",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"gamekeeper.campaigns.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
