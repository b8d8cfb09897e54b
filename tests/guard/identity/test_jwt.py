"""Access tokens: what is accepted, and the ways to forge one."""

import asyncio
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.guard.identity.jwks import fetch, read_keys
from gamekeeper.guard.identity.jwt import JwtIssuer
from gamekeeper.guard.identity.principal import Budget
from guard.identity.builders import (
    AUDIENCE,
    ISSUER,
    ISSUERS_KEY,
    NOW,
    THIEFS_KEY,
    base64url,
    jwks,
    make_claims,
    make_token,
    refused,
    signed,
)


@pytest.fixture(scope="module")
def rsa() -> RSAKey:
    return RSAKey.generate_key(2048)


def make_issuer(
    folder: Path, *keys: Key, document: bytes | None = None, **fields: Any
) -> JwtIssuer:
    path = folder / "jwks.json"
    path.write_bytes(document or jwks(*(keys or (ISSUERS_KEY,))))
    return JwtIssuer(**({"issuer": ISSUER, "audience": AUDIENCE, "jwks": str(path)} | fields))


class Web:
    """What a fetched address answers, and how often it was asked."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self.asked = 0

    async def __call__(self, url: str) -> bytes:
        """Returns the document; fails if there is none."""
        self.asked += 1
        if not self.document:
            raise OSError("unreachable")
        return self.document


def make_fetched(document: bytes, **fields: Any) -> tuple[JwtIssuer, Web]:
    web = Web(document)
    return JwtIssuer(
        issuer=ISSUER, audience=AUDIENCE, jwks="https://login.example/keys", fetch=web, **fields
    ), web


def refreshed(issuer: JwtIssuer, now: float = NOW) -> bool:
    return asyncio.run(issuer.refresh_if_due(now))


def test_a_true_token_speaks_for_its_subject(tmp_path: Path) -> None:
    """With the client that it was made for."""
    found = make_issuer(tmp_path, budget=Budget(cells=3)).verify(
        make_token(auth_time=NOW - 60), NOW
    )
    assert (found.account, found.credential, found.kind) == ("alice", "alice/app", "jwt")
    assert (found.models, found.routes, found.budget.cells) == (None, None, 3)
    assert (found.authenticated_at, found.bound) == (NOW - 60, False)


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "Ed25519", "EdDSA"])
def test_each_allowed_algorithm_verifies(alg: str, rsa: RSAKey, tmp_path: Path) -> None:
    """By a key of its type."""
    key = (
        {"R": rsa, "P": rsa, "E": OKPKey.derive_key("s")}[alg[0]] if alg != "ES256" else ISSUERS_KEY
    )
    issuer = make_issuer(tmp_path, key, algorithms=(alg,))
    assert issuer.verify(make_token(key, {"alg": alg}), NOW).account == "alice"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
def test_an_unsigned_token_is_refused(alg: str, tmp_path: Path) -> None:
    """However it is spelled."""
    token = signed({"alg": alg, "kid": "k0"}, make_claims(), signature=b"")
    with refused("invalid_token"):
        make_issuer(tmp_path).verify(token, NOW)


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_the_public_key_is_no_hmac_secret(alg: str, rsa: RSAKey, tmp_path: Path) -> None:
    """Algorithm confusion: the public key is public, in whichever of its forms."""
    issuer = make_issuer(tmp_path, rsa, algorithms=("RS256",))
    for secret in (rsa.as_pem(), rsa.as_der(), json.dumps(rsa.as_dict(private=False)).encode()):
        forged = signed({"alg": alg, "kid": "k0"}, make_claims(), signature=b"")
        content = forged.rpartition(".")[0]
        mac = hmac.digest(secret, content.encode(), f"sha{alg[2:]}")
        with refused("invalid_token"):
            issuer.verify(f"{content}.{base64url(mac)}", NOW)


def test_an_algorithm_that_was_not_asked_for_is_refused(rsa: RSAKey, tmp_path: Path) -> None:
    """Though the signature is true."""
    with refused("invalid_token"):
        make_issuer(tmp_path, rsa, algorithms=("RS256",)).verify(
            make_token(rsa, {"alg": "PS256"}), NOW
        )


def test_a_key_for_one_algorithm_does_not_serve_another(rsa: RSAKey, tmp_path: Path) -> None:
    """The issuer said what the key is for."""
    issuer = make_issuer(tmp_path, document=jwks(rsa, alg="RS256"), algorithms=("RS256", "PS256"))
    assert issuer.verify(make_token(rsa, {"alg": "RS256"}), NOW)
    for header in ({"alg": "PS256"}, {"alg": "PS256", "kid": None}):
        with refused("invalid_token"):
            issuer.verify(make_token(rsa, header), NOW)


@pytest.mark.parametrize("algorithms", [(), ("none",), ("HS256",), ("ES256", "HS256"), ("RSA1_5",)])
def test_unsafe_algorithms_cannot_be_configured(
    algorithms: tuple[str, ...], tmp_path: Path
) -> None:
    """An empty list does not mean all."""
    with pytest.raises(UsageError):
        make_issuer(tmp_path, algorithms=algorithms)


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": THIEFS_KEY.as_dict(private=False)},
        {"jwk": THIEFS_KEY.as_dict(private=False), "kid": THIEFS_KEY.thumbprint()},
        {"jku": "https://thief.example/keys"},
        {"x5u": "https://thief.example/cert"},
        {"crit": ["b64"], "b64": False},
        {"crit": ["exp"]},
        {"crit": 5},
        {"kid": "../../../../dev/null"},
        {"kid": "k0\x00"},
        {"kid": "' or 1=1 --"},
        {"kid": "K0"},
        {"kid": ""},
        {"kid": ["k0"]},
        {"typ": "dpop+jwt"},
        {"typ": "logout+jwt"},
        {"typ": 5},
        {"alg": ["ES256"]},
    ],
    ids=str,
)
def test_headers_that_choose_the_key_are_refused(header: dict[str, Any], tmp_path: Path) -> None:
    """Signed by the thief with a key that the header brings along; a second key, so that `kid`
    decides.
    """
    issuer = make_issuer(tmp_path, ISSUERS_KEY, ECKey.derive_key("second"))
    for key in (THIEFS_KEY, ISSUERS_KEY):
        content = {"alg": "ES256", "kid": "k0"} | header
        signable = isinstance(content["alg"], str)
        token = (
            signed(content, make_claims(), key)
            if signable
            else signed(content, make_claims(), signature=b"")
        )
        with refused("invalid_token"):
            issuer.verify(token, NOW)


def test_the_key_named_must_have_signed(tmp_path: Path) -> None:
    """Another key of the same issuer will not do, nor a thief's."""
    issuer = make_issuer(tmp_path, ISSUERS_KEY, ECKey.derive_key("second"))
    for key, kid in ((THIEFS_KEY, "k0"), (ISSUERS_KEY, "k1"), (ISSUERS_KEY, None)):
        with refused("invalid_token"):
            issuer.verify(make_token(key, {"kid": kid}), NOW)


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": NOW - 30}, "expired_token"),
        ({"exp": ..., "iat": NOW}, "invalid_token"),
        ({"iat": ...}, "invalid_token"),
        ({"iat": NOW + 31}, "expired_token"),
        ({"nbf": NOW + 31}, "expired_token"),
        ({"iat": NOW - 86_431, "exp": NOW + 1e6}, "expired_token"),
        ({"exp": float("inf")}, "invalid_token"),
        ({"exp": float("nan")}, "invalid_token"),
        ({"exp": 10**400}, "invalid_token"),
        ({"exp": str(NOW + 9)}, "invalid_token"),
        ({"exp": True}, "invalid_token"),
        ({"aud": "another"}, "invalid_token"),
        ({"aud": ...}, "invalid_token"),
        ({"aud": ["another", AUDIENCE + "x"]}, "invalid_token"),
        ({"aud": {AUDIENCE: 1}}, "invalid_token"),
        ({"iss": "https://login.example/"}, "invalid_token"),
        ({"iss": ...}, "invalid_token"),
        ({"iss": [ISSUER]}, "invalid_token"),
        ({"sub": ...}, "invalid_token"),
        ({"sub": ""}, "invalid_token"),
        ({"sub": 7}, "invalid_token"),
        ({"sub": "a\nb"}, "invalid_token"),
        ({"sub": "a" * 300}, "invalid_token"),
        ({"azp": "a\x1b[2J"}, "invalid_token"),
        ({"cnf": {"x5t#S256": "abc"}}, "invalid_token"),
        ({"cnf": {"jkt": "abc", "x5t#S256": "abc"}}, "invalid_token"),
        ({"cnf": {}}, "invalid_token"),
        ({"cnf": "abc"}, "invalid_token"),
    ],
    ids=str,
)
def test_claims_that_do_not_fit_are_refused(
    claims: dict[str, Any], code: str, tmp_path: Path
) -> None:
    """The signature is true in each."""
    with refused(code):
        make_issuer(tmp_path).verify(make_token(**claims), NOW)


