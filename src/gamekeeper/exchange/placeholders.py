"""Words in the place of a name where there is no name.

A log that has no account for a call writes "None", "-" or "anonymous" in its place, or the digest
of one of these; one that may not keep a name writes "[REDACTED]" or "***". Neither is an account:
all calls without a name would become one account that asks for everybody.

Source: what gateways write for calls without a key (Python's None, JavaScript's undefined, Go's
<nil>, the "-" of web servers), and the masks of Sentry, Rails, Datadog and LiteLLM.
"""

import hashlib
import re

import polars as pl

_WORDS = (
    "none",
    "null",
    "nil",
    "nan",
    "n/a",
    "na",
    "nat",
    "unknown",
    "undefined",
    "unspecified",
    "unauthenticated",
    "unauthorized",
    "unidentified",
    "anonymous",
    "anonymoususer",
    "anon",
    "nobody",
    "no user",
    "no_user",
    "no-user",
    "noauth",
    "no-auth",
    "not set",
    "not_set",
    "missing",
    "empty",
    "default_user_id",
    "\\n",
)
_HASHED = ("", "None", "none", "null", "undefined", "anonymous", "unknown")
_DIGESTS = tuple(
    hashlib.new(algorithm, word.encode(), usedforsecurity=False).hexdigest()
    for algorithm in ("sha256", "sha1", "md5")
    for word in _HASHED
)
"""A gateway that keeps keys as digests keeps the digest of no key as well."""

_NOBODY = re.compile(r"^[-_.?<>()\[\]{}\s\"']*$|^[0-]{8,}$")
"""Punctuation alone, and identifiers of zeros: the UUID of nobody, the trace without an id."""

_MASK_WORD = (
    "redacted|masked|filtered|hidden|removed|scrubbed|censored|obfuscated|sanitized|sanitised"
    "|anonymized|anonymised|obscured"
)
_TAG_WORD = rf"{_MASK_WORD}|secret|sensitive|private|omitted|pii|api[ _-]?key|token"
_REDACTED = re.compile(
    # the word alone, whatever is around it
    rf"(?i)^(?:\W|_)*(?:{_MASK_WORD})(?:\W|_)*$"
    # the word inside brackets, with what was there: `[REDACTED_API_KEY]`, `<secret:key>`
    r"|^(?:[a-z]+[ :=_-]+)?[\[<{(*%]+(?:[a-z]+[ :=_-])?"
    rf"(?:{_TAG_WORD})(?:[ :=_-][a-z0-9 :=_.-]*)?[\]>}})*%]+$"
    # a mask behind a beginning that all have: `***`, `sk-***`, `Bearer ****`
    r"|^(?:[a-z]{1,10}[ :=_-]{1,2}){0,3}[*•●█…]{2,}$"
    r"|^[x#.•*-]{3,}$"
)


def is_nobody(text: str) -> bool:
    """Returns whether a name says that there is no name: `None`, `-`, `anonymous`, zeros.

    Example:
        >>> is_nobody("<nil>"), is_nobody("0"), is_nobody("00000000-0000-0000-0000-000000000000")
        (True, False, True)
    """
    plain = text.strip().lower()
    return plain in _NO_NAMES or _NOBODY.match(plain) is not None


def is_redacted(text: str) -> bool:
    """Returns whether a mask is in the place of a name, the same for all: `[REDACTED]`, `***`.

    A mask that ends in characters of the name (`sk-...a1b2`) still tells names apart and is not
    one.

    Example:
        >>> is_redacted("[REDACTED]"), is_redacted("sk-***"), is_redacted("sk-...a1b2")
        (True, True, False)
    """
    return _REDACTED.match(text.strip()) is not None


_LAST_WHOLE = 1 << 53  # of floats that hold each whole number


def is_whole(value: float) -> bool:
    """Returns whether a float is a whole number without loss: a table with a null in a column of
    numbers writes them all so.
    """
    return value.is_integer() and abs(value) < _LAST_WHOLE


def nobody(names: pl.Expr) -> pl.Expr:
    """Returns `is_nobody` of a column of text."""
    plain = names.str.strip_chars().str.to_lowercase()
    return plain.is_in(sorted(_NO_NAMES)) | plain.str.contains(_NOBODY.pattern)


def redacted(names: pl.Expr) -> pl.Expr:
    """Returns `is_redacted` of a column of text."""
    return names.str.strip_chars().str.contains(_REDACTED.pattern)


_BRACKETS = (("", ""), ("<", ">"), ("[", "]"), ("(", ")"), ('"', '"'), ("'", "'"))
_NO_NAMES = frozenset(
    f"{left}{name}{right}" for name in (*_WORDS, *_DIGESTS) for left, right in _BRACKETS
)
"""Words in the place of a name, in lower case."""

MAY_BE_NO_NAME = (
    # no digit, zeros alone, brackets and masks, blanks or NUL at an end, the float of a number
    r"^[^0-9]*$|^[0-]{8,}$|[\[\]<>{}()*%•●█…]|^[\s\x00]|[\s\x00]$|\.0$"
    rf"|^(?i:{'|'.join(_DIGESTS)})$"
)
"""A pattern that finds all of these words, and names that have blanks around them, in one pass over
a column; of what it finds most are names."""
