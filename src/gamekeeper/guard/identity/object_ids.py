"""Ids of objects that are stored at the upstream, marked as the account's own.

Behind one operator's credential all stored objects (responses that are kept) belong to one account
of the upstream. Whoever guessed or saw an id could read what another account was answered. So an id
is given out with a tag, and is accepted only with the tag of the account that asks:

    resp_1  ->  resp_1.gk + HMAC-SHA256(key of the state, account, id)[:12], in hex

No table of ids is needed, and replicas that share a state agree.
"""

import hmac

from gamekeeper.base.secret import is_same_secret

_TAG_BYTES = 12
_MARK = ".gk"


class ObjectIds:
    """Tags ids of stored objects with their account, and takes the tags off again.

    Args:
        key: Secret bytes, see `shared_secret.state_secret`.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def tagged(self, account: str, id: str) -> str:
        """Returns an id as the account gets to see it."""
        return f"{id}{_MARK}{self._tag(account, id)}"

    def own(self, account: str, tagged: str) -> str | None:
        """Returns the upstream's id; None if the id is not one that this account was given."""
        id, mark, tag = tagged.rpartition(_MARK)
        if not mark or not is_same_secret(tag.encode(), self._tag(account, id).encode()):
            return None
        return id

    def _tag(self, account: str, id: str) -> str:
        content = f"{len(account)}:{account}{id}".encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, content, "sha256")[:_TAG_BYTES].hex()
