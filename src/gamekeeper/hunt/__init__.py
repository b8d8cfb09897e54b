"""Finds the campaigns in stored logs: `hunt` is the path, `HuntResult` what it found.

Names are loaded when first asked for, so that a report can know results without loading what makes
them.
"""

from typing import TYPE_CHECKING

from gamekeeper.base.lazy import lazy_names

if TYPE_CHECKING:
    from gamekeeper.campaigns.result import Campaign, HuntResult
    from gamekeeper.hunt.driver import hunt
    from gamekeeper.hunt.options import HuntOptions

__all__ = ["Campaign", "HuntOptions", "HuntResult", "hunt"]

__getattr__ = lazy_names(
    __name__,
    {
        "Campaign": "gamekeeper.campaigns.result",
        "HuntOptions": "gamekeeper.hunt.options",
        "HuntResult": "gamekeeper.campaigns.result",
        "hunt": "gamekeeper.hunt.driver",
    },
)
