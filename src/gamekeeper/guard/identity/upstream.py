"""Accounts of an upstream that checks its own credentials: the guard neither knows nor issues
these.

    account = "up_" + HMAC-SHA256(key of the state, credential)[:16], in hex

One credential is one account. The digest is keyed, so what the guard stores and shows does not let
anybody try guesses at the credential. Until the upstream has taken a credential, its account is a
claim of whoever sent it: invented ones are held in a bounded list and give way to later ones.
"""

import hmac

from gamekeeper.guard.identity.bounded import Bounded
from gamekeeper.guard.identity.principal import Budget, Principal

_DIGEST_BYTES = 16


class UpstreamAccounts:
    """Names accounts by their credentials, and remembers which of them the upstream took.

    Args:
        key: Secret bytes, see `shared_secret.state_secret`; replicas with the same key name
            accounts alike.
        budget: Limits of a day for each account.
        confirmed: Confirmed accounts that are remembered.
        unconfirmed: Unconfirmed accounts that are remembered.
    """

    def __init__(
        self,
        key: bytes,
        *,
        budget: Budget | None = None,
        confirmed: int = 1_000_000,
        unconfirmed: int = 65_536,
    ) -> None:
        self._key = key
        self.budget = budget or Budget()
        # by itself: all who keep it keep one text
        self._confirmed: Bounded[str, str] = Bounded(confirmed)
        self._unconfirmed: Bounded[str, int] = Bounded(unconfirmed)

    def find(self, credential: str) -> Principal:
        """Returns the account that a credential stands for, whether the upstream takes it or not.

        Args:
            credential: As it was sent; it is not kept.
        """
        digest = hmac.digest(self._key, credential.encode("utf-8", "surrogateescape"), "sha256")[
            :_DIGEST_BYTES
        ]
        account = f"up_{digest.hex()}"
        if (known := self._confirmed.get(account)) is not None:
            account = known
        else:
            self._unconfirmed.put(account, self.attempts(account) + 1)
        return Principal(account=account, credential=account, kind="upstream", budget=self.budget)

    def is_confirmed(self, account: str) -> bool:
        """Returns whether the upstream took the account's credential."""
        return self._confirmed.get(account) is not None

    def attempts(self, account: str) -> int:
        """Returns how often an unconfirmed account was presented, as far as it is remembered."""
        return self._unconfirmed.get(account) or 0

    def confirm(self, account: str) -> None:
        """Notes that the upstream took the credential."""
        if self._confirmed.get(account) is None:
            self._confirmed.put(account, account)
            self._unconfirmed.drop(account)

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
