"""The detection benchmark, whose modules are found beside it, and are gone afterwards."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from gamekeeper.simulate import LabelledTraffic, simulate, write

FOLDER = Path(__file__).parents[2] / "benchmarks/detection"
Module = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def module() -> Iterator[Module]:
    """Imports a module of the benchmark by its name."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module
        own = [n for n in set(sys.modules) - before if _is_of_the_benchmark(sys.modules[n])]
        for name in own:
            del sys.modules[name]


def _is_of_the_benchmark(module: ModuleType) -> bool:
    return str(FOLDER) in str(getattr(module, "__file__", None))


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ordinary traffic of some 150 accounts."""
    month = simulate(seed=5, scale=0.08)
    labels = month.labels.filter(pl.col("campaign").is_null())
    exchanges = month.exchanges.join(labels, on="account", how="semi", maintain_order="left")
    out = tmp_path_factory.mktemp("base")
    write(LabelledTraffic(exchanges=exchanges, labels=labels), out)
    return out
