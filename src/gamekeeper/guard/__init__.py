"""Driver: the path in front of a live API; it judges every request and performs actions."""

from typing import TYPE_CHECKING

from gamekeeper.base.lazy import lazy_names

if TYPE_CHECKING:
    from gamekeeper.guard.doors.middleware import GuardMiddleware

__all__ = ["GuardMiddleware"]

__getattr__ = lazy_names(
    __name__,
    {
        "GuardMiddleware": "gamekeeper.guard.doors.middleware",
    },
)
