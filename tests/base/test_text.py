"""What leaves the process: secrets masked, every character visible, identifiers left alone."""

import base64
import random
import string
import uuid
from collections.abc import Callable
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.base.names import NameMask, mask_name
from gamekeeper.base.text import (
    MASK,
    clean,
    clean_document,
    has_secret,
    mask_secrets,
    one_line,
    visible,
)

BASE62 = string.ascii_letters + string.digits
BASE64URL = BASE62 + "-_"
HEX = "0123456789abcdef"
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
SEEN = 12
"""Neighbouring characters of a secret that must not be seen in any output."""


def drawn(rng: random.Random, alphabet: str, length: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(length))


# Forms of the vendors' own documentation; every value is drawn here.
PREFIXED: dict[str, Callable[[random.Random], str]] = {
    "openai project": lambda rng: "sk-proj-" + drawn(rng, BASE64URL, 120),
    "openai": lambda rng: "sk-" + drawn(rng, BASE62, 48),
    "anthropic": lambda rng: "sk-ant-api03-" + drawn(rng, BASE64URL, 93) + "AA",
    "openrouter": lambda rng: "sk-or-v1-" + drawn(rng, HEX, 64),
    "litellm": lambda rng: "sk-" + drawn(rng, BASE64URL, 22),
    "gamekeeper": lambda rng: f"gk_{drawn(rng, BASE32, 12)}_{drawn(rng, BASE62, 49)}",
    "hugging face": lambda rng: "hf_" + drawn(rng, string.ascii_letters, 34),
    "google": lambda rng: "AIza" + drawn(rng, BASE64URL, 35),
    "google oauth": lambda rng: "ya29." + drawn(rng, BASE64URL, 100),
    "aws key id": lambda rng: "AKIA" + drawn(rng, BASE32.upper(), 16),
    "github": lambda rng: "ghp_" + drawn(rng, BASE62, 36),
    "github fine": lambda rng: f"github_pat_{drawn(rng, BASE62, 22)}_{drawn(rng, BASE62, 59)}",
    "gitlab": lambda rng: "glpat-" + drawn(rng, BASE64URL, 20),
    "slack": lambda rng: f"xoxb-{drawn(rng, string.digits, 12)}-{drawn(rng, BASE62, 24)}",
    "stripe": lambda rng: "sk_live_" + drawn(rng, BASE62, 24),
    "groq": lambda rng: "gsk_" + drawn(rng, BASE62, 52),
    "nvidia": lambda rng: "nvapi-" + drawn(rng, BASE64URL, 64),
    "perplexity": lambda rng: "pplx-" + drawn(rng, HEX, 48),
    "databricks": lambda rng: "dapi" + drawn(rng, HEX, 32),
    "sendgrid": lambda rng: f"SG.{drawn(rng, BASE64URL, 22)}.{drawn(rng, BASE64URL, 43)}",
    "web token": lambda rng: (
        f"eyJ{drawn(rng, BASE62, 33)}.eyJ{drawn(rng, BASE62, 60)}.{drawn(rng, BASE64URL, 43)}"
    ),
}
SHAPED: dict[str, Callable[[random.Random], str]] = {
    "32 letters and digits": lambda rng: drawn(rng, BASE62, 32),
    "84 letters and digits": lambda rng: drawn(rng, BASE62, 84),
    "aws secret": lambda rng: drawn(rng, BASE62 + "+/", 40),
    "base64": lambda rng: base64.b64encode(rng.randbytes(32)).decode(),
    "base64url": lambda rng: base64.urlsafe_b64encode(rng.randbytes(32)).decode().rstrip("="),
    "small letters and digits": lambda rng: drawn(rng, string.ascii_lowercase + string.digits, 40),
    "unknown vendor": lambda rng: "newvendor_" + drawn(rng, BASE62, 40),
}
PLACES = (
    "{}",
    " {}",
    "{}\n",
    "Bearer {}",
    "Authorization: Bearer {}",
    '{{"api_key": "{}", "n": 1}}',
    "https://api.example/v1?key={}&n=1",
    "please use {}, and answer briefly",
    "team-a/{}",
)
IDENTIFIERS = (
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "550e8400-e29b-41d4-a716-446655440000",
    "550e8400e29b41d4a716446655440000",
    "60f7c0b2a1b2c3d4e5f6a7b8",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "user-AbCdEfGhIjKlMnOpQrStUvWx",
    "acct_1M2ijJI2eZvKYlo2",
    "up_3f9a0c12b4d53f9a0c12b4d53f9a0c12",
    "a2b3c4d5e6f7",
    "arn:aws:sts::123456789012:assumed-role/ServiceRole/session-20260401",
    "AROAIOSFODNN7EXAMPLE1:someone",
    "someone.else+tag2026@some-company.example",
    "customer-support-bot-production-eu1",
    "claude-3-5-sonnet-20241022-v2",
    "logs/2026-11-02/part-00001-of-00024.parquet",
    "getUserAccountByIdentifierAndName2",
    "sk-learn-pipeline-model",
    "projects/my-project-123456/locations/us-central1/endpoints/1234567890123456789",
)
ORDINARY = (
    "mistralai/Mixtral-8x7B-Instruct-v0.1",
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
    "api_key=settings.X",
    "next_token=next_token",
    "key = self.derive_key()",
    "private key: RSA-2048",
    "password: required",
    "cache key: user:1234:profile",
    "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
    "script-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    "SHA256:uNiVztksCsDhcc0u9e8BrqJXVgJ4c1c2v0e0n1b2m3A",
    "0x742d35Cc6634C0532925a3b844Bc454e4438f44e",
)
HOSTILE = (
    "key-" * 25_000,
    "a-" * 50_000 + " key",
    "9f86d081-" * 10_000 + " key",
    "a-" * 50_000 + "://x:y",
    "://" * 33_000 + "@",
    "-----BEGIN PUBLIC KEY-----" * 4_000,
    "-----BEGIN PRIVATE KEY-----" * 4_000,
    "eyJaaaaaa." * 10_000,
    'password="' * 10_000,
    "***" * 33_000,
    "\u200b" * 100_000,
    "Aa1" * 33_000,
)
NAMED = (
    "Token abcdef0123456789abcdef0123456789",
    "x-api-key abcdef0123456789abcdef0123456789",
    "Authorization: ApiKey abcdef0123456789abcdef",
    "Bearer%20abcdef0123456789abcdef",
    "key%3A%20sk-abcdef0123456789abcdef",
    "Cookie: a=1; sessionid=abcdef0123456789abcdef",
    'password="my pass, word9"',
    "https://ghpabcdef0123456789xyz@host/x",
    "postgres://user:p@ss/word9@host/db",
    "Passwort: word9word9",
    "пароль: word9word9",
    "密码：word9word9",
)
SENTENCES = (
    "Use max_tokens=4096 and a token budget of 1200 tokens.",
    "A basic understanding of bearer authentication is enough.",
    "The key: value pairs of a password policy.",
    "The quick brown fox jumps over 13 lazy dogs on 2026-11-02T12:00:00Z.",
    "Internationalization-and-localization of questionnaires.",
)


