"""Estimates of tokens: of text, of whole requests, of what is not text."""

import base64
import random
from timeit import timeit
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.guard.budgets.token_estimate import (
    AUDIO_TOKENS,
    FILE_TOKENS,
    IMAGE_TOKENS,
    estimate_input,
    estimate_text_input,
    estimate_tokens,
    estimate_written,
)
from gamekeeper.guard.routes.query import Query

# Texts with what two real tokenizers count: cl100k (OpenAI) and Anthropic's of 2023.
COUNTED = [
    (
        "The guard reads a request once, judges what it read, and passes on exactly that.",
        (18, 18),
    ),
    ("def mean(values):\n    return sum(values) / len(values)\n", (13, 17)),
    ('{"id": 17, "name": "bolt", "sizes": [3, 4, 5], "sold": true}\n', (29, 28)),
    ("Der Wächter liest eine Anfrage einmal und beurteilt, was er gelesen hat.", (22, 24)),
    ("Страж читает запрос один раз и судит о том, что прочитал.", (24, 26)),
    ("今天天气很好,我们去公园散步,然后回家做饭。你想吃什么?", (30, 29)),
    ("يقرأ الحارس الطلب مرة واحدة ويحكم على ما قرأه.", (34, 40)),
    ("पहरेदार अनुरोध को एक बार पढ़ता है और उसी को परखता है।", (54, 57)),
    ("Solve 3x^2 - 12x + 9 = 0, then compute f(1.5) + f(-2).", (31, 26)),
]


@pytest.mark.parametrize(("text", "counts"), COUNTED, ids=lambda value: str(value)[:12])
def test_estimate_is_within_thirty_percent_of_real_tokenizers(
    text: str, counts: tuple[int, int]
) -> None:
    """Of each of the two; a sentence that is said thirty times is no easier than others."""
    for count in counts:
        assert 0.7 * count <= estimate_tokens(text * 30) / 30 <= 1.3 * count


def test_secrets_and_base64_are_not_cheap() -> None:
    """Letters that nothing breaks cost three times as much as prose."""
    noise = base64.b64encode(random.Random(1).randbytes(30_000)).decode()
    assert estimate_tokens(noise) > 0.5 * len(noise)


def test_long_text_is_sampled_evenly() -> None:
    """Four megabytes cost no more time than sixty thousand characters, and are counted whole."""
    part = COUNTED[0][0] + COUNTED[3][0] + COUNTED[5][0]
    long = part * 20_000
    assert estimate_tokens(long) == pytest.approx(estimate_tokens(part * 100) * 200, rel=0.06)
    seconds = min(timeit(lambda: estimate_tokens(long), number=1) for _ in range(5))
    assert seconds < 0.05


@given(st.text(max_size=300))
def test_any_text_has_at_least_one_token_and_no_more_than_it_has_bytes(text: str) -> None:
    """Whatever its script."""
    found = estimate_tokens(text)
    assert (found >= 1) is bool(text)
    assert found <= 2.2 * len(text.encode("utf-8", "replace")) + 1


def body(*content: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": list(content)}]} | fields


LONG = COUNTED[0][0] * 30
TOKENS = estimate_tokens(LONG)


@pytest.mark.parametrize(
    "request_body",
    [
        {"messages": [{"role": "user", "content": LONG}]},
        body({"type": "text", "text": LONG}),
        body("Hi", system=LONG),
        body("Hi", system=[{"type": "text", "text": LONG}]),
        body({"type": "tool_result", "content": [{"type": "text", "text": LONG}]}),
        body({"type": "document", "source": {"type": "text", "data": LONG}}),
        body("Hi", tools=[{"type": "function", "function": {"description": LONG}}]),
        body("Hi", response_format={"json_schema": {"schema": {LONG: {"type": "string"}}}}),
        {"prompt": [LONG]},
        {"input": LONG, "instructions": None},
        {"input": [{"type": "function_call_output", "call_id": "c", "output": LONG}]},
        {"anything": {"not": {"known": [[LONG]]}}},
    ],
)
def test_all_text_that_a_model_reads_counts_wherever_it_is(request_body: dict[str, Any]) -> None:
    """A field that is not known counts too."""
    found = estimate_input(request_body, Query())
    assert TOKENS <= found <= TOKENS + 30
    assert estimate_text_input(request_body, Query()) >= TOKENS


DATA = base64.b64encode(random.Random(2).randbytes(200_000)).decode()


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
            IMAGE_TOKENS,
        ),
        ({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}, IMAGE_TOKENS),
        (
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": DATA},
            },
            IMAGE_TOKENS,
        ),
        ({"type": "input_image", "image_url": f"data:image/png;base64,{DATA}"}, IMAGE_TOKENS),
        ({"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}}, AUDIO_TOKENS),
        ({"type": "file", "file": {"file_data": DATA, "filename": "a.pdf"}}, FILE_TOKENS),
        (
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": DATA},
            },
            FILE_TOKENS,
        ),
        ({"type": "image_generation_call", "result": DATA}, IMAGE_TOKENS),
    ],
)
def test_what_is_not_text_counts_a_constant(part: dict[str, Any], tokens: int) -> None:
    """Not its bytes: a picture of a megabyte is about as many tokens as a small one."""
    assert tokens <= estimate_input(body(part), Query()) <= tokens + 20
    assert estimate_text_input(body(part), Query()) < 20


def test_text_that_looks_like_a_picture_is_text_where_a_model_reads_it() -> None:
    """Or a prompt could hide behind `data:`."""
    text = "data:image/png;base64," + LONG
    assert estimate_input(body({"type": "text", "text": text}), Query()) >= TOKENS
    assert estimate_input({"input": text}, Query()) >= TOKENS


def test_token_ids_count_as_the_route_counted_them() -> None:
    """The numbers themselves are not text."""
    ids = {"model": "m", "input": [list(range(500)), list(range(500))]}
    assert 1_000 <= estimate_input(ids, Query(input_tokens=1_000)) <= 1_005
    assert estimate_input({"instances": [[0.5] * 900]}, Query()) == 1


def test_request_without_text_has_a_token() -> None:
    """Never 0."""
    assert estimate_input({}, Query()) == 1


def test_nesting_of_any_depth_is_read() -> None:
    """What was parsed may be a thousand levels deep."""
    deep: Any = {"text": LONG}
    for _ in range(5_000):
        deep = {"content": [deep]}
    assert estimate_input(deep, Query()) >= TOKENS
    assert estimate_written(deep) == TOKENS


def test_arguments_of_a_tool_count_with_their_names() -> None:
    """The model wrote both."""
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {LONG: [1.5, {"a": LONG}]}}
    assert estimate_written({"content": [block]}) > 2 * TOKENS
