"""From headers to an account: exactly one credential, and nothing that a client says of itself."""

from pathlib import Path
from typing import Any

import pytest

from gamekeeper.base.errors import UsageError
from gamekeeper.guard.identity.authenticator import Authenticator, without_our_keys
from gamekeeper.guard.identity.dpop import Dpop
from gamekeeper.guard.identity.jwt import JwtIssuer
from gamekeeper.guard.identity.key_text import key_text
from gamekeeper.guard.identity.principal import Principal
from gamekeeper.guard.identity.upstream import UpstreamAccounts
from guard.identity.builders import (
    AUDIENCE,
    CLIENTS_KEY,
    ISSUER,
    ISSUERS_KEY,
    NOW,
    THIEFS_KEY,
    URL,
    jwks,
    make_keys,
    make_proof,
    make_store,
    make_token,
    refused,
)

Pairs = list[tuple[bytes, bytes]]
UPSTREAM = UpstreamAccounts(b"k" * 32)


def make_issuer(folder: Path, **fields: Any) -> JwtIssuer:
    path = folder / "jwks.json"
    path.write_bytes(jwks(ISSUERS_KEY))
    return JwtIssuer(**({"issuer": ISSUER, "audience": AUDIENCE, "jwks": str(path)} | fields))


def asked(authenticator: Authenticator, headers: Pairs) -> Principal:
    return authenticator.authenticate(headers, "POST", URL, NOW)


def bearer(token: str, scheme: str = "Bearer") -> Pairs:
    return [(b"authorization", f"{scheme} {token}".encode())]


def with_key(folder: Path, **fields: Any) -> tuple[Authenticator, str]:
    """Accepts keys, and one key's text."""
    keys = make_keys(folder)
    text = keys.issue("acme", bound_to=fields.pop("bound_to", None))[1].reveal()
    return Authenticator(**({"keys": keys} | fields)), text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"authorization", b"Bearer %s"),
        (b"authorization", b"bearer %s"),
        (b"authorization", b"BEARER  %s"),
        (b"Authorization", b"Bearer %s"),
        (b"x-api-key", b"%s"),
        (b"api-key", b"%s"),
    ],
)
def test_each_header_that_sdks_use_is_read(name: bytes, value: bytes, tmp_path: Path) -> None:
    """OpenAI's, Anthropic's, Azure's."""
    authenticator, text = with_key(tmp_path)
    headers = [(b"user-agent", b"sdk"), (name, value % text.encode()), (b"accept", b"*/*")]
    assert asked(authenticator, headers).account == "acme"


def test_what_a_client_calls_itself_is_not_used(tmp_path: Path) -> None:
    """Neither names in other headers, nor a host's header that was not configured."""
    authenticator, text = with_key(tmp_path)
    claims = [
        (b"x-gamekeeper-account", b"root"),
        (b"openai-organization", b"root"),
        (b"from", b"root"),
    ]
    assert asked(authenticator, claims + bearer(text)).account == "acme"
    with refused("missing_credential"):
        asked(authenticator, claims)


def test_no_credential_asks_for_one(tmp_path: Path) -> None:
    """Without an error, as RFC 6750 wants."""
    authenticator, _ = with_key(tmp_path)
    with refused("missing_credential") as caught:
        asked(authenticator, [])
    assert dict(caught.error.headers) == {b"www-authenticate": b"Bearer"}


@pytest.mark.parametrize(
    "second", [b"authorization", b"Authorization", b"x-api-key", b"api-key", b"X-Api-Key"]
)
@pytest.mark.parametrize("is_same", [True, False])
def test_two_credentials_are_refused(second: bytes, is_same: bool, tmp_path: Path) -> None:
    """Guard and upstream might each read another one; even where both are the same."""
    authenticator, text = with_key(tmp_path)
    value = text.encode() if is_same else b"other"
    value = b"Bearer " + value if second.lower() == b"authorization" else value
    for headers in ([*bearer(text), (second, value)], [(second, value), *bearer(text)]):
        with refused("ambiguous_credential"):
            asked(authenticator, headers)


