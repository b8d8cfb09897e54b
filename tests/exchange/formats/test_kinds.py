"""Which API a record is of: questions, embeddings, and all others."""

from typing import Any

import pytest

from exchange.builders import TIME
from gamekeeper.exchange.formats.form import EMBEDDINGS, OTHER_API, PassedOver
from gamekeeper.exchange.formats.openai import row, sniff

TEXT = "Why is the sky blue?"
USER = [{"role": "user", "content": TEXT}]
CUT = '{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,'
TENSOR = {"name": "text_input", "datatype": "BYTES", "shape": [1], "data": [TEXT]}


def gateway(**fields: Any) -> dict[str, Any]:
    return {"timestamp": TIME, "api_key_id": "k1"} | fields


def body(**fields: Any) -> dict[str, Any]:
    return {"request": {"model": "m", "input": TEXT} | fields}


MODELS = (
    *("mxbai-embed-large-v1", "intfloat/e5-large", "BAAI/bge-m3", "thenlper/gte-base", "voyage-3"),
    *("nomic-ai/nomic-v1", "jina-embeddings-v3", "all-MiniLM-L6-v2", "mxbai-large", "jina-clip-v2"),
)
PATHS = (
    *("/embed_sparse", "/v1/multimodalembeddings", "/pooling", "/v1/contextualizedembeddings"),
    "/v1/projects/p/publishers/google/models/text-embedding-005:predict",
    "/model/amazon.titan-embed-text-v2:0/invoke",
)
VECTORS = (
    CUT,
    [[0.1, 0.2]],
    {"predictions": [{"embeddings": {"values": [0.1]}}]},
    {"data": [{"object": "embedding", "embedding": "AAAA"}]},
)
EMBEDDED = [
    body() | {"object": "embedding"},
    body() | {"type": "embedding"},
    {"object": "embedding", "model": "text-embedding-3", "input_history": USER},
    {"model": "text-embedding-3", "input_history": USER},
    {"request": {"instances": [{"content": TEXT, "task_type": "RETRIEVAL_DOCUMENT"}]}},
    body(input=[TEXT], dimensions=256),
    body(task="retrieval.passage"),
    *(body(model=model) for model in MODELS),
    *(body() | {"path": path} for path in PATHS),
    *(body() | {"response": vectors} for vectors in VECTORS),
]


@pytest.mark.parametrize("fields", EMBEDDED, ids=range(len(EMBEDDED)))
def test_calls_of_embedding_models_are_known(fields: dict[str, Any]) -> None:
    """By a word beside the request, the path, the model, the request or the response."""
    found = row(gateway(**fields))
    assert sniff(gateway(**fields)) and not isinstance(found, PassedOver)
    assert (found["call"], found["prompt"]) == (EMBEDDINGS, TEXT)


QUESTIONS = [
    body(model="gpt-4-uae-north"),
    body(model="embedded-systems-assistant"),
    body(model="paraphrase-bot"),
    {"messages": USER, "type": "embedding", "object": "embedding"},
    body() | {"response": f"Vectors look so: {CUT}"},
    {"request": {"message": TEXT, "documents": [{"text": "Dust."}]}},
    {"request": {"prompt": TEXT, "size": "large"}},
    {"path": "/v1/threads/t1/runs", "request": {"assistant_id": "a", "additional_messages": USER}},
    {"request": {"assistant_id": "a", "thread": {"messages": USER}}},
]


@pytest.mark.parametrize("fields", QUESTIONS, ids=range(len(QUESTIONS)))
def test_questions_that_look_like_other_calls_are_questions(fields: dict[str, Any]) -> None:
    """A client that calls its chat an embedding hides nothing."""
    found = row(gateway(**fields))
    assert not isinstance(found, PassedOver)
    assert (found.get("call"), found["prompt"]) == (None, TEXT)


ELSEWHERE = (
    *("/v1/projects/p/publishers/google/models/imagegeneration@006:predict", "/sdapi/v1/txt2img"),
    *("/v1/video/generations", "/mj/submit/imagine", "/suno/submit/music", "/key/generate"),
    *("/guardrail/g1/version/1/apply", "/v1/text-to-speech/voice", "/v1/images/edits"),
    "/model/amazon.nova-sonic-v1:0/invoke-with-bidirectional-stream",
)
PICTURES = (
    {"size": "1024x1024", "response_format": "b64_json"},
    {"response_format": "url"},
    {"negative_prompt": "clouds"},
    {"width": 512, "height": 512},
    {"model": "black-forest-labs/flux-1"},
)
OTHERS = [
    *({"path": path, "method": "POST", "request": {"prompt": TEXT}} for path in ELSEWHERE),
    *({"request": {"prompt": TEXT, **fields}} for fields in PICTURES),
    {"request": {"query": TEXT, "documents": ["Dust."]}},
]


@pytest.mark.parametrize("fields", OTHERS, ids=range(len(OTHERS)))
def test_pictures_sound_and_management_are_other_apis(fields: dict[str, Any]) -> None:
    """By their path or by what only they ask for."""
    assert sniff(gateway(**fields)) and row(gateway(**fields)) is OTHER_API


def chat(**fields: Any) -> dict[str, Any]:
    return {"request": {"model": "m", **fields}}


