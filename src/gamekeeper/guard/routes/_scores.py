"""A classifier's scores, in the forms in which APIs give them -> a table, defended -> the same
form.

A row of scores is a list of numbers, an object of names and numbers, or one number: the probability
of one of two classes, which is defended as the pair (1 - p, p). Anything else is refused while
scores are withheld: a form that we do not know would be the way around the defence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gamekeeper.base.errors import GamekeeperError
from gamekeeper.guard.routes._fields import numbers, wrong
from gamekeeper.guard.routes._route import Scores, UnreadableRequestError
from gamekeeper.guard.routes.query import Query

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Defended:
    """Rows of scores after their defence.

    Args:
        rows: In the form in which they came.
        before: For each row, the class in first place before, an index; of equal ones the first.
        after: The same after.
        names: Names of the classes; None if the rows name none.
    """

    rows: list[Any]
    before: list[int]
    after: list[int]
    names: tuple[str, ...] | None


def inputs_of(query: Query) -> list[bytes]:
    """Returns each input of a request as the bytes that defences take, the same for the
    same input.
    """
    from gamekeeper.defences.keyed import number_bytes, text_bytes

    texts = [text_bytes(prompt) for prompt in query.prompts]
    rows = [number_bytes(row) for row in query.features]
    if texts and rows:
        return [text + row for text, row in zip(texts, rows, strict=True)]
    return texts or rows


def defended(rows: Sequence[Any], inputs: Sequence[bytes], scores: Scores) -> Defended:
    """Returns rows of scores after their defence, one row for each input.

    Raises:
        UnreadableRequestError: They are no scores, or the defence refuses them.
    """
    import numpy as np

    if len(rows) != len(inputs) or not rows:
        raise UnreadableRequestError(
            f"the answer has {len(rows)} rows of scores, expected {len(inputs)}: one for each input"
        )
    before = np.array(_table(rows), np.float64)
    after = _checked(before, inputs, scores)
    names = tuple(rows[0]) if isinstance(rows[0], dict) and len(rows[0]) > 1 else None
    given = [_like(row, new) for row, new in zip(rows, after.tolist(), strict=True)]
    return Defended(given, before.argmax(1).tolist(), after.argmax(1).tolist(), names)


def _table(rows: Sequence[Any]) -> list[tuple[float, ...]]:
    if len({_form(row) for row in rows}) != 1:
        raise UnreadableRequestError(
            "the answer's rows of scores differ in form, expected the same classes in each"
        )
    return [_numbers(row) for row in rows]


def _form(row: Any) -> object:
    if isinstance(row, dict):
        return tuple(row)
    return len(row) if isinstance(row, list) else "one number"


def _numbers(row: Any) -> tuple[float, ...]:
    found = numbers(_values(row), "scores")
    if len(found) > 1:
        return found
    if not found or not 0 <= found[0] <= 1:
        raise UnreadableRequestError(
            "the answer has a row without scores, or one number that is not a probability"
        )
    return (1 - found[0], found[0])


def _values(row: Any) -> list[Any]:
    if isinstance(row, dict):
        return list(row.values())
    if isinstance(row, list):
        return row
    if isinstance(row, int | float):
        return [row]
    raise wrong("scores", row, "numbers")


def _like(row: Any, new: list[float]) -> Any:
    """The new numbers in the form of the old row."""
    if isinstance(row, dict):
        return dict(zip(row, new[-len(row) :], strict=True))
    return new[-len(row) :] if isinstance(row, list) else new[-1]


def _checked(before: "np.ndarray", inputs: Sequence[bytes], scores: Scores) -> "np.ndarray":
    import numpy as np

    try:
        after = np.asarray(scores(before.copy(), inputs), np.float64)
    except (GamekeeperError, ValueError) as error:
        raise UnreadableRequestError(f"the answer's scores cannot be defended: {error}") from error
    if after.shape != before.shape or not np.isfinite(after).all():
        raise UnreadableRequestError(
            "the answer's scores cannot be defended: the defence gave no scores"
        )
    return after
