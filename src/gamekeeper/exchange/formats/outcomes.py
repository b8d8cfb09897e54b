"""How a call ended: with a model's answer, or with an error.

A call that failed was answered by no model; one whose stream broke off was answered in part, and is
an exchange. A bad status is said in many words, and the body of an error may look like an answer:
it has a `message`. So a model's answer is known by its shape, and an error by its status, its shape
or, alone, by the words that proxies answer with.

Source: RFC 9110 for status codes; google.rpc.Code and the codes of gRPC; RFC 9457 for problems;
bodies of errors of OpenAI, Anthropic, Google, AWS, Azure, Cohere, Mistral, vLLM, Databricks,
Cloudflare, Kong, APISIX, Envoy, nginx and LiteLLM.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.calls import Wanted, fold, has_choices, names_of
from gamekeeper.exchange.formats.form import FAILED, PassedOver
from gamekeeper.exchange.messages import (
    events_of,
    is_filled,
    is_said_by_model,
    listing,
    mapping,
    parsed,
    pick,
)

_STATUSES = (
    *("status", "statuscode", "httpstatus", "httpstatuscode", "responsestatus", "responsecode"),
    *("responsestatuscode", "httpresponsestatuscode", "upstreamstatus", "backendresponsecode"),
    *("httpcode", "resultcode", "outcome", "resulttype", "resultsignature", "callstatus", "state"),
    *("responsehttpcode", "httpresponsecode", "httpresponsestatus", "responsehttpstatus"),
    *("respstatus", "resstatus", "respcode", "respstatuscode", "statustext", "httpstatustext"),
    *("upstreamstatuscode", "upstreamcode", "proxystatus", "proxystatuscode", "edgeresponsestatus"),
    *("originresponsestatus", "elbstatuscode", "targetstatuscode", "backendstatuscode", "scstatus"),
    *("requeststatus", "runstatus", "finalstatus", "completionstatus", "executionstatus"),
    *("invocationstatus", "exitstatus", "statusmessage", "statusdescription", "finishreason"),
    *("responsestate", "requeststate", "resultstatus", "callstate", "runstate"),
    *("decision", "verdict", "authstatus", "errorhttpstatus", "httpstatusline", "returncode"),
)
_RPC_STATUSES = ("grpcstatus", "grpccode", "grpcstatuscode", "rpcstatus", "rpcgrpcstatuscode")
_ERRORS = (
    *("error", "errors", "errorcode", "errormessage", "errortype", "errorstr", "errorinformation"),
    *("errorinfo", "exception", "exceptiontype", "exceptionmessage", "errordetails", "errordetail"),
    *("err", "errs", "errmsg", "errcode", "errmessage", "errtype", "errorreason", "errorclass"),
    *("failure", "failurereason", "failurecode", "failuremessage", "failuretype", "fault"),
    *("faultcode", "faultstring", "lasterror", "upstreamerror", "providererror", "rejectreason"),
    *("rejectionreason", "denyreason", "denialreason", "blockreason", "exceptionclass"),
)
_GOOD = (
    *(
        "success",
        "succeeded",
        "ok",
        "issuccess",
        "isrequestsuccess",
        "issuccessful",
        "wassuccessful",
    ),
    *("allowed", "isallowed", "authorized", "permitted", "successful"),
)
_BAD = (
    *("failed", "iserror", "haserror", "errored", "isfailed", "hasfailed", "denied", "isdenied"),
    *("blocked", "isblocked", "throttled", "ratelimited", "isratelimited", "timedout", "rejected"),
    *("istimeout", "cancelled", "canceled", "aborted"),
)
_BAD_WORDS = frozenset(
    {"fail", "fails", "failed", "failing", "failure", "failures", "error", "errors", "errored"}
    | {"err", "erroneous", "cancel", "canceled", "cancelled", "cancellation", "reject", "rejected"}
    | {
        "rejection",
        "refused",
        "denied",
        "deny",
        "denial",
        "block",
        "blocked",
        "timeout",
        "timeouts",
    }
    | {"timedout", "timed", "throttle", "throttled", "throttling", "unauthorized", "unauthorised"}
    | {"unauthenticated", "forbidden", "ratelimit", "ratelimited", "limited", "exceeded", "exceeds"}
    | {"exhausted", "expired", "abort", "aborted", "exception", "fatal", "crash", "crashed", "bad"}
    | {"invalid", "unavailable", "overloaded", "overload", "unreachable", "unsuccessful", "killed"}
    | {"unprocessable", "unimplemented", "unsupported", "malformed", "interrupted", "disallowed"}
    | {"banned", "suspended", "revoked", "declined", "dropped", "insufficient", "required", "too"}
    | {"unable", "unexpected", "disconnected", "ko", "nok", "nack", "teapot", "gone", "conflict"}
    | {"quotaexceeded", "resourceexhausted", "accessdenied", "permissiondenied", "toomanyrequests"}
)
_GOOD_WORDS = frozenset(
    {"found", "ok", "success", "successful", "succeeded", "authorized", "authorised", "allowed"}
    | {"authenticated", "permitted", "available", "capacity", "quota", "credits", "accepted"}
    | {"completed", "implemented", "acceptable", "supported", "answered", "response"}
)
"""Words that are bad behind a `not` or `no`."""

_NOT = frozenset({"not", "no", "non", "never", "without", "0", "zero", "isnt", "wasnt"})
_RPC_WORDS = frozenset({"internal", "alreadyexists", "outofrange", "dataloss", "overquota"})
_NO_ERROR = frozenset(
    {"", "none", "null", "nil", "<nil>", "undefined", "false", "0", "200", "nan", "-", "n/a"}
    | {"{}", "[]", "no", "ok", "success", "no_error", "no error", "noerror"}
)
_FIRST_BAD, _LAST_BAD = 300, 999  # of HTTP: nothing but 2xx holds an answer
_RPC_CODES = range(2, 17)  # of an object: 1 is the OK of OpenTelemetry
_SHORT = 40  # characters of a status that is a word
_CODE = re.compile(
    r"\s*(?:HTTP/[\d.]{1,3}\s+|HTTP[ _.:-]?)?(-?\d{1,9})(?:\.0)?(?![\w.])", re.IGNORECASE
)
_CLASS = re.compile("[45]xx", re.IGNORECASE)  # of status codes
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def has_failed(record: Record) -> bool:
    """Returns whether a record says that its call failed, by a status code, a word or an error."""
    outcomes = names_of(record).present(_OUTCOMES)
    return any(_SAYS_FAILED[fold(name)](record[name]) for name in outcomes)


def _is_bad_status(value: Any) -> bool:
    if isinstance(value, dict):  # {"code": 429}
        held = [value.get(key) for key in _CODES if not isinstance(value.get(key), dict)]
        return any(map(_is_bad_status, held)) or _is_bad_rpc_code(value.get("code"))
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, (int, float)):
        return value < 0 or _FIRST_BAD <= value <= _LAST_BAD
    if not isinstance(value, str):
        return False
    return _is_bad_short_text(value) if len(value) <= _SHORT else _is_bad_text(value)


_CODES = ("code", "status", "status_code", "statusCode", "state", "result")


def _is_bad_rpc_code(value: Any) -> bool:
    return _is_number(value) and value in _RPC_CODES


def _is_bad_rpc_status(value: Any) -> bool:
    """Whether a status of gRPC is bad: a number or a word, of which only 0 and OK are good."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value.strip()[:9])
    return value != 0 if _is_number(value) else _is_bad_status(value)


