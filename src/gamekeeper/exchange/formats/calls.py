"""What kind of call a record is, and what a request and its response hold besides text.

A call is a question, a call of an embedding model, or a call of another API: pictures, sound,
files, tools, lists of models. Its path says which, its operation, its request or its response. A
call that failed was answered by no model; one whose stream broke off was answered in part, and is
an exchange.

Source: API references of OpenAI, Anthropic, Google Gemini, Cohere, Ollama and vLLM for paths;
RFC 9110 for status codes.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.form import (
    EMBEDDINGS,
    FAILED,
    NO_BODY,
    OTHER_API,
    TOOL_RESULTS,
    PassedOver,
    Row,
)
from gamekeeper.exchange.messages import (
    first,
    is_filled,
    mapping,
    parsed,
    request_of,
    tools_hash,
)
from gamekeeper.exchange.placeholders import is_redacted

QUESTION = "question"
OTHER = "other"

_SEPARATORS = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """Returns a name without case and separators: `API-Key-ID` and `apiKeyId` are one."""
    return _SEPARATORS.sub("", name.lower())


class Wanted(tuple[str, ...]):
    """Folded names that are looked for in records, the likeliest first.

    Each is made once, and is a key by its identity: a tuple hashes all of its texts at every
    look-up, which took a quarter of the time of a record.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


_Fact = TypeVar("_Fact")


class Names(dict[str, str]):
    """The names of a record by their folded form; of two that fold alike, the first.

    All records of a log have the same few sets of names, so what is found in one is kept.
    """

    def __init__(self, record: Iterable[Any]) -> None:
        super().__init__()
        self._present: dict[Wanted, tuple[str, ...]] = {}
        self._facts: dict[Any, Any] = {}
        for name in record:
            if isinstance(name, str):
                self.setdefault(fold(name), name)

    def present(self, wanted: Wanted) -> tuple[str, ...]:
        """Returns the record's own spelling of those of the wanted names that it has, in order."""
        found = self._present.get(wanted)
        if found is None:
            found = tuple(self[name] for name in wanted if name in self)
            self._present[wanted] = found
        return found

    def fact(self, tell: Callable[["Names"], _Fact]) -> _Fact:
        """Returns what a function says of the names; it is asked once."""
        if tell not in self._facts:
            self._facts[tell] = tell(self)
        found: _Fact = self._facts[tell]
        return found

    def held(self, record: Record, wanted: Wanted) -> Any:
        """Returns the value of the first of the wanted names that holds something."""
        for name in self.present(wanted):
            value = record[name]
            if value is not None and value != "":
                return value
        return None


_KEPT_NAMES = 100  # in a record whose names are kept: longer ones are rarely alike


def names_of(record: Record) -> Names:
    """Returns the names of a record."""
    return _names(tuple(record)) if len(record) <= _KEPT_NAMES else Names(record)


@lru_cache(maxsize=512)
def _names(record: tuple[Any, ...]) -> Names:
    return Names(record)


