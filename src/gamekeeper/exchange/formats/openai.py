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

import base64
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.callers import callers_of, names_a_caller
from gamekeeper.exchange.formats.calls import (
    OTHER,
    Names,
    Wanted,
    api_of,
    asked_or_why_not,
    fold,
    kind_of,
    names_of,
    settings,
    usage,
)
from gamekeeper.exchange.formats.form import (
    EMBEDDINGS,
    KEPT_ELSEWHERE,
    NO_BODY,
    OTHER_API,
    OTHER_RECORD,
    Format,
    PassedOver,
    Row,
)
from gamekeeper.exchange.formats.outcomes import failed_unanswered
from gamekeeper.exchange.messages import (
    answer_of,
    are_messages,
    are_tensors,
    conversation_of,
    first,
    is_filled,
    is_request,
    listing,
    mapping,
    parsed,
    pick,
    respelt,
    spelt,
    texts_of,
)
from gamekeeper.exchange.placeholders import is_redacted

_REQUESTS = Wanted(
    (
        *("request", "requestbody", "body", "requestjson", "requestpayload", "requestdata", "req"),
        *("reqbody", "fullrequest", "rawrequest", "llmrequest", "apirequest", "modelrequest"),
        *(
            "httprequestbody",
            "httprequestbodycontent",
            "httprequest",
            "originalrequest",
            "proxyserverrequest",
            "requestparams",
        ),
        *(
            "requestcontent",
            "chatrequest",
            "completionrequest",
            "payload",
            "jsonbody",
            "requestmessage",
        ),
    )
)
_WEAK_REQUESTS = Wanted(
    (
        *("input", "inputs", "kwargs", "params", "data", "args", "parameters", "content"),
        *("prompt", "thread"),
    )
)
"""Fields that hold a request in some logs and something else in others."""

_CONTAINERS = Wanted(
    (
        *(
            "ai",
            "aiproxy",
            "aiproxyadvanced",
            "proxy",
            "http",
            "properties",
            "customdimensions",
            "attributes",
            "event",
        ),
        *("detail", "log", "llm", "payload", "requestcontext"),
    )
)
_WRAPPERS = Wanted((*_REQUESTS, *_WEAK_REQUESTS, *_CONTAINERS))
_RESPONSES = Wanted(
    (
        *(
            "llmresponsetext",
            "response",
            "responsebody",
            "responsejson",
            "responsepayload",
            "resp",
            "respbody",
        ),
        *(
            "fullresponse",
            "rawresponse",
            "llmresponse",
            "apiresponse",
            "modelresponse",
            "httpresponse",
        ),
        *("httpresponsebody", "completion", "output", "outputs", "answer", "result", "reply"),
        *("responsetext", "completionmessage", "outputtext", "textoutput"),
    )
)
_STRONG = frozenset(
    {"messages", "contents", "input", "prompt", "inputs", "inputText", "texts", "instances"}
    | {"chat_history", "prompt_messages", "input_messages", "chat_messages", "text_input"}
    | {"additional_messages", "input_as_text", "chat_input"}
)
_CONVERSATIONS = Wanted(
    (*("conversation", "conversations", "chatmessages", "dialogue", "dialog", "turns"),)
)
_ANSWERED = ("choices", "output", "outputs", "completion", "completions", "answer", "answers")
"""Fields whose messages are the model's."""

_PLAIN_PROMPTS = Wanted(
    (
        *(
            "prompt",
            "question",
            "userprompt",
            "usermessage",
            "prompttext",
            "userinput",
            "query",
            "input",
        ),
        *("inputs", "request", "requesttext", "requestcontent", "req", "textinput", "inputastext"),
        *("chatinput", "inputvalue", "humaninput", "userquery", "userquestion", "querytext"),
        "utterance",
    )
)
"""Fields that hold a prompt as plain text, without a request around it."""

