"""The guard inside LiteLLM's proxy: a guardrail that judges every call its hooks see.

    # gamekeeper_guardrail.py, beside config.yaml
    from gamekeeper.guard.doors.litellm import Guardrail

    # config.yaml
    guardrails:
      - guardrail_name: gamekeeper
        litellm_params: {guardrail: gamekeeper_guardrail.Guardrail, mode: [pre_call, post_call],
            default_on: true}

The policy's file is named in the environment: `GAMEKEEPER_POLICY=guard.toml`. Who is charged is the
key that LiteLLM authenticated, by its hash; never the body's `user`.

LiteLLM tells a guardrail neither of its start nor of its end: the guard starts with the first call,
and ends with the event loop. One process has one folder of state: run one worker, or give each its
own and let them share a Redis.

Pass-through endpoints and the logs of LiteLLM's other callbacks go round the hooks: see the guide.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from litellm.integrations.custom_guardrail import CustomGuardrail

from gamekeeper.base.errors import UsageError
from gamekeeper.base.log import get_logger
from gamekeeper.guard.assembly import Guard
from gamekeeper.guard.decisions.ladder import Refusal
from gamekeeper.guard.decisions.proof_of_work import HEADER as PROOF_HEADER
from gamekeeper.guard.doors.middleware import POLICY
from gamekeeper.guard.doors.server_sent_events import Event, EventReader, relay
from gamekeeper.guard.gate import Passage, Request, StoppedError
from gamekeeper.guard.identity import Principal
from gamekeeper.guard.identity.caller import Caller, Callers
from gamekeeper.guard.policy import read_policy
from gamekeeper.guard.routes import Json, Strip
from gamekeeper.guard.routes.query import Usage

log = get_logger("gamekeeper.guard")

_PATHS = {
    "completion": "/v1/chat/completions",
    "acompletion": "/v1/chat/completions",
    "text_completion": "/v1/completions",
    "atext_completion": "/v1/completions",
    "embedding": "/v1/embeddings",
    "embeddings": "/v1/embeddings",
    "aembedding": "/v1/embeddings",
    "responses": "/v1/responses",
    "aresponses": "/v1/responses",
    "anthropic_messages": "/v1/messages",
}
# LiteLLM repeats reasoning and more in them
_COPIES = frozenset({"provider_specific_fields", "thinking_blocks"})
# LiteLLM's own, which it puts into the request before a guardrail sees it
_OWN = frozenset(
    {"proxy_server_request", "secret_fields", "litellm_call_id", "litellm_logging_obj"}
)
_MIXED = frozenset({"metadata"})  # the client's, and LiteLLM's own beside it
_UNJUDGED = object()  # a call that the policy passes without judgement
_passage: ContextVar[Passage | object | None] = ContextVar("gamekeeper_passage", default=None)


class Guardrail(CustomGuardrail):  # type: ignore[misc]
    """A LiteLLM guardrail that judges every call. LiteLLM makes it, with its own arguments.

    Raises:
        UsageError: The environment names no policy.
        InputError: The policy has faults.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**{**arguments, "default_on": True})
        named = os.environ.get(POLICY)
        if not named:
            raise UsageError(f"no policy: name its file in the environment variable {POLICY}")
        self._policy = read_policy(Path(named))
        self._callers = Callers(self._policy.identity)
        self._guard: Guard | None = None
        self._starting = asyncio.Lock()
        self._ending: asyncio.Task[None] | None = None

    def should_run_guardrail(self, data: Any, event_type: Any) -> bool:
        """Returns True: neither a request nor a key's settings switch the guard off."""
        return True

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: Json, call_type: str
    ) -> Json:
        """Judges a call; returns it narrowed, or raises the refusal."""
        _passage.set(None)
        guard = await self._started()
        try:
            path = _PATHS.get(str(getattr(call_type, "value", call_type)))
            route = guard.routes.find("POST", path) if path else None
            if path is None or route is None:
                return self._unknown(guard, data, str(call_type))
            headers = _headers(data)
            asked = _asked(data)
            request = Request(
                route=route,
                path=path,
                raw=asked,
                principal=_principal(user_api_key_dict).masked(guard.mask),
                caller=self._caller(data),
                proof=headers.get(PROOF_HEADER.lower()),
                trace=headers.get("traceparent"),
            )
            passage = await guard.gate.reserve(guard.gate.enter(request))
        except StoppedError as stopped:
            raise _refused(stopped.refusal) from None
        try:
            await asyncio.sleep(passage.judgement.act.wait_s)
        except asyncio.CancelledError:
            guard.gate.drop(passage)
            raise
        _passage.set(passage)
        return _with_judged(data, asked, passage.body)

    async def async_post_call_success_hook(
        self, data: Json, user_api_key_dict: Any, response: Any
    ) -> Any:
        """Strips a whole answer and counts it."""
        guard, passage = self._judged()
        if passage is None:
            return response
        try:
            document = _document(response)
            usage = passage.route.usage(document)
            if passage.withheld is not None:
                response = _like(
                    response, _plain(passage.route.strip(document, passage.withheld, passage.query))
                )
        except BaseException:
            guard.gate.drop(passage)
            raise
        guard.gate.leave(passage, usage)
        return response

    async def async_post_call_failure_hook(self, *arguments: Any, **named: Any) -> None:
        """Notes a judged call that got no answer."""
        passage = _taken()
        if isinstance(passage, Passage) and self._guard is not None:
            self._guard.gate.drop(passage)

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: Json
    ) -> AsyncIterator[Any]:
        """Strips a stream event by event and counts it when it ends."""
        guard, passage = self._judged()
        if passage is None:
            async for chunk in response:
                yield chunk
            return
        stream = _Stream(passage, self._policy.limits.event_bytes)
        try:
            async for chunk in response:
                for kept in stream.pass_on(chunk):
                    yield kept
            for kept in stream.finish():
                yield kept
        finally:
            if stream.seen:
                guard.gate.leave(passage, Usage(0, stream.seen).merged(stream.usage))
            else:
                guard.gate.drop(passage)

    def _judged(self) -> tuple[Guard, Passage | None]:
        """The passage of an answer; None for one that the policy passes; raises where nothing was
        judged.
        """
        passage = _taken()
        if self._guard is None or passage is None:
            log.error("an answer to a call that was not judged is not given")
            raise _refused(
                Refusal(status=500, code="not_judged", message="the guard did not judge this call")
            )
        return self._guard, passage if isinstance(passage, Passage) else None

    def _unknown(self, guard: Guard, data: Json, call_type: str) -> Json:
        passes = self._policy.unknown_routes == "pass"
        guard.core.metrics.unknown.labels("passed" if passes else "refused").inc()
        log.warning(
            "unknown call %s: %.80r", "passed without judgement" if passes else "refused", call_type
        )
        if not passes:
            raise StoppedError(Refusal(status=404, code="unknown_route", message="no such route"))
        _passage.set(_UNJUDGED)
        return data

    def _caller(self, data: Json) -> Caller:
        noted = data.get("metadata") or {}
        noted = (data.get("litellm_metadata") or {}) | (noted if isinstance(noted, dict) else {})
        peer = noted.get("requester_ip_address")
        headers = [
            (name.encode("latin-1"), str(value).encode()) for name, value in _headers(data).items()
        ]
        return self._callers.of(peer or None, headers)

    async def _started(self) -> Guard:
        async with self._starting:
            if self._guard is None:
                guard = Guard(self._policy)
                await guard.start()
                self._guard = guard
                self._ending = asyncio.create_task(_end_with_loop(guard))
            return self._guard


