"""Driver: the path in front of a live API; it judges every request and performs actions."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gamekeeper.guard.doors.middleware import GuardMiddleware

__all__ = ["GuardMiddleware"]


def __getattr__(name: str) -> Any:
    """Loads what the guard needs when it is first asked for."""
    if name == "GuardMiddleware":
        from gamekeeper.guard.doors.middleware import GuardMiddleware

        return GuardMiddleware
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
