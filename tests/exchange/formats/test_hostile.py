"""Records of any shape: each becomes a row or is passed over, and nothing raises."""

import json
import random
from typing import Any

import pytest

from exchange.builders import azure_exchange, bedrock, litellm, openai
from gamekeeper.exchange.formats import azure as azure_format
from gamekeeper.exchange.formats import bedrock as bedrock_format
from gamekeeper.exchange.formats import litellm as litellm_format
from gamekeeper.exchange.formats import openai as openai_format
from gamekeeper.exchange.formats.form import Format, PassedOver
from gamekeeper.exchange.messages import answer_of, prompt_of

DEEP: Any = {}
for _ in range(2_000):
    DEEP = {"messages": [DEEP], "content": DEEP, "request": DEEP, "error": DEEP}
HOSTILE = [
    *(None, True, -1, 10**40, float("nan"), "", " ", "\x00", "\ud800", "{", "[{'a", '{"a":', b"x"),
    *(
        [],
        {},
        [[]],
        [None],
        [{}],
        {"": ""},
        {1: 2},
        {"role": ["a"]},
        {"type": {"a": 1}},
        ("a",),
        DEEP,
    ),
]
RECORDS = {
    "openai": [
        openai(),
        {"request": {"contents": [{"parts": [{"text": "x"}]}]}, "auth": {"id": 1}},
    ],
    "litellm": [litellm(proxy_server_request={"input": "x"}, metadata={"status": "success"})],
    "bedrock": [bedrock()],
    "azure": azure_exchange(),
}
FORMS = [openai_format.FORMAT, litellm_format.FORMAT, bedrock_format.FORMAT, azure_format.FORMAT]


def changed(value: Any, rng: random.Random) -> Any:
    """A copy with one value replaced, at any level."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        return value | {key: changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        return [*value[:place], changed(value[place], rng), *value[place + 1 :]]
    return rng.choice(HOSTILE)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_no_record_raises(form: Format) -> None:
    """Wrong types at every level, deep nesting, text that is not Unicode."""
    rng = random.Random(7)
    for _ in range(1_500):
        record = rng.choice(RECORDS[form.name])
        for _ in range(rng.randrange(1, 4)):
            record = changed(record, rng)
        if not isinstance(record, dict):
            continue
        form.sniff(record)
        for inner in form.split(record):
            whole = form.join([inner, inner]) if form.join else [inner]
            assert all(isinstance(form.row(one), dict | PassedOver) for one in whole)


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_no_value_that_is_named_as_the_prompt_raises(value: Any) -> None:
    """Whatever a user maps."""
    for held in (value, {"messages": value}, [{"role": "user", "content": value}]):
        assert isinstance(prompt_of(held), dict)
        answer_of(held)
    assert json.dumps(prompt_of("\ud800")["prompt"])
