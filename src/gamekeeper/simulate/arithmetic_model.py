"""A language model to attack without a network: it adds numbers, shows its steps, and returns
log-probabilities.

    "3+4+5 mod 10?"   ->   reasoning "3+4=7 7+5=2", answer "2"

The log-probabilities of the first token come from a network of known width, so that an attack that
measures the width can be checked:

    logits = W tanh(A q),   q: what the prompt hashes to;   W of shape (tokens, width)
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

_HASHED = 64
_SPREAD = 4.0  # of logits
_BEGIN_ANSWER = "Answer:"


@dataclass(frozen=True, kw_only=True)
class ArithmeticModel:
    """A language model that adds numbers, behind a chat completion interface.

    Args:
        width: Width of the last layer's input.
        tokens: Number of tokens in the vocabulary.
        tops: Most log-probabilities that are returned.
        traces: Whether the reasoning is returned beside the answer.
        bias: Whether a bias on tokens shows in log-probabilities, only changes what is written, or
            is refused.
        seed: Seed of the weights.
    """

    width: int = 24
    tokens: int = 2_000
    tops: int = 20
    traces: bool = True
    bias: Literal["shows", "writes", "refused"] = "shows"
    seed: int = 0

    def complete(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Returns the chat completion that answers a request, in the form of OpenAI's API.

        Raises:
            ValueError: A bias is refused.
        """
        if asked.get("logit_bias") and self.bias == "refused":
            raise ValueError("logit_bias is not supported")
        prompt = str(asked["messages"][-1]["content"])
        steps, answer = add_up(prompt)
        message: dict[str, Any] = {"role": "assistant", "content": answer}
        if "step" in prompt.lower():
            message["content"] = "\n".join([*steps, f"{_BEGIN_ANSWER} {answer}"])
        elif self.traces:
            message["reasoning_content"] = " ".join(steps)
        logprobs = self._logprobs(prompt, asked) if asked.get("logprobs") and self.tops else None
        written = sum(len(str(text).split()) for text in message.values()) - 1
        return {
            "object": "chat.completion",
            "model": asked.get("model"),
            "choices": [
                {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": len(prompt) // 2 + 1, "completion_tokens": written},
        }

    def _logprobs(self, prompt: str, asked: dict[str, Any]) -> dict[str, Any]:
        rng = np.random.default_rng(self.seed)
        inner = rng.standard_normal((self.width, _HASHED))
        outer = rng.standard_normal((self.tokens, self.width))
        state = np.tanh(inner @ _hashed(prompt) / np.sqrt(_HASHED))
        logits = outer @ state * _SPREAD / np.sqrt(self.width)
        lifted = logits.copy()
        for token, value in (asked.get("logit_bias") or {}).items():
            lifted[int(token)] += value
        logprobs = _log_softmax(lifted if self.bias == "shows" else logits)
        first = int(lifted.argmax())
        most = min(int(asked.get("top_logprobs") or 0), self.tops)
        tops = [_entry(int(token), logprobs) for token in np.argsort(-logprobs)[:most]]
        return {"content": [_entry(first, logprobs) | {"top_logprobs": tops}]}


def add_up(prompt: str) -> tuple[list[str], str]:
    """Returns the steps and the answer: the last digit of the sum of the numbers in a prompt."""
    numbers = [int(found) for found in re.findall(r"\d+", prompt.partition(" mod")[0])]
    total = (numbers or [0])[0]
    steps = []
    for number in numbers[1:]:
        steps.append(f"{total}+{number}={(total + number) % 10}")
        total = (total + number) % 10
    return steps, str(total % 10)


def sums(n: int, seed: int, shortest: int = 4, longest: int = 8) -> list[str]:
    """Returns different prompts that the model can answer.

    Args:
        n: Number of prompts.
        seed: Seed of the random draws.
        shortest: Fewest digits to add.
        longest: Most digits to add.
    """
    rng = np.random.default_rng(seed)
    made: dict[str, None] = {}
    while len(made) < n:
        digits = rng.integers(10, size=rng.integers(shortest, longest + 1))
        made["+".join(map(str, digits)) + " mod 10?"] = None
    return list(made)


def _hashed(prompt: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.blake2b(prompt.encode(), digest_size=8).digest())
    return np.random.default_rng(seed).standard_normal(_HASHED)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    top = logits.max()
    return np.asarray(logits - top - np.log(np.exp(logits - top).sum()))


def _entry(token: int, logprobs: np.ndarray) -> dict[str, Any]:
    return {"token": f"t{token}", "bytes": None, "logprob": float(logprobs[token])}
