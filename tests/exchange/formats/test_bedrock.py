"""Amazon Bedrock's model invocation logs."""

import json
from pathlib import Path
from typing import Any

import pytest

from exchange.builders import TIME, bedrock, read, write
from gamekeeper.exchange.formats.bedrock import row, sniff
from gamekeeper.exchange.formats.form import (
    EMBEDDINGS,
    FAILED,
    KEPT_ELSEWHERE,
    NO_BODY,
    OTHER_API,
    PassedOver,
    Row,
)

ASKED = "Two plus two?"


def only(*rows: Any, folder: Path, **options: Any) -> dict[str, Any]:
    frame = read(write(folder, "log.jsonl", list(rows)), **options)
    assert frame.height == 1
    return frame.row(0, named=True)


def the_row(record: dict[str, Any]) -> Row:
    found = row(record)
    assert sniff(record) and not isinstance(found, PassedOver), found
    return found


BODIES = {
    "anthropic": (
        {
            "system": "S",
            "temperature": 0.5,
            "messages": [{"role": "user", "content": "Two plus two?"}],
        },
        {"content": [{"type": "text", "text": "Four."}]},
    ),
    "converse": (
        {
            "system": [{"text": "S"}],
            "inferenceConfig": {"temperature": 0.5},
            "messages": [{"role": "user", "content": [{"text": "Two plus two?"}]}],
        },
        {"output": {"message": {"role": "assistant", "content": [{"text": "Four."}]}}},
    ),
    "titan": (
        {"inputText": "Two plus two?", "textGenerationConfig": {"temperature": 0.5}},
        {"results": [{"outputText": "Four."}]},
    ),
    "llama": ({"prompt": "Two plus two?", "temperature": 0.5}, {"generation": "Four."}),
    "stream": (
        {"messages": [{"role": "user", "content": "Two plus two?"}], "temperature": 0.5},
        [
            {"type": "content_block_delta", "delta": {"text": "Fo"}},
            {"contentBlockDelta": {"delta": {"text": "ur."}}},
        ],
    ),
}


@pytest.mark.parametrize("kind", BODIES)
def test_bedrock_bodies_of_each_family_are_read(tmp_path: Path, kind: str) -> None:
    """Anthropic, Converse, Titan, Llama, and streamed answers."""
    asked, given = BODIES[kind]
    row = only(
        bedrock(asked, output={"outputBodyJson": given, "outputTokenCount": 2}), folder=tmp_path
    )
    assert (row["prompt"], row["answer"], row["temperature"]) == ("Two plus two?", "Four.", 0.5)
    assert (row["account"], row["input_tokens"]) == ("arn:aws:iam::123456789012:user/ann", 5)


@pytest.mark.parametrize(
    ("arn", "account"),
    [
        ("arn:aws:sts::1:assumed-role/app/any-name", "arn:aws:sts::1:assumed-role/app"),
        (
            "arn:aws:sts::1:assumed-role/AWSReservedSSO_Dev_1/ann",
            "arn:aws:sts::1:assumed-role/AWSReservedSSO_Dev_1/ann",
        ),
        (None, "123456789012"),
    ],
)
def test_bedrock_account_is_what_the_caller_cannot_choose(
    tmp_path: Path, arn: str | None, account: str
) -> None:
    """The session name of an assumed role is the caller's choice and does not split an account."""
    assert only(bedrock(identity={"arn": arn}), folder=tmp_path)["account"] == account


def test_bedrock_inside_cloudwatch_is_read(tmp_path: Path) -> None:
    """CloudWatch wraps the log as text."""
    assert (
        only({"timestamp": 1, "message": json.dumps(bedrock())}, folder=tmp_path)["prompt"]
        == "Two plus two?"
    )


MORE_BODIES = {
    "cohere": {"message": ASKED, "chat_history": [{"role": "USER", "message": "before"}]},
    "mistral": {"prompt": f"<s>[INST] {ASKED} [/INST]", "max_tokens": 9},
    "deepseek": {"prompt": f"<｜begin▁of▁sentence｜><｜User｜>{ASKED}<｜Assistant｜>"},
    "claude 2": {"prompt": f"\n\nHuman: {ASKED}\n\nAssistant:", "max_tokens_to_sample": 9},
    "nova": {
        "schemaVersion": "messages-v1",
        "messages": [{"role": "user", "content": [{"text": ASKED}]}],
    },
    "ai21": {"messages": [{"role": "user", "content": ASKED}], "n": 1},
}


