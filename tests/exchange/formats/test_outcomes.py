"""How calls end: with a model's answer, or with an error that may look like one."""

import json
from typing import Any

import pytest

from exchange.builders import TIME, litellm
from gamekeeper.exchange.formats import litellm as litellm_format
from gamekeeper.exchange.formats.form import FAILED, PassedOver
from gamekeeper.exchange.formats.openai import row, sniff

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
ANSWERED = {"choices": [{"message": {"content": "Dust."}}]}
CHUNK = {"choices": [{"delta": {"content": "Dust."}}]}
TOOL = {"choices": [{"message": {"content": None, "tool_calls": [{"id": "t1"}]}}]}
FASTAPI = {"detail": [{"loc": ["body"], "msg": "field required", "type": "missing"}]}
UPSTREAM = "upstream connect error or disconnect/reset before headers"


def gateway(**fields: Any) -> dict[str, Any]:
    return {"timestamp": TIME, "api_key_id": "k1", "request": CHAT} | fields


BAD_WORDS = [
    *("quota_exceeded", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND"),
    *("DEADLINE_EXCEEDED", "INTERNAL", "FAILED_PRECONDITION", "RateLimitExceeded", "Throttled"),
    *("bad_request", "not_authorized", "not ok", "unsuccessful", "timed out", "cancelled"),
    *("HTTP/1.1 429 Too Many Requests", "HTTP/2 503", "HTTP_429", "http.429", "4xx", "429.0"),
]
GOOD_WORDS = [
    *("not_blocked", "no_error", "unblocked", "completed", "SUCCEEDED", "200 OK", "partial"),
    *("HTTP/1.1 200 OK", "answered", "MISS", "0 errors", "queued", "allow"),
]


@pytest.mark.parametrize("word", BAD_WORDS)
def test_a_bad_status_is_known_in_any_spelling(word: str) -> None:
    """Codes of HTTP and gRPC, and words that gateways use."""
    assert row(gateway(status=word)) is FAILED


@pytest.mark.parametrize("word", GOOD_WORDS)
def test_words_are_compared_as_a_whole_and_with_their_not(word: str) -> None:
    """`not_blocked` holds a bad word and is a good status."""
    assert not isinstance(row(gateway(status=word)), PassedOver)


ENDS = [
    {"state": "FAILED"},
    {"grpc_status": 8},
    {"rpc_status": "14"},
    {"response_http_code": 429},
    {"failure": "timeout"},
    {"err": "context canceled"},
    {"auth": {"status": "denied"}},
    {"allowed": False},
    {"status": {"code": 7, "message": "denied"}},
    {"outcome": {"status": "error"}},
    {"http": {"response": {"status_code": 429}}, "response": {"message": "Slow down"}},
    {"status": 403, "response": {"message": "Forbidden"}},
    {"status": 502, "response": "<html><body>Bad Gateway</body></html>"},
    {"status": 503, "response": UPSTREAM},
    {"status": 429, "response": {"choices": []}},
    {"status_code": 401, "response_body": "No key"},
    {"status_code": 429, "response": {"__type": "ThrottlingException", "message": "Slow down"}},
    {"status_code": 429, "response": '{"error_code": "LIMIT", "message": "Slow down"}'},
    {"status": "failure", "answer": "Error: rate limited"},
]


@pytest.mark.parametrize("fields", ENDS)
def test_a_bad_status_wins_over_the_message_of_an_error(fields: dict[str, Any]) -> None:
    """A text or a `message` where a bad status is was not said by a model."""
    assert sniff(gateway(**fields)) and row(gateway(**fields)) is FAILED


BODIES = [
    {"statusCode": 429, "message": "Slow down"},
    {"statusCode": 500, "body": {"message": "Slow down"}},
    {"status": 401, "body": {"message": "Invalid key"}},
    {"status-code": 429, "text": "Slow down"},
    {"object": "error", "message": "Slow down", "code": 400},
    {"type": "error", "error": {"type": "overloaded_error"}},
    {"type": "about:blank", "title": "Bad Request", "status": 400},
    {"id": "e1", "message": "invalid api token"},
    {"message": "Unauthorized"},
    {"message": "API rate limit exceeded"},
    {"Message": "User: arn:aws:iam::111111111111:user/a is not authorized to perform: x"},
    {"code": "InvalidApiKey", "message": "Slow down", "request_id": "r1"},
    {"code": 1302, "msg": "Slow down"},
    {"error_code": 336003, "error_msg": "Slow down"},
    {"success": False, "errors": [{"code": 7003, "message": "x"}], "messages": []},
    {"Error": {"Code": "Throttling", "Message": "Slow down"}},
    {"choices": [{"finish_reason": "error", "error": {"code": 502, "message": "x"}}]},
    {"message": None, "code": 429},
    FASTAPI,
    [{"error": {"code": 429}}],
    {"body": [{"error": {"code": 429}}]},
    'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\n\n',
    '{"error": {"message": "cut of',
    "<!DOCTYPE html><html><head>\n<title>503 Service Temporarily Unavailable</title>",
    "Internal Server Error",
    "error code: 502",
    UPSTREAM,
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("is_text", [False, True])
def test_the_body_of_an_error_is_known_without_a_status(body: Any, is_text: bool) -> None:
    """As an object and as JSON text."""
    held = json.dumps(body) if is_text and not isinstance(body, str) else body
    assert row(gateway(response=held)) is FAILED


ANSWERS = [
    {"status": 499, "response": ANSWERED},
    {"status": 499, "response": "The sky is"},
    {"status": 499, "response": TOOL},
    {"status": 500, "response": f'data: {json.dumps(CHUNK)}\n\ndata: {{"error": {{"a": 1}}}}'},
    {"error": "stream broken", "response": [CHUNK]},
    {"error": "client closed the stream", "response": "The sky is"},
    {"response": {"message": "Dust."}},
    {"response": {"answer": "Unauthorized"}},
    {"response": {"message": "Dust.", "type": "text"}},
    {"response": {"message": "Dust.", "code": "print(1)"}},
    {"response": {"code": 0, "message": "success", "data": ANSWERED}},
    {"response": {"code": 200, "msg": "ok", "data": {"text": "Dust."}}},
    {"response": {"message": {"role": "assistant", "content": "Forbidden"}, "done": True}},
    {"response": {"role": "assistant", "content": [{"type": "text", "text": "Forbidden"}]}},
    {"response": {"status": "incomplete", "output": [{"content": [{"text": "Dust."}]}]}},
    {"response": "Forbidden City is in Beijing."},
    {"response": "<html><title>My page</title></html>"},
    {"err": None, "errors": 0, "failure": False, "grpc_status": 0, "status": {"code": 1}},
]


@pytest.mark.parametrize("fields", ANSWERS, ids=range(len(ANSWERS)))
def test_what_a_model_said_is_an_exchange(fields: dict[str, Any]) -> None:
    """Also where the client went away, and where it reads like an error."""
    assert not isinstance(row(gateway(**fields)), PassedOver)


def test_litellm_keeps_the_error_of_a_vendor_as_the_response() -> None:
    """Its status says that the call failed."""
    record = litellm(status="failure", response={"message": "Slow down", "code": 429})
    assert litellm_format.row(record) is FAILED
