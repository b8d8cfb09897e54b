"""Requests as a gateway or an application logs them, bare or wrapped with their response.

    {"created": 1775000000, "api_key_id": "key_1", "model": "m", "messages": [...]}
    {"timestamp": "...", "project": "p", "request": {"messages": [...]}, "response": {"choices":
    [...]}}

The request may be of any vendor: OpenAI's chat, completions and responses, Anthropic's messages,
Gemini's contents, Cohere, Hugging Face, Ollama. The wrapper may be anybody's: Kong, Portkey,
Cloudflare, Databricks, Vertex AI, API Gateway, or one's own. So names are compared without case and
separators.

Who was authenticated is said by the wrapper. The request's own `user`, `safety_identifier` and
`metadata` are what the client says, so they never are the account; and inside a wrapper no field of
the request is.

Source: API references of the vendors; Databricks inference tables; Vertex AI request-response
logging; Kong AI proxy (`log_payloads`); Portkey logs export; Cloudflare AI Gateway logs.
"""

import re
from dataclasses import dataclass
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.callers import alias_of, claimed_of, owners_of, principals_of
from gamekeeper.exchange.formats.calls import (
    OTHER,
    api_of,
    asked_or_why_not,
    failed_unanswered,
    kind_of,
    names_of,
    settings,
    usage,
)
from gamekeeper.exchange.formats.form import (
    FAILED,
    KEPT_ELSEWHERE,
    NO_BODY,
    OTHER_API,
    OTHER_RECORD,
    Format,
    PassedOver,
    Row,
)
from gamekeeper.exchange.messages import answer_of, first, is_request, mapping, parsed, pick
from gamekeeper.exchange.placeholders import is_redacted

_REQUESTS = (
    *("request", "requestbody", "body", "requestjson", "requestpayload", "requestdata", "req"),
    *("reqbody", "fullrequest", "rawrequest", "llmrequest", "apirequest", "modelrequest"),
    *("httprequestbody", "httprequest", "originalrequest", "proxyserverrequest", "requestparams"),
    *(
        "requestcontent",
        "chatrequest",
        "completionrequest",
        "payload",
        "jsonbody",
        "requestmessage",
    ),
)
_WEAK_REQUESTS = ("input", "inputs", "kwargs", "params", "data", "args", "parameters", "content")
"""Fields that hold a request in some logs and something else in others."""

_CONTAINERS = (
    *("ai", "aiproxy", "proxy", "http", "properties", "customdimensions", "attributes", "event"),
    *("detail", "log", "llm", "requestcontext"),
)
_RESPONSES = (
    *("response", "responsebody", "responsejson", "responsepayload", "resp", "respbody"),
    *("fullresponse", "rawresponse", "llmresponse", "apiresponse", "modelresponse", "httpresponse"),
    *("httpresponsebody", "completion", "output", "outputs", "answer", "result", "reply"),
    *("responsetext", "completionmessage", "outputtext"),
)
_STRONG = (
    *("messages", "contents", "input", "prompt", "inputs", "inputText", "texts", "instances"),
    *("chat_history", "prompt_messages", "input_messages"),
)
_CONVERSATIONS = ("conversation", "conversations", "chat_messages", "dialogue", "dialog", "turns")
_PLAIN_PROMPTS = ("prompt", "question", "query", "user_prompt", "userprompt", "inputs")
_TIMES = (
    *("timestamp", "created", "createdat", "time", "requesttime", "requestcreatedat", "startedat"),
    *(
        "starttime",
        "requesttimestamp",
        "requestedat",
        "ts",
        "datetime",
        "timestampms",
        "loggingtime",
    ),
    *(
        "receivedat",
        "loggedat",
        "eventtime",
        "eventtimestamp",
        "requeststarttime",
        "requesttimeepoch",
    ),
    *("createdtime", "timecreated", "timeunix", "createtime", "date", "timestampmicros"),
)
_ADDRESSES = (
    *("ip", "ipaddress", "clientip", "remoteaddr", "remoteaddress", "sourceip", "clientaddress"),
    *("requesteripaddress", "calleripaddress", "remoteip", "clientipaddress", "userip"),
    *("xforwardedfor", "httpremoteaddr"),
)
_CLIENTS = ("useragent", "client", "httpuseragent", "requestuseragent")
_MODELS = (
    *("model", "modelname", "modelid", "aimodel", "requestmodel", "requestedmodel", "modelversion"),
    *("deploymentname", "engine", "responsemodel"),
)
_SESSIONS = (
    "conversationid",
    "sessionid",
    "threadid",
    "chatid",
    "conversationhash",
    "promptsession",
)
_IDS = (
    *("requestid", "id", "customid", "traceid", "correlationid", "databricksrequestid"),
    *("generationid", "eventid", "logid", "clientrequestid"),
)
_PATHS = (
    *("path", "url", "endpoint", "uri", "route", "requestpath", "requesturl", "requesturi"),
    *("requestroute", "targeturl", "httppath", "httptarget", "httpurl", "rawpath", "apimethod"),
    *("operation", "operationname", "calltype", "requesttype", "api", "upstreamuri", "operationid"),
)
_METHODS = ("method", "httpmethod", "requestmethod", "verb")
_TOO_LARGE = (
    "loggingerrorcodes",
    "bodytruncated",
    "requesttruncated",
    "bodys3path",
    "requests3path",
)
_HTTP_FIELDS = frozenset({"method", "uri", "url", "headers", "path", "querystring", "httpversion"})
_REQUEST_LINE = re.compile(r"[A-Z]{3,7} \S+")
_READS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE", "CONNECT", "TRACE"})
_DEPTH = 4  # of wrappers: properties, http, request, body