class _Stream:
    """Events of one stream; LiteLLM gives objects, or bytes where it passes an API's own
    events on.
    """

    def __init__(self, passage: Passage, most: int) -> None:
        self._route = passage.route
        self._reader = EventReader(most)
        withheld = passage.withheld
        query = passage.query
        self._strip: Strip | None = (
            passage.route.stripper(withheld, query) if withheld is not None else None
        )
        self.seen = 0
        self.usage = Usage()

    def pass_on(self, chunk: Any) -> list[Any]:
        """Returns what goes out for a chunk; raises where it cannot be read."""
        if isinstance(chunk, bytes | str):
            raw = chunk.encode() if isinstance(chunk, str) else chunk
            out = self._relayed(self._reader.feed(raw))
            return [out if isinstance(chunk, bytes) else out.decode()] if out else []
        document = _document(chunk)
        kept = self._take(document)
        if kept is None:
            return []
        return [chunk if self._strip is None else _like(chunk, _plain(kept))]

    def finish(self) -> list[bytes]:
        """Returns what the end of the stream leaves."""
        return [out] if (out := self._relayed(self._reader.finish())) else []

    def _relayed(self, events: list[Event]) -> bytes:
        return b"".join(relay(event, self._take) for event in events)

    def _take(self, document: Json) -> Json | None:
        self.seen += 1
        self.usage = self.usage.merged(self._route.usage(document))
        return document if self._strip is None else self._strip(document)