def is_seen(secret: str, text: str) -> bool:
    """Whether so many neighbouring characters of a secret are in a text that it helps a thief."""
    return any(secret[at : at + SEEN] in text for at in range(len(secret) - SEEN + 1))


@pytest.mark.parametrize("kind", PREFIXED)
@pytest.mark.parametrize("place", PLACES)
def test_key_with_a_known_prefix_is_masked_wherever_it_is(kind: str, place: str) -> None:
    """At the beginning, behind a blank, in a header, in JSON, in an address, in a sentence."""
    rng = random.Random(f"{kind}{place}")
    for _ in range(20):
        secret = PREFIXED[kind](rng)
        assert not is_seen(secret, mask_secrets(place.format(secret)))


@pytest.mark.parametrize("kind", SHAPED)
def test_key_without_a_known_prefix_is_masked_by_its_shape(kind: str) -> None:
    """Ninety-eight of a hundred: a random text may look like words, and words must stay."""
    rng = random.Random(kind)
    secrets = [SHAPED[kind](rng) for _ in range(500)]
    left = [secret for secret in secrets if is_seen(secret[-32:], mask_secrets(f"a {secret} b"))]
    assert len(left) <= 10, left[:3]


@pytest.mark.parametrize(
    "name", ["Authorization: Bearer", "api_key =", "x-api-key:", '"password":']
)
def test_what_is_named_a_secret_is_masked_whatever_its_shape(name: str) -> None:
    """Keys of hexadecimal digits, which alone look like a digest, and short passwords."""
    rng = random.Random(name)
    for secret in (drawn(rng, HEX, 32), drawn(rng, HEX, 64), "correct-horse7"):
        assert secret not in mask_secrets(f"{name} {secret}")


def test_password_of_an_address_is_masked() -> None:
    """The host stays, so that the message still helps."""
    masked = mask_secrets("redis://guard:hunter2@cache.example:6379/0")
    assert masked == f"redis://guard:{MASK}@cache.example:6379/0"


def test_private_key_is_masked_and_a_public_one_is_not() -> None:
    """A file of either may be quoted in an error."""
    body = base64.b64encode(random.Random(1).randbytes(48)).decode()
    private = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"
    public = f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----"
    assert not is_seen(body, mask_secrets(private))
    assert mask_secrets(public) == public


@pytest.mark.parametrize("text", [*IDENTIFIERS, *SENTENCES])
def test_identifiers_and_sentences_stay(text: str) -> None:
    """A digest, a UUID, an id that names itself, a path, a model's name, prose."""
    assert mask_secrets(text) == text
    assert clean(text) == text


