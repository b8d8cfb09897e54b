"""Moderations, pictures and speech: a text in, something else out."""

from typing import Any

import pytest

from gamekeeper.guard.routes import UnreadableRequestError, Withheld
from gamekeeper.guard.routes.query import Usage
from guard.routes.builders import EVERYTHING, ROUTES, embedding, picture, read, refused, speech

IMAGES = ROUTES["openai.images"]
SPEECH = ROUTES["openai.speech"]
IMAGE_PART = {"type": "image_url", "image_url": {"url": "data:x"}}


@pytest.mark.parametrize(
    ("given", "prompts", "inputs"),
    [
        ("one", ("one",), 1),
        (["one", "two"], ("one", "two"), 2),
        ([{"type": "text", "text": "one"}, IMAGE_PART], ("one",), 1),
        ([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], ("one\ntwo",), 1),
        ([IMAGE_PART], (), 1),
    ],
)
def test_moderations_read_texts_and_parts(
    given: Any, prompts: tuple[str, ...], inputs: int
) -> None:
    """Parts are one input; a picture alone is one that cannot be read."""
    query = read("openai.moderations", {"input": given})
    assert (query.prompts, query.inputs, query.model) == (prompts, inputs, None)
    assert query.unseen == (0 if prompts else 1)


@pytest.mark.parametrize("given", [None, 1, [], [1], [{"type": "text", "text": 1}, "x"], {"a": 1}])
def test_moderations_of_another_form_are_refused(given: Any) -> None:
    """Token ids included."""
    assert "input" in refused("openai.moderations", embedding(input=given))


def test_limited_account_is_told_categories_without_scores() -> None:
    """As a classifier's labels; an answer of another form is refused."""
    result = {
        "flagged": True,
        "categories": {"hate": True, "violence": False},
        "category_scores": {"hate": 0.91, "violence": 0.12},
    }
    answer = {"id": "modr_1", "results": [result]}
    route = ROUTES["openai.moderations"]
    query = read("openai.moderations", {"input": "x"})
    kept = route.strip(answer, EVERYTHING, query)
    assert kept["results"][0] == result | {"category_scores": {"hate": 1.0, "violence": 0.0}}
    assert route.strip(answer, Withheld(logprobs=True), query) is answer
    other = {"results": [result | {"scores": 0.91}], "scores": 0.91}
    assert "0.91" not in str(route.strip(other, EVERYTHING, query))
    for odd in ({"results": "x"}, {"results": [{"category_scores": [1]}]}, {"results": [{}]}):
        with pytest.raises(UnreadableRequestError):
            route.strip(odd, EVERYTHING, query)


def test_pictures_are_counted_by_n() -> None:
    """The model may be left to the API, but not be something else."""
    query = read("openai.images", picture(n=3, stream=True))
    assert (query.prompts, query.n, query.stream, query.model) == (("A red square.",), 3, True, "m")
    assert read("openai.images", {"prompt": "x"}).model is None
    for name, odd in (
        ("prompt", ["x"]),
        ("n", 11),
        ("n", "3"),
        ("model", "a,b"),
        ("stream", "yes"),
    ):
        assert name in refused("openai.images", picture(**{name: odd}))


def test_limited_account_gets_as_many_pictures_as_it_may() -> None:
    """Asked for no more, and given no more."""
    assert IMAGES.narrow(picture(n=3), Withheld(choices=1)) == picture(n=1)
    answer = {"created": 1, "data": [{"b64_json": "a"}, {"b64_json": "b"}]}
    query = read("openai.images", picture())
    assert IMAGES.strip(answer, Withheld(choices=1), query)["data"] == [{"b64_json": "a"}]
    assert IMAGES.strip(answer, Withheld(), query) is answer
    with pytest.raises(UnreadableRequestError):
        IMAGES.strip({"data": "x"}, Withheld(choices=1), query)


def test_speech_is_read_and_nothing_is_withheld_of_it() -> None:
    """Its answer is sound, not JSON."""
    query = read("openai.speech", speech(instructions="Softly.", stream_format="sse"))
    assert (query.prompts, query.system, query.stream) == (("Hello.",), "Softly.", True)
    assert not read("openai.speech", speech()).stream
    assert not SPEECH.has_json_answer
    body = speech(voice={"id": "v"})
    assert SPEECH.narrow(body, EVERYTHING) is body
    event = {"type": "speech.audio.delta", "audio": "AAAA"}
    assert SPEECH.stripper(EVERYTHING, query)(event) is event
    assert "input" in refused("openai.speech", speech(input=["x"]))


@pytest.mark.parametrize("name", ["openai.images", "openai.speech"])
def test_tokens_of_media_are_those_stated(name: str) -> None:
    """None where none are: then they are estimated."""
    counts = {"input_tokens": 5, "output_tokens": 7}
    assert ROUTES[name].usage({"usage": counts}) == Usage(5, 7)
    assert ROUTES[name].usage({"data": []}) == Usage()