def test_an_audience_among_several_is_ours(tmp_path: Path) -> None:
    """And clocks may differ by the leeway."""
    issuer = make_issuer(tmp_path)
    assert issuer.verify(make_token(aud=["another", AUDIENCE]), NOW)
    assert issuer.verify(make_token(iat=NOW + 30, exp=NOW + 60), NOW)
    assert issuer.verify(make_token(exp=NOW - 29), NOW)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "e30.e30.",
        "e30.e30.e30.e30.e30",
        "\x00",
        "é.é.é",
        "\udcff",
        "W10.W10.AA",
    ],
)
def test_what_is_no_token_is_refused(token: str, tmp_path: Path) -> None:
    """Without an error of ours."""
    with refused("invalid_token"):
        make_issuer(tmp_path).verify(token, NOW)


def test_oversized_and_deep_tokens_are_refused(tmp_path: Path) -> None:
    """In the header, the payload and the signature; and a payload of a thousand brackets."""
    issuer = make_issuer(tmp_path)
    deep = base64url(b"[" * 5_000)
    for token in (
        make_token(header={"x": "a" * 5_000}),
        make_token(filler="a" * 20_000),
        make_token() + "A" * 2_000,
        f"{deep}.{deep}.AA",
        "a" * 10_000_000,
    ):
        with refused("invalid_token"):
            issuer.verify(token, NOW)


