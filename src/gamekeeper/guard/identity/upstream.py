"""Accounts of an upstream that checks its own credentials: the guard neither knows nor issues
these.

    account = "up_" + HMAC-SHA256(key of the state, credential)[:16], in hex

One credential is one account. The digest is keyed, so what the guard stores and shows does not let
anybody try guesses at the credential. Until the upstream has accepted a credential, its account is
a claim of its sender: nothing is kept of it, so that invented ones cost no memory.
"""

import hmac

from gamekeeper.guard.identity.bounded import Bounded
from gamekeeper.guard.identity.principal import Budget, Principal

_DIGEST_BYTES = 16


class UpstreamAccounts:
    """Names accounts by their credentials, and remembers which of them the upstream accepted.

    Args:
        key: Secret bytes, see `shared_secret.state_secret`; replicas with the same key name
            accounts alike.
        budget: Limits of a day for each account.
        confirmed: Confirmed accounts that are remembered.
    """

    def __init__(
        self,
        key: bytes,
        *,
        budget: Budget | None = None,
        confirmed: int = 1_000_000,
    ) -> None:
        self._key = key
        self.budget = budget or Budget()
        # by itself: all who keep it keep one text
        self._confirmed: Bounded[str, str] = Bounded(confirmed)

    def find(self, credential: str) -> Principal:
        """Returns the account of a credential, whether the upstream accepts it or not.

        Args:
            credential: As it was sent; it is not kept.
        """
        digest = hmac.digest(self._key, credential.encode("utf-8", "surrogateescape"), "sha256")[
            :_DIGEST_BYTES
        ]
        account = f"up_{digest.hex()}"
        known = self._confirmed.get(account)
        account = known or account
        return Principal(
            account=account,
            credential=account,
            kind="upstream",
            budget=self.budget,
            is_claim=known is None,
        )

    def is_confirmed(self, account: str) -> bool:
        """Returns whether the upstream accepted the account's credential."""
        return self._confirmed.get(account) is not None

    def confirm(self, account: str) -> None:
        """Notes that the upstream accepted the credential."""
        if self._confirmed.get(account) is None:
            self._confirmed.put(account, account)

    def forget(self, account: str) -> None:
        """Notes that the upstream refused the credential: it was revoked there, or never was."""
        self._confirmed.drop(account)

    def answered(self, account: str, status: int) -> None:
        """Notes what an answer tells of the credential.

        Only success confirms: an upstream may answer 400, 404 or 429 before it has looked at the
        credential. Only 401 takes it back: 403 may mean this model, not this credential.

        Args:
            account: Whose request it was.
            status: Of the upstream's answer.
        """
        if 200 <= status < 300:
            self.confirm(account)
        elif status == 401:
            self.forget(account)
