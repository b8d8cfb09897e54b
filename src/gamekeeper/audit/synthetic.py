"""Inputs that nobody has seen: pictures and rows drawn from what every domain has a little of.

Pictures are a mixture, all in [0, 1]:

    strokes    one to four curves (parabolas and arcs), some of which go on where the last one ended
    shapes     one or two ellipses, lozenges, boxes, filled or as rings, one cut out of the other
               now and then
    fields     eight plane waves added up, pressed through a sigmoid of any steepness

Half of them are framed: nothing at the border, as where somebody has centred what a picture is of.
A tenth is inverted. Rows are u ** g, u uniform for each feature, log g normal for each row: rows
that are low, or high, in all features, for features of a domain go together; with g = 1 the mean of
each row would be about a half.

Source: ours; that what is learnt from made-up pictures carries over, Baradad et al., Learning to
    See by Looking at
Noise, NeurIPS 2021.
"""

from collections.abc import Callable

import numpy as np

from gamekeeper.audit.targets import Array

_KINDS = (0.5, 0.3, 0.2)  # share of strokes, shapes, fields
# share of all
_FRAMED = 0.5
_INVERTED = 0.1
_CHUNK = 1_000  # pictures at once
_MOST_CURVES = 4
_CURVE_POINTS = 14
# share of curves
_ARCS = 0.35
_JOINED = 0.6
_RADIUS = (0.03, 0.11)  # of a pen, in sides
_WAVES = 8
_STEEPEST = 30.0  # beyond it a sigmoid is 0 or 1


def rows(n: int, width: int, rng: np.random.Generator) -> Array:
    """Returns rows in [0, 1], shape (n, width)."""
    return np.asarray(rng.random((n, width)) ** np.exp(rng.standard_normal((n, 1))))


def pictures(n: int, sides: tuple[int, int], rng: np.random.Generator) -> Array:
    """Returns pictures in [0, 1], flattened, shape (n, height * width)."""
    parts = [_some(min(_CHUNK, n - start), sides, rng) for start in range(0, n, _CHUNK)]
    return np.concatenate([np.empty((0, sides[0] * sides[1])), *parts])


def _some(n: int, sides: tuple[int, int], rng: np.random.Generator) -> Array:
    kinds = rng.choice(3, n, p=_KINDS)
    makers: tuple[Callable[[int, Array, Array, np.random.Generator], Array], ...] = (
        _strokes,
        _shapes,
        _fields,
    )
    down, right = ((np.arange(side) + 0.5) / side for side in sides)
    made = np.empty((n, *sides))
    for kind, make in enumerate(makers):
        made[kinds == kind] = make(int((kinds == kind).sum()), down[:, None], right[None, :], rng)
    framed = rng.random(n) < _FRAMED
    made[framed] *= _window(int(framed.sum()), down[:, None], right[None, :], rng)
    inverted = rng.random(n) < _INVERTED
    made[inverted] = 1 - made[inverted]
    return made.reshape(n, -1)


def _strokes(n: int, down: Array, right: Array, rng: np.random.Generator) -> Array:
    """Curves around a middle, drawn with a round pen, some of a soft one, shape (n, height,
    width).
    """
    curves = _curves(n, rng)
    used = rng.integers(1, _MOST_CURVES + 1, n)
    radius = _each(n, *_RADIUS, rng)
    steep = 3 * max(down.size, right.size) / _each(n, 0.5, 2, rng)
    drawn = np.zeros((n, down.size, right.size))
    for number, curve in enumerate(curves):
        near = np.full(drawn.shape, np.inf)
        for at in range(_CURVE_POINTS):
            point = curve[:, at, :, None, None]
            near = np.minimum(near, (down - point[:, 0]) ** 2 + (right - point[:, 1]) ** 2)
        ink = _pressed((radius - np.sqrt(near)) * steep)
        drawn = np.where((number < used)[:, None, None], np.maximum(drawn, ink), drawn)
    return np.asarray(drawn * _each(n, 0.6, 1, rng))


