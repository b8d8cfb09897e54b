"""Plays the thief against one's own target, within a budget: what would a copy cost, and which defence changes that?

Names are loaded when first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gamekeeper.audit.options import AuditOptions, Prices
    from gamekeeper.audit.result import AuditResult
    from gamekeeper.audit.run import audit

__all__ = ["AuditOptions", "AuditResult", "Prices", "audit"]

_HOME = {"AuditOptions": "options", "AuditResult": "result", "Prices": "options", "audit": "run"}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"gamekeeper.audit.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
