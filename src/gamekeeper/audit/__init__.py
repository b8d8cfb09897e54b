"""Plays the thief against one's own target, within a budget: what would a copy cost, and which
defence changes that?

Names are loaded when first asked for.
"""

from typing import TYPE_CHECKING

from gamekeeper.base.lazy import lazy_names

if TYPE_CHECKING:
    from gamekeeper.audit.options import AuditOptions, Prices
    from gamekeeper.audit.result import AuditResult
    from gamekeeper.audit.run import audit

__all__ = ["AuditOptions", "AuditResult", "Prices", "audit"]

__getattr__ = lazy_names(
    __name__,
    {
        "AuditOptions": "gamekeeper.audit.options",
        "AuditResult": "gamekeeper.audit.result",
        "Prices": "gamekeeper.audit.options",
        "audit": "gamekeeper.audit.run",
    },
)
