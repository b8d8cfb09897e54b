"""The pictures are what plotly takes for figures, though it is not installed beside the package."""

import json
import re

import pytest

from gamekeeper.report.pictures import pictures
from report.builders import make_result

graph_objects = pytest.importorskip("plotly.graph_objects", reason="needs the group test")


def test_plotly_accepts_every_figure() -> None:
    """Its library knows each name and value; style variables, which it cannot know, aside."""
    result = make_result()
    drawn = [picture for campaign in result.campaigns for picture in pictures(result, campaign)]
    assert {picture.kind for picture in drawn} == {"timeline", "network", "map"}
    for picture in drawn:
        plain = json.loads(re.sub(r"var\(--[a-z-]+\)", "red", json.dumps(picture.figure)))
        graph_objects.Figure(plain)