_TIMES = Wanted(
    (
        *("timeiso8601", "timelocal"),  # nginx, whose request_time is a duration
        *(
            "timestamp",
            "created",
            "createdat",
            "time",
            "requesttime",
            "requestcreatedat",
            "startedat",
        ),
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
        *(
            "createdtime",
            "timecreated",
            "timeunix",
            "createtime",
            "tstamp",
            "date",
            "timestampmicros",
        ),
        *("msec", "logtime", "logtimestamp", "requestdatetime", "requestdate", "insertedat"),
        *("createdon", "createddate", "creationtime", "creationdate", "requestts", "occurredat"),
        *(
            "datetimeutc",
            "timestamputc",
            "timestampiso",
            "isotime",
            "receivedtime",
            "timegenerated",
        ),
        *("responsetimestamp", "completedat", "finishedat", "updatedat"),
    )
)
_ADDRESSES = Wanted(
    (
        *(
            "ip",
            "ipaddress",
            "clientip",
            "remoteaddr",
            "remoteaddress",
            "sourceip",
            "clientaddress",
        ),
        *("requesteripaddress", "calleripaddress", "remoteip", "clientipaddress", "userip"),
        *("xforwardedfor", "httpremoteaddr"),
    )
)
_CLIENTS = Wanted(("useragent", "client", "httpuseragent", "requestuseragent"))
_MODELS = Wanted(
    (
        *(
            "model",
            "modelname",
            "modelid",
            "aimodel",
            "requestmodel",
            "requestedmodel",
            "modelversion",
        ),
        *("deploymentname", "engine", "responsemodel"),
    )
)
_SESSIONS = Wanted(
    (
        "conversationid",
        "sessionid",
        "threadid",
        "chatid",
        "conversationhash",
        "promptsession",
    )
)
_IDS = Wanted(
    (
        *("requestid", "id", "customid", "traceid", "correlationid", "databricksrequestid"),
        *("generationid", "eventid", "logid", "clientrequestid"),
    )
)
_PATHS = Wanted(
    (
        *("path", "url", "endpoint", "uri", "route", "requestpath", "requesturl", "requesturi"),
        *("requestroute", "targeturl", "httppath", "httptarget", "httpurl", "rawpath", "apimethod"),
        *(
            "operation",
            "operationname",
            "calltype",
            "requesttype",
            "api",
            "upstreamuri",
            "operationid",
        ),
    )
)
_METHODS = Wanted(("method", "httpmethod", "requestmethod", "verb"))
_TOO_LARGE = Wanted(
    (
        "loggingerrorcodes",
        "bodytruncated",
        "requesttruncated",
        "bodys3path",
        "requests3path",
    )
)
_CONTEXTS = Wanted(("requestcontext", "client", "source", "network"))
_HINTS = Wanted((*_TIMES, *_PATHS, *_RESPONSES, "customid"))
_ANSWERERS = Wanted((*_MODELS, *_RESPONSES))
_HTTPS = Wanted(("request", "httprequest"))
_LINE = Wanted(("request",))
_OUTCOMES = Wanted(
    (
        *("response", "httpresponse", "result", "auth", "authentication", "authorization", "authz"),
        *("responsemetadata", "meta", "metadata", "upstream", "outcome", "grpc"),
    )
)
_KINDS = Wanted(("object", "type", "kind", "task", "modality", "category"))
"""Fields that say in a word which API was called, among other things."""

_OWN = ("payment", "asn", "account_created")
"""Columns of ours that gateways have no other name for."""

_PATHS_AND_HOLDERS = Wanted((*_PATHS, *_HTTPS, "http"))
_BODIES = ("body", "content", "json", "payload")
_PATHS_INSIDE = ("path", "url", "uri", "full", "original")
_HTTP_FIELDS = frozenset({"method", "uri", "url", "headers", "path", "querystring", "httpversion"})
_REQUEST_LINE = re.compile(r"[A-Z]{3,7} \S+")
_READS = frozenset({"GET", "HEAD", "OPTIONS", "DELETE", "CONNECT", "TRACE"})
_BASE64_OBJECT = ("eyJ", "eyA", "ewo", "ewog")  # of `{"`, `{ ` and `{` with a new line
_DEPTH = 4  # of wrappers: properties, http, request, body


class _Call(NamedTuple):
    """A record taken apart: its body, and whether the body is the record itself."""

    names: Names
    request: Record | None
    is_bare: bool


def sniff(record: Record) -> bool:
    """True if there are messages, or a wrapper of a request, whatever is in it."""
    prompt = record.get("prompt")
    is_prompt = prompt is not None and not isinstance(prompt, dict)
    if is_prompt and ("time" in record or "account" in record):
        return False  # our own columns
    names = names_of(record)
    if names.fact(_is_call) or is_filled(record.get("messages")):
        return True
    is_wrapper = any(_may_wrap(record[name]) for name in names.present(_REQUESTS))
    if is_wrapper and names.present(_HINTS):
        return True
    return _bare(record, names) is not None or _find_request(record, names, _DEPTH) is not None


def _is_call(names: Names) -> bool:
    """Whether the names alone say that a record is a call of a model."""
    if "choices" in names or _is_table(names):
        return True
    if names.present(_PATHS) and names.present(_METHODS):
        return True  # a line of a gateway, such as a look at the list of models
    # what came out of a batch
    return "customid" in names and ("response" in names or "result" in names)


