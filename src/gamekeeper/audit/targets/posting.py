"""JSON to an endpoint and back, with the patience that servers ask for.

A rate limit (429) and a server that is busy (502, 503, 504) are waited for, as long as they ask up
to two minutes, a few times. What may be the fault of one query (400, 413, 422, 500, an answer that
is not JSON) is a `QueryError`. A limit that asks for longer, a credential or an address that is
refused, or any other status, ends it. A redirect is not followed: credentials would be sent along,
to whom their owner did not name.
"""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from gamekeeper.audit.targets._target import QueryError, TargetError

_TRIES = 5
_WAIT_S = 1.0
_LONGEST_WAIT_S = 120.0
_SHOWN = 300  # bytes of an error's body in a message
_BUSY = frozenset({429, 502, 503, 504})
_OF_QUERIES = frozenset({400, 413, 422, 500})
_OF_CREDENTIALS = ("api key", "api_key", "apikey", "credential", "unauthorized", "access token")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to the caller, as errors."""

    def redirect_request(self, *_: object) -> None:
        """Makes no other request."""


_OPENER = urllib.request.build_opener(_NoRedirects)


class Poster:
    """A client that posts JSON to one endpoint and waits where the endpoint asks for it.

    Args:
        name: By which messages call the endpoint.
        headers: Sent along; secrets among them are never printed.
        timeout_s: For one answer.
        sleep: Waits, in seconds.
    """

    def __init__(
        self,
        name: str,
        headers: Mapping[str, str],
        timeout_s: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name = name
        self._headers = headers
        self._timeout_s = timeout_s
        self._sleep = sleep

    def post(self, url: str, document: Any) -> Any:
        """Asks until there is an answer; waits where the server asks for it.

        Raises:
            QueryError: It refuses what was asked, fails on it, or does not answer with JSON.
            TargetError: It cannot be reached, stays busy, refuses the credential or the address.
        """
        return self._answered(url, json.dumps(document).encode())

    def get(self, url: str) -> Any:
        """Reads what is at an address, as `post`."""
        return self._answered(url, None)

    def _answered(self, url: str, body: bytes | None) -> Any:
        for turn in range(_TRIES):
            try:
                return self._once(url, body)
            except urllib.error.HTTPError as error:
                with error:  # holds the connection
                    self._require_no_redirect(error, url)
                    self._require_busy(error)
                    wait_s = self._asked_wait_s(error, turn)
            except (OSError, http.client.HTTPException) as error:
                wait_s = _own_wait_s(turn)
                reason = getattr(error, "reason", None) or error
                if turn == _TRIES - 1:
                    raise TargetError(f"{self._name} cannot be reached: {reason}") from error
            self._sleep(wait_s)
        raise TargetError(
            f"{self._name} was still busy at attempt {_TRIES}; run the same audit again later"
        )

    def _once(self, url: str, body: bytes | None) -> Any:
        headers = {"content-type": "application/json", **self._headers}
        method = "GET" if body is None else "POST"
        request = urllib.request.Request(url, body, headers, method=method)
        with _OPENER.open(request, timeout=self._timeout_s) as answer:
            try:
                return json.load(answer)
            except ValueError as error:
                raise QueryError(f"{self._name} did not answer with JSON: {error}") from error

    def _asked_wait_s(self, error: urllib.error.HTTPError, turn: int) -> float:
        """Returns the time that it asks for.

        Raises:
            TargetError: That is too long to wait for.
        """
        asked = error.headers.get("retry-after") or ""
        if not asked.isdigit():
            return _own_wait_s(turn)
        if int(asked) > _LONGEST_WAIT_S:
            raise TargetError(
                f"{self._name} answered {error.code} and asks to wait {int(asked):,} s; run the"
                " same audit again after that"
            ) from error
        return float(asked)

    def _require_no_redirect(self, error: urllib.error.HTTPError, url: str) -> None:
        if not 300 <= error.code < 400:
            return
        place = error.headers.get("location")
        where = plain_address(urljoin(url, place)) if place else "an address that it does not name"
        raise TargetError(
            f"{self._name} answered {error.code} and redirects to {where}; nothing was sent there:"
            " if that is your endpoint, set its address as `url`"
        ) from error

    def _require_busy(self, error: urllib.error.HTTPError) -> None:
        if error.code in (401, 403):
            raise TargetError(
                f"{self._name} refused the credential ({error.code}); see `headers`"
            ) from error
        if error.code in _BUSY:
            return
        said = error.read(_SHOWN).decode("utf-8", "replace")
        message = f"{self._name} answered {error.code}: {said}"
        is_refused = error.code < 500
        if error.code in _OF_QUERIES and not (is_refused and _is_of_credentials(said)):
            raise QueryError(message, is_refused=is_refused) from error
        raise TargetError(message) from error


def _is_of_credentials(said: str) -> bool:
    """Whether a 400 is about who asks: some providers answer so to a key that is invalid."""
    return any(word in said.lower() for word in _OF_CREDENTIALS)


def plain_address(url: str) -> str:
    """Returns an address without credentials or query, as reports and casebooks may name it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _own_wait_s(turn: int) -> float:
    return float(_WAIT_S * 2**turn)
