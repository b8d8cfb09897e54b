"""Routes that never stream: an event on them holds what we cannot know."""

from gamekeeper.guard.routes._route import Json, UnreadableRequestError


def unstreamed(event: Json) -> Json:
    """Refuses every event.

    Raises:
        UnreadableRequestError: Always.
    """
    raise UnreadableRequestError("the answer is streamed, which this operation never is")
