"""A language model to attack without a network: it adds up, shows its steps, and gives
log-probabilities.

    "3+4+5 mod 10?"   ->   reasoning "3+4=7 7+5=2", answer "2"

Log-probabilities of the first token are those of a network of its own, of a known width, so that an
attack that reads the width has something to be right about:

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
    """See the module.

    Args:
        width: Of the last layer's input.
        tokens: In the vocabulary.
        tops: Log-probabilities that are given out at most.
        traces: Whether the reasoning is given out beside the answer.
        bias: Whether a bias on tokens shows in log-probabilities, only changes what is written, or
            is refused.
        seed: Of the weights.
    """

    width: int = 24
    tokens: int = 2_000
    tops: int = 20
    traces: bool = True
    bias: Literal["shows", "writes", "refused"] = "shows"
    seed: int = 0

    def complete(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Returns the chat completion that a request gets, as OpenAI's API words it.

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
        told = self._told(prompt, asked) if asked.get("logprobs") and self.tops else None
        written = sum(len(str(text).split()) for text in message.values()) - 1
        return {
            "object": "chat.completion",
            "model": asked.get("model"),
            "choices": [
                {"index": 0, "message": message, "logprobs": told, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": len(prompt) // 2 + 1, "completion_tokens": written},
        }

    def _told(self, prompt: str, asked: dict[str, Any]) -> dict[str, Any]:
        rng = np.random.default_rng(self.seed)
        inner = rng.standard_normal((self.width, _HASHED))
        outer = rng.standard_normal((self.tokens, self.width))
        state = np.tanh(inner @ _hashed(prompt) / np.sqrt(_HASHED))
        logits = outer @ state * _SPREAD / np.sqrt(self.width)
        lifted = logits.copy()
        for token, value in (asked.get("logit_bias") or {}).items():
            lifted[int(token)] += value
        told = _log_softmax(lifted if self.bias == "shows" else logits)
        first = int(lifted.argmax())
        most = min(int(asked.get("top_logprobs") or 0), self.tops)
        tops = [_entry(int(token), told) for token in np.argsort(-told)[:most]]
        return {"content": [_entry(first, told) | {"top_logprobs": tops}]}


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
    """Returns different prompts that it knows how to answer.

    Args:
        n: Of them.
        seed: Of what is drawn.
        shortest: Digits to add up at least.
        longest: At most.
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


def _entry(token: int, told: np.ndarray) -> dict[str, Any]:
    return {"token": f"t{token}", "bytes": None, "logprob": float(told[token])}
