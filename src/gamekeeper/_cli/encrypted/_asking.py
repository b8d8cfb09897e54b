"""The client's side of HTTP."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from gamekeeper._cli.encrypted._shared import unreadable

if TYPE_CHECKING:
    from gamekeeper.encrypted.compiled_model import ModelDescription

_TIMEOUT_S = 120
_MOST_ANSWER_BYTES = 256 << 20
_ROWS_LEFT = "gamekeeper-rows-left"


class Answer(NamedTuple):
    """An answer of a server.

    Args:
        body: Its body.
        rows_left: Rows that are left in the key's budget; None if the server does not say.
    """

    body: bytes
    rows_left: int | None


def exchanged(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Answer:
    """Returns the answer to a request.

    Raises:
        InputError: Nothing answers, or the answer is a refusal.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    from gamekeeper.sealing.shown import shown

    class NoRedirects(HTTPRedirectHandler):
        """Follows no redirect: the API key would be sent along."""

        def redirect_request(self, *_: object) -> None:
            """Refuses."""

    if not url.startswith(("http://", "https://")):
        raise unreadable(url, "not an HTTP URL", "http://HOST:PORT/v2/encrypted/NAME")
    binary = {"content-type": "application/octet-stream"} if body is not None else {}
    try:
        request = Request(url, data=body, headers=headers | binary, method=method)
        with build_opener(NoRedirects).open(request, timeout=_TIMEOUT_S) as answer:
            return Answer(answer.read(_MOST_ANSWER_BYTES), _rows_left(answer.headers))
    except HTTPError as error:
        with error:
            found = f"{error.code}: {_message(error.read(1 << 16))}"
        raise unreadable(url, found, "an answer") from None
    except (URLError, TimeoutError, OSError, HTTPException) as error:
        found = shown(str(getattr(error, "reason", error) or type(error).__name__))
        raise unreadable(url, found, "a server: gamekeeper encrypted serve") from error
    except ValueError:  # whose message may show a header, and with it the API key
        raise unreadable(
            url, "not a URL, or not an API key", "http://HOST:PORT/v2/encrypted/NAME"
        ) from None


def _rows_left(headers: Mapping[str, str]) -> int | None:
    """Earlier servers do not state it."""
    stated = headers.get(_ROWS_LEFT, "")
    return int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 20 else None


def _message(body: bytes) -> str:
    import orjson

    from gamekeeper.sealing.shown import shown

    try:
        return shown(str(orjson.loads(body)["error"]["message"])[:300])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return shown(body[:100].decode("latin-1"))


def description_at(url: str) -> "ModelDescription":
    """Returns what a server says about its model."""
    import orjson

    from gamekeeper.encrypted.compiled_model import read_description

    try:
        fields = orjson.loads(exchanged("GET", url, None, {}).body)
    except orjson.JSONDecodeError:
        raise unreadable(url, "not JSON", "the description of a model") from None
    return read_description(fields, url)
