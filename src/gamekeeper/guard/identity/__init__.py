"""Who is charged for a request, and what they may use.

`Authenticator` turns headers into a `Principal` or raises `CredentialError`; `Access` says what a
principal may use.
"""

from gamekeeper.guard.identity.object_ids import ObjectIds
from gamekeeper.guard.identity.principal import Budget, CredentialError, Kind, Principal
from gamekeeper.guard.identity.shared_secret import account_mask, state_secret

__all__ = [
    "Budget",
    "CredentialError",
    "Kind",
    "ObjectIds",
    "Principal",
    "account_mask",
    "state_secret",
]