def test_scopes_come_from_the_claims_that_the_operator_named(tmp_path: Path) -> None:
    """A list or words; a token without the claim may nothing, and a claim nobody named counts
    nothing.
    """
    issuer = make_issuer(tmp_path, models_claim="models", routes_claim="scope")
    found = issuer.verify(
        make_token(models=["gpt-*", 7, ""], scope="openai.chat openai.embeddings"), NOW
    )
    assert (found.models, found.routes) == ({"gpt-*"}, {"openai.chat", "openai.embeddings"})
    found = issuer.verify(make_token(), NOW)
    assert found.models == found.routes == frozenset()
    assert make_issuer(tmp_path).verify(make_token(models=[]), NOW).models is None


def test_a_remembered_token_ends_like_any_other(tmp_path: Path) -> None:
    """Its times are looked at each time; so is a clock that was set back."""
    issuer = make_issuer(tmp_path)
    token = make_token(exp=NOW + 60)
    assert issuer.verify(token, NOW) is issuer.verify(token, NOW + 1)
    for now in (NOW + 90, NOW - 100):
        with refused("expired_token"):
            issuer.verify(token, now)
    assert issuer.verify(token, NOW + 2)


def test_a_withdrawn_key_ends_its_remembered_tokens() -> None:
    """As soon as the issuer's new keys have come."""
    issuer, web = make_fetched(jwks(ISSUERS_KEY))
    refreshed(issuer)
    token = make_token()
    assert issuer.verify(token, NOW)
    web.document = jwks(ECKey.derive_key("second"))
    assert refreshed(issuer, NOW + 600)
    with refused("invalid_token"):
        issuer.verify(token, NOW)


