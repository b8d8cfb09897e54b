"""Where a request comes from, as habits keep it: network, country and client, a few bytes each.

    network   the number that a trusted proxy gives (ASN), else the first 16 bits of an IPv4 or 32
              of an IPv6 address
    country   what a trusted proxy says, else a lookup in data that ships with the extra "geo" (June
              2024)
    client    48 bits of BLAKE2b of the TLS fingerprint or user agent

Countries that were looked up are old: blocks of addresses are sold across borders. They are marked
as such.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Protocol

from gamekeeper.guard.identity.caller import Caller

CLIENT_BYTES = 6


class Countries(Protocol):
    """Says the country of an address."""

    def __call__(self, ip: str) -> str | None:
        """Returns two letters; None where it is not known."""
        ...


@dataclass(frozen=True, slots=True)
class Where:
    """Where one request comes from.

    Args:
        network: 5 bytes; None if the address is not known.
        country: Two letters; None if not known.
        is_looked_up: Whether the country is from old data.
        client: 6 bytes.
        client_name: As the client or the proxy wrote it, for sentences.
    """

    network: bytes | None
    country: str | None
    is_looked_up: bool
    client: bytes
    client_name: str


def where(caller: Caller, countries: Countries | None = None) -> Where:
    """Returns where a caller is.

    Args:
        caller: As `Callers` tells it: country and network number come from trusted proxies alone.
        countries: Looks a country up where no proxy gave one.
    """
    country = _two_letters(caller.country)
    is_looked_up = False
    if country is None and countries is not None and caller.ip is not None:
        country = countries(caller.ip)
        is_looked_up = country is not None
    network = (
        struct.pack(">cI", b"A", caller.asn)
        if caller.asn and caller.asn < 1 << 32
        else _prefix(caller.ip)
    )
    name = caller.client or ""
    return Where(network, country, is_looked_up, client_of(name), name)


@lru_cache(16_384)
def client_of(name: str) -> bytes:
    """Returns what is kept of a client's name."""
    return blake2b(name.encode("utf-8", "surrogateescape"), digest_size=CLIENT_BYTES).digest()


def is_numbered(network: bytes | None) -> bool:
    """Returns whether a proxy told the network's number; else it is the first bits of the
    address.
    """
    return network is not None and network[:1] == b"A"


def network_name(network: bytes | None) -> str:
    """Returns a network as people write it.

    Example:
        >>> network_name(_prefix("81.2.69.142"))
        '81.2.0.0/16'
    """
    if network is None:
        return "an unknown network"
    if network[:1] == b"A":
        return f"AS{int.from_bytes(network[1:], 'big')}"
    if network[:1] == b"4":
        return f"{network[1]}.{network[2]}.0.0/16"
    return f"{IPv6Address(network[1:] + bytes(12))}/32"


@lru_cache(16_384)
def _prefix(ip: str | None) -> bytes | None:
    try:
        address: IPv4Address | IPv6Address | None = ip_address(ip or "")
    except ValueError:
        return None  # a socket's path: a proxy on this machine
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return b"6" + address.packed[:4]
        address = address.ipv4_mapped
    assert address is not None
    return b"4" + address.packed[:2] + bytes(2)


def _two_letters(country: str | None) -> str | None:
    """A country; proxies write XX, T1 and the like for what they do not know."""
    if country is None or len(country) != 2 or not (country.isascii() and country.isalpha()):
        return None
    return None if country.upper() in ("XX", "ZZ") else country.upper()


@lru_cache(1)
def shipped_countries() -> Countries | None:
    """Returns the lookup of the extra "geo"; None without it. Takes a third of a second and 90 MB,
    once.
    """
    try:
        from geoip2fast import GeoIP2Fast
    except ImportError:
        return None
    data = GeoIP2Fast(geoip2fast_data_file="geoip2fast-ipv6.dat.gz")

    @lru_cache(65_536)
    def country(ip: str) -> str | None:
        try:
            return _two_letters(data.lookup(ip).country_code)
        except ValueError:
            return None

    return country
