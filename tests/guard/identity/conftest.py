"""Closes what the builders open."""

from collections.abc import Iterator

import pytest

from guard.identity.builders import close_stores


@pytest.fixture(autouse=True)
def _closed_stores() -> Iterator[None]:
    yield
    close_stores()
