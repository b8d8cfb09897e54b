"""The errors that a caller may catch; the tree is drawn in `gamekeeper.base.errors`."""

from gamekeeper.base.errors import (
    Fault,
    GamekeeperError,
    InputError,
    MissingExtraError,
    UsageError,
)

__all__ = ["Fault", "GamekeeperError", "InputError", "MissingExtraError", "UsageError"]