@pytest.mark.parametrize(
    "name",
    [b"x_api_key", b"api_key", b"x-api_key", b"authorization ", b" Authorization", b"dpop\t"],
)
def test_names_that_a_lenient_server_reads_as_credentials_are_refused(
    name: bytes, tmp_path: Path
) -> None:
    """Alone, or beside a true credential."""
    authenticator, text = with_key(tmp_path)
    for others in ([], bearer(text)):
        with refused("malformed_credential"):
            asked(authenticator, [(name, b"x"), *others])


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"%s",
        b"Bearer\t%s",
        b" Bearer %s",
        b"Basic %s",
        b"Bearer %s ",
        b"Bearer %s x",
        b"Bearer %s,x",
        b"Bearer %s, Bearer %s",
        b"Bearer x\x00%s",
        b"Bearer %s\x00",
        b"Bearer %s\r\nx-account: root",
        b"Bearer %s\n",
        b"Bearer \xc3\xa9%s",
        b"Bearer \xff%s",
        b"Bearer %s\x7f",
        b"Bearer " + b"a" * 20_000,
    ],
)
def test_values_that_are_no_single_credential_are_refused(value: bytes, tmp_path: Path) -> None:
    """Joined, split, with control characters, not ASCII, or far too long."""
    authenticator, text = with_key(tmp_path, upstream=UPSTREAM)
    with refused("malformed_credential"):
        asked(authenticator, [(b"authorization", value.replace(b"%s", text.encode()))])


def test_a_refusal_never_repeats_the_credential(tmp_path: Path) -> None:
    """Nor parts of it."""
    authenticator, text = with_key(tmp_path)
    for token in (key_text("a" * 12, b"s" * 32), text[:-1], "sk-something-secret", text + ","):
        try:
            asked(authenticator, bearer(token))
            raise AssertionError("not refused")
        except Exception as error:
            assert token[16:30] not in f"{error!r} {vars(error)}"


def test_keys_tokens_and_upstreams_credentials_do_not_mix(tmp_path: Path) -> None:
    """Each kind is told by its form; what looks like ours is not passed to the upstream when it
    does not count.
    """
    authenticator, text = with_key(tmp_path, issuers=[make_issuer(tmp_path)], upstream=UPSTREAM)
    assert [
        asked(authenticator, bearer(t)).kind
        for t in (text, make_token(), "sk-a", make_token(iss="else"))
    ] == [
        "key",
        "jwt",
        "upstream",
        "upstream",
    ]
    with refused("invalid_key"):
        asked(authenticator, bearer(key_text("a" * 12, bytes(32))))
    with refused("invalid_token"):
        asked(authenticator, bearer(make_token(THIEFS_KEY)))


def test_an_unknown_issuer_is_refused(tmp_path: Path) -> None:
    """Where the upstream knows no credentials of its own."""
    authenticator = Authenticator(issuers=[make_issuer(tmp_path)])
    for token in (make_token(iss="https://thief.example"), "sk-a"):
        with refused("invalid_token"):
            asked(authenticator, bearer(token))
    with refused("keys_not_accepted"):
        asked(authenticator, bearer(key_text("a" * 12, bytes(32))))


def test_a_bound_key_counts_with_its_proof_alone(tmp_path: Path) -> None:
    """Stolen and sent plainly, in whichever header, it tells that it was stolen, and from whom."""
    dpop = Dpop(make_store(tmp_path), origin="https://api.example")
    authenticator, text = with_key(tmp_path, dpop=dpop, bound_to=CLIENTS_KEY.thumbprint())
    proof = (b"dpop", make_proof(text).encode())
    found = asked(authenticator, [*bearer(text, "DPoP"), proof])
    assert (found.account, found.bound) == ("acme", True)
    fresh = (b"dpop", make_proof(text, jti="two").encode())
    for headers in (
        bearer(text),
        [(b"x-api-key", text.encode())],
        bearer(text, "DPoP"),
        [*bearer(text), fresh],
        [*bearer(text, "DPoP"), fresh, fresh],
        [*bearer(text, "DPoP"), (b"dpop", make_proof(text, THIEFS_KEY, jti="two").encode())],
    ):
        with refused("invalid_token", signal="dpop-mismatch") as caught:
            asked(authenticator, headers)
        assert caught.error.account == "acme" and caught.error.www_authenticate.startswith("DPoP ")
    assert asked(authenticator, [*bearer(text, "dpop"), fresh]).account == "acme"


def test_a_stolen_token_is_worth_nothing_without_its_key(tmp_path: Path) -> None:
    """A token of an issuer, bound by `cnf`; nor is a proof that was made for another token."""
    dpop = Dpop(make_store(tmp_path))
    authenticator = Authenticator(issuers=[make_issuer(tmp_path)], dpop=dpop)
    token, other = (make_token(cnf={"jkt": CLIENTS_KEY.thumbprint()}, azp=app) for app in "ab")
    assert asked(
        authenticator, [*bearer(token, "DPoP"), (b"dpop", make_proof(token).encode())]
    ).bound
    with refused("invalid_token", signal="dpop-mismatch"):
        asked(authenticator, bearer(token))
    with refused("invalid_dpop_proof", signal="dpop-mismatch"):
        asked(
            authenticator,
            [*bearer(token, "DPoP"), (b"dpop", make_proof(other, jti="two").encode())],
        )


