"""The layout of numbers in slots: two packings, and the sums that are left to the client.

A rotation costs 2 ms, a product 0.2 ms. The last layer needs no rotation at all. Slots that differ
by a multiple of n form one orbit of rotations. The sum over each orbit is the trace of a ciphertext
to the subring of polynomials in X^(N / 2n), and is contained in its coefficients at those powers.
The server sends only these, see `answering`; the client multiplies by the length of the orbit, the
`gain`.

    latency, linear    slot (i, s, c), i outermost: feature i of row s, for class c; weights w[c,
                       i]; n = rows * classes
    latency, hidden    slot (h, s, j), h outermost: feature j mod F of row s, for unit h; F - 1 +
                       classes places for each row. After log2 F rotations, W_1 x is in the first
                       `classes` places of each (h, s), one for each class; all other places are
                       multiplied by 0 in the last layer. n = rows * places
    batched            a ciphertext for each feature, a slot for each row; weights are constants; no
                       rotation; n = rows

Classes, rows, units and F are rounded up to powers of two. Features that do not fit into one
ciphertext go into several (`parts`), whose products are added.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gamekeeper.base.errors import input_error
from gamekeeper.encrypted.backend import RequiredKeys, Slots
from gamekeeper.encrypted.square_network import Array, SquareNetwork

Packing = Literal["latency", "batched"]
PACKINGS: tuple[Packing, ...] = ("latency", "batched")
_DEFAULT_ROWS = 4
_DEFAULT_PARTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The layout of inputs, weights and scores of a model in slots.

    Args:
        packing: `latency` or `batched`.
        slots: Number of slots of a ciphertext.
        inputs: Number of features of a row.
        classes: Number of scores of a row.
        units: Number of units of the hidden layer, rounded up to a power of two; 0 without a hidden
            layer, and in the batched packing.
        hidden: Number of hidden layers.
        rows: Capacity of a request in rows.
        features: Number of features of a row in one ciphertext.
    """

    packing: Packing
    slots: int
    inputs: int
    classes: int
    units: int
    hidden: int
    rows: int
    features: int

    @property
    def is_batched(self) -> bool:
        """Whether each slot is a row."""
        return self.packing == "batched"

    @property
    def parts(self) -> int:
        """Number of ciphertexts of a request."""
        return -(-self.inputs // self.features)

    @property
    def answers(self) -> int:
        """Number of ciphertexts of an answer."""
        return self.classes if self.is_batched else 1

    @property
    def steps(self) -> tuple[int, ...]:
        """Rotations that are used, in slots to the left."""
        if not self.units:
            return ()
        return tuple(1 << k for k in range(self.features.bit_length() - 1))

    @property
    def required_keys(self) -> RequiredKeys:
        """The keys that the server needs."""
        return RequiredKeys(self.hidden > 0, self.steps)

    def finished(self, rows: int) -> int:
        """Returns n, the number of numbers in an answer's ciphertext for a request of `rows`."""
        if self.is_batched:
            return rows
        return self.slots // self.units if self.units else rows * _power(self.classes)

    def is_scored(self, rows: int) -> NDArray[np.bool_]:
        """Returns which of the finished numbers are scores; the others come from rounding up."""
        shape = (self.rows if self.units else rows, -1)
        held = np.zeros(self.finished(rows), bool).reshape(shape)
        held[:rows, : self.classes] = True
        return held.reshape(-1)

    def gain(self, rows: int) -> int:
        """Returns the factor by which the client multiplies."""
        return 1 if self.is_batched else self.slots // self.finished(rows)

    def require_rows(self, rows: int, where: str = "request") -> None:
        """Checks that a number of rows is a power of two and at most the capacity.

        Raises:
            InputError: It is not.
        """
        if not (1 <= rows <= self.rows and rows & (rows - 1) == 0):
            expected = f"a power of two, 1 to {self.rows}"
            raise input_error(where, "an invalid number of rows", f"{rows}", expected)

    def pack(self, inputs: Array, rows: int) -> list[Slots]:
        """Returns the slots of each ciphertext.

        Args:
            inputs: Shape (up to `rows`, inputs); missing rows are zero.
            rows: Number of rows that are requested.
        """
        filled = np.zeros((rows, self.parts * self.features))
        filled[: len(inputs), : self.inputs] = inputs
        if self.is_batched:
            return [np.tile(column, self.slots // rows) for column in filled[:, : self.inputs].T]
        parts = filled.reshape(rows, self.parts, self.features)
        return [self._spread(parts[:, part]) for part in range(self.parts)]

    def _spread(self, values: Array) -> Slots:
        if self.units:
            places = self.slots // (self.units * self.rows)
            slots = np.zeros((self.units, self.rows, places))
            used = self._used
            slots[:, : len(values), :used] = values[:, np.arange(used) % self.features]
            return slots.reshape(-1)
        width = _power(self.classes)
        slots = np.zeros((self.slots // (self.rows * width), self.rows, width))
        slots[: self.features, : len(values)] = values.T[:, :, None]
        return slots.reshape(-1)

    @property
    def _used(self) -> int:
        return self.features - 1 + self.classes

    def first_weights(self, weights: Array, part: int) -> Slots:
        """Returns the slots of the first layer's weights for one part; latency packings only."""
        begin = part * self.features
        own = np.zeros((len(weights), self.features))
        own[:, : max(0, self.inputs - begin)] = weights[:, begin : begin + self.features]
        if self.units:
            slots = np.zeros((self.units, self.rows, self.slots // (self.units * self.rows)))
            slots[: len(own), :, : self._used] = own[:, None, np.arange(self._used) % self.features]
            return slots.reshape(-1)
        width = _power(self.classes)
        slots = np.zeros((self.slots // (self.rows * width), self.rows, width))
        slots[: self.features, :, : self.classes] = own.T[:, None, :]
        return slots.reshape(-1)

    def hidden_bias(self, bias: Array) -> Slots:
        """Returns the slots of the hidden layer's bias; latency packings only."""
        slots = np.zeros((self.units, self.rows, self.slots // (self.units * self.rows)))
        slots[: len(bias), :, : self.classes] = bias[:, None, None]
        return slots.reshape(-1)

    def last_weights(self, weights: Array, rows: int) -> Slots:
        """Returns the slots of the last layer's weights: 0 where there is no product of a unit."""
        slots = np.zeros((self.units, self.rows, self.slots // (self.units * self.rows)))
        slots[: weights.shape[1], :rows, : self.classes] = weights.T[:, None, :]
        return slots.reshape(-1)

    def last_bias(self, bias: Array, rows: int) -> Slots:
        """Returns the slots of the last bias, distributed over the slots that the client adds up;
        latency packings only.
        """
        if self.units:
            row = np.zeros((self.rows, self.slots // (self.units * self.rows)))
            row[:rows, : self.classes] = bias
        else:
            row = np.zeros((rows, _power(self.classes)))
            row[:, : self.classes] = bias
        return np.tile(row.reshape(-1) / self.gain(rows), self.gain(rows))

    def unpack(self, sums: list[Array], count: int, rows: int) -> Array:
        """Returns scores, shape (count, classes).

        Args:
            sums: The finished numbers of each ciphertext.
            count: Number of rows that were sent.
            rows: Number of rows that were requested.
        """
        if self.is_batched:
            return np.stack(sums, axis=1)[:count]
        width = self.finished(rows) // (self.rows if self.units else rows)
        return sums[0].reshape(-1, width)[:count, : self.classes]

    def to_dict(self) -> dict[str, Any]:
        """Returns the layout as a JSON object."""
        return {
            "packing": self.packing,
            "inputs": self.inputs,
            "classes": self.classes,
            "units": self.units,
            "hidden": self.hidden,
            "rows": self.rows,
            "features": self.features,
        }


def read_layout(fields: Any, slots: int, where: str) -> Layout:
    """Reads the untrusted layout in a description.

    Raises:
        InputError: It is malformed, or impossible.
    """
    names = ("inputs", "classes", "units", "hidden", "rows", "features")
    positive = ("inputs", "classes", "rows", "features")
    is_valid = isinstance(fields, dict) and fields.get("packing") in PACKINGS
    is_valid = is_valid and all(
        type(fields.get(name)) is int and 0 <= fields[name] <= slots for name in names
    )
    if not is_valid or not all(fields[name] for name in positive):
        expected = "packing and whole numbers: " + ", ".join(names)
        raise input_error(where, "not a layout", str(fields)[:80], expected)
    layout = Layout(
        packing=fields["packing"], slots=slots, **{name: fields[name] for name in names}
    )
    _require_possible(layout, where)
    return layout


def _require_possible(layout: Layout, where: str) -> None:
    are_powers = _is_power(layout.rows) and (not layout.units or _is_power(layout.units))
    if layout.is_batched:
        fits = layout.features == 1 and not layout.units
    elif layout.units:
        needed = layout.units * layout.rows * _power(layout._used)
        fits = _is_power(layout.features) and layout.hidden == 1 and needed <= layout.slots
    else:
        needed = layout.features * layout.rows * _power(layout.classes)
        fits = _is_power(layout.features) and not layout.hidden and needed <= layout.slots
    if not are_powers or not fits:
        raise input_error(
            where,
            "a layout that cannot be",
            str(layout.to_dict())[:200],
            "one that `compile` chose",
        )


def layout_for(
    network: SquareNetwork, packing: Packing, slots: int, rows: int | None = None
) -> Layout:
    """Chooses a layout for a network.

    Args:
        network: The network.
        packing: The packing.
        slots: Number of slots of a ciphertext.
        rows: Capacity of a request, a power of two; None for a default that fits.

    Raises:
        InputError: The model does not fit.
    """
    shape = {
        "slots": slots,
        "inputs": network.inputs,
        "classes": network.classes,
        "hidden": network.hidden,
    }
    if packing == "batched":
        layout = Layout(packing=packing, units=0, rows=rows or slots, features=1, **shape)
    elif network.hidden == 0:
        room = max(1, slots // _power(network.classes))
        capacity = rows or max(1, min(_DEFAULT_ROWS, room // _power(network.inputs)))
        features = min(_power(network.inputs), max(1, room // capacity))
        layout = Layout(packing=packing, units=0, rows=capacity, features=features, **shape)
    elif network.hidden == 1:
        units = _power(network.layers[0].weights.shape[0])
        layout = _hidden_layout(units, rows, shape)
    else:
        raise input_error(
            "model", "does not fit", f"{network.hidden} hidden layers", "one; or packing batched"
        )
    _require_possible(layout, "model")
    return layout


def _hidden_layout(units: int, rows: int | None, shape: dict[str, int]) -> Layout:
    """Returns the layout with one hidden layer.

    The features are distributed over four ciphertexts, over more where the classes leave less room.
    """
    places = shape["slots"] // (units * (rows or 1))
    features = max(1, _power(-(-shape["inputs"] // _DEFAULT_PARTS)))
    while features > 1 and features - 1 + shape["classes"] > places:
        features //= 2
    fitting = max(1, shape["slots"] // (units * _power(features - 1 + shape["classes"])))
    capacity = rows or min(_DEFAULT_ROWS, 1 << (fitting.bit_length() - 1))
    return Layout(packing="latency", units=units, rows=capacity, features=features, **shape)


def _power(n: int) -> int:
    """Returns the smallest power of two that is at least n."""
    return 1 << (n - 1).bit_length()


def _is_power(n: int) -> bool:
    return n == _power(n)
