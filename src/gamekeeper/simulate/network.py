"""Where accounts call from, what they call with and who pays: infrastructure of their own, or
shared with a site or a campaign's hub.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gamekeeper.simulate.arrivals import DAY_S

Infra = Literal["shared", "partial", "unique"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The infrastructure of one account.

    Args:
        ip: IPv4 address, dotted.
        asn: Number of the autonomous system.
        client: Name and version of the SDK.
        payment: Token of the card.
        created_s: When the account was opened; seconds from the start of the traffic, mostly
            negative.
    """

    ip: str
    asn: int
    client: str
    payment: str
    created_s: float


class Internet:
    """A small simulated internet: some providers and clients are far more popular than others.

    Args:
        rng: Randomness, used by every call.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._asns = rng.integers(1_000, 400_000, 300)
        self._clients = [
            f"sdk-{i:02d}/{rng.integers(1, 9)}.{rng.integers(0, 40)}" for i in range(40)
        ]
        popularity = np.arange(1.0, 41.0) ** -1.1
        self._popularity = popularity / popularity.sum()

    def join(self) -> Network:
        """Draws an account's own network."""
        rng = self._rng
        return Network(
            ip=".".join(map(str, rng.integers(1, 255, 4))),
            asn=int(self._asns[min(int(rng.zipf(1.3)) - 1, len(self._asns) - 1)]),
            client=self._clients[int(rng.choice(len(self._clients), p=self._popularity))],
            payment=f"card-{rng.integers(10**12):012x}",
            created_s=-rng.exponential(200) * DAY_S,
        )

    def hub(self) -> Network:
        """Draws the infrastructure that a campaign's accounts may share, opened some weeks before
        the traffic begins.
        """
        return replace(self.join(), created_s=-self._rng.uniform(6, 60) * DAY_S)

    def behind(self, hub: Network, infra: Infra) -> Network:
        """Draws a network that shares all, about a third or none of its parts with `hub`."""
        own = self.join()
        if infra == "unique":
            return own
        shared = self._rng.random(4) < (1.0 if infra == "shared" else 0.35)
        return Network(
            ip=hub.ip if shared[0] else own.ip,
            asn=hub.asn if shared[1] else own.asn,
            client=hub.client if shared[2] else own.client,
            payment=hub.payment if shared[3] else own.payment,
            created_s=hub.created_s + self._rng.uniform(0, 5) * DAY_S,
        )

    def at_site(self, site: Network, *, is_paid_by_site: bool) -> Network:
        """Draws the network of an account at `site`: same address and provider, its own client."""
        own = replace(self.join(), ip=site.ip, asn=site.asn)
        return replace(own, payment=site.payment) if is_paid_by_site else own
