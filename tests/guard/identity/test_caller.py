import pytest

from gamekeeper.guard.identity.caller import Caller, Callers
from gamekeeper.guard.policy import Identity

PROXY = "10.0.0.9"
STRANGER = "198.51.100.4"
IDENTITY = Identity(
    trusted_proxies=("10.0.0.0/8", "fd00::/8"),
    client_header="x-ja4",
    country_header="x-country",
    asn_header="x-asn",
)


def told(peer: str | None, **headers: str) -> Caller:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Callers(IDENTITY).of(peer, raw)


def test_headers_of_strangers_are_not_looked_at() -> None:
    """A thief would be in another country with every request."""
    forged = told(
        STRANGER,
        x_forwarded_for="203.0.113.1",
        x_ja4="t13",
        x_country="CH",
        x_asn="1",
        user_agent="sdk",
    )
    assert forged == Caller(STRANGER, "sdk")


def test_proxy_is_believed() -> None:
    """What it says of the client."""
    seen = told(PROXY, x_forwarded_for="203.0.113.1", x_ja4="t13", x_country="CH", x_asn="64500")
    assert seen == Caller("203.0.113.1", "t13", "CH", 64500)


@pytest.mark.parametrize(
    ("header", "ip"),
    [
        ("6.6.6.6, 203.0.113.1", "203.0.113.1"),
        ("6.6.6.6, 203.0.113.1, 10.1.1.1", "203.0.113.1"),
        ("203.0.113.1, garbage", PROXY),
        ("", PROXY),
        (" , ,", PROXY),
        ("10.1.1.1", PROXY),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_nearest_address_that_is_not_ours_counts(header: str, ip: str) -> None:
    """What stands before it, the client may have written."""
    assert told(PROXY, x_forwarded_for=header).ip == ip


@pytest.mark.parametrize("asn", ["", "-1", "1e9", "²", "9" * 40])
def test_network_number_that_is_none_is_left_out(asn: str) -> None:
    """Whatever stands in the header."""
    assert told(PROXY, x_asn=asn).asn is None


def test_server_that_does_not_say() -> None:
    """Unix sockets have no address."""
    assert told(None, user_agent="sdk").ip is None