def _is_table(names: Names) -> bool:
    """Whether a record has a time, a caller and a model or an answer beside its prompt."""
    has_call = names.present(_TIMES) and names.present(_ANSWERERS)
    return bool(names.present(_PLAIN_PROMPTS) and has_call) and names_a_caller(names)


def row(record: Record) -> Row | PassedOver:
    """Returns the row of one request, or why it is not an exchange."""
    call = _call(record)
    names = call.names
    said = _response(record, call)
    response = said.body
    answer = said.answer
    if answer is None and call.is_bare:
        answer = _last_answer(record, names)
    paths = _paths(record, names)
    if (failed := failed_unanswered(answer, said.raw, _outcomes(record, names, said))) is not None:
        return failed
    request = call.request
    if request is None:
        if (nothing := _nothing_asked(record, names, paths)) is not None:
            return nothing
        request = {}  # a body that was cut cannot be understood: a row without a prompt
    model = first(
        request.get("model"),
        response.get("model"),
        response.get("modelVersion"),
        names.held(record, _MODELS),
        request.get("modelId"),
    )
    kind = kind_of(request, said.raw, model, *paths, *_kinds(record, call))
    asked = asked_or_why_not(request, kind, is_table=call.is_bare) if request else {}
    if isinstance(asked, PassedOver):
        return _elsewhere(record, names) or asked
    return {
        **asked,
        **settings(request),
        **_common(record, call),
        "time": _time(record, names, response),
        "model": model if isinstance(model, str) else None,
        "answer": answer,
        **usage(_counted(record, names, response)),
        "conversation": _session(record, names, request),
        "request_id": _text(
            first(names.held(record, _IDS), response.get("id"), request.get("request_id"))
        ),
    }


def _common(record: Record, call: _Call) -> Row:
    names = call.names
    row = callers_of(record, names, {} if call.is_bare else call.request or {})
    row |= {name: record[name] for name in _OWN if name in record}
    row["ip"] = _text(_here_or_nested(record, names, _ADDRESSES))
    row["client"] = _client(record, names)
    return row


def _time(record: Record, names: Names, response: Record) -> Any:
    said = first(
        names.held(record, _TIMES),
        response.get("created"),
        response.get("created_at"),
    )
    return _nested(record, names, _TIMES) if said is None else said


def _here_or_nested(record: Record, names: Names, wanted: Wanted) -> Any:
    here = names.held(record, wanted)
    return _nested(record, names, wanted) if here is None else here


def _call(record: Record) -> _Call:
    names = names_of(record)
    bare = _bare(record, names)
    if bare is not None:
        return _Call(names, bare, is_bare=True)
    request = _find_request(record, names, _DEPTH)
    if request is not None:
        return _Call(names, request, is_bare=False)
    text = _plain_text(record, names)
    return _Call(names, None if text is None else {"prompt": text}, is_bare=text is not None)


def _bare(record: Record, names: Names) -> Record | None:
    """Returns the record with the names of a request if it is one itself, None if not."""
    body = record if "messages" in record or "input" in record else _lowered(record, names)
    if is_filled(body.get("messages")) or is_filled(body.get("contents")):
        return body
    for name in names.present(_CONVERSATIONS):
        if any(isinstance(turn, dict) for turn in _list(record[name])):
            return body
    if are_tensors(body.get("inputs")):
        return body
    if "input" in body and body.get("model") is not None and not isinstance(body["input"], dict):
        return body
    if body.get("chat_history") and body.get("message"):
        return body
    for name, value in body.items():
        if not _may_be_messages(value) or fold(str(name)) in _ANSWERED:
            continue
        if are_messages(messages := parsed(value)):
            return {**body, "messages": messages}
    is_completion = record.get("object") == "text_completion"
    return body if "prompt" in body and is_completion else None


def _lowered(record: Record, names: Names) -> Record:
    """Returns a record with the names of an API beside its own: Snowflake writes them in upper
    case, .NET and Go with capitals, Java as `chatMessages`.
    """
    if not (others := names.fact(_spelt_otherwise)):
        return record
    return {known: record[name] for known, name in others} | record


def _spelt_otherwise(names: Names) -> list[tuple[str, str]]:
    """Returns pairs of the name that an API has for a field, and the record's own."""
    spellings = [(own.lower(), own) for own in names.values()]
    spellings += [(spelt(own), own) for own in names.values()]
    return [(known, own) for known, own in spellings if known != own]


