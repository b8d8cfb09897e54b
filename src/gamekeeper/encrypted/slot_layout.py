"""Where numbers stand in slots: two packings, and what of a sum the client is left to add up.

A rotation costs 2 ms, a product 0.2. The last layer needs no rotation at all. Slots that differ by
a multiple of n are one orbit of rotations; the sum over each orbit is the trace of a ciphertext to
the subring of polynomials in X^(N / 2n), and stands in its coefficients at those powers. The server
sends these and no others, see `answering`; the client multiplies by the length of the orbit, the
`gain`.

    latency, linear    slot (i, s, c), i outermost: feature i of row s, for class c; weights w[c,
                       i]; n = rows * classes
    latency, hidden    slot (h, s, j), h outermost: feature j mod F of row s, for unit h; F - 1 +
                       classes places a row. log2 F rotations leave W_1 x in the first `classes`
                       places of each (h, s), one for each class; whatever else they leave there is
                       multiplied by 0 in the last layer.  n = rows * places
    batched            a ciphertext a feature, a slot a row; weights are constants; no rotation; n =
                       rows

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
_ROWS = 4
_PARTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """See the module.

    Args:
        packing: Which.
        slots: Of a ciphertext.
        inputs: Features of a row.
        classes: Scores of a row.
        units: Of the hidden layer, rounded up; 0 without one. Batched: of all, 0 as well.
        hidden: Hidden layers.
        rows: That fit into one request: its capacity.
        features: In one ciphertext, of a row.
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
        """Whether a slot is a row."""
        return self.packing == "batched"

    @property
    def parts(self) -> int:
        """Ciphertexts of a request."""
        return -(-self.inputs // self.features)

    @property
    def answers(self) -> int:
        """Ciphertexts of an answer."""
        return self.classes if self.is_batched else 1

    @property
    def steps(self) -> tuple[int, ...]:
        """Rotations."""
        return tuple(1 << k for k in range(self.features.bit_length() - 1)) if self.units else ()

    @property
    def required_keys(self) -> RequiredKeys:
        """Keys that the server needs."""
        return RequiredKeys(self.hidden > 0, self.steps)

    def finished(self, rows: int) -> int:
        """Returns how many numbers an answer's ciphertext has, n, where `rows` are asked for."""
        if self.is_batched:
            return rows
        return self.slots // self.units if self.units else rows * _power(self.classes)

    def is_scored(self, rows: int) -> NDArray[np.bool_]:
        """Returns which of the finished numbers hold a score; the others are rounded up to, and
        hold none.
        """
        shape = (self.rows if self.units else rows, -1)
        held = np.zeros(self.finished(rows), bool).reshape(shape)
        held[:rows, : self.classes] = True
        return held.reshape(-1)

    def gain(self, rows: int) -> int:
        """Returns what the client multiplies by."""
        return 1 if self.is_batched else self.slots // self.finished(rows)

    def require_rows(self, rows: int, where: str = "request") -> None:
        """Raises unless so many rows may be asked for: a power of two up to the capacity."""
        if not (1 <= rows <= self.rows and rows & (rows - 1) == 0):
            raise input_error(
                where, "no number of rows", f"{rows}", f"a power of two, 1 to {self.rows}"
            )

    def pack(self, inputs: Array, rows: int) -> list[Slots]:
        """Returns the slots of each ciphertext.

        Args:
            inputs: Shape (up to `rows`, inputs); what is missing is zero.
            rows: That are asked for.
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
        """Returns the slots of the first layer's weights that one part is multiplied by; latency
        only.
        """
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
        """Returns the slots of the hidden layer's bias; latency only."""
        slots = np.zeros((self.units, self.rows, self.slots // (self.units * self.rows)))
        slots[: len(bias), :, : self.classes] = bias[:, None, None]
        return slots.reshape(-1)

    def last_weights(self, weights: Array, rows: int) -> Slots:
        """Returns the slots of the layer behind the hidden one: 0 wherever no finished product
        stands.
        """
        slots = np.zeros((self.units, self.rows, self.slots // (self.units * self.rows)))
        slots[: weights.shape[1], :rows, : self.classes] = weights.T[:, None, :]
        return slots.reshape(-1)

    def last_bias(self, bias: Array, rows: int) -> Slots:
        """Returns the slots of the last bias, spread over what the client adds up; latency only."""
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
            count: Rows that were sent.
            rows: That were asked for.
        """
        if self.is_batched:
            return np.stack(sums, axis=1)[:count]
        width = self.finished(rows) // (self.rows if self.units else rows)
        return sums[0].reshape(-1, width)[:count, : self.classes]

    def to_dict(self) -> dict[str, Any]:
        """Returns it as a JSON object."""
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
    """Reads the layout that a description states.

    Raises:
        InputError: It is none that could be answered.
    """
    names = ("inputs", "classes", "units", "hidden", "rows", "features")
    ok = isinstance(fields, dict) and fields.get("packing") in PACKINGS
    ok = ok and all(type(fields.get(name)) is int and 0 <= fields[name] <= slots for name in names)
    if not ok or not (
        fields["inputs"] and fields["classes"] and fields["rows"] and fields["features"]
    ):
        raise input_error(
            where, "no layout", str(fields)[:80], "packing and whole numbers: " + ", ".join(names)
        )
    layout = Layout(
        packing=fields["packing"], slots=slots, **{name: fields[name] for name in names}
    )
    _require_possible(layout, where)
    return layout


def _require_possible(layout: Layout, where: str) -> None:
    powers = (
        layout.rows,
        *((layout.features,) if not layout.is_batched else ()),
        *filter(None, [layout.units]),
    )
    fits = all(n == _power(n) for n in powers)
    if layout.is_batched:
        fits = fits and layout.features == 1 and not layout.units
    elif layout.units:
        fits = (
            fits
            and layout.hidden == 1
            and layout.units * layout.rows * _power(layout._used) <= layout.slots
        )
    else:
        fits = (
            fits
            and not layout.hidden
            and layout.features * layout.rows * _power(layout.classes) <= layout.slots
        )
    if not fits:
        raise input_error(
            where,
            "a layout that cannot be",
            str(layout.to_dict())[:200],
            "one that `compile` chose",
        )


def layout_for(
    network: SquareNetwork, packing: Packing, slots: int, rows: int | None = None
) -> Layout:
    """Chooses a layout.

    Args:
        network: What is answered.
        packing: Which.
        slots: Of a ciphertext.
        rows: Capacity, a power of two; None for what fits.

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
        most = max(1, slots // _power(network.classes))
        asked = rows or max(1, min(_ROWS, most // _power(network.inputs)))
        features = min(_power(network.inputs), max(1, most // asked))
        layout = Layout(packing=packing, units=0, rows=asked, features=features, **shape)
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
    """One hidden layer: as many features a ciphertext as four of them need, fewer where classes
    leave less room.
    """
    places = shape["slots"] // (units * (rows or 1))
    features = max(1, _power(-(-shape["inputs"] // _PARTS)))
    while features > 1 and features - 1 + shape["classes"] > places:
        features //= 2
    fitting = max(1, shape["slots"] // (units * _power(features - 1 + shape["classes"])))
    asked = rows or min(_ROWS, 1 << (fitting.bit_length() - 1))
    return Layout(packing="latency", units=units, rows=asked, features=features, **shape)


def _power(n: int) -> int:
    """The smallest power of two that is not below n."""
    return 1 << (n - 1).bit_length()
