import pytest


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer decoys are as valid as many, at a part of the time."""
    monkeypatch.setattr("gamekeeper.campaigns.claims._ROUNDS", (6, 30))
    monkeypatch.setattr("gamekeeper.campaigns.claims._LONE_DECOYS", 99)
