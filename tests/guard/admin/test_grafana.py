"""The dashboard for Grafana asks for what the guard measures."""

import re
from typing import Any

from gamekeeper.guard.admin.page import dashboard
from gamekeeper.guard.telemetry.metrics import Metrics


def panels() -> list[dict[str, Any]]:
    return [inner for panel in dashboard()["panels"] for inner in (panel, *panel.get("panels", ()))]


def exported() -> set[str]:
    """Every name of a sample that Prometheus can find."""
    names = set()
    for family in Metrics().registry.collect():
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(
            family.type, ("",)
        )
        names |= {family.name + end for end in ends}
    return names


def test_every_metric_it_asks_for_exists() -> None:
    """A panel over a name that is not exported would stay empty without a word."""
    queries = [target["expr"] for panel in panels() for target in panel.get("targets", ())]

    asked = {name for query in queries for name in re.findall(r"gamekeeper_\w+", query)}

    assert len(asked) > 5
    assert asked - exported() == set()


def test_it_can_be_imported() -> None:
    """It has a schema version, panels with ids of their own, and leaves the data source to a
    variable.
    """
    board = dashboard()
    ids = [panel["id"] for panel in panels()]

    assert board["schemaVersion"] >= 36
    assert len(ids) == len(set(ids))
    assert any(variable["type"] == "datasource" for variable in board["templating"]["list"])
    assert all("gridPos" in panel for panel in panels())