@pytest.mark.parametrize("text", ORDINARY)
def test_code_and_public_keys_stay(text: str) -> None:
    """A name in code, an algorithm, a placeholder; what is made to be shown."""
    assert mask_secrets(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_text_made_to_take_long_takes_no_longer_than_its_length(text: str) -> None:
    """A hundred kilobytes in about a second of computing at most; a square would take minutes."""
    begun = process_time()
    clean(text)
    assert process_time() - begun < 4


@pytest.mark.parametrize(
    "hidden", ["\u200b", "\u200d", "\ufe0f", "\x01", "\u202e", "\u0301", "\U000e0041"]
)
def test_character_that_is_not_seen_hides_no_secret(hidden: str) -> None:
    """Neither in a text nor in a name."""
    secret = PREFIXED["openai"](random.Random(hidden))
    text = f"{secret[:14]}{hidden}{secret[14:30]}{hidden}{secret[30:]}"
    for shown in (clean(text), mask_secrets(text), NameMask(bytes(16)).mask(text)):
        plain = "".join(one for one in shown if one.isascii() and one.isprintable())
        assert not is_seen(secret[4:], plain)


@pytest.mark.parametrize("text", NAMED)
def test_what_a_word_says_to_be_a_secret_is_masked(text: str) -> None:
    """In headers without a colon, cookies, addresses, and in other languages."""
    assert "0123456789" not in mask_secrets(text) and "word9" not in mask_secrets(text)


def test_names_that_are_masked_alike_stay_two_names_of_a_document() -> None:
    """Nothing of a document is lost."""
    rng = random.Random(8)
    document = {PREFIXED["openai"](rng): 1, PREFIXED["openai"](rng): 2}
    assert sorted(clean_document(document).values()) == [1, 2]


def test_random_uuids_and_digests_stay() -> None:
    """As LiteLLM keeps keys, and as most services name accounts."""
    rng = random.Random(3)
    for _ in range(300):
        names = [str(uuid.UUID(int=rng.getrandbits(128))), drawn(rng, HEX, 64), drawn(rng, HEX, 40)]
        assert not any(has_secret(name) for name in names)


@given(st.text(max_size=300))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    """So that a text may pass through several outputs."""
    assert clean(clean(text)) == clean(text)


@given(st.text(max_size=300))
def test_cleaned_text_steers_no_terminal(text: str) -> None:
    """No control character but tab and line feed, none that turns the order, no half of a pair."""
    cleaned = clean(text)
    assert not set(cleaned) & {"\x1b", "\x00", "\x9b", "\u202e", "\u2066", "\ud800", "\r"}
    cleaned.encode()


def test_invisible_character_does_not_hide_half_a_key() -> None:
    """What a reader would copy in one piece is masked in one piece."""
    rng = random.Random(4)
    secret = PREFIXED["openai"](rng)
    hidden = f"{secret[:20]}\u200b{secret[20:]}"
    assert not is_seen(secret[4:20], clean(hidden)) and not is_seen(secret[22:], clean(hidden))


def test_line_is_cut_behind_what_is_masked() -> None:
    """A key across the cut does not show its beginning."""
    secret = PREFIXED["openai project"](random.Random(5))
    line = one_line("word " * 30 + secret + " more" * 500, limit=200)
    assert not is_seen(secret, line) and "more characters" in line and "\n" not in line


def test_visible_shows_the_code_of_what_it_replaces() -> None:
    """The same on a page, on a terminal and in a file."""
    assert visible("a\x1b[31m\u202eb\U000e0041") == "a\\u001b[31m\\u202eb\\U000e0041"


def test_document_is_cleaned_through_and_through() -> None:
    """Names of fields too; numbers, null and truth values stay."""
    secret = PREFIXED["stripe"](random.Random(6))
    document = {"a": [secret, {secret: 1.5}], "b": None, "c": True}
    assert not is_seen(secret, str(clean_document(document)))
    assert clean_document({"b": None, "c": True, "d": 2}) == {"b": None, "c": True, "d": 2}


def test_masked_names_stay_unique_and_the_same_from_run_to_run() -> None:
    """Joins between files need both."""
    rng = random.Random(7)
    names = [make(rng) for make in PREFIXED.values() for _ in range(20)]
    mask = NameMask(b"sixteen byte key")
    masked = [mask.mask(name) for name in names]
    assert len(set(masked)) == len(names)
    assert masked == [NameMask(b"sixteen byte key").mask(name) for name in names]
    assert masked != [NameMask(b"another long key").mask(name) for name in names]
    assert [mask.mask(name) for name in masked] == masked


def test_name_without_a_secret_is_unchanged() -> None:
    """Most accounts are called what they are called."""
    assert [mask_name(name) for name in IDENTIFIERS] == list(IDENTIFIERS)
