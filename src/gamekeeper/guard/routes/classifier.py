"""A classifier behind an API of one's own, described by the policy: where rows and scores are in
its JSON.

Paths are names with dots between them; where there is a list on the way, the rest of the path is
taken in each of its items: `instances`, `data.rows`, `predictions.scores`.

A row is a list of numbers, an object of named numbers, or a text. Objects are read in the order of
`features`, and must have just those: without it in the order of their names, and then somebody may
add a number that the model ignores, to be given another draw of a keyed defence. Numbers are
finite; null and true are not numbers.
"""

from collections.abc import Sequence
from typing import Any

from gamekeeper.base.errors import UsageError
from gamekeeper.guard.routes._defaults import RouteDefaults, unchanged
from gamekeeper.guard.routes._fields import (
    a_list,
    a_text,
    an_object,
    model_named,
    numbers,
    texts,
    wrong,
)
from gamekeeper.guard.routes._openai import MAX_INPUTS
from gamekeeper.guard.routes._paths import clean_path
from gamekeeper.guard.routes._route import Json, Strip, UnreadableRequestError, Withheld
from gamekeeper.guard.routes._scores import Defended, defended, inputs_of
from gamekeeper.guard.routes._shape import Shape
from gamekeeper.guard.routes._unstreamed import unstreamed
from gamekeeper.guard.routes.query import Query

MAX_ROWS = 65_536
"""Rows of numbers in one request."""


