"""What the guard must know of an API to judge and limit it: one file an API, each a `Route`.

Two parsers may read one body differently: of two equal keys one takes the first, another the last.
So the guard never forwards the bytes that came in. It parses them once (`bodies.parse`), judges
that, and forwards that, written again (`bodies.serialise`): what was judged is what the upstream
reads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from gamekeeper.base.errors import GamekeeperError
from gamekeeper.guard.routes.query import Query, Usage

if TYPE_CHECKING:
    import numpy as np

    from gamekeeper.guard.routes._shape import Admitted

Json: TypeAlias = dict[str, Any]
Scores: TypeAlias = "Callable[[np.ndarray, Sequence[bytes]], np.ndarray]"
"""A defence: scores, float64 (n, classes), and the n inputs they answer, as bytes -> scores of the
same shape.
"""
Strip: TypeAlias = Callable[[Json], Json | None]
"""One streamed event's data -> without what is withheld; the same object if nothing was, None to
drop it.
"""


class UnreadableRequestError(GamekeeperError):
    """What this route cannot judge; the message names the field. It is refused, never passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """What a limited account does not get.

    Args:
        logprobs: No log-probabilities.
        logit_bias: No logit bias, and nothing else that lets the client steer single tokens.
        choices: At most so many answers to one input, at least 1; None leaves it.
        reasoning: No reasoning traces, summaries or thinking blocks.
        scores: What is done to a classifier's scores; None leaves them.
        decimals: Decimals that embedding numbers are rounded to; None leaves them.
    """

    logprobs: bool = False
    logit_bias: bool = False
    choices: int | None = None
    reasoning: bool = False
    scores: "Scores | None" = None
    decimals: int | None = None


class Route(Protocol):
    """One API operation. Methods are pure; they copy what they change and return the rest as it
    came.
    """

    @property
    def name(self) -> str:
        """Unique, such as `openai.chat`; policies and scopes name routes by it."""
        ...

    @property
    def parameters(self) -> frozenset[str]:
        """Query parameters that it takes."""
        ...

    @property
    def has_body(self) -> bool:
        """Whether requests have a body; without one, it is read as `{}`."""
        ...

    @property
    def is_exchange(self) -> bool:
        """Whether its answer is a model's, so that it counts as an exchange."""
        ...

    @property
    def object_ids(self) -> bool:
        """Whether requests and answers name responses that the upstream keeps: see `tag`."""
        ...

    @property
    def has_json_answer(self) -> bool:
        """Whether whole answers are JSON; others hold nothing that could be withheld."""
        ...

    @property
    def answers_text(self) -> bool:
        """Whether answers are text, so that tokens which are not stated can be estimated by it."""
        ...

    @property
    def request_line(self) -> str:
        """Method and path, as people write them."""
        ...

    def matches(self, method: str, path: str) -> bool:
        """Returns whether a request is this operation; exact.

        Args:
            method: As sent.
            path: As `clean_path` returns it, without the prefix that the policy names.
        """
        ...

    def admit(self, body: Json, extra: frozenset[str], *, drop: bool) -> "Admitted":
        """Returns a request that holds only the fields which this API is known to take.

        Args:
            body: As it came. It is admitted before it is read.
            extra: Fields that the policy allows besides, dotted: `messages.content_blocks`.
            drop: Whether others are taken out; else they are refused.

        Raises:
            UnreadableRequestError: There are others and they are refused; or a field holds what it
                never does.
        """
        ...

    def read(self, body: Json, path: str) -> Query:
        """Returns what is asked.

        Raises:
            UnreadableRequestError: The body is not of this API's form.
        """
        ...

    def narrow(self, body: Json, withheld: Withheld) -> Json:
        """Returns a request that was read without what is withheld; one that the upstream still
        accepts.
        """
        ...

    def with_usage(self, body: Json) -> Json | None:
        """Returns a request that asks for the token counts at the end of a stream; None if they
        come anyway.
        """
        ...

    def is_usage_event(self, document: Json) -> bool:
        """Returns whether an event of a stream is only there because of `with_usage`."""
        ...

    def untag(self, body: Json, path: str, untag: Callable[[str], str]) -> tuple[Json, str]:
        """Returns a request and its path with the upstream's own ids of the responses that they
        name; for routes with `object_ids`.

        Args:
            body: As it came.
            path: As it came.
            untag: The id that a client has -> the upstream's; raises if it is not that account's.

        Raises:
            UnreadableRequestError: The request names what is kept at the upstream in a way that
                cannot be checked.
        """
        ...

    def tag(self, document: Json, tag: Callable[[str], str]) -> Json:
        """Returns an answer, or one streamed event, with the ids that its client may use; the same
        object if it names none.
        """
        ...

    def strip(self, answer: Json, withheld: Withheld, query: Query) -> Json:
        """Returns the whole (not streamed) answer without what is withheld; for answers with status
        2xx.

        Raises:
            UnreadableRequestError: The answer is not of this API's form, so that what is withheld
                might be in it.
        """
        ...

    def stripper(self, withheld: Withheld, query: Query) -> Strip:
        """Returns what strips the events of one streamed answer, in their order; make one for each
        stream.

        Raises:
            UnreadableRequestError: From the function returned, as `strip`.
        """
        ...

    def usage(self, answer: Json) -> Usage:
        """Returns the token counts that a whole answer, or one streamed event, states; never
        raises.
        """
        ...

    def refusal(self, status: int, code: str, message: str) -> Json:
        """Returns an error in this API's own form, so that its SDKs raise the right exception."""
        ...