def test_unknown_kids_ask_for_keys_once_a_minute_at_most() -> None:
    """A thousand invented tokens make one request; the new key then counts."""
    issuer, web = make_fetched(jwks(ISSUERS_KEY))
    refreshed(issuer)
    second = ECKey.derive_key("second")
    web.document = jwks(ISSUERS_KEY, second)
    true = make_token(second, {"kid": "k1"})
    for n in range(1_000):
        with refused("invalid_token"):
            issuer.verify(make_token(header={"kid": f"invented {n}"}) if n else true, NOW)
        if n % 20 == 0:
            refreshed(issuer, NOW + n / 20)
    assert web.asked == 1
    assert refreshed(issuer, NOW + 60) and web.asked == 2
    assert issuer.verify(true, NOW).account == "alice"
    assert not refreshed(issuer, NOW + 130) and web.asked == 2


def test_the_last_good_keys_stay() -> None:
    """Whether nothing comes, or no keys; the operator can see why."""
    issuer, web = make_fetched(jwks(ISSUERS_KEY))
    refreshed(issuer)
    for turn, document in enumerate((b"", b"<html>", b'{"keys": []}'), start=1):
        web.document = document
        assert not refreshed(issuer, NOW + turn * 600)
        assert issuer.fault and issuer.verify(make_token(), NOW)
    web.document = jwks(ISSUERS_KEY)
    refreshed(issuer, NOW + 6_000)
    assert issuer.fault is None


def test_without_keys_nothing_counts_and_they_are_asked_for_soon() -> None:
    """A guard that starts before its issuer is there within seconds of it."""
    issuer, web = make_fetched(b"")
    for at in (0, 1, 2, 4.9, 5):
        refreshed(issuer, NOW + at)
    assert web.asked == 2
    with refused("invalid_token"):
        issuer.verify(make_token(), NOW)


def test_a_clock_set_back_does_not_stop_the_asking() -> None:
    """By an hour, as by accident."""
    issuer, web = make_fetched(jwks(ISSUERS_KEY))
    refreshed(issuer)
    refreshed(issuer, NOW - 3_600)
    assert web.asked == 2


def test_symmetric_private_weak_and_encryption_keys_are_passed_over(rsa: RSAKey) -> None:
    """Everybody may sign with what everybody can read."""
    public = ISSUERS_KEY.as_dict(private=False)
    weak = rsa.as_dict(private=False) | {"n": base64url(b"\x00" * 128 + b"\xff" * 128)}
    entries = [
        OctKey.generate_key(256).as_dict(),
        ISSUERS_KEY.as_dict(private=True),
        weak,
        public | {"use": "enc"},
        public | {"key_ops": ["encrypt"]},
        public | {"kid": 5},
        public | {"x": "AA"},
        {"kty": "AKP"},
        {"kty": ["EC"]},
        7,
    ]
    kept = read_keys(json.dumps({"keys": [*entries, public | {"kid": "good"}]}).encode(), "jwks")
    assert [key.kid for key in kept] == ["good"]
    with pytest.raises(InputError):
        read_keys(json.dumps({"keys": entries}).encode(), "jwks")


@pytest.mark.parametrize(
    "url", ["http://login.example/keys", "file:///etc/passwd", "ftp://login.example/k"]
)
def test_keys_are_not_fetched_from_just_anywhere(url: str) -> None:
    """Who stands on the way would choose them."""
    with pytest.raises(UsageError):
        JwtIssuer(issuer=ISSUER, audience=AUDIENCE, jwks=url)


def test_fetching_takes_what_is_there_and_follows_nobody() -> None:
    """Of a server on this machine: a document, a redirection, a flood, and nothing."""

    async def answers() -> list[object]:
        async def serve(request: web.Request) -> web.Response:
            if request.path == "/moved":
                raise web.HTTPFound("/keys")
            flood = request.path == "/flood"
            return web.Response(body=b"x" * (2 << 20) if flood else jwks(ISSUERS_KEY), status=200)

        runner = web.ServerRunner(web.Server(serve))  # type: ignore[arg-type]
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        got = await asyncio.gather(
            *(fetch(base + p) for p in ("/keys", "/moved", "/flood")), return_exceptions=True
        )
        await runner.cleanup()
        return [*got, *await asyncio.gather(fetch(base + "/keys"), return_exceptions=True)]

    document, *failed = asyncio.run(answers())
    assert document == jwks(ISSUERS_KEY)
    assert [type(error) for error in failed] == [InputError] * 3
