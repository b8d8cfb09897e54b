"""A surrogate that writes: a small transformer on bytes, from nothing, taught to go on from a
prompt.

    prompt | reasoning | answer            with traces
    prompt | answer                        without

It learns skills of small scope, such as arithmetic, and shows there what a trace is worth: each
step of it is a small function of the step before, which a few hundred examples teach, while the way
from question to answer in one leap takes many times as many. A thief of a large model fine-tunes a
public model in its place.

Source: a decoder as in Radford et al., 2019; that traces teach small transformers arithmetic, Lee
    et al., Teaching
Arithmetic to Small Transformers, ICLR 2024.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from threading import Lock
from typing import TYPE_CHECKING, Any

from gamekeeper.audit.language.surrogates._training_set import TrainingSet, Write
from gamekeeper.base.errors import MissingExtraError

if TYPE_CHECKING:
    import torch

_LONGEST = 384  # bytes of prompt, trace and answer
_LEAST = 200  # training, from which anything is learnt from nothing
_WIDTH = 64
_HEADS = 4
_LAYERS = 2
_STEPS = 1_500
_BATCH = 32
_RATE = 4e-3
_SLOWEST = 1_000.0  # bytes over which the slowest pair turns
_OF_PROMPT = 0.1  # weight of a byte of the prompt, beside one of the reply
# marks: before the reply, between trace and answer, after it
_PAD = 0
_BEGIN = 1
_THEN = 2
_END = 3
_MARKS = 4
_AT_ONCE = 64  # prompts that are answered together
_BEGINNING = Lock()  # what a network begins with is drawn from what all threads share


def why_no_writer(training: TrainingSet) -> str | None:
    """Returns why nothing is written; None if it can be."""
    try:
        import torch  # noqa: F401
    except ImportError:
        return str(MissingExtraError("a surrogate that writes", "torch"))
    if len(training) < _LEAST:
        return f"a surrogate that learns to write from nothing needs {_LEAST} answers"
    longest = max(map(len, _sequences(training)))
    return (
        None
        if longest <= _LONGEST
        else f"a surrogate that writes takes at most {_LONGEST} bytes; found {longest}"
    )


def writer(training: TrainingSet, seed: int) -> Write:
    """Learns to write answers.

    Args:
        training: What it learns from.
        seed: Of what it draws.
    """
    import torch

    sequences = _sequences(training)
    longest = max(map(len, sequences)) + 1
    rows = torch.zeros(len(sequences), longest, dtype=torch.long)
    for row, sequence in zip(rows, sequences, strict=True):
        row[: len(sequence)] = torch.tensor(sequence)
    network = _taught(rows, seed)
    return lambda prompts: _written(network, prompts, longest)


def _sequences(training: TrainingSet) -> list[list[int]]:
    traces = training.traces or ("",) * len(training)
    return [
        [
            *_bytes(prompt),
            _BEGIN,
            *([*_bytes(trace), _THEN] if training.traces else ()),
            *_bytes(answer),
            _END,
        ]
        for prompt, trace, answer in zip(training.prompts, traces, training.answers, strict=True)
    ]


def _bytes(text: str) -> list[int]:
    return [byte + _MARKS for byte in text.encode()]


def _taught(rows: "torch.Tensor", seed: int) -> "_Decoder":
    """A network after a fixed number of steps, its rate annealed to nothing."""
    import torch
    from torch.nn import functional

    draw = torch.Generator().manual_seed(seed)
    network = _Decoder(seed)
    optimiser = torch.optim.AdamW(
        network.parts.parameters(), _RATE, weight_decay=0.1, betas=(0.9, 0.98)
    )
    annealed = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=_STEPS)
    is_reply = (rows == _BEGIN).cumsum(1) > 0
    weights = torch.where(is_reply[:, :-1], 1.0, _OF_PROMPT) * (rows[:, 1:] != _PAD)
    for _ in range(_STEPS):
        some = torch.randint(len(rows), (_BATCH,), generator=draw)
        width = int((rows[some] != _PAD).sum(1).max())
        batch = rows[some, :width]
        weight = weights[some, : width - 1]
        scores, _ = network(batch[:, :-1])
        losses = functional.cross_entropy(
            scores.flatten(0, 1), batch[:, 1:].flatten(), reduction="none"
        )
        optimiser.zero_grad(set_to_none=True)
        ((losses * weight.flatten()).sum() / weight.sum()).backward()
        torch.nn.utils.clip_grad_norm_(network.parts.parameters(), 1.0)
        optimiser.step()
        annealed.step()
    return network


def _written(network: "_Decoder", prompts: Sequence[str], longest: int) -> list[str]:
    """Answers, in the order of the prompts; prompts of one length are answered together."""
    import torch

    coded = [[*_bytes(prompt)[: longest - 2], _BEGIN] for prompt in prompts]
    order = sorted(range(len(coded)), key=lambda i: len(coded[i]))
    answers = [""] * len(coded)
    with torch.no_grad():
        for _, same in groupby(order, key=lambda i: len(coded[i])):
            rows = list(same)
            for some in (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE)):
                for i, written in zip(
                    some, _replies(network, [coded[i] for i in some], longest), strict=True
                ):
                    answers[i] = written
    return answers


def _replies(network: "_Decoder", coded: list[list[int]], longest: int) -> Iterator[str]:
    """Greedily, byte after byte, until all have come to their end."""
    import torch

    scores, past = network(torch.tensor(coded))
    written = []
    ended = torch.zeros(len(coded), dtype=torch.bool)
    for at in range(len(coded[0]), longest):
        following = scores[:, -1].argmax(1)
        written.append(following)
        ended |= following == _END
        if ended.all():
            break
        scores, past = network(following[:, None], past, at)
    for row in torch.stack(written, 1).tolist():
        yield _answer(row)


def _answer(row: list[int]) -> str:
    """What follows the reasoning, up to the end."""
    reply = row[: row.index(_END)] if _END in row else row
    start = len(reply) - reply[::-1].index(_THEN) if _THEN in reply else 0
    return bytes(value - _MARKS for value in reply[start:] if value >= _MARKS).decode(
        "utf-8", "replace"
    )


def _turned(x: "torch.Tensor", start: int) -> "torch.Tensor":
    """Queries or keys turned by their place, so that they meet by distance; shape (n, heads,
    length, width).
    """
    import torch

    length = x.shape[2]
    half = x.shape[3] // 2
    angles = torch.arange(start, start + length)[:, None] * _SLOWEST ** (-torch.arange(half) / half)
    cos = torch.cos(angles)
    sin = torch.sin(angles)
    one = x[..., :half]
    other = x[..., half:]
    return torch.cat([one * cos - other * sin, one * sin + other * cos], -1)


class _Block:
    """Looks at what was written, and thinks about it."""

    def __init__(self) -> None:
        from torch import nn

        self.before = nn.LayerNorm(_WIDTH)
        self.between = nn.LayerNorm(_WIDTH)
        self.look = nn.Linear(_WIDTH, 3 * _WIDTH)
        self.merge = nn.Linear(_WIDTH, _WIDTH)
        self.think = nn.Sequential(
            nn.Linear(_WIDTH, 4 * _WIDTH), nn.GELU(), nn.Linear(4 * _WIDTH, _WIDTH)
        )
        self.parts = nn.ModuleList([self.before, self.between, self.look, self.merge, self.think])

    def __call__(self, x: Any, past: Any, start: int) -> Any:
        import torch
        from torch.nn import functional

        n, length, _ = x.shape
        parts = (
            self.look(self.before(x))
            .view(n, length, 3, _HEADS, _WIDTH // _HEADS)
            .permute(2, 0, 3, 1, 4)
        )
        query = _turned(parts[0], start)
        key = _turned(parts[1], start)
        value = parts[2]
        if past is not None:
            key = torch.cat([past[0], key], 2)
            value = torch.cat([past[1], value], 2)
        seen = functional.scaled_dot_product_attention(
            query, key, value, is_causal=past is None and length > 1
        )
        x = x + self.merge(seen.transpose(1, 2).reshape(n, length, _WIDTH))
        return x + self.think(self.between(x)), (key, value)


class _Decoder:
    """A few blocks on bytes, what goes in and what comes out by the same weights; begun small.

    Args:
        seed: Of what it begins with.
    """

    def __init__(self, seed: int) -> None:
        import torch
        from torch import nn

        with _BEGINNING, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.bytes = nn.Embedding(256 + _MARKS, _WIDTH)
            self.after = nn.LayerNorm(_WIDTH)
            self.blocks = [_Block() for _ in range(_LAYERS)]
            self.parts = nn.ModuleList(
                [self.bytes, self.after, *(block.parts for block in self.blocks)]
            )
            for module in self.parts.modules():
                if isinstance(module, nn.Linear | nn.Embedding):
                    nn.init.normal_(module.weight, 0, 0.05)

    def __call__(self, coded: Any, past: Any = None, start: int = 0) -> Any:
        """Returns scores of the next byte at each place, and what was seen, to go on from."""
        x = self.bytes(coded)
        kept = []
        for number, block in enumerate(self.blocks):
            x, seen = block(x, past[number] if past else None, start)
            kept.append(seen)
        return self.after(x) @ self.bytes.weight.T, kept
