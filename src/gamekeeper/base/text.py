"""Text that strangers wrote, made safe to show: no character steers a terminal, no secret leaves.

Prompts, account names and file names come from anybody. Everything that leaves the process (files,
terminal, logs, traces, metrics, pages, errors) passes through here:

    visible        control characters and characters that hide or reorder text become their code:
                   `\\u001b`
    mask_secrets   API keys, tokens and passwords become their beginning and `***`
    clean          both
    one_line       both, on one line, cut
    clean_document both, for each text of a JSON document

A secret is recognised by its shape, not by a list of vendors: a long run of characters that changes
between capitals, small letters and digits as random text does, also behind a prefix (`sk-`, `hf_`).
Where the shape is not enough, the word before it counts: `Authorization: Bearer`, `api_key=`,
`password:`. Digests in hexadecimal, UUIDs, ULIDs and ids that name themselves as such (`user-`,
`org_`, `msg_`) are identifiers and stay.

What it cannot know: a key of hexadecimal digits alone looks like a digest. It is masked only behind
a known prefix, or where a word before it says that it is a key.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

MASK = "***"
"""What a masked secret ends in."""

_STEERING = re.compile(
    # control characters but tab and line feed: they steer a terminal
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"
    # invisible, or turning the order of a line; joiners stay, since scripts and emoji need them
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e01ef"
    # halves of a pair, which no encoding can write
    "\ud800-\udfff]"
)

_MIN_RUN = 16
"""Characters of the shortest run that is taken for random; shorter ones are words and numbers."""

_MIN_TOKEN = 8
_TOKEN = re.compile(r"(?<![A-Za-z0-9_\-+/=~])[A-Za-z0-9_\-+/=~]{8,}+")
_NAMING_WORDS = (
    "key",
    "token",
    "secret",
    "pass",
    "pwd",
    "auth",
    "bearer",
    "basic",
    "dpop",
    "cookie",
    "credential",
    "sig",
    "contrase",
    "senha",
    "парол",
    "密码",
    "パスワード",
)
# Repetitions have an end everywhere: without one, a text made for it takes the square of its
# length.
_NAMED = re.compile(
    r"""(?xi)
    (?P<name>
        \b(?:proxy-)?authorization\b
      | \b[\w-]{0,40}?(?:api|access|secret|private|signing|encryption|account|shared|client
              |subscription|session) [-_ ]? (?:key|secret|token)\b
      | \b(?:key|token|secret|credentials?|sig|signature)\b
      | \b\w{1,40}?[-_](?:key|token|secret)\b
    )
    (?P<sign> ["'\]\\]{0,4} \s{0,4} [:=：]>? \s{0,4} ["'(\[\\]{0,4} (?: b["'] )?
        (?: (?:bearer|basic|token|dpop|digest|apikey) \s{1,4} )? )
    (?P<value> [^\s"'<>,;()\[\]{}*\\]{6,}+ )
    """
)
_PASSWORD = re.compile(
    r"""(?xi)
    (?P<name> \b\w{0,40}?(?:password|passwd|passwort|passphrase|pwd|contraseña|senha|пароль) | 密码
      | パスワード )
    (?P<sign> ["'\]\\]{0,4} \s{0,4} [:=：]>? \s{0,4} )
    (?: "(?P<quoted>[^"\n]{4,200})" | '(?P<single>[^'\n]{4,200})'
      | ["'\\]{0,4} (?P<value> [^\s"'<>,;()\[\]{}*\\]{6,}+ ) )
    """
)
_COOKIE = re.compile(r"(?i)\b(?:set-)?cookie\b[\"']? ?[:=] ?[\"']?(?P<value>[^\n\"']{8,4000}+)")
_SCHEME = re.compile(
    r"(?i)\b(?P<name>bearer|basic|dpop|token|(?:x-)?api[-_ ]?key)"
    r"(?P<sign>(?:\s|%20|\+){1,4})(?P<value>[A-Za-z0-9._~+/=-]{4,}+)"
)
_USERINFO = re.compile(
    r"://[^\s/@:]{0,200}:(?!\d{1,5}/)(?P<value>[^\s@*]{1,200}(?:@[^\s@?#]{1,200}(?=@)){0,3})(?=@)"
)
_USER_TOKEN = re.compile(r"://(?P<value>[A-Za-z0-9_-]{16,200})(?=@)")
_PEM = re.compile(
    r"-----BEGIN (?P<kind>[A-Z0-9 ]{0,40}PRIVATE KEY)-----.*?(?:-----END (?P=kind)-----|\Z)",
    re.DOTALL,
)
_PUBLIC_PEM = re.compile(r"-----BEGIN (PUBLIC KEY|CERTIFICATE)-----")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{6,}+(?:\.[A-Za-z0-9_-]*+)*")

_BEFORE = r"(?:(?<![A-Za-z])|(?<=%[0-9A-Fa-f][A-Fa-f]))"  # `%3A` ends in a letter
_DOTTED = re.compile(r"\b(?:ya29|SG|dapi|xoxe|pat[A-Za-z0-9]{14}|v1)\.[A-Za-z0-9_.-]{12,}+")
_PREFIXED = re.compile(
    _BEFORE + r"(?P<head>[srpgx]k|hf|gh[pousr]|github_pat|gl[a-z]{2,4}|xox[a-z]|npm|pypi|gsk|r8"
    r"|nvapi|pplx|whsec|lsv2_(?:pt|sk)|shp(?:at|ss)|dop_v1|lin_api|api_org|tgp_v1)"
    r"[-_](?P<body>[A-Za-z0-9_\-+/=]{6,}+)"
)
_COMPACT = re.compile(_BEFORE + r"(?P<head>AKIA|ASIA|AIza|dapi)(?P<body>[A-Za-z0-9_-]{8,}+)")
_HEX_KEY = re.compile(r"(?<![A-Za-z0-9])(?:key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2})(?![0-9A-Za-z])")
_LONE_RUN = re.compile(r"[A-Za-z0-9]{16,}+")

_PUBLIC = re.compile(
    r"\bage1[a-z0-9]{58}\b | \bSHA256:[A-Za-z0-9+/]{43}=? "
    r" | \bsha(?:256|384|512)-[A-Za-z0-9+/]{43,86}={0,2}"
    r" | \bAAAA[A-Z][A-Za-z0-9+/]{30,1000}={0,2} | \b0x[0-9a-fA-F]{40}\b"
    r" | \bdid:[a-z]+:[A-Za-z0-9]{20,100}",
    re.VERBOSE,
)
"""Public keys, fingerprints and addresses, which look random and are meant to be shown."""
_UUID = re.compile(
    r"(?i)(?<![0-9a-z])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-z])"
)
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_AWS_PRINCIPAL = re.compile(r"A(?:ROA|IDA|IPA|NPA|GPA|NVA|SCA|PKA)[A-Z0-9]{12,}")
_HEX = re.compile(r"(?:0[xX])?(?:[0-9a-f]+|[0-9A-F]+)")
_CUID = re.compile(r"c[a-z0-9]{24}")
_ID_PREFIX = re.compile(
    r"(?i)(?:user|usr|uid|org|organization|proj|project|acct|account|cus|customer|client|tenant"
    r"|team|member|workspace|wrkspc|req|request|msg|message|chatcmpl|cmpl|resp|conv|conversation"
    r"|thread|run|asst|file|batch|call|toolu|trace|span|evt|event|sub|key_id|kid|id|key-id|apikey"
    r"|model|job|ft|ftjob|snap|img|vs)[-_]"
)
_ID_CHARS = 32
"""Longest random part of an id that names itself; keys are longer."""
_CHANGES = re.compile(
    r"(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[0-9]|(?<=[0-9])[A-Za-z]|(?<=[A-Z])[a-z](?=[A-Z0-9])"
)
_WORDS_BEFORE = re.compile(r"(?:[a-z]{2,12}[-_/])+|(?:[A-Z][a-z]{1,11}[-_/])+")
_WORDLIKE = re.compile(r"[A-Z]?[a-z]{3,}\d{0,3}|[A-Z]{2,5}|v?\d{1,4}[a-zA-Z]?")
_SEPARATORS = re.compile(r"[_\-+/=~]+")
_PLAIN_VALUE = re.compile(
    r"""(?xi)
    [a-z_.\-()/]+                                        # a word, a name in code, a path
    | \$\{?\w+\}? | %\(?\w+\)?s? | env:.* | https?://.* | ~?\.{0,2}/.*   # where the value is
    | (?:aes|rsa|ed25519|x25519|sha|hmac|ml-?kem|p-)[-_\w+]{0,20}           # an algorithm
    """
)

_MASKED = re.compile(r"\*\*\*(?:[0-9a-f]{16}(?![0-9a-zA-Z]))?")
_CODE = r"\\u[0-9a-f]{4}|\\U[0-9a-f]{8}"
_FOLDED = re.compile(
    f"{_CODE}|{_STEERING.pattern}|[\u0300-\u036f\u200c\u200d\ufe00-\ufe0f]|[\uff01-\uff5e]"
)
"""What hides or imitates a character: dropped, or read as ASCII, where secrets are looked for."""


def visible(text: str) -> str:
    """Returns text in which no character can steer a terminal or hide.

    Example:
        >>> visible("red \\x1b[31m")
        'red \\\\u001b[31m'
    """
    return _STEERING.sub(_code, text.replace("\r\n", "\n"))


def _code(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def clean(text: str) -> str:
    """Returns text that may leave the process: secrets masked, then every character visible."""
    return visible(mask_secrets(text))


def one_line(text: str, limit: int = 200) -> str:
    """Returns `clean` text on one line, with a note of how much was cut beyond `limit`
    characters.
    """
    # a secret that begins before the cut is masked whole; what follows far behind it is not shown
    looked_at = text[: limit + 4_096]
    line = clean(" ".join(looked_at.split()))
    left = len(text) - len(looked_at) + max(len(line) - limit, 0)
    if len(line) <= limit and not left:
        return line
    return f"{line[:limit].rstrip()} … ({left:,} more characters)"


def clean_document(value: Any, clean_text: Callable[[str], str] = clean) -> Any:
    """Returns a JSON document (dicts, lists, texts, numbers) with each text cleaned, names
    included.

    Args:
        value: The document.
        clean_text: `mask_secrets` for programs that need the other characters as they are.
    """
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        cleaned: dict[Any, Any] = {}
        for name, one in value.items():
            shown_name = clean_document(name, clean_text)
            if shown_name in cleaned:  # two keys that are masked alike must not become one
                shown_name = f"{shown_name}#{len(cleaned)}"
            cleaned[shown_name] = clean_document(one, clean_text)
        return cleaned
    if isinstance(value, list | tuple):
        return [clean_document(one, clean_text) for one in value]
    return value


def mask_secrets(text: str) -> str:
    """Returns text with each secret replaced by its beginning and `***`.

    Example:
        >>> mask_secrets("key sk-proj-4fQz9Lm2Xc7Vb1Nn8Ka3 of 9f86d081884c7d65")
        'key sk-proj-*** of 9f86d081884c7d65'
    """
    spans = secret_spans(text)
    return replace_spans(text, spans, lambda start, end: f"{shown_part(text[start:end])}{MASK}")


def replace_spans(text: str, spans: list[tuple[int, int]], replacement: Any) -> str:
    """Returns text with each span replaced by what `replacement(start, end)` gives."""
    parts = []
    at = 0
    for start, end in spans:
        parts += [text[at:start], replacement(start, end)]
        at = end
    parts.append(text[at:])
    return "".join(parts)


def has_secret(text: str) -> bool:
    """Returns whether some part of a text has the shape of a secret."""
    return bool(secret_spans(text))


def secret_spans(text: str) -> list[tuple[int, int]]:
    """Returns where the secrets of a text begin and end, in order, without overlaps.

    Characters that hide inside a secret, or imitate ASCII, are part of it.
    """
    if len(text) < 8:
        return []
    if _FOLDED.search(text) is None:
        return _spans(text)
    folded, places = _fold(text)
    return [(places[start], places[end - 1] + 1) for start, end in _spans(folded)]


def _fold(text: str) -> tuple[str, list[int]]:
    """Returns text as a reader would copy it, and the last place in `text` of each character."""
    parts: list[str] = []
    places: list[int] = []
    at = 0
    for match in _FOLDED.finditer(text):
        parts.append(text[at : match.start()])
        places += range(at, match.start())
        if "\uff01" <= match[0] <= "\uff5e":
            parts.append(chr(ord(match[0]) - 0xFEE0))
            places.append(match.start())
        at = match.end()
    parts.append(text[at:])
    places += range(at, len(text))
    return "".join(parts), places


def _spans(text: str) -> list[tuple[int, int]]:
    """The secrets between what is masked already: `***`, with the digest of a name behind it."""
    found: list[tuple[int, int]] = []
    at = 0
    for masked in _MASKED.finditer(text):
        part = text[at : masked.start()]
        # what ends at a mask is the part of that secret which may be shown
        found += [(at + a, at + b) for a, b in _spans_of_part(part) if at + b < masked.start()]
        at = masked.end()
    return found + [(at + a, at + b) for a, b in _spans_of_part(text[at:])]


def _spans_of_part(text: str) -> list[tuple[int, int]]:
    if len(text) < _MIN_TOKEN:
        return []
    found = list(_token_spans(text)) if _has_long_token(text) else []
    lower = text.lower()
    if any(word in lower for word in _NAMING_WORDS):
        found += _named_spans(text)
    if "://" in text and "@" in text:
        found += [match.span("value") for match in _USERINFO.finditer(text)]
        found += [m.span("value") for m in _USER_TOKEN.finditer(text) if not m["value"].isalpha()]
    if "-----BEGIN" in text:
        public = list(_public_pems(text))
        found = [one for one in found if not any(a <= one[0] < b for a, b in public)]
        found += [match.span() for match in _PEM.finditer(text)]
    return _merged(sorted(found))


def _public_pems(text: str) -> Iterator[tuple[int, int]]:
    """Blocks of public keys and certificates, which may be shown; found without going back."""
    at = 0
    while (begin := _PUBLIC_PEM.search(text, at)) is not None:
        end_line = f"-----END {begin[1]}-----"
        end = text.find(end_line, begin.end())
        if end < 0:
            return
        at = end + len(end_line)
        yield begin.start(), at


def shown_part(secret: str) -> str:
    """Returns the part of a secret that may be shown: its prefix (`sk-proj-`), at most 12
    characters.

    Of a secret without a prefix the first four characters stay, if it is long.
    """
    prefix = re.match(
        r"-----BEGIN |(?:[a-z]{2,10}[0-9]{0,2}[-_]){1,2}|SG|AKIA|ASIA|AIza|eyJ", secret
    )
    if prefix is not None and len(prefix[0]) <= min(12, len(secret) // 2):
        return prefix[0]
    return secret[:4] if len(secret) >= 20 else ""


def _named_spans(text: str) -> Iterator[tuple[int, int]]:
    for pattern in (_NAMED, _SCHEME):
        for match in pattern.finditer(text):
            if _is_value(match["value"], match["name"]):
                yield match.span("value")
    for match in _PASSWORD.finditer(text):
        group = next(one for one in ("quoted", "single", "value") if match[one] is not None)
        if _is_password(match[group], match["name"]):
            yield match.span(group)
    for match in _COOKIE.finditer(text):
        yield match.span("value")


def _is_value(value: str, name: str) -> bool:
    """Whether what follows a name such as `api_key:` is a secret, and not a word or a number."""
    name = name.lower()
    if name in ("bearer", "dpop", "authorization", "proxy-authorization"):
        return re.search(r"[^A-Za-z-]", value.rstrip(".,:;!?")) is not None
    if value.isdigit() or _PLAIN_VALUE.fullmatch(value):
        return False
    if _UUID.fullmatch(value) and "secret" not in name:
        return False
    has_letter = any(one.isalpha() for one in value)
    has_digit = any(one.isdigit() for one in value)
    if name in ("key", "token", "secret", "credential", "credentials", "sig", "signature"):
        # `key: user:1234:profile` and `token: EOF2` are prose
        return has_letter and has_digit and len(value) >= 16 and ":" not in value
    return has_letter and has_digit


def _is_password(value: str, name: str) -> bool:
    words = {"password", "required", "none", "null", "true", "false", "string", "optional"}
    if value.lower() in words or value.lower() == name.lower():
        return False
    return not re.fullmatch(r"\$\{?\w+\}?|env:.*|\.{0,2}/(?:\w+/)*\w*", value)


def _has_long_token(text: str) -> bool:
    """Whether some word is long and not a plain word: most text has none, and this is cheap
    to see.
    """
    for word in text.split():
        if len(word) >= _MIN_TOKEN and not word.strip(".,:;!?()\"'").islower():
            return True
        if len(word) >= _MIN_TOKEN and not word.strip(".,:;!?()\"'").isalpha():
            return True
    return False


def _token_spans(text: str) -> Iterator[tuple[int, int]]:
    for pattern in (_JWT, _DOTTED):
        for match in pattern.finditer(text):
            if len(match[0]) >= 20:
                yield match.span()
    if _PUBLIC.search(text):
        text = _PUBLIC.sub(_blank, text)
    for match in _TOKEN.finditer(text):
        offset = match.start()
        for start, end in _spans_of_token(match[0]):
            yield offset + start, offset + end


def _spans_of_token(token: str) -> list[tuple[int, int]]:
    """The secrets in a run of letters, digits and `_-+/=~`, as accounts, keys and paths are."""
    spans = [match.span() for match in _HEX_KEY.finditer(token)]
    for pattern in (_PREFIXED, _COMPACT):
        for match in pattern.finditer(token):
            if _is_key_body(match["body"]):
                spans.append(match.span())
    if spans:
        return spans
    rest = _UUID.sub(_blank, token)
    for match in re.finditer(r"[^\x00]{16,}+", rest):
        spans += [(match.start() + a, match.start() + b) for a, b in _random_spans(match[0])]
    return spans


def _blank(found: re.Match[str]) -> str:
    return "\x00" * len(found[0])


def _is_key_body(body: str) -> bool:
    """Whether what follows a vendor's prefix is a key, and not a word as in `sk-learn-pipeline`."""
    if _LONE_RUN.search(body):
        return True
    has_digit = any(one.isdigit() for one in body)
    is_mixed = body != body.lower() and body != body.upper()
    longest = max(len(part) for part in _SEPARATORS.split(body))
    return longest >= 6 and (has_digit or is_mixed)


def _random_spans(token: str) -> list[tuple[int, int]]:
    """The parts of a token that look drawn at random: all of it, or single runs without a
    separator.
    """
    id_prefix = _ID_PREFIX.match(token)
    own = token[id_prefix.end() :] if id_prefix is not None else ""
    if len(own) <= _ID_CHARS and _LONE_RUN.fullmatch(own):
        return []
    if _is_random_with_separators(token):
        # base64url has `-` and `_` in it, base64 `/` and `+`
        start = _WORDS_BEFORE.match(token)
        return [
            (0, len(token)) if start is None else (min(start.end(), len(token) - 8), len(token))
        ]
    return [match.span() for match in _LONE_RUN.finditer(token) if _is_random(match[0])]


def _is_random_with_separators(token: str) -> bool:
    start = _WORDS_BEFORE.match(token)
    parts = [part for part in _SEPARATORS.split(token[start.end() if start else 0 :]) if part]
    joined = "".join(parts)
    # names of models and files are made of words and numbers: `Mixtral-8x7B-Instruct-v0`
    words = sum(len(part) for part in parts if _WORDLIKE.fullmatch(part))
    if 2 * words >= len(joined):
        return False
    # names made of words have a separator every six letters or so, a random text one in thirty
    is_dense = len(joined) >= 20 and len(parts) <= 1 + len(joined) / 5
    return is_dense and _is_mixed_case(joined) and _is_random(joined)


def _is_random(run: str) -> bool:
    """Whether a run of letters and digits changes between kinds as often as random text does.

    Of random text in 62 characters 57 % of neighbours are of different kinds, in 36 characters 40
    %, in base32 31 %; of words with capitals inside (`getUserById`) and of names with numbers below
    15 %.
    """
    if len(run) < _MIN_RUN or run.isdigit() or (run.isalpha() and not _is_mixed_case(run)):
        return False
    if _HEX.fullmatch(run):
        return False
    if any(known.fullmatch(run) for known in (_ULID, _CUID, _AWS_PRINCIPAL)):
        return False
    changes = len(_CHANGES.findall(run))
    share = changes / (len(run) - 1)
    if _is_mixed_case(run):
        return share >= (0.25 if len(run) >= 20 else 0.4)
    return len(run) >= 20 and changes >= 5 and share >= (0.15 if len(run) >= 28 else 0.25)


def _is_mixed_case(run: str) -> bool:
    return run != run.lower() and run != run.upper()


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
