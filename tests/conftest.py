"""What every test starts from."""

import os
from pathlib import Path

# Names that hold a secret are masked under a key, which otherwise is made in the user's state folder.
os.environ.setdefault("GAMEKEEPER_NAME_KEY", "only for tests: 32 characters ..")

# Worker processes (pytest-xdist) share the cores: more threads in each would only wait for one another.
# Set before a numeric library is imported, and handed on to the programs that tests start.
if "PYTEST_XDIST_WORKER" in os.environ:
    for library in ("OMP", "OPENBLAS", "MKL", "RAYON"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    os.environ.setdefault("POLARS_MAX_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

# A busy machine makes an example slow; it is not a fault of what is tested.
settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")


LONGEST = (
    "tests/test_docs_run.py",
    "tests/test_package.py",
    "tests/guard/replay",
    "tests/cli/test_help.py",
    "tests/audit",
)
"""Where single tests take a minute: begun first, so that no core waits for the last of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest tests first; the order within a file stays."""
    root = Path(__file__).parents[1]
    items.sort(key=lambda item: not str(item.path.relative_to(root)).startswith(LONGEST))
