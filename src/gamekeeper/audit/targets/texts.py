"""Targets that are asked with text: a language model that writes, a model that gives vectors.

    ChatTarget        OpenAI's chat completions, which most servers of language models speak
    VectorTarget      OpenAI's embeddings
    a Python callable prompts to texts, or to vectors

What a model is asked beside the prompt (log-probabilities, a bias on tokens) is part of the query.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from gamekeeper.audit.targets._quiet import quietly
from gamekeeper.audit.targets._target import Array, QueryError
from gamekeeper.audit.targets.description import Endpoint
from gamekeeper.audit.targets.posting import Poster, plain_address


@dataclass(frozen=True, slots=True)
class Query:
    """What a language model is asked.

    Args:
        prompt: The user's message.
        tops: Log-probabilities of so many likeliest first tokens are asked for; 0 for none.
        bias: Added to tokens' logits, by token number.
        max_tokens: To write; None for what the endpoint's description says.
        turn: Another turn asks the same once more.
    """

    prompt: str
    tops: int = 0
    bias: Mapping[int, float] = field(default_factory=dict)
    max_tokens: int | None = None
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What it answered.

    Args:
        text: The answer, without its reasoning.
        trace: Its reasoning, where it is given out; else empty.
        read: Tokens of the query, by the endpoint's own count.
        written: Tokens of the answer, likewise.
        first: The token that the answer begins with, and its log-probability; None where none is
            given.
        tops: The likeliest first tokens with theirs; empty where none are given.
    """

    text: str
    trace: str = ""
    read: int = 0
    written: int = 0
    first: tuple[str, float] | None = None
    tops: tuple[tuple[str, float], ...] = ()

    def packed(self) -> bytes:
        """Returns it as a journal keeps it."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    @staticmethod
    def unpacked(kept: bytes) -> "Reply":
        """Returns what was packed."""
        found = json.loads(kept)
        first = tuple(found["first"]) if found["first"] else None
        return Reply(
            **found
            | {"first": first, "tops": tuple((token, value) for token, value in found["tops"])}
        )


@runtime_checkable
class LanguageTarget(Protocol):
    """A language model under audit."""

    @property
    def name(self) -> str:
        """By which reports call it."""
        ...

    def replies(self, queries: Sequence[Query]) -> Iterator[tuple[int, Reply | QueryError]]:
        """Yields each query's position and reply, as soon as it is there; in place of a reply the
        reason why this query was not answered.

        Raises:
            QueryError: It cannot answer one of these queries, which were made together.
            TargetError: It cannot answer; replies that came before are yielded first.
        """
        ...


class TextTarget(Protocol):
    """A model under audit that gives a vector for a text."""

    @property
    def name(self) -> str:
        """By which reports call it."""
        ...

    def vectors(self, texts: Sequence[str]) -> Array:
        """Returns vectors, shape (n, width).

        Raises:
            TargetError: It cannot answer.
        """
        ...


class ChatTarget:
    """See `LanguageTarget`.

    Args:
        endpoint: Where it is; `chat` names the model.
        sleep: Waits, in seconds.
    """

    def __init__(self, endpoint: Endpoint, sleep: Callable[[float], None] = time.sleep) -> None:
        self._endpoint = endpoint
        self.name = f"{endpoint.chat} at {plain_address(endpoint.url)}"
        self._poster = Poster(self.name, endpoint.headers, endpoint.timeout_s, sleep)
        self._url = f"{endpoint.url.rstrip('/')}/chat/completions"

    def replies(self, queries: Sequence[Query]) -> Iterator[tuple[int, Reply | QueryError]]:
        """See `LanguageTarget`."""
        with ThreadPoolExecutor(self._endpoint.parallel) as workers:
            asked = {
                workers.submit(self._reply, query): position
                for position, query in enumerate(queries)
            }
            failed: BaseException | None = None
            for done in as_completed(asked):
                error = done.exception()
                if isinstance(error, QueryError):
                    yield asked[done], error
                elif error is not None:
                    failed = failed or error
                else:
                    yield asked[done], done.result()
            if failed is not None:
                raise failed

    def _reply(self, query: Query) -> Reply:
        answer = self._poster.post(self._url, self._document(query))
        try:
            reply = _reply(answer, self._endpoint.trace)
            why_not = _why_no_answer(answer["choices"][0], reply)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise QueryError(
                f"{self.name} did not answer with a chat completion: {str(answer)[:200]}"
            ) from error
        if why_not:
            message = f"{self.name} gave no answer: {why_not}"
            raise QueryError(message, is_refused=True, read=reply.read, written=reply.written)
        return reply

    def _document(self, query: Query) -> dict[str, Any]:
        system = (
            [{"role": "system", "content": self._endpoint.system}] if self._endpoint.system else []
        )
        most = (
            "max_completion_tokens"
            if "max_completion_tokens" in self._endpoint.request
            else "max_tokens"
        )
        return {
            "model": self._endpoint.chat,
            "messages": [*system, {"role": "user", "content": query.prompt}],
            "temperature": 0,
            most: self._endpoint.max_tokens,
            **self._endpoint.request,
            **({most: query.max_tokens} if query.max_tokens else {}),
            **({"logprobs": True, "top_logprobs": query.tops} if query.tops else {}),
            **(
                {"logit_bias": {str(token): value for token, value in query.bias.items()}}
                if query.bias
                else {}
            ),
        }


def _reply(answer: Any, trace: str) -> Reply:
    choice = answer["choices"][0]
    usage = answer.get("usage") or {}
    message = choice["message"]
    text = _content(message.get("content"))
    thought = message.get(trace) or message.get("reasoning") or ""
    if not thought and text.lstrip().startswith(
        "<think>"
    ):  # reasoning in the text, as many open models give it
        thought, _, text = text.lstrip().removeprefix("<think>").partition("</think>")
    tokens = (choice.get("logprobs") or {}).get("content") or []
    first = tokens[0] if tokens else None
    return Reply(
        text=text.strip(),
        trace=thought.strip(),
        read=int(usage.get("prompt_tokens") or 0),
        written=int(usage.get("completion_tokens") or 0),
        first=(_spelling(first), float(first["logprob"])) if first else None,
        tops=tuple(
            (_spelling(top), float(top["logprob"]))
            for top in (first or {}).get("top_logprobs") or ()
        ),
    )


def _content(content: Any) -> str:
    """The text of a message; some servers send it in parts, reasoning among them."""
    if not isinstance(content, list):
        return content or ""
    parts = [part for part in content if part.get("type") in ("text", "output_text")]
    return "".join(part["text"] for part in parts)


def _why_no_answer(choice: Mapping[str, Any], reply: Reply) -> str:
    """Why a completion is not an answer; empty if it is one.

    A reply without text may be what was asked for: a single token, with its log-probability.
    """
    finished = choice.get("finish_reason")
    if refusal := choice["message"].get("refusal"):
        return f"refused: {str(refusal)[:200]}"
    if finished == "content_filter":
        return "its content filter stopped it"
    if reply.text or reply.first is not None:
        return ""
    if finished == "length":
        return "max_tokens were written before the answer began; allow more"
    return f"the content is empty (finish_reason: {finished})"


def _spelling(token: Any) -> str:
    """A token by its bytes where they are given: parts of a character have no other name of their
    own.
    """
    return bytes(token["bytes"]).hex() if token.get("bytes") else str(token["token"])


class VectorTarget:
    """See `TextTarget`.

    Args:
        endpoint: Where it is; `embeddings` names the model.
        sleep: Waits, in seconds.
    """

    def __init__(self, endpoint: Endpoint, sleep: Callable[[float], None] = time.sleep) -> None:
        self._endpoint = endpoint
        self.batch = endpoint.batch
        self.name = f"{endpoint.embeddings} at {plain_address(endpoint.url)}"
        self._poster = Poster(self.name, endpoint.headers, endpoint.timeout_s, sleep)
        self._url = f"{endpoint.url.rstrip('/')}/embeddings"

    def vectors(self, texts: Sequence[str]) -> Array:
        """See `TextTarget`."""
        parts = [
            self._vectors(texts[at : at + self.batch]) for at in range(0, len(texts), self.batch)
        ]
        return np.concatenate(parts) if parts else np.empty((0, 1))

    def _vectors(self, texts: Sequence[str]) -> Array:
        document = {"model": self._endpoint.embeddings, "input": list(texts)}
        answer = self._poster.post(self._url, {**document, **self._endpoint.request})
        try:
            rows = sorted(answer["data"], key=lambda row: row["index"])
            return np.array([row["embedding"] for row in rows], np.float64)
        except (KeyError, TypeError, ValueError) as error:
            raise QueryError(
                f"{self.name} did not answer with embeddings: {str(answer)[:200]}"
            ) from error


class WritingCallable:
    """See `LanguageTarget`; a function of prompts to texts, or to mappings with `text` and `trace`.

    Args:
        function: Takes a list of prompts; returns as many answers.
        name: By which reports call it.
    """

    def __init__(self, function: Callable[[list[str]], Sequence[Any]], name: str) -> None:
        self._function = function
        self.name = name

    def replies(self, queries: Sequence[Query]) -> Iterator[tuple[int, Reply]]:
        """See `LanguageTarget`; log-probabilities and biases are not asked for."""
        prompts = [query.prompt for query in queries]
        try:
            answers = list(quietly(self._function, prompts))
            made = [Reply(**a) if isinstance(a, Mapping) else Reply(_text(a)) for a in answers]
        except Exception as error:
            raise QueryError(
                f"{self.name} failed on {len(queries)} prompts: {type(error).__name__}: {error}"
            ) from error
        if len(made) != len(queries):
            raise QueryError(f"{self.name} gave {len(made)} answers to {len(queries)} prompts")
        yield from enumerate(made)


def _text(answer: Any) -> str:
    if not isinstance(answer, str):
        raise TypeError(
            f"an answer must be a text or a mapping with `text`, not {type(answer).__name__}"
        )
    return answer


class CallableVectors:
    """See `TextTarget`; a function of texts to vectors.

    Args:
        function: Takes a list of texts; returns vectors, shape (n, width).
        name: By which reports call it.
    """

    def __init__(self, function: Callable[[list[str]], object], name: str) -> None:
        self._function = function
        self.name = name

    def vectors(self, texts: Sequence[str]) -> Array:
        """See `TextTarget`."""
        try:
            return np.asarray(quietly(self._function, list(texts)), np.float64)
        except Exception as error:
            raise QueryError(
                f"{self.name} failed on {len(texts)} texts: {type(error).__name__}: {error}"
            ) from error