@dataclass(frozen=True, slots=True)
class _Call:
    """A record taken apart: its body, and whether the body is the record itself."""

    names: dict[str, str]
    request: Record | None
    is_bare: bool
    text: str | None = None


def sniff(record: Record) -> bool:
    """True if there are messages, or a wrapper of a request, whatever is in it."""
    if record.get("prompt") is not None and {"time", "account"} <= record.keys():
        return False  # our own columns
    names = names_of(record)
    if _bare(record, names) is not None or "choices" in names:
        return True
    is_wrapper = any(name in names and _may_wrap(record[names[name]]) for name in _REQUESTS)
    if is_wrapper and any(name in names for name in (*_TIMES, *_PATHS, *_RESPONSES, "customid")):
        return True
    return _find_request(record, names, _DEPTH) is not None


def row(record: Record) -> Row | PassedOver:
    """Returns the row of one request, or why it is not an exchange."""
    call = _call(record)
    names = call.names
    response = _response(record, call)
    paths = _paths(record, names)
    answer = answer_of(response)
    failed = failed_unanswered(answer, record, mapping(_held(record, names, ("response",))))
    if failed is not None:
        return failed
    if call.request is None:
        return _plain(record, call) or _nothing_asked(record, names, paths)
    request = call.request
    response = response if isinstance(response, dict) else {}
    model = first(
        request.get("model"),
        response.get("model"),
        response.get("modelVersion"),
        _held(record, names, _MODELS),
        request.get("modelId"),
    )
    kind = kind_of(request, response, model, *paths)
    asked = asked_or_why_not(request, kind, is_table=call.is_bare)
    if isinstance(asked, PassedOver):
        return _elsewhere(record, names) or asked
    return {
        **asked,
        **settings(request),
        **_common(record, call),
        "time": first(
            _held(record, names, _TIMES),
            response.get("created"),
            response.get("created_at"),
            *_nested(record, names, _TIMES),
        ),
        "model": model if isinstance(model, str) else None,
        "answer": answer,
        **usage(response, record, _meta(record)),
        "conversation": _session(record, names, request),
        "request_id": _text(
            first(_held(record, names, _IDS), response.get("id"), request.get("request_id"))
        ),
    }


def _common(record: Record, call: _Call) -> Row:
    names = call.names
    return {
        "principals": principals_of(record, names),
        "owners": owners_of(record, names),
        "claimed": claimed_of(record, names, {} if call.is_bare else call.request or {}),
        "alias": alias_of(record, names),
        "ip": _text(first(_held(record, names, _ADDRESSES), *_nested(record, names, _ADDRESSES))),
        "client": _client(record, names),
    }


