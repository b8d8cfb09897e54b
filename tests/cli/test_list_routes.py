"""`gamekeeper list routes`: what a policy may name, as a person and as a program reads it."""

import json
import subprocess
import sys

from gamekeeper.guard.identity.entrance import require_known
from gamekeeper.guard.policy import parse_policy
from gamekeeper.guard.routes import apis


def listed(*words: str) -> str:
    """What is printed."""
    command = [sys.executable, "-m", "gamekeeper", "list", "routes", *words]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def test_every_api_is_listed_with_its_treatment_and_the_reason() -> None:
    """None is left out, and none is listed twice."""
    document = json.loads(listed("--json"))
    assert document["schema"] == "gamekeeper/routes@1"
    rows = document["routes"]
    assert [row["name"] for row in rows] == [api.name for api in apis()]
    assert len({row["name"] for row in rows}) == len(rows)
    assert all(set(row) == {"name", "path", "treatment", "why"} for row in rows)
    assert all(all(row.values()) for row in rows)


def test_each_treatment_is_printed_behind_the_name() -> None:
    """A person finds an API by its path, and sees what happens to its requests."""
    lines = listed().splitlines()
    assert "openai.chat  (judged)" in lines
    assert "openai.files  (passed if named)" in lines
    assert "models  (harmless)" in lines
    at = lines.index("openai.files  (passed if named)")
    assert lines[at + 1].split() == ["path", "/v1/files"]


def test_what_is_listed_as_passed_if_named_can_be_named() -> None:
    """The names are those of the policy."""
    rows = json.loads(listed("--json"))["routes"]
    named = [row["name"] for row in rows if row["treatment"] == "passed if named"]
    text = "".join(f'[passed."{name}"]\n' for name in named)
    require_known(parse_policy(f'format = "gamekeeper/policy@1"\n{text}'))