_QUESTION_ENDS = frozenset(
    {"completions", "completion", "complete", "responses", "messages", "converse", "chat"}
    | {"converse-stream", "generate", "generatecontent", "streamgeneratecontent"}
    | {"generate_stream", "generate_text", "ask"}
    # names of operations: LiteLLM's call types, Azure's
    | {"acompletion", "atext_completion", "text_completion", "aresponses", "anthropic_messages"}
    | {"aanthropic_messages", "generate_content", "agenerate_content", "generate_content_stream"}
    | {"agenerate_content_stream", "_aresponses_websocket", "add_message", "a_add_message"}
    | {"chatcompletions_create", "completions_create", "responses_create", "chat_completion"}
    | {"send_message", "asend_message", "create_interaction", "acreate_interaction"}
)
_EMBEDDING_ENDS = frozenset(
    {"embeddings", "embedding", "embed", "aembedding", "embedcontent", "batchembedcontents"}
    | {"embeddings_create", "embed_content", "aembed_content"}
)
_OTHER_ENDS = frozenset(
    {"models", "health", "healthz", "readyz", "livez", "readiness", "liveliness", "liveness"}
    | {"metrics", "ping", "status", "version", "tokenize", "detokenize", "count_tokens"}
    | {"counttokens", "input_tokens", "input_items", "cancel", "runs", "favicon.ico", "docs"}
    | {"openapi.json", "login", "search", "rerank", "score", "classify", "moderations", "tags"}
    # names of operations
    | {"call_mcp_tool", "list_mcp_tools", "realtime", "_arealtime", "arealtime", "ocr", "aocr"}
    | {"query_vector_store", "ingest", "aingest", "run_code", "arun_code", "aquery"}
    | {"code_interpreter_tool", "acode_interpreter_tool", "arealtime_calls"}
)
_OTHER_PARTS = frozenset(
    {"images", "audio", "files", "batches", "vector_stores", "fine_tuning", "fine-tunes"}
    | {"assistants", "moderations", "rerank", "mcp", "realtime", "uploads", "evals", "videos"}
    | {"containers", "transcriptions", "translations", "speech", "ocr", "count_tokens"}
    | {"vector_store", "mcp-tools", "health"}
)
_OTHER_OPERATION = re.compile(
    "image|transcription|speech|moderation|rerank|search|batch|assistant|thread|file|fine_tun"
    "|video|vector_store|container|sandbox|skill|_mcp_|mcp_|realtime|ocr|health|list_|counttokens"
    "|guardrail|asyncinvoke|bidirectional"
)
_PATH = re.compile(r"(?:^|\s)(?:[a-z]+://[^/\s]*)?(/[^\s?#]*)")


@lru_cache(maxsize=4096)
def api_of(name: str) -> str | None:
    """Returns which API a path, URL, request line or operation is of: `QUESTION`, `EMBEDDINGS`,
    `OTHER`, or None if it is not known.

    Example:
        >>> api_of("https://gateway.example.com/v1/chat/completions?x=1"), api_of("/v1/models")
        ('question', 'other')
    """
    plain = name.strip().lower()
    path = _PATH.search(plain)
    if path is None:
        return _operation(plain)
    parts = [part for part in re.split("[/:]", path[1]) if part]
    if not parts:
        return None
    last = parts[-1]
    if last in _EMBEDDING_ENDS:
        return EMBEDDINGS
    if last in _QUESTION_ENDS and "mcp" not in parts:
        return QUESTION
    return OTHER if last in _OTHER_ENDS or not _OTHER_PARTS.isdisjoint(parts) else None


def _operation(name: str) -> str | None:
    name = name.removeprefix("calltypes.")
    if name in _EMBEDDING_ENDS:
        return EMBEDDINGS
    if name in _QUESTION_ENDS:
        return QUESTION
    if name in _OTHER_ENDS or _OTHER_OPERATION.search(name):
        return OTHER
    return None


_EMBEDDING_MODEL = re.compile(
    r"embed|(?:^|[/_.-])(?:bge|gte|e5|voyage|minilm|nomic|sentence-t5|paraphrase|ada-002)(?:[-_.]|$)",
    re.IGNORECASE,
)
_OTHER_MODEL = re.compile(
    r"whisper|dall-?e|gpt-image|imagen|stable-diffusion|(?:^|[/.-])(?:tts|sdxl|flux|veo|sora)(?:[-.]|$)"
    r"|titan-image|nova-(?:canvas|reel|sonic)|moderation|rerank|transcribe",
    re.IGNORECASE,
)
_EMBEDDING_FIELDS = ("encoding_format", "input_type", "embedding_types", "embeddingTypes")
_OTHER_FIELDS = (
    *("voice", "documents", "textToImageParams", "text_prompts", "taskType", "aspect_ratio"),
    *("assistant_id", "textToVideoParams"),
)
_CHAT_FIELDS = ("messages", "contents", "conversation", "conversations")


