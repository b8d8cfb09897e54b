"""From exchanges taken in to campaigns found: the path that `hunt` walks over logs and `guard` over
recent traffic.

    intake -> compare -> claims, ranked among decoys -> weigh -> findings

Names are loaded when first asked for, so that a report can know results without loading what makes
them.
"""

from typing import TYPE_CHECKING

from gamekeeper.base.lazy import lazy_names

if TYPE_CHECKING:
    from gamekeeper.campaigns.intake import Intake
    from gamekeeper.campaigns.options import SearchOptions
    from gamekeeper.campaigns.path import new_intake, search
    from gamekeeper.campaigns.result import Campaign, HuntResult

__all__ = ["Campaign", "HuntResult", "Intake", "SearchOptions", "new_intake", "search"]

__getattr__ = lazy_names(
    __name__,
    {
        "Campaign": "gamekeeper.campaigns.result",
        "HuntResult": "gamekeeper.campaigns.result",
        "Intake": "gamekeeper.campaigns.intake",
        "SearchOptions": "gamekeeper.campaigns.options",
        "new_intake": "gamekeeper.campaigns.path",
        "search": "gamekeeper.campaigns.path",
    },
)
