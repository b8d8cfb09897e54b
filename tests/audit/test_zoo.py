import pytest
from rich.console import Console
from sklearn.naive_bayes import GaussianNB

from gamekeeper.audit import zoo as module
from gamekeeper.audit.options import AuditOptions
from gamekeeper.audit.zoo import zoo
from gamekeeper.report.zoo import print_zoo, zoo_document


@pytest.mark.slow
def test_zoo_says_what_share_can_be_copied() -> None:
    """Every kind of model, one small data set; shares with their intervals."""
    stages: list[str] = []
    options = AuditOptions(budget=500, seeds=1, defences=())
    specimens = list(zoo(options, lambda stage, done, total: stages.append(stage), only="iris"))
    assert len(specimens) == len(stages) == 8
    assert all(each.accuracy > 0.8 for each in specimens)
    document = zoo_document(specimens)
    share = next(
        each for each in document["shares"] if (each["fidelity"], each["usd"]) == (0.9, 10.0)
    )
    assert share["of"] == 8 and share["interval"][0] <= share["share"] <= share["interval"][1]
    console = Console(record=True, width=160)
    print_zoo(specimens, console)
    assert "copied to 0.90 for under $10" in console.export_text()


def test_every_data_set_is_halved_between_owner_and_thief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one with an odd number of rows."""
    met = []
    monkeypatch.setattr(module, "_kinds", lambda seed: {"naive Bayes": GaussianNB})
    monkeypatch.setattr(
        module, "_audited", lambda name, model, inputs, options: met.append(len(inputs))
    )
    found = {each.data: each.accuracy for each in zoo(AuditOptions(budget=500))}
    assert {"iris", "wine", "breast_cancer", "digits", "diabetes above its median"} <= found.keys()
    assert 284 in met and all(accuracy > 0.5 for accuracy in found.values())