def _call(record: Record) -> _Call:
    names = names_of(record)
    bare = _bare(record, names)
    if bare is not None:
        return _Call(names, bare, is_bare=True)
    request = _find_request(record, names, _DEPTH)
    if request is not None:
        return _Call(names, request, is_bare=False)
    return _Call(names, None, is_bare=False, text=_plain_text(record, names))


def _bare(record: Record, names: dict[str, str]) -> Record | None:
    """Returns the record with the names of a request if it is one itself, None if not."""
    body = record if "messages" in record or "input" in record else _lowered(record, names)
    if _is_filled(body.get("messages")) or _is_filled(body.get("contents")):
        return body
    for name in _CONVERSATIONS:
        if any(isinstance(turn, dict) for turn in _list(body.get(name))):
            return body
    if "input" in body and body.get("model") is not None and not isinstance(body["input"], dict):
        return body
    if body.get("chat_history") and body.get("message"):
        return body
    is_completion = record.get("object") == "text_completion"
    return body if "prompt" in body and is_completion else None


def _lowered(record: Record, names: dict[str, str]) -> Record:
    """Returns a record whose names are in upper case, as Snowflake writes them, in lower case."""
    if all(name.islower() for name in names.values()):
        return record
    return {name.lower(): record[name] for name in names.values()} | record


def _find_request(record: Record, names: dict[str, str], depth: int) -> Record | None:
    for name in (*_REQUESTS, *_WEAK_REQUESTS, *_CONTAINERS):
        if name in names and depth:
            body = _body(record[names[name]], depth - 1, name)
            if body is not None:
                return body
    return None


def _body(value: Any, depth: int, name: str) -> Record | None:
    """Returns the request in the value of a wrapper, None if there is none."""
    value = parsed(value)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict) or not value:
        return None
    if any(_is_filled(value.get(field)) for field in _STRONG) and name not in _CONTAINERS:
        return value
    inner = _find_request(value, names_of(value), depth)
    if inner is not None:
        return inner
    is_weak = name in _WEAK_REQUESTS or name in _CONTAINERS
    if is_weak or not is_request(value) or not _HTTP_FIELDS.isdisjoint(value):
        return None
    return value


def _plain_text(record: Record, names: dict[str, str]) -> str | None:
    """Returns a prompt that is text by itself: {"request": "What is a comet?"}."""
    for name in ("prompt", *_REQUESTS, "question", "query", "userprompt", "inputs", "input"):
        value = record.get(names[name]) if name in names else None
        if not isinstance(value, str) or not value.strip() or is_redacted(value[:80]):
            continue
        if _REQUEST_LINE.match(value) or value.lstrip()[:1] in ("{", "["):
            continue
        return value
    return None


def _plain(record: Record, call: _Call) -> Row | PassedOver | None:
    """Returns the row of a record whose prompt is text, None if it has no such text."""
    if call.text is None:
        return None
    names = call.names
    model = _held(record, names, _MODELS)
    kind = kind_of({"prompt": call.text}, _response(record, call), model, *_paths(record, names))
    asked = asked_or_why_not({"prompt": call.text}, kind)
    if isinstance(asked, PassedOver):
        return asked
    return {
        **asked,
        **_common(record, call),
        **usage(record),
        "time": _held(record, names, _TIMES),
        "model": model if isinstance(model, str) else None,
        "answer": answer_of(_response(record, call)),
        "conversation": _session(record, names, {}),
        "request_id": _text(_held(record, names, _IDS)),
    }


def _nothing_asked(record: Record, names: dict[str, str], paths: list[str]) -> Row | PassedOver:
    """Says why a record without a request is not an exchange."""
    if (elsewhere := _elsewhere(record, names)) is not None:
        return elsewhere
    method = _held(record, names, _METHODS)
    if isinstance(method, str) and method.strip().upper() in _READS:
        return OTHER_API
    if any(api_of(path) == OTHER for path in paths):
        return OTHER_API
    wrapped = [record[names[name]] for name in _REQUESTS if name in names]
    if any(isinstance(value, str) and value.lstrip()[:1] in ("{", "[") for value in wrapped):
        held = [parsed(value) for value in wrapped]
        if any(isinstance(value, str) and value.strip() for value in held):
            return {"prompt": None}  # a body that was cut: it cannot be understood
    is_call = bool(wrapped or paths or any(name in names for name in ("choices", *_RESPONSES)))
    return NO_BODY if is_call else OTHER_RECORD