def _find_request(record: Record, names: Names, depth: int) -> Record | None:
    for name in names.present(_WRAPPERS) if depth else ():
        body = _body(record[name], depth - 1, fold(name))
        if body is not None:
            return body
    return None


def _body(value: Any, depth: int, name: str) -> Record | None:
    """Returns the request in the value of a wrapper, None if there is none."""
    body = parsed(_decoded(value))
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    return _request_in(body, depth, name) if isinstance(body, dict) and body else None


def _request_in(value: Record, depth: int, name: str) -> Record | None:
    if name not in _CONTAINERS and _is_strong(value):
        return value
    if names_of(value).fact(_is_strong_otherwise):
        value = mapping(respelt(value))
        if name not in _CONTAINERS and _is_strong(value):
            return value
    inner = _find_request(value, names_of(value), depth)
    if inner is not None:
        return inner
    is_weak = name in _WEAK_REQUESTS or name in _CONTAINERS
    if is_weak or not is_request(value) or not _HTTP_FIELDS.isdisjoint(value):
        return None
    return value


def _is_strong(value: Record) -> bool:
    """Whether an object holds what only a request does."""
    return any(field in _STRONG and is_filled(held) for field, held in value.items())


def _is_strong_otherwise(names: Names) -> bool:
    """Whether names are spelt in another way than APIs do, of those that only a request has."""
    return any(known in _STRONG for known, _ in names.fact(_spelt_otherwise))


def _decoded(value: Any) -> Any:
    """Returns a body out of base64, in which API Gateway hands over what it takes for binary."""
    if not isinstance(value, str) or not value.startswith(_BASE64_OBJECT):
        return value
    try:
        return base64.b64decode(value, validate=True).decode()
    except ValueError:
        return value


def _plain_text(record: Record, names: Names) -> str | None:
    """Returns a prompt that is text by itself: {"request": "What is a comet?"}."""
    for name in names.present(_PLAIN_PROMPTS):
        value = record[name]
        if not isinstance(value, str) or not value.strip() or is_redacted(value[:80]):
            continue
        if fold(name).startswith("req") and _is_no_prompt(value):
            continue
        return value
    return None


def _is_no_prompt(text: str) -> bool:
    """Whether the text of a request is its first line, or a body that was cut."""
    return _REQUEST_LINE.match(text) is not None or text.lstrip()[:1] in ("{", "[")


def _nothing_asked(record: Record, names: Names, paths: list[str]) -> PassedOver | None:
    """Says why a record without a request is not an exchange; None if its body was cut."""
    if (elsewhere := _elsewhere(record, names)) is not None:
        return elsewhere
    method = names.held(record, _METHODS)
    if isinstance(method, str) and method.strip().upper() in _READS:
        return OTHER_API
    if any(api_of(path) == OTHER for path in paths):
        return OTHER_API
    wrapped = [record[name] for name in names.present(_REQUESTS)]
    if any(isinstance(parsed(value), str) and _starts_json(value) for value in wrapped):
        return None
    is_call = bool(wrapped or paths or "choices" in names or names.present(_RESPONSES))
    return NO_BODY if is_call else OTHER_RECORD