def kind_of(request: Record, response: Any, model: Any, *names: Any) -> str:
    """Returns which API a call is of.

    Args:
        request: The request's body.
        response: The response's body, if it is known.
        model: The model, as it was asked for.
        names: Path and operation, those that are known.
    """
    known = [api for name in names if isinstance(name, str) and (api := api_of(name))]
    if known:
        if OTHER in known and QUESTION not in known and EMBEDDINGS not in known:
            return OTHER
        return EMBEDDINGS if EMBEDDINGS in known else QUESTION
    for field in _CHAT_FIELDS:
        if is_filled(request.get(field)):
            return QUESTION
    name = model if isinstance(model, str) else ""
    if _holds_vectors(response) or _EMBEDDING_MODEL.search(name):
        return EMBEDDINGS
    if any(request.get(field) is not None for field in _EMBEDDING_FIELDS):
        return EMBEDDINGS
    is_other = any(request.get(field) is not None for field in _OTHER_FIELDS)
    return OTHER if is_other or _OTHER_MODEL.search(name) else QUESTION


def _holds_vectors(response: Any) -> bool:
    response = mapping(response) if isinstance(response, (str, dict)) else {}
    if response.get("embedding") is not None or response.get("embeddings") is not None:
        return True
    data = response.get("data")
    return isinstance(data, list) and any(
        isinstance(item, dict) and item.get("embedding") is not None for item in data[:1]
    )


_STATUSES = (
    *("status", "statuscode", "httpstatus", "httpstatuscode", "responsestatus", "responsecode"),
    *("responsestatuscode", "httpresponsestatuscode", "upstreamstatus", "backendresponsecode"),
    *("httpcode", "resultcode", "outcome", "resulttype", "resultsignature", "callstatus"),
)
_ERRORS = (
    *("error", "errors", "errorcode", "errormessage", "errortype", "errorstr", "errorinformation"),
    *(
        "errorinfo",
        "exception",
        "exceptiontype",
        "exceptionmessage",
        "failurereason",
        "errordetails",
    ),
)
_GOOD = ("success", "succeeded", "ok", "issuccess", "isrequestsuccess", "issuccessful")
_BAD = ("failed", "iserror", "haserror", "errored")
_BAD_WORDS = (
    *("fail", "error", "cancel", "reject", "denied", "deny", "block", "timeout", "timed_out"),
    *(
        "throttl",
        "unauthori",
        "forbidden",
        "rate_limit",
        "ratelimit",
        "expired",
        "abort",
        "exception",
    ),
)
_NO_ERROR = frozenset({"", "none", "null", "false", "0", "nan", "-", "n/a", "{}", "[]", "no", "ok"})
_FIRST_BAD, _LAST_BAD = 300, 999  # of HTTP: nothing but 2xx holds an answer
_SHORT = 40  # characters of a status that is a word
_CODE = re.compile(r"\s*(-?\d{1,9})(?:\.0)?(?:\s|$)")


def has_failed(record: Record) -> bool:
    """Returns whether a record says that its call failed, by a status code, a word or an error."""
    outcomes = names_of(record).present(_OUTCOMES)
    return any(_SAYS_FAILED[fold(name)](record[name]) for name in outcomes)


def _is_bad_status(value: Any) -> bool:
    if isinstance(value, dict):  # {"code": 429}
        held = [value.get(key) for key in ("code", "status", "status_code")]
        return any(_is_bad_status(inner) for inner in held if not isinstance(inner, dict))
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, (int, float)):
        return value < 0 or _FIRST_BAD <= value <= _LAST_BAD
    if not isinstance(value, str):
        return False
    return _is_bad_short_text(value) if len(value) <= _SHORT else _is_bad_text(value)


def _is_bad_text(text: str) -> bool:
    if (code := _CODE.match(text)) is not None:
        return _is_bad_status(int(code[1]))
    word = text.strip().lower()[:_SHORT]
    return any(bad in word for bad in _BAD_WORDS)


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
    **dict.fromkeys(_ERRORS, _is_error),
    **dict.fromkeys(_GOOD, _is_false),
    **dict.fromkeys(_BAD, _is_true),
}
_OUTCOMES = Wanted(_SAYS_FAILED)


