"""The vendors' own clients through the proxy: what the guard takes away or refuses must still be
what they can read.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gamekeeper.verdict import Verdict
from guard.doors.test_matrix import Guarded, proxied, unlinked

pytestmark = pytest.mark.extra
openai = pytest.importorskip("openai", reason="the vendors' clients are installed by make test-all")
anthropic = pytest.importorskip(
    "anthropic", reason="the vendors' clients are installed by make test-all"
)
_ = unlinked  # a fixture of every test here
ASKED: Any = [{"role": "user", "content": "Two?"}]


def play(
    folder: Path, asking: Callable[[Guarded], Any], verdict: Verdict | None = None, **fields: Any
) -> Any:
    """What a client hears of a guarded API, under a verdict; the client has a thread of its own."""

    async def run() -> Any:
        async with proxied(folder) as guarded:
            guarded.model.go_on.set()
            if verdict is not None:
                guarded.decide(verdict, **fields)
            return await asyncio.to_thread(asking, guarded)

    return asyncio.run(run())


def openai_client(guarded: Guarded) -> Any:
    return openai.OpenAI(api_key="sk-test", base_url=f"{guarded.url}/v1", max_retries=0)


def anthropic_client(guarded: Guarded) -> Any:
    return anthropic.Anthropic(
        auth_token="sk-test", api_key=None, base_url=guarded.url, max_retries=0
    )


def chat(guarded: Guarded) -> Any:
    with openai_client(guarded) as client:
        return client.chat.completions.create(model="m", messages=ASKED, n=2, logprobs=True)


def chat_stream(guarded: Guarded) -> list[Any]:
    with openai_client(guarded) as client:
        return list(client.chat.completions.create(model="m", messages=ASKED, n=2, stream=True))


def responses(guarded: Guarded) -> tuple[str, str]:
    with openai_client(guarded) as client:
        whole = client.responses.create(model="m", input="Two?").output_text
        events = list(client.responses.create(model="m", input="Two?", stream=True))
    return whole, "".join(e.delta for e in events if e.type == "response.output_text.delta")


def message_stream(guarded: Guarded) -> Any:
    with (
        anthropic_client(guarded) as client,
        client.messages.stream(model="m", max_tokens=100, messages=ASKED) as stream,
    ):
        return stream.get_final_message()


@pytest.mark.parametrize(
    ("verdict", "choices"), [(None, 2), (Verdict.LIMIT, 1)], ids=["nothing", "limited"]
)
def test_openai_client_reads_whole_answers(
    verdict: Verdict | None, choices: int, tmp_path: Path
) -> None:
    """With what is withheld gone, and nothing else."""
    answer = play(tmp_path, chat, verdict)
    assert [choice.message.content for choice in answer.choices] == ["Four", "SECRET-SECOND"][
        :choices
    ]
    assert (answer.choices[0].logprobs is None) == (verdict is Verdict.LIMIT)
    assert answer.usage.completion_tokens == 5


@pytest.mark.parametrize("verdict", [None, Verdict.LIMIT], ids=["nothing", "limited"])
def test_openai_client_reads_streams(verdict: Verdict | None, tmp_path: Path) -> None:
    """The text is whole either way."""
    chunks = play(tmp_path, chat_stream, verdict)
    deltas = [c.delta.content or "" for chunk in chunks for c in chunk.choices if c.index == 0]
    assert "".join(deltas) == "Four"
    assert any(c.index == 1 for chunk in chunks for c in chunk.choices) == (verdict is None)


@pytest.mark.parametrize("verdict", [None, Verdict.LIMIT], ids=["nothing", "limited"])
def test_openai_client_reads_responses(verdict: Verdict | None, tmp_path: Path) -> None:
    """Of the newer API, whole and streamed."""
    assert play(tmp_path, responses, verdict) == ("Four", "Four")


@pytest.mark.parametrize(
    ("verdict", "blocks"),
    [(None, ["thinking", "text"]), (Verdict.LIMIT, ["text"])],
    ids=["nothing", "limited"],
)
def test_anthropic_client_puts_a_streamed_message_together(
    verdict: Verdict | None, blocks: list[str], tmp_path: Path
) -> None:
    """Its accumulator counts content blocks by index: what is left must be numbered anew."""
    message = play(tmp_path, message_stream, verdict)
    assert [block.type for block in message.content] == blocks
    assert message.content[-1].text == "Four" and message.stop_reason == "end_turn"


@pytest.mark.parametrize(
    "asking", [chat, chat_stream, message_stream], ids=["openai", "openai-stream", "anthropic"]
)
@pytest.mark.parametrize(
    ("verdict", "fields", "raised"),
    [
        (Verdict.DENY, {}, "PermissionDeniedError"),
        (Verdict.CHALLENGE, {"challenge": "proof"}, "RateLimitError"),
        (Verdict.CHALLENGE, {"challenge": "reauthenticate"}, "AuthenticationError"),
    ],
    ids=["deny", "challenge", "step-up"],
)
def test_refusal_is_an_error_that_clients_know(
    asking: Callable[[Guarded], Any],
    verdict: Verdict,
    fields: dict[str, Any],
    raised: str,
    tmp_path: Path,
) -> None:
    """By its kind, with the guard's sentence in it, before a stream begins."""
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as refusal:
        play(tmp_path, asking, verdict, **fields)
    assert type(refusal.value).__name__ == raised
    assert str(refusal.value)


def test_clients_wait_as_long_as_they_are_told(tmp_path: Path) -> None:
    """A slowed account over its pace gets `retry-after`, which clients obey by themselves."""

    def asking(guarded: Guarded) -> None:
        with openai_client(guarded) as client:
            client.chat.completions.create(model="m", messages=ASKED)  # now the account is known
            guarded.decide(Verdict.SLOW)
            for _ in range(15):
                client.chat.completions.create(model="m", messages=ASKED)

    with pytest.raises(openai.RateLimitError) as refusal:
        play(tmp_path, asking)
    assert int(refusal.value.response.headers["retry-after"]) >= 1