class ClassifierRoute(RouteDefaults):
    """The route of one classifier.

    Args:
        path: Of the operation, such as `/v1/score`; exact.
        rows: Where the request has its rows: one, or a list of them.
        scores: Where the answer has its scores, in the same order.
        label: Where the answer has the class in first place; None if nowhere.
        model: Name of the model; None if the request names it in `model`, or nobody.
        features: Names of a row's numbers in their order; None if rows are lists.
        classes: Labels in the order of the scores, to name the class that a defence puts first.
        fields: Further fields of the request, dotted; whatever they hold is passed on unread.
        name: Of the route; from its path unless given.

    Raises:
        UsageError: No request could have the path.
    """

    answers_text = False

    def __init__(
        self,
        path: str,
        rows: str = "instances",
        scores: str = "predictions",
        label: str | None = None,
        model: str | None = None,
        *,
        features: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        fields: Sequence[str] = (),
        name: str | None = None,
    ) -> None:
        if clean_path(path) != path:
            raise UsageError(
                f'"{path}" cannot be a path of a classifier; expected one such as /v1/score'
            )
        self.path = path
        self.shape = Shape("model", "id").allowing((rows, *fields))
        self.model = model if model is None else model_named(model)
        self.name = name or "classifier" + path.replace("/", ".")
        self._rows = rows.split(".")
        self._scores = scores.split(".")
        self._label = label.split(".") if label else None
        self._features = tuple(features) if features else None
        self._classes = tuple(classes) if classes else None

    @property
    def request_line(self) -> str:
        """See `Route`."""
        return f"POST {self.path}"

    def matches(self, method: str, path: str) -> bool:
        """See `Route`."""
        return method == "POST" and path == self.path

    def read(self, body: Json, path: str) -> Query:
        """See `Route`."""
        where = ".".join(self._rows)
        rows = dig(an_object(body, "body"), self._rows)
        model = self._model(body.get("model"))
        if isinstance(rows, str):
            return Query(model=model, prompts=(a_text(rows, where),))
        if isinstance(rows, list) and rows and isinstance(rows[0], str):
            return Query(model=model, prompts=texts(rows, where, MAX_INPUTS))
        return Query(model=model, features=self._numbers(rows, where))

    def _model(self, named: Any) -> str | None:
        if named is None:
            return self.model
        asked = model_named(named)
        if self.model is not None and asked != self.model:
            raise UnreadableRequestError('field "model": expected the model of this path')
        return asked

    def _numbers(self, rows: Any, where: str) -> tuple[tuple[float, ...], ...]:
        if isinstance(rows, dict) or (
            isinstance(rows, list) and rows and not isinstance(rows[0], list | dict)
        ):
            rows = [rows]
        if not 1 <= len(a_list(rows, where)) <= MAX_ROWS:
            raise UnreadableRequestError(
                f'field "{where}": found {len(rows)} rows, expected 1 to {MAX_ROWS}'
            )
        found = tuple(self._row(row, f"{where}[{at}]") for at, row in enumerate(rows))
        if len(set(map(len, found))) != 1 or not found[0]:
            raise UnreadableRequestError(f'field "{where}": rows differ in length, or are empty')
        return found

    def _row(self, row: Any, where: str) -> tuple[float, ...]:
        if not isinstance(row, dict):
            return numbers(a_list(row, where), where)
        names = self._features or sorted(row)
        if len(row) != len(names) or not all(name in row for name in names):
            raise UnreadableRequestError(
                f'field "{where}": expected just the features {", ".join(names)}'
            )
        return numbers([row[name] for name in names], where)

    def strip(self, answer: Json, withheld: Withheld, query: Query) -> Json:
        """See `Route`; an answer without scores where they should be is refused while they are
        withheld.
        """
        if withheld.scores is None:
            return answer
        inputs = inputs_of(query)
        found = dig(answer, self._scores)
        alone = _is_row(found) and len(inputs) == 1
        result = defended(
            [found] if alone else a_list(found, ".".join(self._scores)), inputs, withheld.scores
        )
        answer = planted(answer, self._scores, result.rows[0] if alone else result.rows)
        return self._relabelled(answer, result) if self._label else answer

    def _relabelled(self, answer: Json, result: Defended) -> Json:
        """The answer with labels of the class now in first place; null where its name is
        not known.
        """
        steps = self._label or []
        found = dig(answer, steps)
        labels = found if isinstance(found, list) else [found]
        if len(labels) != len(result.rows):
            raise wrong(".".join(steps), found, "one label for each input")
        names = self._classes or result.names
        new = [
            label if was == now else _label(label, was, now, names)
            for label, was, now in zip(labels, result.before, result.after, strict=True)
        ]
        changed: Json = planted(answer, steps, new if isinstance(found, list) else new[0])
        return changed

    def stripper(self, withheld: Withheld, query: Query) -> Strip:
        """See `Route`."""
        return unchanged if withheld.scores is None else unstreamed

    def refusal(self, status: int, code: str, message: str) -> Json:
        """See `Route`."""
        return {"error": {"code": code, "message": message}}


def _is_row(found: Any) -> bool:
    """Whether it is the scores of one input, not a list of such."""
    return not isinstance(found, list) or (bool(found) and not isinstance(found[0], list | dict))


def _label(label: Any, was: int, now: int, names: Sequence[str] | None) -> Any:
    if type(label) is int and label == was:
        return now
    return names[now] if names and now < len(names) else None


def dig(value: Any, steps: Sequence[str]) -> Any:
    """Returns what is at a path; where there is a list on the way, what is there in each item.

    Raises:
        UnreadableRequestError: Nothing is there.
    """
    for at, step in enumerate(steps):
        if isinstance(value, list):
            return [dig(an_object(item, step), steps[at:]) for item in value]
        if not isinstance(value, dict) or step not in value:
            raise UnreadableRequestError(f'field "{".".join(steps)}" is missing')
        value = value[step]
    return value


def planted(value: Any, steps: Sequence[str], new: Any) -> Any:
    """Returns a value with what `dig` found there replaced; copies what it changes."""
    if not steps:
        return new
    if isinstance(value, list):
        return [planted(item, steps, part) for item, part in zip(value, new, strict=True)]
    return value | {steps[0]: planted(value[steps[0]], steps[1:], new)}