def _elsewhere(record: Record, names: dict[str, str]) -> PassedOver | None:
    """Says whether the log kept the body elsewhere, or not at all for its size."""
    for name in _TOO_LARGE:
        value = parsed(_held(record, names, (name,)))
        if value not in (None, "", [], {}, False, "false", "False"):
            return KEPT_ELSEWHERE
    return None


def _response(record: Record, call: _Call) -> Any:
    """Returns the body of the response, out of its wrapper; None if there is none."""
    names = call.names
    for name in _RESPONSES:
        value = parsed(record[names[name]]) if name in names else None
        if value in (None, "", [], {}) or (call.request is not None and value is call.request):
            continue
        if isinstance(value, dict):
            inner = mapping(pick(value, ("body", "content", "json", "payload", "response")))
            return inner or value
        return value
    if "choices" in record:
        return record
    for name in _CONTAINERS:
        inner = mapping(record[names[name]]) if name in names else {}
        if inner and (found := _response(inner, _Call(names_of(inner), None, is_bare=False))):
            return found
    return None


def _paths(record: Record, names: dict[str, str]) -> list[str]:
    """Returns what says which API was called: the path, the operation, the request line."""
    found = [record[names[name]] for name in _PATHS if name in names]
    http = mapping(_held(record, names, ("request", "httprequest", "http")))
    found += [http.get(name) for name in ("path", "url", "uri")]
    line = _held(record, names, ("request",))
    if isinstance(line, str) and _REQUEST_LINE.match(line):
        found.append(line)
    return [path for path in found if isinstance(path, str) and path]


def _meta(record: Record) -> Record:
    """Returns the counts that Kong keeps beside the payload."""
    ai = mapping(record.get("ai"))
    return mapping(ai.get("proxy")) or mapping(ai.get("ai-proxy")) or ai


def _client(record: Record, names: dict[str, str]) -> str | None:
    headers = mapping(mapping(_held(record, names, ("request", "httprequest"))).get("headers"))
    agent = next((held for name, held in headers.items() if name.lower() == "user-agent"), None)
    return _text(first(_held(record, names, _CLIENTS), *_nested(record, names, _CLIENTS), agent))


def _session(record: Record, names: dict[str, str], request: Record) -> str | None:
    conversation = first(request.get("conversation"), record.get("conversation"))
    if isinstance(conversation, dict):
        conversation = conversation.get("id")
    return _text(first(_held(record, names, _SESSIONS), conversation))


def _nested(record: Record, names: dict[str, str], wanted: tuple[str, ...]) -> list[Any]:
    """Returns values of the call's own context, in which the server wrote them."""
    contexts = [
        mapping(_held(record, names, (name,))) for name in ("requestcontext", "httprequest")
    ]
    contexts += [mapping(contexts[0].get("identity")), mapping(contexts[0].get("http"))]
    return [_held(context, names_of(context), wanted) for context in contexts if context]


def _held(record: Record, names: dict[str, str], wanted: tuple[str, ...]) -> Any:
    """Returns the value of the first of the wanted names that holds something."""
    for name in wanted:
        if name in names:
            value = record[names[name]]
            if value is not None and value != "":
                return value
    return None


def _text(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _list(value: Any) -> list[Any]:
    held = parsed(value)
    return held if isinstance(held, list) else []


def _is_filled(value: Any) -> bool:
    return value is not None and value != "" and value != [] and value != {}


def _may_wrap(value: Any) -> bool:
    return value is None or isinstance(value, dict | list | str)


FORMAT = Format(
    name="openai",
    about=(
        "Requests of any vendor's API (messages, contents, prompt or input) as gateways log them,"
        " with or without their response."
    ),
    sniff=sniff,
    row=row,
    account_try=(
        "--account-field FIELD, one the server sets: the request's `user` is what the client says"
    ),
    prompt_try="log the body of requests, or --prompt-field FIELD",
)

__all__ = ["FAILED", "FORMAT", "row", "settings", "sniff"]