def test_without_dpop_no_bound_credential_counts(tmp_path: Path) -> None:
    """It is not taken for an unbound one."""
    authenticator, text = with_key(tmp_path, bound_to=CLIENTS_KEY.thumbprint())
    for headers in (bearer(text), [*bearer(text, "DPoP"), (b"dpop", make_proof(text).encode())]):
        with refused("invalid_token"):
            asked(authenticator, headers)


def test_an_unbound_credential_does_not_pass_for_a_bound_one(tmp_path: Path) -> None:
    """Under the scheme of bound ones, by whoever's proof; whether proofs are checked or not."""
    authenticator, text = with_key(tmp_path, dpop=Dpop(make_store(tmp_path)))
    plain = Authenticator(upstream=UPSTREAM)
    for who, token in ((authenticator, text), (plain, "sk-a")):
        with refused("invalid_token"):
            asked(who, [*bearer(token, "DPoP"), (b"dpop", make_proof(token, THIEFS_KEY).encode())])
    assert not asked(authenticator, bearer(text)).bound


def test_binding_can_be_required(tmp_path: Path) -> None:
    """Of keys and tokens alike."""
    dpop = Dpop(make_store(tmp_path))
    authenticator, text = with_key(
        tmp_path, dpop=dpop, dpop_required=True, issuers=[make_issuer(tmp_path)]
    )
    for token in (text, make_token()):
        with refused("invalid_token") as caught:
            asked(authenticator, bearer(token))
        assert caught.error.www_authenticate.startswith("DPoP ")


def test_the_host_s_word_counts_where_it_was_configured() -> None:
    """Once, as text; then credentials are the host's business."""
    authenticator = Authenticator(host_header="X-Account")
    told = asked(authenticator, [(b"x-account", "ацме".encode()), *bearer("sk-a")])
    assert (told.account, told.kind) == ("ацме", "host")
    for headers in (
        [],
        [(b"x-account", b"")],
        [(b"x-account", b"a"), (b"x-account", b"a")],
        [(b"x-account", b"a\nb")],
        [(b"x-account", b"\xff")],
        [(b"x-account", b"a" * 300)],
    ):
        with refused("missing_account"):
            asked(authenticator, headers)
    with refused("malformed_credential"):
        asked(authenticator, [(b"x_account", b"root"), (b"x-account", b"a")])


def test_header_with_a_key_of_ours_is_left_out() -> None:
    """Whatever header it is in, and whether it is whole; the upstream's own go on."""
    text = key_text("a" * 12, bytes(32))
    others = [(b"accept", b"*/*"), *bearer("sk-a"), (b"x-note", b"gk is short for gamekeeper")]
    ours = [*bearer(text), (b"x-api-key", text.encode()), (b"api-key", text[:-1].encode())]
    assert without_our_keys([*ours, *others, (b"x", b"Basic " + text.encode())]) == others


def test_whether_the_store_is_written_is_known_beforehand(tmp_path: Path) -> None:
    """Such requests are authenticated off the event loop."""
    authenticator, text = with_key(tmp_path, dpop=Dpop(make_store(tmp_path)))
    assert not authenticator.is_blocking(bearer(text))
    assert authenticator.is_blocking([*bearer(text), (b"DPoP", b"x")])


def test_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Nobody, two sources of the account, or two issuers whose accounts would meet."""
    keys = make_keys(tmp_path)
    dpop = Dpop(make_store(tmp_path))
    issuer = make_issuer(tmp_path)
    second = make_issuer(tmp_path, issuer="https://other.example")
    for fields in (
        {},
        {"host_header": "x-account", "keys": keys},
        {"dpop_required": True, "keys": keys},
        {"dpop_required": True, "dpop": dpop, "upstream": UPSTREAM},
        {"issuers": [issuer, second]},
        {"issuers": [issuer, issuer]},
    ):
        with pytest.raises(UsageError):
            Authenticator(**fields)  # type: ignore[arg-type]
    prefixed = make_issuer(tmp_path, issuer="https://other.example", account_prefix="other/")
    authenticator = Authenticator(issuers=[issuer, prefixed])
    accounts = [
        asked(authenticator, bearer(make_token(iss=iss))).account
        for iss in (ISSUER, "https://other.example")
    ]
    assert accounts == ["alice", "other/alice"]
