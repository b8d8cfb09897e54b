from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Small searches wait longer for a second thread than they compute."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    yield
    faiss.omp_set_num_threads(before)


@pytest.fixture(autouse=True)
def few_decoys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks among few decoys are as valid as those among thousands, at a tenth of the time."""
    monkeypatch.setattr("gamekeeper.campaigns.claims._DECOYS", 199)
    monkeypatch.setattr("gamekeeper.campaigns.claims._LONE_DECOYS", 99)