def asked_or_why_not(request: Record, kind: str, *, is_table: bool = False) -> Row | PassedOver:
    """Returns what a request asks as the beginning of a row, or why it is not an exchange.

    A request in which nothing is said, and one whose text was masked, is a call without a body: the
    log may keep the bodies of other calls. If it keeps none, the reader says how to keep them.
    """
    if kind == OTHER:
        return OTHER_API
    said = request_of(request, is_table=is_table)
    if not said:
        return NO_BODY
    if said.pop("only_tools", False):
        return TOOL_RESULTS
    prompt = said["prompt"]
    if prompt is not None and len(prompt) < _MASK and _is_mask(prompt):
        return NO_BODY
    if kind == EMBEDDINGS:
        said["call"] = EMBEDDINGS
    return said


_MASK = 40  # characters; a longer text is not a mask


def _is_mask(prompt: str) -> bool:
    return is_redacted(prompt) or prompt.strip().lower().startswith("redacted-by-")


def settings(request: Record) -> Row:
    """Returns the parameters asked for: temperature, n, logprobs and the tools' hash."""
    config = _config(request)
    logprobs = first(request.get("logprobs"), config.get("responseLogprobs"))
    tools = first(request.get("tools"), request.get("functions"))
    if tools is None and "toolConfig" in request:
        tools = mapping(request["toolConfig"]).get("tools")
    return {
        "temperature": first(request.get("temperature"), config.get("temperature")),
        "n": first(request.get("n"), config.get("candidateCount")),
        # completions say how many, chat says whether
        "logprobs": True if _is_count(logprobs) else logprobs,
        "tools": None if tools is None else _hashed(tools),
    }


_CONFIGS = (
    *("generationConfig", "generation_config", "inferenceConfig", "textGenerationConfig"),
    *("parameters", "options"),
)


def _config(request: Record) -> Record:
    for name in _CONFIGS:
        if isinstance(held := request.get(name), dict):
            return held
    return {}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _hashed(tools: Any) -> str | None:
    try:
        return tools_hash(tools) if isinstance(tools, (list, dict, str)) else None
    except (TypeError, RecursionError):  # nested too deeply, or numbers that JSON has not
        return None


_USAGES = ("usage", "usageMetadata", "usage_metadata", "token_usage", "tokens", "usage_details")
_INPUT_TOKENS = Wanted(
    (
        *("prompttokens", "inputtokens", "prompttokencount", "inputtokencount", "tokensin"),
        *("prompttoken", "promptevalcount", "prompttokensused", "reqtokens", "inputtextTokencount"),
    )
)
_OUTPUT_TOKENS = Wanted(
    (
        *("completiontokens", "outputtokens", "candidatestokencount", "outputtokencount"),
        *("tokensout", "completiontoken", "evalcount", "restokens", "generatedtokens"),
    )
)


def usage(places: Iterable[Record]) -> Row:
    """Returns the counts of tokens from the first of `places` that has each."""
    asked = given = None
    for held in _usages(places):
        names = names_of(held)
        if asked is None:
            asked = _count(names.held(held, _INPUT_TOKENS))
        if given is None:
            given = _count(names.held(held, _OUTPUT_TOKENS))
        if asked is not None and given is not None:
            break
    return {"input_tokens": asked, "output_tokens": given}


def _usages(places: Iterable[Record]) -> Iterator[Record]:
    for place in places:
        for name in _USAGES:
            if name in place:
                yield mapping(place[name])
        yield place


def _count(value: Any) -> int | None:
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value.strip()[:18])
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if _is_count(value) else None


def failed_unanswered(answer: str | None, places: Iterable[Record]) -> PassedOver | None:
    """Returns `FAILED` if a call failed and no model answered, None if it is an exchange.

    Args:
        answer: What the model answered.
        places: Objects that may say how the call ended; looked at only without an answer.
    """
    return FAILED if answer is None and any(map(has_failed, places)) else None
