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
from gamekeeper.guard.doors.metering import Meter
from gamekeeper.guard.doors.middleware import POLICY
from gamekeeper.guard.doors.server_sent_events import Event, EventReader, plain, relay
from gamekeeper.guard.gate import Passage, Request, StoppedError
from gamekeeper.guard.identity import Principal
from gamekeeper.guard.identity.caller import Caller, Callers
from gamekeeper.guard.policy import read_policy
from gamekeeper.guard.routes import UNKNOWN, Json, Strip, UnjudgedRoute
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
# What LiteLLM puts into a call before a guardrail sees it. Its metadata holds the client's beside
# its own, and goes to logs and routing, not to the model.
_OWN = frozenset(
    {
        "proxy_server_request",
        "secret_fields",
        "litellm_call_id",
        "litellm_logging_obj",
        "_litellm_strip_stream_usage",
        "metadata",
        "litellm_metadata",
    }
)
_passage: ContextVar[Passage | None] = ContextVar("gamekeeper_passage", default=None)


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
            request = self._request(guard, data, user_api_key_dict, call_type)
            guard.gate.require_not_denied(request.principal, request.route)
            passage = await guard.gate.reserve(self._entered(guard, request))
        except StoppedError as stopped:
            raise _refused(stopped.refusal) from None
        try:
            await asyncio.sleep(passage.judgement.act.wait_s)
        except asyncio.CancelledError:
            guard.gate.drop(passage)
            raise
        _passage.set(passage)
        return data if request.route.name == UNKNOWN else _with_judged(data, passage)

    async def async_post_call_success_hook(
        self, data: Json, user_api_key_dict: Any, response: Any
    ) -> Any:
        """Strips a whole answer and counts it."""
        guard, passage = self._judged()
        if passage.route.name == UNKNOWN:
            guard.gate.leave(passage, Usage())
            return response
        meter = Meter(passage)
        try:
            document = _document(response)
            meter.see_answer(document)
            change = passage.change()
            if change is not None:
                response = _like(response, _plain(change(document)))
        except BaseException:
            guard.gate.abandon(passage)  # the upstream has worked for what is not given
            raise
        usage = meter.usage
        guard.gate.leave(passage, usage, meter.estimated_in(usage))
        return response

    async def async_post_call_failure_hook(self, *arguments: Any, **named: Any) -> None:
        """Notes a judged call that got no answer."""
        passage = _taken()
        if passage is not None and self._guard is not None:
            self._guard.gate.drop(passage)

    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: Json
    ) -> AsyncIterator[Any]:
        """Strips a stream event by event and counts it when it ends."""
        guard, passage = self._judged()
        stream = _Stream(passage, self._policy.limits.event_bytes)
        is_read = False  # whether LiteLLM has failed, rather than the client left
        try:
            async for chunk in response:
                for kept in stream.pass_on(chunk):
                    yield kept
            for kept in stream.finish():
                yield kept
        except (asyncio.CancelledError, GeneratorExit):
            is_read = True
            raise
        finally:
            if stream.seen:
                usage = stream.meter.usage
                guard.gate.leave(passage, usage, stream.meter.estimated_in(usage))
            elif is_read:
                guard.gate.abandon(passage)
            else:
                guard.gate.drop(passage)

    def _judged(self) -> tuple[Guard, Passage]:
        """The passage of an answer; raises where nothing was judged."""
        passage = _taken()
        if self._guard is None or passage is None:
            log.error("an answer to a call that was not judged is not given")
            raise _refused(
                Refusal(status=500, code="not_judged", message="the guard did not judge this call")
            )
        return self._guard, passage

    def _request(self, guard: Guard, data: Json, key: Any, call_type: str) -> Request:
        """A call as a request; its account is the key that LiteLLM authenticated."""
        path = _PATHS.get(str(getattr(call_type, "value", call_type)))
        route = guard.routes.find("POST", path) if path else None
        headers = _headers(data)
        return Request(
            route=route or UnjudgedRoute(UNKNOWN),
            path=path or str(call_type),
            raw=_asked(data),
            principal=_principal(key).masked(guard.mask),
            caller=self._caller(data),
            proof=headers.get(PROOF_HEADER.lower()),
            trace=headers.get("traceparent"),
            is_isolated=True,  # LiteLLM binds the ids of responses to their users
        )

    def _entered(self, guard: Guard, request: Request) -> Passage:
        if request.route.name != UNKNOWN:
            return guard.gate.enter(request)
        passes = self._policy.unknown_routes == "pass"
        guard.core.metrics.unknown.labels("passed" if passes else "refused").inc()
        outcome = "passed without judgement" if passes else "refused"
        log.warning("unknown call %s: %.80r", outcome, request.path)
        if not passes:
            raise StoppedError(Refusal(status=404, code="unknown_route", message="no such route"))
        passed = self._policy.passed.get(UNKNOWN)
        return guard.gate.enter_unjudged(request, passed.requests if passed else None)

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
        self._passage = passage
        self._reader = EventReader(most)
        self._change: Strip | None = passage.event_change()
        self.seen = 0
        self.meter = Meter(passage)

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
        return [chunk if self._change is None else _like(chunk, _plain(kept))]

    def finish(self) -> list[bytes]:
        """Returns what the end of the stream leaves."""
        self.meter.finish()
        return [out] if (out := self._relayed(self._reader.finish())) else []

    def _relayed(self, events: list[Event]) -> bytes:
        if self._change is not None:
            events = [plain(event) for event in events]
        return b"".join(relay(event, self._take) for event in events)

    def _take(self, document: Json) -> Json | None:
        self.seen += 1
        self.meter.see_event(document)
        if self._passage.hides_usage and self._passage.route.is_usage_event(document):
            return None
        return document if self._change is None else self._change(document)


def _taken() -> Passage | None:
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
    """A call without what LiteLLM itself puts beside the client's fields."""
    return {name: value for name, value in data.items() if name not in _OWN}


def _with_judged(data: Json, passage: Passage) -> Json:
    """What LiteLLM goes on with: what was judged, in place of what was asked."""
    judged = passage.body
    for name in _asked(data):
        if name not in judged:
            del data[name]
    data.update(judged)
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