def _curves(n: int, rng: np.random.Generator) -> list[Array]:
    """Points of each picture's curves, in sides, each of shape (n, points, 2)."""
    middle = rng.uniform(0.3, 0.7, (n, 1, 2))
    reach = rng.uniform(0.15, 0.5, (n, 1, 1))
    at = np.linspace(0, 1, _CURVE_POINTS)[None, :, None]
    curves: list[Array] = []
    for _ in range(_MOST_CURVES):
        bend = np.clip(middle + reach * rng.uniform(-1, 1, (n, 3, 2)), 0.02, 0.98)
        if curves:
            joined = rng.random(n) < _JOINED
            bend[joined, 0] = curves[-1][joined, -1]
        curve = (1 - at) ** 2 * bend[:, :1] + 2 * at * (1 - at) * bend[:, 1:2] + at**2 * bend[:, 2:]
        curves.append(np.where(rng.random((n, 1, 1)) < _ARCS, _arc(bend[:, 1:2], at, rng), curve))
    return curves


def _arc(middle: Array, at: Array, rng: np.random.Generator) -> Array:
    """A quarter of an ellipse to a whole one around a middle of shape (n, 1, 2)."""
    n = len(middle)
    angles = (
        _each(n, 0, 2 * np.pi, rng)
        + _each(n, 1.5, 2 * np.pi, rng) * rng.choice([-1, 1], (n, 1, 1)) * at
    )
    radii = rng.uniform(0.1, 0.35, (n, 1, 2))
    return np.asarray(middle + radii * np.concatenate([np.sin(angles), np.cos(angles)], axis=2))


def _shapes(n: int, down: Array, right: Array, rng: np.random.Generator) -> Array:
    """Where |u| ** p + |v| ** p < 1, u and v turned and scaled, shape (n, height, width)."""
    first, second = (_shape(n, down, right, rng) for _ in range(2))
    cut = rng.random((n, 1, 1)) < 0.3
    both = rng.random((n, 1, 1)) < 0.5
    return np.where(both, np.where(cut, first * (1 - second), np.maximum(first, second)), first)


def _shape(n: int, down: Array, right: Array, rng: np.random.Generator) -> Array:
    below = down - _each(n, 0.25, 0.75, rng)
    beside = right - _each(n, 0.25, 0.75, rng)
    turn = _each(n, 0, np.pi, rng)
    u = (np.cos(turn) * below + np.sin(turn) * beside) / _each(n, 0.08, 0.45, rng)
    v = (np.cos(turn) * beside - np.sin(turn) * below) / _each(n, 0.08, 0.45, rng)
    power = rng.choice([1.0, 2.0, 8.0], (n, 1, 1))
    inside = 1 - (np.abs(u) ** power + np.abs(v) ** power) ** (1 / power)
    ring = _each(n, 0.1, 0.3, rng) - np.abs(inside)
    inside = np.where(rng.random((n, 1, 1)) < 0.4, ring, inside)
    return np.asarray(_pressed(inside * _each(n, 4, 20, rng)) * _each(n, 0.4, 1, rng))


def _fields(n: int, down: Array, right: Array, rng: np.random.Generator) -> Array:
    """Plane waves of a common fineness added up, shape (n, height, width)."""
    total = np.zeros((n, down.size, right.size))
    fine = _each(n, 2, 14, rng)
    for _ in range(_WAVES):
        one, other = rng.standard_normal((2, n, 1, 1)) * fine
        total += np.cos(one * down + other * right + _each(n, 0, 2 * np.pi, rng))
    return _pressed((total / 2 - _each(n, -1, 1.5, rng)) * np.exp(_each(n, 0, 3, rng)))


def _window(n: int, down: Array, right: Array, rng: np.random.Generator) -> Array:
    """1 around the middle, 0 at the border or well before it: an ellipse or a box, shape (n,
    height, width).
    """
    tall = _each(n, 0.25, 0.5, rng)
    broad = _each(n, 0.25, 0.5, rng)
    power = rng.choice([2.0, 8.0], (n, 1, 1))
    far = ((np.abs(down - 0.5) / tall) ** power + (np.abs(right - 0.5) / broad) ** power) ** (
        1 / power
    )
    return _pressed((1 - far) * 15)


def _each(n: int, low: float, high: float, rng: np.random.Generator) -> Array:
    """A number for each picture, shape (n, 1, 1)."""
    return rng.uniform(low, high, (n, 1, 1))


def _pressed(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -_STEEPEST, _STEEPEST))))
