"""Where a request comes from: what the connection shows, or what a proxy that we trust says
of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

from gamekeeper.base.text import clean
from gamekeeper.guard.policy import Identity

_CLIENT_CHARS = 120


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from.

    Args:
        ip: Address of the client; None if the server does not say.
        client: TLS fingerprint if a proxy gives one, else the user agent, shortened.
        country: Two letters, if a proxy says so.
        asn: Number of the network, if a proxy says so.
    """

    ip: str | None = None
    client: str | None = None
    country: str | None = None
    asn: int | None = None


class Callers:
    """Tells callers; identity headers of anybody but a trusted proxy are not looked at.

    Args:
        identity: Which proxies are trusted, and their headers.
    """

    def __init__(self, identity: Identity) -> None:
        self._networks = identity.networks
        self._client, self._country, self._asn = (
            name.lower().encode() if name else None
            for name in (identity.client_header, identity.country_header, identity.asn_header)
        )
        self._trusted: dict[str, bool] = {}

    def of(self, peer: str | None, headers: Sequence[tuple[bytes, bytes]]) -> Caller:
        """Returns who calls.

        Args:
            peer: Address at the other end of the connection.
            headers: Of the request, names in lower case.
        """
        if peer is None or not self._networks or not self._is_trusted(peer):
            return Caller(peer, _text(headers, b"user-agent"))
        asn = _text(headers, self._asn)
        return Caller(
            ip=self._forwarded(peer, headers),
            client=_text(headers, self._client or b"user-agent"),
            country=_text(headers, self._country),
            asn=int(asn) if asn is not None and asn.isdecimal() and len(asn) <= 10 else None,
        )

    def _forwarded(self, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """The nearest address that is not one of our proxies; what stands before it, a client may
        have made up.
        """
        told = ",".join(
            value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"
        )
        for address in reversed([part.strip() for part in told.split(",") if part.strip()]):
            if not _is_address(address):
                return peer
            if not self._is_trusted(address):
                return address
        return peer

    def _is_trusted(self, peer: str) -> bool:
        if (known := self._trusted.get(peer)) is not None:
            return known
        trusted = _is_address(peer) and any(_is_inside(peer, network) for network in self._networks)
        if len(self._trusted) < 10_000:
            self._trusted[peer] = trusted
        return trusted


def _is_inside(address: str, network: IPv4Network | IPv6Network) -> bool:
    parsed = ip_address(address)
    return parsed.version == network.version and parsed in network


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _text(headers: Sequence[tuple[bytes, bytes]], wanted: bytes | None) -> str | None:
    for name, value in headers:
        if name == wanted:
            return _cleaned(value[:_CLIENT_CHARS])
    return None


@lru_cache(maxsize=4_096)
def _cleaned(value: bytes) -> str:
    """A header's text without secrets; few clients send many requests."""
    return clean(value.decode("latin-1"))
