"""Small ReLU networks, functionally equivalent: the kinks of the log-odds are the hidden units, one
by one.

Of a network with one hidden layer, log-odds are linear in the input but where a unit w . x + b
changes sign.

    1. Along a random line, log-odds between two kinks are a straight line. Where two such lines
    meet is the kink; an
       answer there confirms it, so that two kinks taken for one do not pass.
    2. On either side of a kink, the gradient by answers in every direction. Their difference is v
    w^T, of rank one: the
       unit's weights up to scale and sign. Of a unit that is known, the place of its kink is known
       too, and costs nothing more.
    3. The output layer by least squares on everything answered, over relu(w . x + b), x and 1.
    Since
       relu(-z) = relu(z) - z, the linear part takes up every wrong sign, and none need be found.
    4. Inputs of the domain judge. Where one is answered otherwise, the next line runs to it: the
    unit that is missing
       is between.

Probabilities say as much as logits here. What is rounded, or no such network, shows on the first
line, or is never confirmed, and costs little. Everything is bounded: lines, units, queries.

Source: Milli et al., FAT* 2019; Jagielski et al., High Accuracy and High Fidelity Extraction,
    USENIX Security 2020;
Carlini et al., CRYPTO 2020 (the confirmed meeting of lines); the linear part in place of sign
recovery is ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gamekeeper.audit.asking import Ask
from gamekeeper.audit.attacks._attack import (
    AttackCard,
    AttackerKnowledge,
    Interface,
    Surrogate,
    attack,
)
from gamekeeper.audit.learners import ByLogOdds, Predict
from gamekeeper.audit.meter import SpentError
from gamekeeper.audit.targets import Array

_WIDEST = 256  # inputs; each unit costs twice as many answers
_MOST_LINES = 120
_GRID, _FINEST = 96, 768  # answers on a line; finer where kinks lie too close to part
_REACH = 3.0  # of the pool's spread, either way
_STRAIGHT = 1e-7  # bend of a straight line, in log-odds
_FEWEST_STRAIGHT = 0.3  # of a line's grid, or the target is no such network
_CONFIRMED = 1e-5  # of the bend, by which the meeting point may be off
_RANK_ONE = 1e-3  # second singular value over the first
_ON_PLANE = 1e-5  # of a kink from the plane of a known unit
_SURE_UNIT = 1e-6  # of the largest output weight; a unit below it was a mistake
_MOST_STALE = 8  # lines in a row without a new unit, before it is given up
_STALE_AT_LAST = 3  # the same, once the domain is explained: units of which few inputs know
_SURE = 1e-250  # a softmax keeps its digits down to here; what is nought has been rounded
_TIGHT = 1e-3  # log-odds, median error on inputs of the domain, of a copy worth the name
_JUDGES = 100  # inputs of the domain


@attack
class ReluNetworks:
    """The attack that recovers a small ReLU network unit by unit."""

    card = AttackCard(
        name="relu-networks",
        purpose=(
            "Finds the hidden units of a small ReLU network from the kinks of its scores, and"
            " solves for the rest."
        ),
        needs="Probabilities or logits with all their digits.",
        fits="One hidden layer of ReLU units, up to 256 inputs; it copies linear models as well.",
        source=(
            "Jagielski et al., USENIX Security 2020; Carlini et al., CRYPTO 2020; without sign"
            " recovery, ours."
        ),
        makes_inputs=True,
    )

    def why_not(self, interface: Interface) -> str | None:
        """See `Attack`."""
        if not interface.has_scores:
            return "it needs scores"
        if (missing := interface.why_not_drawn) is not None:
            return missing
        return (
            None
            if interface.width <= _WIDEST
            else f"it is bounded to {_WIDEST} inputs: each unit takes twice as many"
        )

    def surrogates(
        self, ask: Ask, knowledge: AttackerKnowledge, rng: np.random.Generator
    ) -> Iterator[Surrogate]:
        """See `Attack`."""
        if not knowledge.uses_scores or not knowledge.sizes:
            return
        search = _Search(ask, knowledge.pool, rng)
        spent = _spent(search)
        if search.error() < _TIGHT:  # what is known by then may do
            model = search.model()
            recipe = f"a network of {len(search.units)} hidden units"
            yield Surrogate(queries=search.queries, predict=model, recipe=recipe)
        elif spent is not None:
            raise spent


@dataclass(frozen=True, slots=True)
class _Line:
    """Standardised inputs start + t way, t on the grid, and their log-odds, shape (grid, classes -
    1).
    """

    start: Array
    way: Array
    times: Array
    odds: Array

    def at(self, times: Array) -> Array:
        """Returns inputs, shape (n, width)."""
        return np.asarray(self.start + np.asarray(times)[:, None] * self.way)


class _Search:
    """The units found so far, and everything answered."""

    def __init__(self, ask: Ask, pool: Array, rng: np.random.Generator) -> None:
        self._ask = ask
        self._rng = rng
        self._middle = pool.mean(axis=0)
        self._spread = pool.std(axis=0)
        self._spread[self._spread == 0] = 1.0
        self._judges = (pool[:_JUDGES] - self._middle) / self._spread
        self._inputs: list[Array] = []
        self._odds: list[Array] = []
        self.units = np.empty((0, pool.shape[1] + 1))
        self._truth: Array | None = None
        self._grid = _GRID
        self._answers_numbers = False
        self.queries = 0

    def run(self) -> None:
        """Searches until inputs of the domain are explained, or nothing new comes up."""
        way = self._rng.standard_normal(self._judges.shape[1])
        if not _is_in_pieces(self._line(np.zeros_like(way), way)):
            return
        self._truth = self._answered(self._judges, judges=True)
        stale = 0
        for _ in range(_MOST_LINES):
            errors = self._errors()
            explained = np.nanmax(errors, initial=0) < _TIGHT
            if stale >= (_STALE_AT_LAST if explained else _MOST_STALE):
                return
            before = len(self.units)
            self._add_units(self._next_line(errors))
            stale = 0 if len(self.units) > before else stale + 1
            if stale and not explained:
                self._grid = min(2 * self._grid, _FINEST)

    def error(self) -> float:
        """Median error in log-odds on the inputs of the domain that were asked; infinity if they
        were not.
        """
        return float("inf") if self._truth is None else float(np.nanmedian(self._errors()))

    def model(self) -> Predict:
        """Returns the network that explains everything answered, without units that explain
        nothing.
        """
        counts = np.abs(self._solved()[: len(self.units)]).max(axis=1)
        self.units = self.units[counts > _SURE_UNIT * counts.max(initial=0)]
        network = _Network(self.units, self._solved(), self._middle, self._spread)
        return network if self._answers_numbers else ByLogOdds(_with_first(network))

    def _next_line(self, errors: Array) -> _Line:
        """Through an input that is not explained, in a direction of its own."""
        misfits = np.flatnonzero(errors >= _TIGHT)
        start = self._judges[self._rng.choice(misfits if len(misfits) else len(errors))]
        return self._line(start / 2, self._rng.standard_normal(len(start)))

    def _line(self, start: Array, way: Array) -> _Line:
        way = way / np.linalg.norm(way) * np.sqrt(len(way))
        times = np.linspace(-_REACH, _REACH, self._grid) + self._rng.uniform(-0.01, 0.01)
        return _Line(start, way, times, self._answered(start + times[:, None] * way))

    def _add_units(self, line: _Line) -> None:
        """Adds units of which the line shows a kink that no known unit explains."""
        for time, room in self._confirmed(line, _kinks(line)):
            at = line.at(np.array([time]))[0]
            if (np.abs(self.units @ np.append(at, 1)) < _ON_PLANE).any():
                continue
            weights = self._jump(at, line.way, room)
            if weights is not None:
                self.units = np.vstack([self.units, np.append(weights, -weights @ at)])

    def _confirmed(
        self, line: _Line, kinks: list[tuple[float, float, Array]]
    ) -> list[tuple[float, float]]:
        """Of places where two straight pieces would meet, those where they do; with the room about
        each.
        """
        if not kinks:
            return []
        odds = self._answered(line.at(np.array([time for time, _, _ in kinks])))
        return [
            (time, room)
            for (time, room, expected), given in zip(kinks, odds, strict=True)
            if np.abs(given - expected).max() < _CONFIRMED
        ]

    def _jump(self, at: Array, way: Array, room: float) -> Array | None:
        """The direction, of length 1, in which the gradient jumps across a kink; None if it is not
        one unit's.
        """
        step = 0.25 * room
        near = 0.1 * step * np.linalg.norm(way)
        moves = np.vstack([np.zeros(len(at)), near * np.eye(len(at))])
        sides = np.concatenate([at - step * way + moves, at + step * way + moves])
        before, after = np.split(self._answered(sides), 2)
        jump = (after[1:] - after[0]) - (before[1:] - before[0])
        if not np.isfinite(jump).all():
            return None
        left, sizes, _ = np.linalg.svd(jump, full_matrices=False)
        if sizes[0] == 0 or (len(sizes) > 1 and sizes[1] > _RANK_ONE * sizes[0]):
            return None
        return np.asarray(left[:, 0])

    def _errors(self) -> Array:
        """Largest error of log-odds on each input that judges, shape (n,); NaN where an answer has
        too few digits.
        """
        return np.asarray(
            np.abs(_design(self._judges, self.units) @ self._solved() - self._truth).max(axis=1)
        )

    def _solved(self) -> Array:
        """The output layer, least squares over everything answered but the inputs that judge."""
        inputs = np.vstack(self._inputs)
        odds = np.vstack(self._odds)
        sound = np.isfinite(odds).all(axis=1)
        return np.asarray(
            np.linalg.lstsq(_design(inputs[sound], self.units), odds[sound], rcond=None)[0]
        )

    def _answered(self, inputs: Array, *, judges: bool = False) -> Array:
        """Log-odds to the first class, shape (n, classes - 1), NaN where a probability has too few
        digits left; or values, shape (n, outputs).
        """
        answers = self._ask(inputs * self._spread + self._middle)
        self.queries += len(inputs)
        self._answers_numbers = answers.values is not None
        odds = answers.values
        if odds is None:
            assert answers.probabilities is not None
            odds = _log_odds(answers.probabilities)
        if not judges:
            self._inputs.append(inputs)
            self._odds.append(odds)
        return np.asarray(odds)


def _spent(search: _Search) -> SpentError | None:
    """Searches; returns what ended it before its time."""
    try:
        search.run()
    except SpentError as error:
        return error
    return None


def _log_odds(given: Array) -> Array:
    logs = np.log(np.maximum(given, 1e-300))
    odds = logs[:, 1:] - logs[:, :1]
    odds[(given < _SURE).any(axis=1)] = np.nan
    return np.asarray(odds)


class _Network:
    """A network with one hidden layer and a linear part; returns log-odds to the first class, or
    values.
    """

    def __init__(self, units: Array, output: Array, middle: Array, spread: Array) -> None:
        self._units = units
        self._output = output
        self._middle = middle
        self._spread = spread

    def __call__(self, inputs: Array) -> Array:
        """Returns its outputs, shape (n, outputs)."""
        return np.asarray(
            _design((inputs - self._middle) / self._spread, self._units) @ self._output
        )


def _with_first(odds: Predict) -> Predict:
    """Log-odds of all classes from those to the first."""
    return lambda inputs: np.hstack([np.zeros((len(inputs), 1)), odds(inputs)])


def _design(inputs: Array, units: Array) -> Array:
    rows = np.hstack([inputs, np.ones((len(inputs), 1))])
    return np.asarray(np.hstack([np.maximum(rows @ units.T, 0), rows]))


def _is_in_pieces(line: _Line) -> bool:
    """Whether log-odds run in straight pieces that are not level, as the steps of a tree are."""
    slopes = np.abs(np.diff(line.odds, axis=0)).max(axis=1)
    return bool(
        (_bends(line.odds) < _STRAIGHT).mean() > _FEWEST_STRAIGHT
        and np.nanmedian(slopes) > _STRAIGHT
    )


def _bends(odds: Array) -> Array:
    """Second differences, the largest of all classes, shape (grid - 2,); infinite where an answer
    has no digits.
    """
    bends = np.abs(odds[:-2] - 2 * odds[1:-1] + odds[2:]).max(axis=1)
    return np.asarray(np.where(np.isfinite(bends), bends, np.inf))


def _kinks(line: _Line) -> list[tuple[float, float, Array]]:
    """Places between two straight pieces where these meet: its time, the room about it, the
    log-odds expected there.
    """
    straight = [bool(bend < _STRAIGHT) for bend in _bends(line.odds)]
    step = line.times[1] - line.times[0]
    found = []
    for i in range(1, len(straight) - 2):
        if not (straight[i - 1] and not straight[i] and not straight[i + 1] and straight[i + 2]):
            continue
        # points i and i + 1 end the left piece, i + 2 and i + 3 begin the right one; grid point k
        # bends at k - 1
        left = line.odds[i + 1] - line.odds[i]
        right = line.odds[i + 3] - line.odds[i + 2]
        gap = line.odds[i + 2] - right - line.odds[i + 1]
        turn = left - right
        share = float(gap @ turn / (turn @ turn))
        if 0 < share < 1:
            found.append((line.times[i + 1] + share * step, step, line.odds[i + 1] + share * left))
    return found
