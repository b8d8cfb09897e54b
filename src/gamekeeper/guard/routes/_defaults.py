"""What most routes do alike; each says only what it does otherwise."""

from collections.abc import Callable
from typing import ClassVar

from gamekeeper.guard.routes._route import Json, Strip, Withheld
from gamekeeper.guard.routes._shape import Admitted, Shape, widened
from gamekeeper.guard.routes.query import Query, Usage


class RouteDefaults:
    """A route that takes a body of a known shape, and whose answer holds nothing to withhold.

    Attributes:
        name: See `Route`.
        shape: The fields that its requests may hold.
    """

    name: str
    shape: Shape
    parameters: frozenset[str] = frozenset()
    has_body: ClassVar[bool] = True
    is_exchange: ClassVar[bool] = True
    object_ids: ClassVar[bool] = False
    has_json_answer: ClassVar[bool] = True
    answers_text: bool = True

    @property
    def request_line(self) -> str:
        """See `Route`."""
        return ""

    def admit(self, body: Json, extra: frozenset[str], *, drop: bool) -> Admitted:
        """See `Route`."""
        shape = widened(self.shape, extra) if extra else self.shape
        return shape.admit(body, self.name, drop=drop)

    def with_usage(self, body: Json) -> Json | None:
        """See `Route`."""
        return None

    def is_usage_event(self, document: Json) -> bool:
        """See `Route`."""
        return False

    def untag(self, body: Json, path: str, untag: Callable[[str], str]) -> tuple[Json, str]:
        """See `Route`."""
        return body, path

    def tag(self, document: Json, tag: Callable[[str], str]) -> Json:
        """See `Route`."""
        return document

    def narrow(self, body: Json, withheld: Withheld) -> Json:
        """See `Route`."""
        return body

    def strip(self, answer: Json, withheld: Withheld, query: Query) -> Json:
        """See `Route`."""
        return answer

    def stripper(self, withheld: Withheld, query: Query) -> Strip:
        """See `Route`."""
        return unchanged

    def usage(self, answer: Json) -> Usage:
        """See `Route`."""
        return Usage()


def unchanged(event: Json) -> Json:
    """Strips nothing."""
    return event
