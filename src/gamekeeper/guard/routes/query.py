"""What a request asks and what an answer cost, as far as the guard understands them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One request, read by its route.

    A request may hold several inputs (a batch of embeddings, rows for a classifier); each is one
    exchange.

    Args:
        model: Name asked for, None if the route has none.
        prompts: Latest user text of each input; empty for a tabular API.
        features: Rows of numbers, each one input; empty for a text API.
        unseen: Inputs whose text the guard cannot read: token ids, pictures. They are counted.
        input_tokens: Tokens of the input, where it states them itself as ids; None if it does not.
        stream: Whether the answer is to come as server-sent events.
        system: System and developer text.
        turn: Earlier user turns of the conversation.
        temperature: As asked for.
        n: Answers asked for to each input, at least 1.
        logprobs: Whether log-probabilities are asked for.
        tools: Hash of the tool schemas, see `exchange.messages.tools_hash`.
        max_output_tokens: Most tokens that one answer may have, as asked for.
    """

    model: str | None = None
    prompts: tuple[str, ...] = ()
    features: tuple[tuple[float, ...], ...] = ()
    unseen: int = 0
    input_tokens: int | None = None
    stream: bool = False
    system: str | None = None
    turn: int | None = None
    temperature: float | None = None
    n: int = 1
    logprobs: bool = False
    tools: str | None = None
    max_output_tokens: int | None = None

    @property
    def inputs(self) -> int:
        """Exchanges that the request makes, at least 1."""
        return max(len(self.prompts) + self.unseen, len(self.features), 1)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the upstream counted them; None where it did not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None

    def merged(self, later: "Usage") -> "Usage":
        """Returns both; where both speak, the later one: streams repeat and raise their counts."""
        return Usage(
            later.input_tokens if later.input_tokens is not None else self.input_tokens,
            later.output_tokens if later.output_tokens is not None else self.output_tokens,
        )