def _taken() -> Passage | object | None:
    """The passage of this call, for whoever asks first: an answer is counted once."""
    passage = _passage.get()
    _passage.set(None)
    return passage


def _principal(key: Any) -> Principal:
    named = getattr(key, "token", None) or getattr(key, "api_key", None)
    account = (
        _hashed(named) if named else getattr(key, "user_id", None) or getattr(key, "team_id", None)
    )
    if not account:
        raise StoppedError(
            Refusal(
                status=401, code="missing_account", message="the account that asks is not known"
            )
        )
    return Principal(account=account, credential=account, kind="host")


def _hashed(key: str) -> str:
    """LiteLLM's hash of a key; some ways of authenticating leave the key itself."""
    is_hash = len(key) == 64 and all(letter in "0123456789abcdef" for letter in key)
    return key if is_hash else hashlib.sha256(key.encode()).hexdigest()


def _headers(data: Json) -> dict[str, str]:
    headers = (data.get("proxy_server_request") or {}).get("headers") or {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _asked(data: Json) -> Json:
    """What the client asked: the fields of its own body, with the values that LiteLLM goes on with.

    LiteLLM puts much of its own beside them, `metadata` included, which no client said.
    """
    body = (data.get("proxy_server_request") or {}).get("body")
    if not isinstance(body, dict):
        return {name: value for name, value in data.items() if name not in _OWN}
    return {
        name: value if name in _MIXED else data.get(name, value)
        for name, value in body.items()
        if name not in _OWN
    }


def _with_judged(data: Json, asked: Json, judged: Json) -> Json:
    """What LiteLLM goes on with: what was judged, in place of what was asked."""
    for name in asked:
        if name not in judged:
            data.pop(name, None)
    for name, value in judged.items():
        if name not in _MIXED:
            data[name] = value
    return data


def _refused(refusal: Refusal) -> HTTPException:
    detail = {"error": refusal.message, "code": refusal.code}
    return HTTPException(status_code=refusal.status, detail=detail, headers=dict(refusal.headers))


def _document(answer: Any) -> Json:
    document: Json = answer if isinstance(answer, dict) else answer.model_dump(mode="json")
    return document


def _like(answer: Any, document: Json) -> Any:
    """The document as what LiteLLM gave; what it keeps beside the answer stays."""
    if isinstance(answer, dict):
        return document
    made = type(answer)(**document)
    if hidden := getattr(answer, "_hidden_params", None):
        made._hidden_params = hidden
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if name not in _COPIES}
    return [_plain(each) for each in value] if isinstance(value, list) else value


async def _end_with_loop(guard: Guard) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        with suppress(asyncio.CancelledError):
            await guard.stop()
