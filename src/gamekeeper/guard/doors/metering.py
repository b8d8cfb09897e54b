"""Counts the tokens of one answer, whatever of them the upstream states.

What the upstream states counts where it is plausible. What it does not state, or states wrongly, is
estimated from the text: never 0. The input always counts, however little of the answer was given.

    input    stated, else estimated from the request
    output   stated once the answer is whole; until then the larger of stated and estimated

A count is implausible if it is over ten million, or less than a quarter of an estimate that is
large enough to be trusted so far. Estimates are within 30 % of real tokenizers, so an honest count
is never below that.
"""

from typing import Literal

from gamekeeper.guard.budgets.token_estimate import (
    AUDIO_TOKENS,
    collect_written,
    estimate_bytes,
    estimate_text_input,
    estimate_tokens,
    estimate_written,
)
from gamekeeper.guard.gate import UNSTATED_OUTPUT_TOKENS, Passage
from gamekeeper.guard.routes import Json
from gamekeeper.guard.routes.query import Usage

MOST_TOKENS = 10_000_000
"""In one answer, or its input; no model takes or gives more."""

Why = Literal["unstated", "implausible", "cut_short"]
"""Why a count was estimated: not stated, stated and not plausible, not stated yet when the answer
ended early.
"""

_TRUSTED = 64  # tokens: shorter texts are estimated too roughly to call a count wrong
_LEAST_SHARE = 4
# More than one token for so many bytes of JSON is never called too low: text has one for about four
# bytes, so that the estimate is not needed. It takes longer than all other counting.
_SURE_BYTES = 8
_KEPT_PIECES = 512
# Of a stream the first events are read, large ones, and then every eighth, which stands for those
# between: reading takes longer than all else that is done with an event.
_ALL_READ = 8
_EVERY = 8
_SMALL_BYTES = 512
_UNDER_WAY = ("queued", "in_progress")  # in the background: nothing more is heard of it here


