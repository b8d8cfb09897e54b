"""Token buckets of slowed accounts that replicas share: one script a request, in the server.

Only slowed accounts pay for it, with one round trip. Two replicas together give one burst, and a
restart gives none again.
"""

from collections.abc import Sequence
from typing import Any

from gamekeeper.guard.store._redis import TAKE, client_of, require_redis, slowed_key, told_as_gone
from gamekeeper.guard.store._store import SLOWED_KEPT_S

_ANSWER_S = 0.5


class SharedBuckets:
    """Buckets in Redis.

    Args:
        url: Of the server that the replicas share, as `RedisStore` takes it.

    Raises:
        MissingExtraError: The client is not installed.
        InputError: The URL is not one of Redis.
    """

    def __init__(self, url: str) -> None:
        require_redis()
        import redis.asyncio

        self._redis: Any = client_of(redis.asyncio.Redis, url, _ANSWER_S)
        self._take = self._redis.register_script(TAKE)

    async def take(
        self,
        account: str,
        rates: Sequence[tuple[float, float]],
        most_s: float,
        now: float,
        *,
        proofs: int | None = None,
    ) -> float | None:
        """Takes a token out of each bucket, unless the request would have to wait too long.

        Args:
            account: Whose.
            rates: Tokens a second and size of each bucket.
            most_s: Longest wait, in seconds.
            now: Epoch seconds.
            proofs: Requests that a new proof of work opens, 0 if none came; None if none is needed.

        Returns:
            How long the request has to wait, in seconds; more than `most_s` if it took nothing.
            None if it needs a proof of work.

        Raises:
            StoreGoneError: The server cannot be reached.
        """
        opened = "" if proofs is None else proofs
        buckets = [number for rate in rates for number in rate]
        with told_as_gone():
            wait = await self._take(
                keys=[slowed_key(account)], args=[now, most_s, opened, SLOWED_KEPT_S, *buckets]
            )
        return None if wait is None else float(wait)

    async def close(self) -> None:
        """Closes its connections."""
        await self._redis.aclose()
