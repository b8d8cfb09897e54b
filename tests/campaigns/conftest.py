import pytest


@pytest.fixture(autouse=True)
def few_decoys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks among few decoys are as valid as those among thousands, at a tenth of the time."""
    monkeypatch.setattr("gamekeeper.campaigns.claims._DECOYS", 199)
    monkeypatch.setattr("gamekeeper.campaigns.claims._LONE_DECOYS", 99)