SPELLINGS: list[dict[str, Any]] = [
    {"Model": "m", "Messages": [{"Role": "User", "Content": TEXT}]},
    chat(Messages=[{"Role": "user", "Content": [{"Type": "text", "Text": TEXT}]}]),
    chat(messages=[{"Role": "user", "Content": TEXT}]),
    {"REQUEST": {"MODEL": "m", "MESSAGES": [{"ROLE": "user", "CONTENT": TEXT}]}},
    {"modelName": "m", "chatMessages": USER},
    {"request": {"modelName": "m", "chatMessages": USER}},
    chat(contents=TEXT),
    {"model": "m", "contents": TEXT},
    chat(text_input=TEXT),
    {"model": "m", "text_input": TEXT},
    chat(input={"input_as_text": TEXT}),
    {"input": {"input_as_text": TEXT}},
    chat(chatInput=TEXT),
    chat(UserQuery=TEXT),
    {"request": {"inputs": [TENSOR]}},
    {"inputs": [TENSOR | {"name": "PROMPT", "data": [[TEXT]]}]},
    {"request": {"inputs": [TENSOR, TENSOR | {"name": "stop_words", "data": ["x"]}]}},
    {"request": {"inputs": [TENSOR, {"name": "n", "datatype": "INT32", "data": [3]}]}},
    {"request": {"model_id": "m", "input": f"<|user|>\n{TEXT}\n<|assistant|>\n"}},
    {"request": {"model_id": "m", "input": f"Human: {TEXT}\n\nAssistant:"}},
    chat(messages=[{"role": "user", "content": f'[{{"type": "text", "text": "{TEXT}"}}]'}]),
    chat(messages=[{"role": "user", "content": f"<SYSTEM-REMINDER>x</SYSTEM-REMINDER>{TEXT}"}]),
    chat(messages=[{"role": "user", "content": f"<system_context>x</system_context>{TEXT}"}]),
    {"ai": {"ai-proxy-advanced": {"payload": {"request": {"messages": USER}}}}},
    {"prompt": {"messages": USER}, "completion": "Dust."},
]


@pytest.mark.parametrize("fields", SPELLINGS, ids=range(len(SPELLINGS)))
def test_a_question_is_found_in_every_spelling(fields: dict[str, Any]) -> None:
    """Of names, of wrappers, of tensors, and of text that a client or a server put around it."""
    found = row(gateway(**fields))
    assert sniff(gateway(**fields)) and not isinstance(found, PassedOver)
    assert found["prompt"] == TEXT


@pytest.mark.parametrize(
    "text",
    [
        '[{"type": "apple", "text": "x"}]',
        '[{"type": "text"}]',
        '[{"id": 1}]',
        "data: 1",
        "data:image/png;base64,AAAA is a picture of what?",
    ],
)
def test_a_text_of_the_users_own_stays(text: str) -> None:
    """Only a list of parts that APIs know is one."""
    found = row(gateway(**chat(messages=[{"role": "user", "content": text}])))
    assert not isinstance(found, PassedOver) and found["prompt"] == text


@pytest.mark.parametrize("text", ["data:image/png;base64,AAAA", "data:audio/wav;base64,AA==\n"])
def test_a_picture_in_the_place_of_a_text_is_none(text: str) -> None:
    """The request was understood, and nothing is asked in words."""
    found = row(gateway(**chat(messages=[{"role": "user", "content": text}])))
    assert not isinstance(found, PassedOver)
    assert found["prompt"] is None and found["without_text"]


CALLERS: list[tuple[dict[str, Any], str]] = [
    ({"authenticationInfo": {"principalEmail": "a"}}, "authenticationInfo.principalEmail"),
    ({"jwt": {"claims": {"sub": "a"}}}, "jwt.claims.sub"),
    ({"token": {"id": "a"}}, "token.id"),
    ({"X-Consumer-ID": "a"}, "X-Consumer-ID"),
    ({"X-Consumer-Username": "a"}, "X-Consumer-Username"),
    ({"remote_user": "a"}, "remote_user"),
    ({"api_key_name": "a", "team_id": "t"}, "api_key_name"),
    ({"api_key_name": "nightly", "user_id": "a"}, "user_id"),
]


@pytest.mark.parametrize(("fields", "path"), CALLERS, ids=range(len(CALLERS)))
def test_who_was_authenticated_is_found(fields: dict[str, Any], path: str) -> None:
    """A name of a key only where nothing tells more."""
    found = row({"timestamp": TIME, "request": {"messages": USER}, **fields})
    assert not isinstance(found, PassedOver)
    assert next(iter(found["principals"].items())) == (path, "a")


@pytest.mark.parametrize(("value", "names"), [(12345.0, True), (1.5, False), (1e23, False)])
def test_a_number_is_a_name_if_nothing_of_it_was_lost(value: float, names: bool) -> None:
    """Two callers could be one number that was rounded."""
    found = row({"timestamp": TIME, "user_id": value, "request": {"messages": USER}})
    assert not isinstance(found, PassedOver)
    assert bool(found["principals"]) is names


@pytest.mark.parametrize("name", ["time_iso8601", "time_local"])
def test_the_duration_of_nginx_is_not_the_time(name: str) -> None:
    """Its `request_time` is in seconds; elsewhere the name is of a time."""
    record = {"request_time": 0.5, name: TIME, "remote_user": "a", "request_body": {"input": TEXT}}
    found = row(record)
    assert not isinstance(found, PassedOver) and found["time"] == TIME
