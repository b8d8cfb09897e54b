"""Who is charged for a request, and what they may use.

`Authenticator` turns headers into a `Principal` or raises `Refused`; `Access` says what a principal may use.
"""

from gamekeeper.guard.identity.principal import Budget, Kind, Principal, Refused
from gamekeeper.guard.identity.secret import Secret, is_same_secret, state_secret

__all__ = ["Budget", "Kind", "Principal", "Refused", "Secret", "is_same_secret", "state_secret"]
