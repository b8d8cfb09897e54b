from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.store.servers import Server, require_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Redis server of this test's own."""
    require_server()
    started = Server(tmp_path)
    try:
        started.start()
        yield started
    finally:
        started.close()
