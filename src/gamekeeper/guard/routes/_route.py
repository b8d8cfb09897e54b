"""What the guard must know of an API to judge and limit it: one file an API, each a `Route`.

Two parsers may read one body differently: of two equal keys one takes the first, another the last.
So the guard never forwards the bytes that came in. It parses them once (`bodies.parse`), judges
that, and forwards that, written anew (`bodies.serialise`): what was judged is what the upstream
reads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from gamekeeper.base.errors import GamekeeperError
from gamekeeper.guard.routes.query import Query, Usage

if TYPE_CHECKING:
    import numpy as np

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

    def matches(self, method: str, path: str) -> bool:
        """Returns whether a request is this operation; exact.

        Args:
            method: As sent.
            path: As `clean_path` returns it, without the prefix that the policy names.
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
