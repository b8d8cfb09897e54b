"""What kind of call a record is, and what a request and its response hold besides text.

A call is a question, a call of an embedding model, or a call of another API: pictures, sound,
files, tools, lists of models. Its path says which, its operation, its request or its response.

Source: API references of OpenAI, Anthropic, Google Gemini and Vertex AI, Cohere, Voyage, Jina,
Ollama, vLLM and Text Embeddings Inference for paths and fields.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeVar

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.form import (
    EMBEDDINGS,
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
    | {"embeddings_create", "embed_content", "aembed_content", "embed_sparse", "embed_all"}
    | {"multimodalembeddings", "multimodal_embeddings", "contextualizedembeddings", "pooling"}
    | {"text_embeddings", "sparse_embeddings", "embed_documents", "embed_query", "embed-jobs"}
    | {"list.embedding", "text_embedding", "feature-extraction", "feature_extraction"}
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
    # what else gateways and vendors serve
    | {"invoke-with-bidirectional-stream", "bidirectional-stream", "async-invoke", "apply"}
    | {"text-to-speech", "speech-to-text", "text-to-image", "image-to-image", "text-to-video"}
    | {"image-to-video", "imagine", "txt2img", "img2img", "usage", "apply_guardrail", "parse"}
)
_OTHER_PARTS = frozenset(
    {"images", "audio", "files", "batches", "vector_stores", "fine_tuning", "fine-tunes"}
    | {"assistants", "moderations", "rerank", "mcp", "realtime", "uploads", "evals", "videos"}
    | {"containers", "transcriptions", "translations", "speech", "ocr", "count_tokens"}
    | {"vector_store", "mcp-tools", "health", "image", "video", "speech-to-text", "music"}
    | {"text-to-speech", "text-to-image", "sound-generation", "voices", "guardrail", "guardrails"}
    | {"mj", "midjourney", "suno", "udio", "luma", "kling", "runway", "runwayml", "pika", "sdapi"}
    | {"comfyui", "stable-image", "fine_tunes", "vectorstores", "skills", "async-invoke"}
    | {"organization", "spend", "budget", "sso"}
)
_MANAGED = frozenset({"key", "keys"})
"""First parts of paths whose `generate` makes no text."""
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
    if last in _QUESTION_ENDS and "mcp" not in parts and parts[0] not in _MANAGED:
        return QUESTION
    if last in _OTHER_ENDS or parts[0] in _MANAGED or not _OTHER_PARTS.isdisjoint(parts):
        return OTHER
    # /models/imagegeneration@006:predict, /model/amazon.titan-embed-text-v2/invoke
    named = "/".join(parts)
    if _EMBEDDING_MODEL.search(named):
        return EMBEDDINGS
    return OTHER if _OTHER_MODEL.search(named) else None


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
    r"embed(?!ded)|text2vec|(?:^|[/_.:-])(?:bge|gte|gtr|e5|minilm|nomic|mxbai|labse|m3e|ada-002"
    r"|sentence-t5|colbert|splade|mpnet|distiluse|siglip|multi-qa|jina-clip|uae-large|stella-en"
    r"|voyage-(?:\d|code|law|finance|multi|large|lite|context)\w*|instructor-(?:xl|large|base)"
    r"|paraphrase-(?:multi|mini|albert|distil|mpnet|tinybert)\w*)(?:[-_.:@]|$)",
    re.IGNORECASE,
)
_OTHER_MODEL = re.compile(
    r"whisper|dall-?e|gpt-image|imagen|imagegeneration|image-generation|stable-diffusion"
    r"|(?:^|[/.:-])(?:tts|sdxl|flux|veo|sora|lyria|midjourney|suno|kling|seedream|seedance|cogview"
    r"|cogvideox?|wanx)(?:[-._@]|$)"
    r"|titan-image|nova-(?:canvas|reel|sonic)|moderation|rerank|transcribe",
    re.IGNORECASE,
)
_EMBEDDING_FIELDS = frozenset(
    {"encoding_format", "input_type", "embedding_types", "embeddingTypes", "embeddingConfig"}
    | {"output_dimension", "outputDimensionality", "output_dimensionality", "late_chunking"}
    | {"embedding_type", "embedding_format", "output_dtype", "pooling_type", "pooling"}
)
_OTHER_FIELDS = frozenset(
    {"voice", "textToImageParams", "text_prompts", "taskType", "aspect_ratio"}
    | {"assistant_id", "textToVideoParams", "negative_prompt", "num_inference_steps", "cfg_scale"}
    | {"guidance_scale", "num_images", "num_frames", "init_image", "image_size", "negativeText"}
    | {"imageGenerationConfig", "videoGenerationConfig", "mask_image", "sampler_name"}
)
_CHAT_FIELDS = (
    *("messages", "contents", "conversation", "conversations", "chat_messages"),
    *("additional_messages", "thread"),
)
_SIZE = re.compile(r"\d{2,5}\s*[x*:]\s*\d{2,5}", re.IGNORECASE)
_OF_PICTURES = ("b64_json", "url", "base64")
_TASKS = ("task_type", "taskType", "task")
_TASK = re.compile(
    "retrieval[._]|semantic_similarity|clustering|fact_verification|text-matching|separation"
    "|code_retrieval|search_(?:document|query)",
    re.IGNORECASE,
)
_RUN = ("additional_messages", "thread")
"""Fields of a run of an assistant that hold what is asked with it."""


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
            asks = any(isinstance(request.get(field), (list, dict)) for field in _RUN)
            return QUESTION if asks else OTHER
        return EMBEDDINGS if EMBEDDINGS in known else QUESTION
    name = model if isinstance(model, str) else ""
    is_embedding = _is_of_embeddings(name)
    for field in _CHAT_FIELDS:
        if is_filled(request.get(field)):
            has_vectors = is_embedding and not has_choices(response)
            return EMBEDDINGS if has_vectors else QUESTION
    if is_embedding or _holds_vectors(response) or _asks_for_vectors(request):
        return EMBEDDINGS
    is_ranking = "documents" in request and "query" in request
    is_other = is_ranking or _has_any(request, _OTHER_FIELDS)
    return OTHER if is_other or _asks_for_picture(request) or _is_of_others(name) else QUESTION


def _has_any(request: Record, fields: frozenset[str]) -> bool:
    if fields.isdisjoint(request):
        return False
    return any(request.get(field) is not None for field in fields)


@lru_cache(maxsize=1024)
def _is_of_embeddings(model: str) -> bool:
    return _EMBEDDING_MODEL.search(model) is not None and not _is_of_others(model)


@lru_cache(maxsize=1024)
def _is_of_others(model: str) -> bool:
    return _OTHER_MODEL.search(model) is not None


def has_choices(response: Any) -> bool:
    """Returns whether a response is a chat's or a completion's, as most are."""
    return isinstance(response, dict) and is_filled(response.get("choices"))


def _asks_for_vectors(request: Record) -> bool:
    if _has_any(request, _EMBEDDING_FIELDS):
        return True
    if "input" in request and request.get("dimensions") is not None:
        return True
    tasks = [request[field] for field in _TASKS if field in request]
    instances = request.get("instances")
    if isinstance(instances, list) and instances and isinstance(instances[0], dict):
        tasks += [instances[0].get("task_type"), instances[0].get("taskType")]
    return any(isinstance(task, str) and _TASK.match(task) is not None for task in tasks)


def _asks_for_picture(request: Record) -> bool:
    if not isinstance(request.get("prompt"), (str, list)):
        return False
    form = request.get("response_format")
    size = request.get("size")
    if isinstance(size, str) and _SIZE.fullmatch(size.strip()):
        return True
    if isinstance(form, str) and form in _OF_PICTURES:
        return True
    return _is_count(request.get("width")) and _is_count(request.get("height"))


_VECTORS = (
    *(
        "embedding",
        "embeddings",
        "embeddings_by_type",
        "embeddingsByType",
        "inputTextTokenEmbedding",
    ),
    *("sparse_embedding", "dense_vecs", "vectors", "vector", "embedding_vector"),
)
_HOLDERS_OF_VECTORS = ("data", "predictions", "results", "output", "outputs", "result", "response")
_CUT_VECTORS = re.compile(
    r'\s*[\[{].{0,2000}?\\?"(?:object\\?"\s*:\s*\\?"embedding\\?"|embeddings?\\?"\s*:\s*[\[{])',
    re.DOTALL,
)


def _holds_vectors(response: Any, depth: int = 3) -> bool:
    """Whether a response holds vectors, where vendors keep them."""
    held = parsed(response)
    if isinstance(held, str):  # JSON that was cut
        return depth == 3 and _CUT_VECTORS.match(held[:4000]) is not None
    if isinstance(held, list) and held and depth:
        return _is_vector(held) or _holds_vectors(held[0], depth - 1)
    if not isinstance(held, dict) or not depth:
        return False
    if held.get("object") == "embedding" or any(held.get(n) is not None for n in _VECTORS):
        return True
    return any(
        isinstance(held.get(name), (dict, list)) and _holds_vectors(held[name], depth - 1)
        for name in _HOLDERS_OF_VECTORS
    )


def _is_vector(values: list[Any]) -> bool:
    return len(values) > 1 and all(isinstance(value, float) for value in values[:4])


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
    if prompt is not None and prompt.startswith("data:") and _MEDIA.fullmatch(prompt.strip()):
        said |= {"prompt": None, "without_text": True}
    if kind == EMBEDDINGS:
        said["call"] = EMBEDDINGS
    return said


_MASK = 40  # characters; a longer text is not a mask
_MEDIA = re.compile(
    r"(?:data:(?:image|audio|video|application|font)/[\w.+-]+(?:;[\w=.+-]+)*,\S*\s*)+",
    re.IGNORECASE,
)
"""Pictures and sound in the place of a text, and nothing beside them."""


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
