"""What a user wrote, out of the shapes in which vendors and clients put it."""

import json
import time
from typing import Any

import pytest

from gamekeeper.exchange.messages import answer_of, conversation_of, prompt_of, request_of
from gamekeeper.exchange.texts import text_of, turns_of, without_injected

ASKED = "Why is the sky blue?"
REMINDER = "<system-reminder>Mind the files.</system-reminder>"


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content[0] if len(content) == 1 else list(content)}


def part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


PARTS = {
    "openai": [{"type": "image_url", "image_url": {"url": "data:,"}}, part(ASKED)],
    "responses": [{"type": "input_text", "text": ASKED}, {"type": "input_image", "file_id": "f"}],
    "assistants": [{"type": "text", "text": {"value": ASKED, "annotations": []}}],
    "converse": [{"text": ASKED}, {"image": {"format": "png", "source": {"bytes": "AAAA"}}}],
    "guarded": [{"guardContent": {"text": {"text": ASKED, "qualifiers": ["query"]}}}],
    "gemini": [{"text": ASKED}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
    "otel": [{"type": "text", "content": ASKED}, {"type": "reasoning", "content": "hm"}],
    "anthropic document": [{"type": "document", "source": {"type": "text", "data": ASKED}}],
    "document of blocks": [
        {"type": "document", "source": {"type": "content", "content": [part(ASKED)]}}
    ],
    "converse document": [{"document": {"format": "txt", "name": "q", "source": {"text": ASKED}}}],
    "spoken": [{"type": "input_audio", "input_audio": {"data": "AAAA"}, "transcript": ASKED}],
    "beside a tool's result": [{"type": "tool_result", "content": "42"}, part(ASKED)],
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_every_vendor_give_their_text(name: str) -> None:
    """Text alone counts, wherever a vendor keeps it."""
    assert text_of(PARTS[name]) == ASKED


CONVERSATIONS = {
    "chat": [user("Hello"), {"role": "assistant", "content": "Hi"}, user(ASKED)],
    "sharegpt": [
        {"from": "human", "value": "Hello"},
        {"from": "gpt", "value": "Hi"},
        {"from": "human", "value": ASKED},
    ],
    "gemini": [
        {"parts": [{"text": "Hello"}]},
        {"role": "model", "parts": [{"text": "Hi"}]},
        {"role": "user", "parts": [{"text": ASKED}]},
    ],
    "cohere": [
        {"role": "USER", "message": "Hello"},
        {"role": "CHATBOT", "message": "Hi"},
        {"role": "USER", "message": ASKED},
    ],
    "chatgpt": [
        {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["Hello"]}},
        {"author": {"role": "assistant"}, "content": {"parts": ["Hi"]}},
        {"author": {"role": "user"}, "content": {"content_type": "text", "parts": [ASKED]}},
    ],
    "langchain": [
        {"type": "human", "data": {"content": "Hello"}},
        {"type": "ai", "data": {"content": "Hi"}},
        {"lc": 1, "type": "constructor", "id": ["x", "HumanMessage"], "kwargs": {"content": ASKED}},
    ],
    "vercel": [
        {"role": "user", "parts": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "parts": [{"type": "text", "text": "Hi"}]},
        {"role": "user", "parts": [{"type": "text", "text": ASKED}]},
    ],
    "responses": [
        {"type": "message", "role": "user", "content": "Hello"},
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": ASKED}]},
        {"type": "function_call", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "42"},
    ],
    "with nulls": [None, user("Hello"), {"role": None, "content": None}, user(ASKED), None],
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_latest_user_message_of_every_shape_is_the_prompt(name: str) -> None:
    """Roles and contents have other names elsewhere."""
    said = conversation_of(CONVERSATIONS[name])
    assert (said["prompt"], said["turn"]) == (ASKED, 1)


INJECTED = {
    "after a tool's result": [
        user(ASKED),
        user({"type": "tool_result", "content": "42"}, part(REMINDER)),
    ],
    "after a tool's message": [user(ASKED), {"role": "tool", "content": "42"}, user(REMINDER)],
    "beside the question": [user(part(REMINDER), part(ASKED))],
    "inside the text": [user(f"{REMINDER}\n{ASKED}")],
    "codex": [user("<environment_context><cwd>/x</cwd></environment_context>"), user(ASKED)],
    "rules of a repository": [
        user("# AGENTS.md instructions for /x\n\n<INSTRUCTIONS>\nTest.\n</INSTRUCTIONS>"),
        user(ASKED),
    ],
    "editor": [
        user(f"# Context from my IDE setup:\n## Active file: a\n## My request for Codex:\n{ASKED}")
    ],
    "opened file": [user(part("<ide_opened_file>a.py</ide_opened_file>"), part(ASKED))],
    "output of a command": [user(ASKED), user("<local-command-stdout>ok</local-command-stdout>")],
    "cursor": [user(f"<user_info>\nLinux\n</user_info>\n<user_query>\n{ASKED}\n</user_query>")],
    "cline": [
        user(
            part(f"<task>\n{ASKED}\n</task>"), part("<environment_details>x</environment_details>")
        ),
        {"role": "assistant", "content": "Reading."},
        user(part("[read_file for 'a.py'] Result:\nx = 1")),
    ],
}


@pytest.mark.parametrize("name", INJECTED)
def test_what_clients_inject_is_not_the_question(name: str) -> None:
    """A turn of it alone is skipped; inside a text it is cut out."""
    assert conversation_of(INJECTED[name])["prompt"] == ASKED


def test_a_request_of_nothing_but_reminders_is_not_lost() -> None:
    """What only looks injected is what was asked."""
    assert conversation_of([user(REMINDER)])["prompt"] == REMINDER


@pytest.mark.parametrize(
    "text", [f"<system-reminder>{ASKED}", "What does <user_info> mean?", "a < b"]
)
def test_tags_that_do_not_end_stay(text: str) -> None:
    """A text about tags is not cut."""
    assert without_injected(text) == text


def test_a_turn_without_text_is_said_to_be_so() -> None:
    """Never an empty prompt, and never the turn before it."""
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    said = conversation_of([user(ASKED), {"role": "assistant", "content": "So."}, user([picture])])
    assert said["prompt"] is None and said["without_text"]


def test_results_of_tools_alone_are_not_a_question() -> None:
    """Agents send them with the id of the response before."""
    said = conversation_of([{"type": "function_call_output", "call_id": "c", "output": "42"}])
    assert said["prompt"] is None and said["only_tools"] and not said["without_text"]


def test_a_question_in_the_system_role_is_not_lost() -> None:
    """Where no user speaks the model answers what is there."""
    assert conversation_of([{"role": "system", "content": ASKED}])["prompt"] == ASKED


TEMPLATES = {
    "llama 3": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "llama 2": "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\n{} [/INST]",
    "mistral": "<s>[INST] Hello [/INST] Hi</s>[INST] {} [/INST]",
    "chatml": "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    "gemma": "<bos><start_of_turn>user\n{}<end_of_turn>\n<start_of_turn>model\n",
    "phi": "<|system|>\nS<|end|>\n<|user|>\n{}<|end|>\n<|assistant|>\n",
    "command r": "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|>{}<|END_OF_TURN_TOKEN|>"
    "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
    "granite": "<|start_of_role|>user<|end_of_role|>{}<|end_of_text|>\n"
    "<|start_of_role|>assistant<|end_of_role|>",
    "gpt-oss": "<|start|>system<|message|>S<|end|><|start|>user<|message|>{}<|end|><|start|>assistant",
    "claude 2": "\n\nHuman: {}\n\nAssistant:",
    "titan": "User: {}\nBot:",
    "vicuna": "A chat. USER: {} ASSISTANT:",
    "alpaca": "Below is a task.\n\n### Instruction:\n{}\n\n### Response:\n",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_chat_templates_are_taken_apart(name: str) -> None:
    """What a server of an open model was sent is not what the user wrote."""
    said = request_of({"prompt": TEMPLATES[name].format(ASKED), "temperature": 1})
    assert said["prompt"] == ASKED


@pytest.mark.parametrize(
    "text",
    [
        "What does [INST] do?",
        "<s>Old text</s> is struck out",
        "<|im_start|>user\nHi<|im_end|>\nMore",
    ],
)
def test_text_about_templates_is_left(text: str) -> None:
    """And a text that would lose something is left as a whole."""
    assert turns_of(text) is None and prompt_of(text)["prompt"] == text


REQUESTS = {
    "chat": {"messages": [user(ASKED)]},
    "table": {"messages": json.dumps([user(ASKED)])},
    "python's repr": {"messages": str([user(ASKED)])},
    "numpy's repr": {"messages": f"[{user('Hello')}\n {user(ASKED)}]"},
    "text": {"messages": ASKED},
    "completions": {"prompt": [ASKED]},
    "responses": {"input": ASKED},
    "responses, parts": {"input": [{"type": "input_text", "text": ASKED}]},
    "stored prompt": {"prompt": {"id": "pmpt_1", "variables": {"question": ASKED}}},
    "gemini": {"contents": [{"parts": [{"text": ASKED}]}]},
    "vertex": {"instances": [{"messages": [user(ASKED)]}]},
    "cohere": {"message": ASKED, "chat_history": [{"role": "USER", "message": "Hello"}]},
    "titan": {"inputText": ASKED},
    "hugging face": {"inputs": ASKED, "parameters": {}},
    "thread": {"role": "user", "content": ASKED},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_of_every_vendor_give_the_prompt(name: str) -> None:
    """As an object, and named as the prompt by the user who maps the log."""
    assert request_of(REQUESTS[name])["prompt"] == ASKED
    assert prompt_of({"model": "m", **REQUESTS[name]})["prompt"] == ASKED


@pytest.mark.parametrize(
    "value",
    [
        ASKED,
        [user(ASKED)],
        json.dumps([user("Hello"), user(ASKED)]),
        json.dumps({"model": "m", "messages": [user(ASKED)]}),
        json.dumps({"contents": [{"role": "user", "parts": [{"text": ASKED}]}]}),
        json.dumps({"model": "m", "input": ASKED}),
        {"body": {"messages": [user(ASKED)]}},
        [part(ASKED)],
        [ASKED],
    ],
)
def test_any_value_that_is_named_as_the_prompt_is_read(value: Any) -> None:
    """Text, messages, parts, or a whole request, as objects or as JSON text."""
    assert prompt_of(value)["prompt"] == ASKED


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        '["red", "blue"]',
        '[{"id": 1, "text": "x"}]',
        '{"question": "x"}',
        "[1, 2]",
        '"x"',
    ],
)
def test_json_of_the_users_own_stays_as_it_is(text: str) -> None:
    """It is what the user wrote, also as the input of a request."""
    assert prompt_of(text)["prompt"] == text
    assert request_of({"input": text})["prompt"] == text
    assert request_of({"input": text}, is_table=True)["prompt"] == text


@pytest.mark.parametrize("value", [{"a": 1}, {}, [], None, '[{"role": "user", "content": "cut'])
def test_what_is_not_understood_is_never_a_prompt(value: Any) -> None:
    """It lacks a prompt, which is a fault; a list of messages that was cut is not a text."""
    said = request_of({"messages": value}) if isinstance(value, str) else prompt_of(value)
    assert said.get("prompt") is None and not said.get("without_text")


ANSWERS = {
    "chat": {"choices": [{"message": {"content": "Dust."}}]},
    "completion": {"choices": [{"text": "Dust."}]},
    "responses": {
        "output": [{"type": "reasoning", "summary": []}, {"content": [{"text": "Dust."}]}]
    },
    "anthropic": {"content": [{"type": "thinking", "thinking": "hm"}, part("Dust.")]},
    "gemini": {
        "candidates": [{"content": {"parts": [{"text": "hm", "thought": True}, {"text": "Dust."}]}}]
    },
    "converse": {"output": {"message": {"content": [{"text": "Dust."}]}}},
    "titan": {"results": [{"outputText": "Dust."}]},
    "llama": {"generation": "Dust."},
    "cohere": {"generations": [{"text": "Dust."}]},
    "cohere chat": {"message": {"content": [part("Dust.")]}},
    "ollama": {"model": "m", "response": "Dust."},
    "hugging face": [{"generated_text": "Dust."}],
    "text": "Dust.",
    "chunks of a chat": [{"choices": [{"delta": {"content": t}}]} for t in ("Du", "st.")],
    "chunks of anthropic": [
        {"type": "message_start", "message": {"content": []}},
        {"type": "content_block_delta", "delta": {"text": "Du"}},
        {"contentBlockDelta": {"delta": {"text": "st."}}},
    ],
    "chunks of gemini": [
        {"candidates": [{"content": {"parts": [{"text": t}]}}]} for t in ("Du", "st.")
    ],
    "events": 'data: {"choices":[{"delta":{"content":"Dust."}}]}\n\ndata: [DONE]\n\n',
    "events of responses": [
        {"type": "response.output_text.delta", "delta": "Dust."},
        {"type": "response.completed", "response": {"output": [{"content": [part("Dust.")]}]}},
    ],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_of_every_vendor_are_read(name: str) -> None:
    """Thoughts are no answer, and a stream is one text."""
    assert answer_of(ANSWERS[name]) == "Dust."


@pytest.mark.parametrize(
    "text",
    ["<system-reminder>" * 20_000, "<|im_start|>user " * 20_000, "[INST]<<SYS>>" * 20_000],
)
def test_hostile_text_takes_time_that_is_linear_in_it(text: str) -> None:
    """The guard reads texts with this code."""
    begin = time.monotonic()
    without_injected(text)
    turns_of(text, is_prompt=True)
    assert time.monotonic() - begin < 2