def _is_bad_text(text: str) -> bool:
    if (code := _CODE.match(text)) is not None:
        return _is_bad_status(int(code[1]))
    head = text.strip()[:_SHORT]
    if fold(head) in _RPC_WORDS or _CLASS.fullmatch(head):
        return True
    was_not = False
    for word in map(str.lower, _WORD.findall(head)):
        if word in _BAD_WORDS and not was_not:
            return True
        if word in _GOOD_WORDS and was_not:
            return True
        was_not = word in _NOT
    return False


_is_bad_short_text = lru_cache(maxsize=256)(_is_bad_text)  # a log has few of these


def _is_error(value: Any, depth: int = 4) -> bool:
    value = parsed(value)
    if isinstance(value, (dict, list)):
        held = value.values() if isinstance(value, dict) else value
        return any(depth == 0 or _is_error(inner, depth - 1) for inner in held)
    if isinstance(value, str):
        return value.strip().lower() not in _NO_ERROR
    return value is not None and value is not False and value != 0


def _is_false(value: Any) -> bool:
    return value is False or (isinstance(value, str) and value.strip().lower() == "false")


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


_SAYS_FAILED: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(_STATUSES, _is_bad_status),
    **dict.fromkeys(_RPC_STATUSES, _is_bad_rpc_status),
    **dict.fromkeys(_ERRORS, _is_error),
    **dict.fromkeys(_GOOD, _is_false),
    **dict.fromkeys(_BAD, _is_true),
}
_OUTCOMES = Wanted(_SAYS_FAILED)


