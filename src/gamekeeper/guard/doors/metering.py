"""Counts the tokens of one answer, whatever of them the upstream states.

What the upstream states counts where it is plausible. What it does not state, or states wrongly, is
estimated from the text: never 0. The input always counts, however little of the answer was given.

    input    stated, else estimated from the request
    output   stated once the answer is whole; until then the larger of stated and estimated

A count is implausible if it is over ten million, 0 where there is text, or less than a quarter of
an estimate that is large enough to be trusted so far. Estimates are within 30 % of real tokenizers,
so an honest count is never below that.
"""

import logging
import random
from collections.abc import Sequence
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
# Of a stream the first events are read, large ones, then one in eight, from which the others are
# estimated by their bytes: reading takes longer than all else that is done with an event. How many
# are skipped between two is random, so that the choices of an answer cannot be arranged around it.
_ALL_READ = 8
_MOST_SKIPPED = 14  # between two that are read: 7 on average
_SMALL_BYTES = 512
_PHASE = random.Random()  # from the system: nobody can observe which events are read
# More bytes a token than text ever has. Log-probabilities have up to thousands.
_MOST_TOKEN_BYTES = 64
_logger = logging.getLogger(__name__)
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
        self._first = _ALL_READ  # events with text that are still read without exception
        self._left = 0  # events that are still skipped before the next is read
        self._event: bytes | None = None  # that is being read and may be a sample
        self._blank = b""  # the last event that was read and had no text
        self._samples: list[str] = []  # pieces of events from which others are estimated
        self._sampled = 0  # events
        self._sampled_bytes = 0
        self._skipped = 0  # events
        self._skipped_bytes = 0
        self._envelope = _SMALL_BYTES  # fewest bytes of an event that are not text
        self._repeated = 0  # tokens of items that a stream repeats whole
        self._whole = 0  # tokens of an answer that came whole
        self._rough = 0  # tokens by bytes that could not be read
        self._least = 0  # tokens that bytes that could not be read have at least
        self._has_failed = False
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
        size = len(event)
        if size > _SMALL_BYTES:
            self._event = None
            return True
        if not (event.startswith(b"data:") or has_data(event)):
            return False
        if not self._left:
            self._event = event
            return True
        if event != self._blank:
            self._left -= 1
            self._skipped += 1
            self._skipped_bytes += size
        return False

    def see_event(self, document: Json, *, states_usage: bool = True, size: int = 0) -> None:
        """Counts one event of a stream; never raises.

        Args:
            document: Its data, with nothing taken out.
            states_usage: False if it is known not to state token counts.
            size: In bytes; 0 if that is not known.
        """
        if self._event is not None and len(self._event) != size:
            self._event = None  # it was another
        try:
            self._see_event(document, states_usage)
        except Exception:
            self.fail(size or _SMALL_BYTES)

    def _see_event(self, document: Json, states_usage: bool) -> None:
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
        """Counts a whole answer; never raises.

        Args:
            document: Of it.
            size: In bytes; 0 if that is not known.
        """
        try:
            self._see_answer(document, size)
        except Exception:
            self.fail(size or _SMALL_BYTES)
        self.finish()

    def _see_answer(self, document: Json, size: int) -> None:
        self._stated = self._route.usage(document)
        if self._has_text:
            stated = self._stated.output_tokens or 0
            is_sure = MOST_TOKENS * _SURE_BYTES >= stated * _SURE_BYTES >= size > 0
            self._whole = 0 if is_sure else estimate_written(document)
            if document.get("status") in _UNDER_WAY:
                self._rough = self._passage.query.max_output_tokens or UNSTATED_OUTPUT_TOKENS

    def see_usages(self, usages: Sequence[object], text_bytes: int) -> None:
        """Takes the token counts of an answer that was not read as a whole.

        Args:
            usages: All that were found in it. A client can have smaller ones repeated there, in
                the tools that it sent: the largest that is possible counts.
            text_bytes: Of the answer that may be text; stated counts are plausible from a token for
                64 of them on.
        """
        self._least = text_bytes // _MOST_TOKEN_BYTES
        for found in (self._route.usage({"usage": usage}) for usage in usages):
            self._stated = Usage(
                _larger(self._stated.input_tokens, found.input_tokens),
                _larger(self._stated.output_tokens, found.output_tokens),
            )

    def see_bytes(self, size: int) -> None:
        """Counts what cannot be read by its size in bytes."""
        self._event = None
        if self._has_text:
            self._rough += estimate_bytes(size)

    def fail(self, size: int) -> None:
        """Notes that an answer, or a part of it, could not be counted: its bytes count. To be
        called while the exception is handled; the first of an answer is logged.

        Args:
            size: In bytes, of what was not counted.
        """
        self.see_bytes(size)
        if not self._has_failed:
            self._has_failed = True
            _logger.warning("tokens are estimated by bytes, counting failed", exc_info=True)

    def finish(self) -> None:
        """Notes that the answer came to its end: what it states is final."""
        self._is_whole = True

    def _see_text(self, document: Json) -> None:
        event = self._event
        self._event = None
        if event is not None and not self._first:
            self._see_sample(event, document)
            return
        known = len(self._pieces)
        self._streamed += collect_written(document, self._pieces)
        if event is not None and len(self._pieces) > known:
            self._first -= 1
        if len(self._pieces) >= _KEPT_PIECES:
            self._estimate_pieces()

    def _see_sample(self, event: bytes, document: Json) -> None:
        """Counts an event from which others are estimated. One without text is not that: the next
        is read instead.
        """
        texts: list[str] = []
        self._streamed += collect_written(document, texts)
        written = sum(map(len, texts))
        if not written:
            self._blank = event
            return
        size = len(event)
        self._samples += texts
        self._sampled += 1
        self._sampled_bytes += size
        self._envelope = max(0, min(self._envelope, size - written))
        self._left = int(_PHASE.random() * (_MOST_SKIPPED + 1))

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

    def _estimated_stream(self) -> tuple[int, int]:
        """Tokens of the events that were read, and of those that were skipped: those that were read
        say how many a byte has.
        """
        if self._pieces:
            self._estimate_pieces()
        if not self._sampled:  # nothing is skipped before the first sample
            return self._streamed, 0
        samples = estimate_tokens("".join(self._samples))
        sampled = self._sampled_bytes - self._sampled * self._envelope
        skipped = max(0, self._skipped_bytes - self._skipped * self._envelope)
        return self._streamed + samples, samples * skipped // sampled

    def _input(self) -> int:
        stated = self._stated.input_tokens
        if stated is None or stated > MOST_TOKENS:
            return self._passage.input_tokens
        if not stated:  # no input of a model has none; a route itself says so of other requests
            return self._passage.input_tokens if self._route.is_exchange else 0
        if stated * _SURE_BYTES >= self._passage.body_bytes > 0:  # it is not absurd: see above
            return stated
        # Images and files are far from their estimate: only text says that a count is too low.
        if stated * _LEAST_SHARE < self._passage.input_tokens:
            text = estimate_text_input(self._passage.body, self._passage.query)
            if text > _TRUSTED and stated * _LEAST_SHARE < text:
                return self._passage.input_tokens
        return stated

    def _output(self) -> int:
        read_stream, skipped = self._estimated_stream()
        read = max(read_stream + skipped, self._repeated, self._whole)
        # An event has a token at least. That calls no count wrong: some servers cut at each letter.
        estimate = self._rough + max(read, read_stream + max(skipped, self._skipped))
        stated = self._stated.output_tokens
        if stated is None or stated > MOST_TOKENS:
            return AUDIO_TOKENS if self._is_sound else estimate
        if not self._is_whole:
            return max(stated, estimate)
        is_too_low = read > _TRUSTED and stated * _LEAST_SHARE < read
        is_none = not stated and estimate > 0
        return estimate if is_too_low or is_none or stated < self._least else stated


def has_data(event: bytes) -> bool:
    """Returns whether an event has a `data` field, as comments and names alone have not."""
    return (
        b"\ndata" in event or b"\rdata" in event or event.startswith((b"data", b"\xef\xbb\xbfdata"))
    )


def _larger(known: int | None, found: int | None) -> int | None:
    """The larger of two counts, of those that are possible."""
    if found is None or found > MOST_TOKENS:
        return known
    return found if known is None else max(known, found)