def _starts_json(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip()[:1] in ("{", "[")


def _elsewhere(record: Record, names: Names) -> PassedOver | None:
    """Says whether the log kept the body elsewhere, or not at all for its size."""
    for name in names.present(_TOO_LARGE):
        value = parsed(record[name])
        if value not in (None, "", [], {}, False, "false", "False"):
            return KEPT_ELSEWHERE
    return None


class _Said(NamedTuple):
    """The response of a record: its body, the body as it is, its text, and all wrappers of it."""

    body: Record
    raw: Any
    answer: str | None
    wrappers: tuple[Record, ...]


def _response(record: Record, call: _Call) -> _Said:
    """Returns the body of the response, and its text: out of their wrapper."""
    found: Any = None
    wrappers: tuple[Record, ...] = ()
    for held in _responses(record, call.names, _DEPTH):
        body = held
        if isinstance(held, dict):
            body = _body_of(held)
            wrappers += (held,)
        answer = answer_of(body)
        found = found or body
        if answer is not None:
            return _Said(mapping(body), body, answer, wrappers)
    return _Said(mapping(found), found, None, wrappers)


def _body_of(response: Record) -> Any:
    """Returns the body inside a response of HTTP, the response itself if it is one."""
    inner = pick(response, _BODIES)
    if inner is None:
        return response
    chunks = listing(response.get("body"))
    return mapping(inner) or chunks or response


def _responses(record: Record, names: Names, depth: int) -> Iterator[Any]:
    """Yields what may be the response, the likeliest first."""
    for name in names.present(_RESPONSES):
        value = parsed(record[name])
        if is_filled(value):
            yield value
    if "choices" in names:
        yield record
    for name in names.present(_CONTAINERS) if depth else ():
        if inner := mapping(record[name]):
            yield from _responses(inner, names_of(inner), depth - 1)


def _last_answer(record: Record, names: Names) -> str | None:
    """Returns the answer at the end of a conversation, as data sets keep it."""
    for name in names.present(_CONVERSATIONS):
        turns = _list(record[name])
        if turns and isinstance(turns[-1], dict) and conversation_of(turns[-1:])["turn"] is None:
            return texts_of(turns[-1:])
    return None


def _outcomes(record: Record, names: Names, said: _Said) -> Iterator[Record]:
    """Yields what may say how a call ended: the record itself, and objects in it."""
    yield record
    yield from said.wrappers
    for name in names.present(_OUTCOMES):
        yield mapping(record[name])
    if "http" in names:
        http = mapping(record[names["http"]])
        yield http
        yield mapping(http.get("response"))


def _paths(record: Record, names: Names) -> list[str]:
    """Returns what says which API was called: the path, the operation, the request line."""
    found = [record[name] for name in names.present(_PATHS)]
    for name in names.present(_PATHS_AND_HOLDERS):
        place = record[name]
        if isinstance(place, dict):
            found += [place[inside] for inside in _PATHS_INSIDE if inside in place]
    line = names.held(record, _LINE)
    if isinstance(line, str) and _REQUEST_LINE.match(line):
        found.append(line)
    return [path for path in found if isinstance(path, str) and path]


def _kinds(record: Record, call: _Call) -> list[str]:
    """Returns the words beside a request that say it is of an embedding model.

    Beside the messages of a bare request they would be the client's own.
    """
    if call.is_bare and "messages" in record:
        return []
    words = [record[name] for name in call.names.present(_KINDS)]
    return [word for word in words if isinstance(word, str) and api_of(word) == EMBEDDINGS]


def _counted(record: Record, names: Names, response: Record) -> Iterator[Record]:
    """Yields the objects in which gateways count tokens: the bodies, and those beside them."""
    if response:
        yield response
    yield record
    if "ai" in names:
        ai = mapping(record[names["ai"]])
        yield ai
        yield from map(mapping, ai.values())
    if "llmsummary" in names:
        yield mapping(record[names["llmsummary"]])


def _client(record: Record, names: Names) -> str | None:
    if (said := _text(names.held(record, _CLIENTS))) is not None:
        return said
    headers = [mapping(http.get("headers")) for http in _https(record, names)]
    agents = [names_of(one).held(one, _CLIENTS) for one in headers]
    return _text(first(*agents, _nested(record, names, _CLIENTS)))


def _session(record: Record, names: Names, request: Record) -> str | None:
    conversation = first(request.get("conversation"), record.get("conversation"))
    if isinstance(conversation, dict):
        conversation = conversation.get("id")
    return _text(first(names.held(record, _SESSIONS), conversation))


def _nested(record: Record, names: Names, wanted: Wanted) -> Any:
    """Returns a value of the call's own context, in which the server wrote it."""
    contexts = [mapping(record[name]) for name in names.present(_CONTEXTS)]
    contexts += [http for http in _https(record, names) if not _HTTP_FIELDS.isdisjoint(http)]
    contexts += [mapping(one.get(name)) for one in contexts for name in ("identity", "http")]
    return first(*(names_of(context).held(context, wanted) for context in contexts if context))


def _https(record: Record, names: Names) -> list[Record]:
    """Returns what may be a request of HTTP, around the client's body or beside it."""
    held = [record[name] for name in names.present(_HTTPS)]
    return [http for http in held if isinstance(http, dict)]


def _text(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def _list(value: Any) -> list[Any]:
    held = parsed(value)
    return held if isinstance(held, list) else []


def _may_wrap(value: Any) -> bool:
    return value is None or isinstance(value, (dict, list, str))


def _may_be_messages(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, str) and value.lstrip()[:2] == "[{")


FORMAT = Format(
    name="openai",
    about=(
        "Requests of any vendor's API (messages, contents, prompt or input) as gateways log them,"
        " bare or in a wrapper of any name, with or without their response; names are compared"
        " without case and separators."
    ),
    known_by="`messages`, `input`, `contents` or `prompt`, bare or inside a request",
    sniff=sniff,
    row=row,
    account_try=(
        "--account-field FIELD, one the server sets: the request's `user` is what the client says"
    ),
    prompt_try="log the body of requests, or --prompt-field FIELD",
)