def failed_unanswered(
    answer: str | None, response: Any, places: Iterable[Record]
) -> PassedOver | None:
    """Returns `FAILED` if a call failed and no model answered, None if it is an exchange.

    A model's own answer wins over all that is said: a call that broke off was answered. The message
    of an error, and a text where a bad status is, are no answers.

    Args:
        answer: The text of the response.
        response: The response's body.
        places: Objects that may say how the call ended.
    """
    if (answer is not None and _is_plainly_said(response)) or is_said_by_model(response):
        return None
    said = [place for place in places if has_failed(place)]
    if said:
        is_begun = answer is not None and isinstance(response, str) and not is_error(response)
        return None if is_begun and all(map(_broke_off, said)) else FAILED
    return FAILED if is_error(response) else None


def _is_plainly_said(response: Any) -> bool:
    """Whether a response with a text is of OpenAI, Anthropic or Gemini, as most are."""
    if not isinstance(response, dict):
        return False
    if is_filled(response.get("choices")) or is_filled(response.get("candidates")):
        return True
    return response.get("role") == "assistant" and isinstance(response.get("content"), list)


_BROKEN_OFF = re.compile(
    r"499|cancel|abort|client[ _-]?(?:closed|disconnect|gone)|closed|disconnect|broken|hung[ _]?up"
    r"|incomplete|interrupt|stream",
    re.IGNORECASE,
)


def _broke_off(place: Record) -> bool:
    """Whether nothing worse is said than that the client went away within the answer."""
    outcomes = names_of(place).present(_OUTCOMES)
    bad = [place[name] for name in outcomes if _SAYS_FAILED[fold(name)](place[name])]
    return all(_BROKEN_OFF.search(str(value)[:200]) is not None for value in bad)


_ERROR_KINDS = ("error", "exception", "fault", "problem")
_MESSAGES = (
    *("message", "Message", "msg", "detail", "title", "error_msg", "errorMessage"),
    "error_description",
)
_CODES_OF_ERRORS = (
    *("code", "type", "__type", "error_code", "errorCode", "status", "statusCode", "status_code"),
    *("reason", "error_type", "errorType", "Code", "Type", "StatusCode"),
)
_TOKEN = re.compile(r"[A-Za-z0-9_.:#/-]{1,80}")
_GOOD_CODES = frozenset({"0", "200", "201", "ok", "success", "succeeded", "completed", "message"})
_HTTP_ERROR = (
    "bad request|unauthori[sz]ed|forbidden|not found|method not allowed|request timeout|conflict"
    "|payload too large|too many requests|internal server error|bad gateway|not implemented"
    "|service (?:temporarily )?unavailable|gateway time-?out|payment required|access denied"
)
_ERROR_TEXT = re.compile(
    r"\s*(?:"
    + "|".join(
        (
            rf"<(?:!doctype|html)[^\0]{{0,400}}?<title>[^<]{{0,20}}(?:\b[45]\d\d\b|{_HTTP_ERROR})",
            r"<\?xml[^\0]{0,100}?<error>",
            "upstream (?:connect error|request timeout)|no (?:healthy upstream|available server)",
            r"error code: ?[45]\d\d\b",
            rf"(?:http/[\d.]+\s+)?[45]\d\d\s+(?:{_HTTP_ERROR})",
            rf"(?:{_HTTP_ERROR})[.!]?\s*\Z",
            r"litellm\.\w*(?:error|exception)\b",
            r'\{\s*\\?"errors?\\?"\s*:\s*(?:[{\[]|\\?"\w)',  # JSON that was cut
        )
    )
    + ")",
    re.IGNORECASE,
)
_KEY = (
    "(?:api|access|auth\\w*|bearer|secret|security|subscription)?[ _-]?(?:key|token|credential)s?"
)
_ERROR_MESSAGE = re.compile(
    "|".join(
        (
            rf"\A(?:{_HTTP_ERROR}|unauthenticated|permission denied)\s*(?:[.!:]|\Z)",
            "(?:invalid|incorrect|missing|no|expired|unknown|revoked)"
            rf" (?:or \w+ )?(?:x-)?{_KEY}\b",
            r"security token .{0,60}\binvalid|missing authentication|not authori[sz]ed",
            "authentication (?:failed|required|error)|trial key|no route matched",
            "too many (?:requests|tokens|connections)|limit exceeded",
            "rate limit(?:ed| (?:exceeded|reached|is|has|quota))",
            r"quota (?:exceeded|exhausted|limit)|exceeded .{0,60}\b(?:quota|limit)",
            "insufficient (?:balance|credits?|quota)",
            r"internal (?:server )?error\Z|endpoint request timed out",
            "(?:gateway|request) time-?out",
            r"(?:service|model|server) (?:is )?(?:\w+ )?(?:unavailable|overloaded)",
            "upstream (?:server|connect)|invalid response was received from the upstream",
            "name resolution failed",
        )
    ),
    re.IGNORECASE,
)
_MESSAGE = 200  # characters of an error's message that is known by its words
_BESIDE_MESSAGES = frozenset(
    {"id", "requestid", "status", "timestamp", "path", "traceid", "xrequestid", "documentationurl"}
    | {"correlationid", "ok", "success"}
)