@pytest.mark.parametrize("name", MORE_BODIES)
def test_bodies_of_more_families_are_read(name: str) -> None:
    """Templates of models are not what the user wrote."""
    assert the_row(bedrock(MORE_BODIES[name]))["prompt"] == ASKED


def test_names_in_lower_case_and_bodies_as_text_are_read() -> None:
    """Athena writes both, and sometimes the names inside too."""
    body = {"messages": [{"role": "user", "content": [{"text": ASKED}]}]}
    record = bedrock() | {"input": {"inputbodyjson": json.dumps(body), "inputtokencount": 5}}
    lower = {name.lower(): value for name, value in record.items()}
    found = the_row(lower)
    assert (found["prompt"], found["input_tokens"], found["model"]) == (ASKED, 5, "amazon.nova")
    assert found["principals"]["identity.arn"].endswith("user/ann")


@pytest.mark.parametrize("body", ["input.inputBodyJson", "input.inputBodyJson.messages"])
def test_flattened_names_are_put_together(body: str) -> None:
    """As a SIEM writes them, the body whole or flattened as well."""
    messages = [{"role": "user", "content": [{"text": ASKED}]}]
    record = {
        "schemaType": "ModelInvocationLog",
        "timestamp": TIME,
        "modelId": "m",
        "requestId": "r",
        "identity.arn": "arn:aws:iam::1:user/ann",
        body: messages if body.endswith("messages") else {"messages": messages},
    }
    found = the_row(record)
    assert found["prompt"] == ASKED and found["principals"]["identity.arn"].endswith("ann")


IMAGE = {"taskType": "TEXT_IMAGE", "textToImageParams": {"text": "a cat"}}
NOT_EXCHANGES = [
    (bedrock(errorCode="ThrottlingException", output={}), FAILED),
    (bedrock(input={"inputBodyS3Path": "s3://b/k"}, output={}), KEPT_ELSEWHERE),
    (bedrock(input={"inputTokenCount": 3}), NO_BODY),
    (bedrock(input={}), NO_BODY),
    (bedrock(IMAGE, modelId="amazon.nova-canvas", operation="InvokeModel"), OTHER_API),
    (bedrock({"query": "x", "documents": ["y"]}, operation="InvokeModel"), OTHER_API),
    (bedrock(operation="CountTokens"), OTHER_API),
]


@pytest.mark.parametrize(("record", "why"), NOT_EXCHANGES)
def test_a_record_that_is_not_an_exchange_says_why(record: dict[str, Any], why: PassedOver) -> None:
    """Throttled calls, bodies in S3 or not logged, and models of pictures."""
    assert sniff(record) and row(record) is why


@pytest.mark.parametrize(
    ("body", "model"),
    [
        ({"inputText": ASKED}, "amazon.titan-embed-text-v2:0"),
        ({"texts": [ASKED], "input_type": "search_query"}, "cohere.embed-v3"),
    ],
)
def test_embeddings_are_kept_apart(body: dict[str, Any], model: str) -> None:
    """The operation is InvokeModel for all models."""
    found = the_row(bedrock(body, modelId=model, operation="InvokeModel"))
    assert (found["call"], found["prompt"]) == (EMBEDDINGS, ASKED)


def test_an_image_alone_is_an_exchange_without_text() -> None:
    """Bytes are not a prompt."""
    image = {"image": {"format": "png", "source": {"bytes": "AAAA"}}}
    found = the_row(bedrock({"messages": [{"role": "user", "content": [image]}]}))
    assert found["prompt"] is None and found["without_text"]


def test_what_the_client_says_of_itself_is_only_claimed() -> None:
    """The name of a session, and the metadata of a request."""
    arn = "arn:aws:sts::1:assumed-role/app/any-name"
    found = the_row(bedrock(identity={"arn": arn}, requestMetadata={"team": "chosen"}))
    assert set(found["claimed"].values()) == {"any-name", "chosen"}
    assert found["principals"]["identity.arn"] == "arn:aws:sts::1:assumed-role/app"
