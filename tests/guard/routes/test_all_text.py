"""All text that a user's last message may bring to a model is judged, or refused."""

from typing import Any

import pytest

from gamekeeper.guard.routes import Json, UnreadableRequestError
from guard.routes.builders import (
    PATHS,
    ROUTES,
    chat,
    completion,
    embedding,
    message,
    picture,
    read,
    refused,
    response,
    user,
)

TEXT = {"type": "text", "text": "hi"}
SECRET = "The hidden question."


def judged(name: str, body: Json) -> str:
    """The prompt of a request that its route admits."""
    (prompt,) = (
        ROUTES[name]
        .read(ROUTES[name].admit(body, frozenset(), drop=False).body, PATHS[name])
        .prompts
    )
    return prompt


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("openai.chat", chat(messages=[user([TEXT, {"type": "refusal", "text": "x", "refusal": SECRET}])])),
        ("openai.chat", chat(messages=[user([TEXT], refusal=SECRET)])),
        ("openai.chat", chat(messages=[user([TEXT, {"type": "file", "file": {"file_data": SECRET}}])])),
        ("openai.chat", chat(messages=[user([TEXT, {"type": "file", "file": {"filename": SECRET}}])])),
        ("openai.chat", chat(messages=[user([TEXT | {"cache_control": {"type": SECRET}}])])),
        ("openai.chat", chat(messages=[user([TEXT], tool_calls=[{"function": {"arguments": {SECRET: 1}}}])])),
        ("openai.chat", chat(messages=[user([TEXT], refusal=SECRET), {"role": "tool", "content": "4"}])),
        ("openai.responses", response(input=[user([TEXT, {"type": "refusal", "text": "x", "refusal": SECRET}])])),
        ("openai.responses", response(input=[user("hi"), user(SECRET, type="agent_message")])),
        ("openai.responses", response(input=[user("hi"), {"type": "web", "role": "user", "output": SECRET}])),
        ("anthropic.messages", message(messages=[user([TEXT | {"citations": [{"cited_text": SECRET}]}])])),
        (
            "anthropic.messages",
            message(messages=[user([TEXT, {"type": "search_result", "title": "t", "content": [{"type": "text", "text": SECRET}]}])]),
        ),
        ("anthropic.messages", message(messages=[user([TEXT, {"type": "document", "context": SECRET}])])),
        ("anthropic.messages", message(messages=[user([TEXT, {"type": "document", "title": SECRET}])])),
        (
            "anthropic.messages",
            message(messages=[user([TEXT, {"type": "document", "source": {"type": "text", "data": SECRET}}])]),
        ),
        (
            "anthropic.messages",
            message(messages=[user([TEXT, {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": SECRET}]}}])]),
        ),
        ("anthropic.messages", message(messages=[user([TEXT, {"type": "tool_result", "text": SECRET}])])),
        ("openai.completions", completion(prompt="hi", suffix=SECRET)),
    ],
)  # fmt: skip
def test_text_in_any_field_is_judged_after_the_text(name: str, body: Json) -> None:
    """Nobody has to know which of them a server reads."""
    prompt = judged(name, body)
    assert prompt.startswith("hi\n") or name == "openai.responses"
    assert prompt.endswith(SECRET)


def test_text_of_a_document_is_judged_without_spaces_too() -> None:
    """Only bytes and addresses are no text."""
    source = {"type": "text", "media_type": "text/plain", "data": "harvest"}
    body = message(messages=[user([TEXT, {"type": "document", "source": source}])])
    assert judged("anthropic.messages", body) == "hi\nharvest"


def test_suffix_ends_each_prompt() -> None:
    """An empty prompt is then the suffix."""
    body = completion(prompt=["a", ""], suffix="b")
    assert read("openai.completions", body).prompts == ("a\nb", "b")
    assert read("openai.completions", completion(prompt=["a", ""], suffix="")).prompts == ("a", "")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("openai.chat", chat(messages=[user("hi", name="Ann-1", id="m", tool_calls=[])])),
        (
            "openai.chat",
            chat(
                messages=[
                    user(
                        [
                            TEXT | {"cache_control": {"type": "ephemeral", "ttl": "5m"}},
                            {
                                "type": "image_url",
                                "image_url": {"url": "https://x/y.png?z=%20", "detail": "auto"},
                            },
                            {
                                "type": "input_audio",
                                "input_audio": {"data": "AA==", "format": "wav"},
                            },
                            {"type": "file", "file": {"file_id": "file-1"}},
                        ]
                    )
                ]
            ),
        ),
        (
            "openai.responses",
            response(
                input=[
                    user(
                        [TEXT, {"type": "input_image", "image_url": "data:image/png;base64,AA=="}],
                        type="message",
                        id="msg_1",
                        status="completed",
                    )
                ]
            ),
        ),
        (
            "anthropic.messages",
            message(
                messages=[
                    user(
                        [
                            {"type": "tool_result", "tool_use_id": "t", "content": "4"},
                            TEXT,
                            {
                                "type": "image",
                                "source": {
                                    "type": "base64",
                                    "media_type": "image/png",
                                    "data": "AA==",
                                },
                            },
                        ]
                    )
                ]
            ),
        ),
    ],
)
def test_ordinary_messages_are_judged_by_their_text_alone(name: str, body: Json) -> None:
    """Pictures, tokens of the API and results of tools add nothing: logs are read alike."""
    assert read(name, body).prompts == ("hi",)


@pytest.mark.parametrize(
    "given",
    [
        user("hi", reasoning_content=SECRET),
        user("hi", reasoning=SECRET),
        user("hi", reasoning_details=[{"text": SECRET}]),
        user("hi", thinking_blocks=[{"thinking": SECRET}]),
        user([TEXT, {"type": "thinking", "thinking": SECRET}]),
        user([TEXT, {"type": "redacted_thinking", "data": "AA=="}]),
        user([TEXT, {"type": "text", "text": "x", "thinking": [TEXT]}]),
    ],
)
@pytest.mark.parametrize("name", ["openai.chat", "anthropic.messages", "openai.responses"])
def test_reasoning_is_no_users(name: str, given: Json) -> None:
    """A server that reads it would read a question; in an answer it is the model's own."""
    of = {"openai.chat": chat, "anthropic.messages": message}
    body = response(input=[given]) if name == "openai.responses" else of[name](messages=[given])
    assert SECRET not in refused(name, body)
    answered = given | {"role": "assistant"}
    said = [user("hi"), answered, user("And now?")]
    body = response(input=said) if name == "openai.responses" else of[name](messages=said)
    assert read(name, body).prompts == ("And now?",)


def test_item_with_a_users_role_or_content_is_a_message_whatever_its_type() -> None:
    """What it is not as a message, is refused."""
    refused("openai.responses", response(input=[{"type": "compaction", "content": SECRET}, user()]))
    thought = {"type": "reasoning", "role": "user", "summary": [{"text": SECRET}]}
    refused("openai.responses", response(input=[user(), thought]))


@pytest.mark.parametrize("name", ["two words", "é", "", "a" * 65, "a\n"])
def test_name_of_a_user_is_a_name(name: str) -> None:
    """Within OpenAI's own bound; the model reads it."""
    assert '"messages[0].name"' in refused("openai.chat", chat(messages=[user(name=name)]))


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("openai.images", picture(style="a dog, in oil"), "style"),
        ("openai.embeddings", embedding(task=SECRET), "task"),
        ("openai.embeddings", embedding(input_type=SECRET), "input_type"),
        ("openai.embeddings", embedding(input_type=["query"]), "input_type"),
        (
            "openai.chat",
            chat(web_search_options={"user_location": {"approximate": {"city": "Who? " * 9}}}),
            "web_search_options.user_location.approximate.city",
        ),
        (
            "openai.responses",
            response(tools=[{"type": "web_search", "user_location": {"region": "x" * 65}}]),
            "tools.user_location.region",
        ),
    ],
)
def test_options_of_the_vendor_are_short_words(name: str, body: Json, field: str) -> None:
    """Other servers put them into the prompt."""
    for drop in (False, True):
        with pytest.raises(UnreadableRequestError, match=field):
            ROUTES[name].admit(body, frozenset(), drop=drop)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("openai.images", picture(style="vivid")),
        ("openai.embeddings", embedding(task="retrieval.query", input_type=None)),
        (
            "openai.responses",
            response(
                tools=[
                    {
                        "type": "web_search",
                        "user_location": {
                            "type": "approximate",
                            "city": "Saint-Étienne (Loire)",
                            "timezone": "Europe/Paris",
                        },
                    }
                ]
            ),
        ),
    ],
)
def test_words_and_places_pass(name: str, body: Any) -> None:
    """As the vendors have them."""
    assert ROUTES[name].admit(body, frozenset(), drop=False).body is body


def test_message_that_is_nested_too_deeply_is_refused() -> None:
    """It could not be forwarded."""
    deep: Any = "x"
    for _ in range(300):
        deep = [deep]
    refused("openai.chat", chat(messages=[user([TEXT], annotations=deep)]))
