import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks/audit/found.py"


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark, whose helpers are found beside its folder."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location("found", BENCHMARK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "found", module)  # its records look up their module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_benchmark_plays_an_attack_and_says_how_it_was_met(found: ModuleType) -> None:
    """At its smallest: one attack of few queries, through eight accounts, in a small log."""
    setting = found.Setting(callers=40, per_account=30, queries=300, per_day=100)
    (cell,) = found.cells(0, setting, ["equation-solving"], [8])
    assert cell.queries == 250 and cell.theft.fidelity(250) > 0.99
    assert cell.theft.fidelity(5) == cell.theft.guess < 0.5
    assert (cell.hunted.of, cell.guarded.of, cell.guarded.ordinary) == (8, 8, 40)
    head, rule, row = found.table([cell])
    assert head.count("|") == rule.count("|") == row.count("|")
    assert row.startswith("| equation-solving | 250 | 100.0% | 8 | 0 of 1 | never |")
