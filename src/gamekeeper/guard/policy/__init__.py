"""The guard's policy file: what is guarded, who may do what, and what a verdict leads to."""

from gamekeeper.guard.policy.model import (
    Admin,
    ClassifierApi,
    DayBudget,
    GuardPolicy,
    Identity,
    Issuer,
    Ladder,
    Limited,
    Limits,
    Price,
    Slowed,
    State,
    Telemetry,
    Watch,
)
from gamekeeper.guard.policy.reading import EXAMPLE, parse_policy, read_policy

__all__ = [
    "EXAMPLE",
    "Admin",
    "ClassifierApi",
    "DayBudget",
    "GuardPolicy",
    "Identity",
    "Issuer",
    "Ladder",
    "Limited",
    "Limits",
    "Price",
    "Slowed",
    "State",
    "Telemetry",
    "Watch",
    "parse_policy",
    "read_policy",
]