class Meter:
    """Counts one answer while it passes. See the module for how.

    Args:
        passage: The request that is answered.
    """

    def __init__(self, passage: Passage) -> None:
        self._passage = passage
        self._route = passage.route
        self._is_sound = self._route.is_exchange and not self._route.has_json_answer
        self._has_text = self._route.answers_text
        self._stated = Usage()
        self._pieces: list[str] = []
        self._streamed = 0  # tokens of pieces that are estimated already
        self._samples: list[str] = []  # pieces of events that stand for others
        self._sampled = 0  # events
        self._skipped = 0  # events
        self._events = 0
        self._is_sample = False
        self._repeated = 0  # tokens of items that a stream repeats whole
        self._whole = 0  # tokens of an answer that came whole
        self._rough = 0  # tokens by bytes that could not be read
        self._is_whole = False

    @property
    def usage(self) -> Usage:
        """What the answer has cost so far. Rows of numbers have no tokens: nothing is estimated."""
        if self._passage.query.features:
            return self._stated
        return Usage(self._input(), self._output())

    def estimated_in(self, usage: Usage) -> Why | None:
        """Returns why a count of `usage` is an estimate; None where both are as stated, or none was
        to be stated.
        """
        if usage == self._stated:
            return None
        others = []
        if self._route.is_exchange and usage.input_tokens != self._stated.input_tokens:
            others.append(self._stated.input_tokens)
        if self._has_text and usage.output_tokens != self._stated.output_tokens:
            others.append(self._stated.output_tokens)
        if not others:
            return None
        if not self._is_whole:
            return "cut_short"
        return "unstated" if None in others else "implausible"

    def wants(self, event: bytes) -> bool:
        """Returns whether an event is to be read and seen, so that a stream is counted; those that
        may state token counts always are.
        """
        if not self._has_text:
            return False
        self._events += 1
        self._is_sample = self._events > _ALL_READ and len(event) <= _SMALL_BYTES
        if not self._is_sample:
            return True
        if self._events % _EVERY:
            self._skipped += 1
            return False
        self._sampled += 1
        return True

    def see_event(self, document: Json, *, states_usage: bool = True) -> None:
        """Counts one event of a stream.

        Args:
            document: Its data, with nothing taken out.
            states_usage: False if it is known not to state token counts.
        """
        if states_usage:
            self._stated = self._stated.merged(self._route.usage(document))
        if not self._has_text:
            return
        kind = document.get("type")
        if type(kind) is str and kind.startswith("response."):
            self._see_response(kind, document)
        else:
            self._see_text(document)

    def see_answer(self, document: Json, size: int = 0) -> None:
        """Counts a whole answer.

        Args:
            document: Of it.
            size: In bytes; 0 if that is not known.
        """
        self._stated = self._route.usage(document)
        if self._has_text:
            stated = self._stated.output_tokens or 0
            is_sure = MOST_TOKENS * _SURE_BYTES >= stated * _SURE_BYTES >= size > 0
            self._whole = 0 if is_sure else estimate_written(document)
            if document.get("status") in _UNDER_WAY:
                self._rough = self._passage.query.max_output_tokens or UNSTATED_OUTPUT_TOKENS
        self.finish()

    def see_usage(self, usage: object) -> None:
        """Takes the token counts of an answer that was not read as a whole."""
        self._stated = self._route.usage({"usage": usage})

    def see_bytes(self, size: int) -> None:
        """Counts what cannot be read by its size in bytes."""
        if self._has_text:
            self._rough += estimate_bytes(size)

    def finish(self) -> None:
        """Notes that the answer came to its end: what it states is final."""
        self._is_whole = True

    def _see_text(self, document: Json) -> None:
        if self._is_sample:
            self._streamed += collect_written(document, self._samples)
            self._is_sample = False
            return
        self._streamed += collect_written(document, self._pieces)
        if len(self._pieces) >= _KEPT_PIECES:
            self._estimate_pieces()

    def _see_response(self, kind: str, document: Json) -> None:
        """Counts an event of the OpenAI responses. Some repeat what others said, so that they are
        counted apart: the largest of the sums is what was written.
        """
        if kind.endswith(".delta"):
            self._see_text({"delta": document.get("delta")})
        elif kind == "response.output_item.done":
            self._repeated += estimate_written({"item": document.get("item")})
        elif type(response := document.get("response")) is dict:
            written = estimate_written({"output": response.get("output")})
            self._whole = max(self._whole, written)

    def _estimate_pieces(self) -> None:
        self._streamed += estimate_tokens("".join(self._pieces))
        self._pieces = []

    def _estimated_stream(self) -> int:
        """Tokens of all events: of those that were read, and in proportion of those between."""
        if self._pieces:
            self._estimate_pieces()
        if self._sampled:
            samples = estimate_tokens("".join(self._samples))
            return self._streamed + samples + samples * self._skipped // self._sampled
        return self._streamed + self._streamed * self._skipped // max(1, self._events)

    def _input(self) -> int:
        stated = self._stated.input_tokens
        if stated is None or stated > MOST_TOKENS:
            return self._passage.input_tokens
        if stated * _SURE_BYTES >= self._passage.body_bytes > 0:  # it is not absurd: see above
            return stated
        # Images and files are far from their estimate: only text says that a count is too low.
        if stated * _LEAST_SHARE < self._passage.input_tokens:
            text = estimate_text_input(self._passage.body, self._passage.query)
            if text > _TRUSTED and stated * _LEAST_SHARE < text:
                return self._passage.input_tokens
        return stated

    def _output(self) -> int:
        read = max(self._estimated_stream(), self._repeated, self._whole)
        estimate = read + self._rough
        stated = self._stated.output_tokens
        if stated is None or stated > MOST_TOKENS:
            return AUDIO_TOKENS if self._is_sound else estimate
        if not self._is_whole:
            return max(stated, estimate)
        # By bytes nothing is called wrong: log-probabilities have hundreds a token.
        is_too_low = read > _TRUSTED and stated * _LEAST_SHARE < read
        return estimate if is_too_low else stated