def is_error(response: Any) -> bool:
    """Returns whether a response is the body of an error, from its shape or its words alone.

    The text of a model is taken for one only if it is what a proxy answers in the place of a model.
    """
    held = parsed(response)
    if isinstance(held, str):
        if not (events := events_of(held)):
            return _ERROR_TEXT.match(held[:600]) is not None
        held = events
    if isinstance(held, list):
        bodies = [one for one in held if isinstance(one, dict)]
        return any(map(_is_error_body, bodies)) and not is_said_by_model(held)
    return isinstance(held, dict) and _is_error_body(held)


def _is_error_body(body: Record) -> bool:
    if is_said_by_model(body):
        return False
    if has_choices(body):
        return any(map(_is_error, (mapping(one).get("error") for one in listing(body["choices"]))))
    if has_failed(body) or "__type" in body or _is_list_of_faults(body.get("detail")):
        return True
    for name in ("object", "type"):
        kind = body.get(name)
        if isinstance(kind, str) and kind.lower() in _ERROR_KINDS:
            return True
    inner = body.get("body")
    if is_filled(inner) and is_error(inner):
        return True
    message = pick(body, _MESSAGES)
    if not isinstance(message, str):
        return _is_bad_status(body.get("code"))
    codes = [body[name] for name in _CODES_OF_ERRORS if name in body]
    return any(map(_is_code_of_error, codes)) or _is_message_of_error(body, message)


def _is_list_of_faults(detail: Any) -> bool:
    """Whether FastAPI says what was wrong with a request."""
    return isinstance(detail, list) and any(
        isinstance(one, dict) and "loc" in one and "msg" in one for one in detail
    )


def _is_code_of_error(code: Any) -> bool:
    if isinstance(code, str) and not code.strip().lstrip("-").isdecimal():
        if _TOKEN.fullmatch(code) is None or code.lower() in _GOOD_CODES:
            return False
        return _is_bad_text(code.rpartition("#")[2].rpartition(".")[2]) or _is_bad_text(code)
    return _is_bad_status(code) or _is_bad_code(code)


def _is_bad_code(code: Any) -> bool:
    number = int(code.strip()[:9]) if isinstance(code, str) else code
    return _is_number(number) and number >= _FIRST_OWN_CODE


_FIRST_OWN_CODE = 1000  # vendors number their errors from there: 1302, 40101


def _is_message_of_error(body: Record, message: str) -> bool:
    is_alone = all(body[name] is message or fold(str(name)) in _BESIDE_MESSAGES for name in body)
    return is_alone and len(message) <= _MESSAGE and _ERROR_MESSAGE.search(message) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
