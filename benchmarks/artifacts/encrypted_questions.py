"""What `gamekeeper encrypted` is asked, and what is right."""

import json
import re
from pathlib import Path

import joblib
import models
import numpy as np
from checks import exits, is_in_form, prints_lines, says
from questions import Check, Printed, Question
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROWS = 6
"""Asked for in a query."""
FORM = is_in_form()
COMPILE = (
    "gamekeeper encrypted compile model.joblib --trust-file --inputs pool.csv --out scoring.he"
)
ISSUE = ("gamekeeper keys issue acme --encrypted-rows 50 --expires 90d > api.key",)
SERVE = "gamekeeper encrypted serve scoring.he --port PORT"
QUERY = (
    "GAMEKEEPER_KEY=$(cat api.key) gamekeeper encrypted query"
    " http://127.0.0.1:PORT/v2/encrypted/scoring --inputs rows.csv"
)
ANSWERED = (
    FORM,
    exits(0),
    prints_lines("expected.txt"),
    says(rf"{ROWS} of {ROWS} rows answered, {ROWS} charged"),
)


def reversed_columns(folder: Path) -> None:
    """A pipeline that was fitted to names; the rows to ask for have their columns in reverse."""
    import pandas

    rows, labels = models.cancer()
    frame = pandas.DataFrame(rows, columns=[f"measure {n}" for n in range(models.CANCER)])
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, labels)
    joblib.dump(model, folder / "model.joblib")
    frame.to_csv(folder / "pool.csv", index=False)
    asked = frame.iloc[15 : 15 + ROWS]
    asked[asked.columns[::-1]].to_csv(folder / "rows.csv", index=False)
    _expect(folder, model.predict(asked))


def counted_columns(folder: Path) -> None:
    """Tables under pandas' header 0 to 29."""
    import pandas

    rows, labels = models.cancer()
    model = LogisticRegression().fit(rows, labels)
    joblib.dump(model, folder / "model.joblib")
    pandas.DataFrame(rows).to_csv(folder / "pool.csv", index=False)
    asked = rows[15 : 15 + ROWS]
    pandas.DataFrame(asked).to_csv(folder / "rows.csv", index=False)
    _expect(folder, model.predict(asked))


def three_and_seven(folder: Path) -> None:
    """Classes 3 and 7."""
    rows, labels = models.cancer()
    model = LogisticRegression().fit(rows, np.where(labels == 1, 7, 3))
    joblib.dump(model, folder / "model.joblib")
    _write(folder / "pool.csv", rows)
    asked = rows[15 : 15 + ROWS]
    _write(folder / "rows.csv", asked)
    _expect(folder, model.predict(asked))


def linear(folder: Path) -> None:
    """A regression, which has no classes to agree on."""
    rows, values = models.diabetes()
    joblib.dump(LinearRegression().fit(rows, values), folder / "model.joblib")
    _write(folder / "pool.csv", rows)


def one_logit(folder: Path) -> None:
    """A torch network of one logit, saved whole; truth.json has its accuracy on all rows."""
    import torch

    rows, labels = models.cancer()
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(models.CANCER, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1)
    )
    given = torch.tensor(rows, dtype=torch.float32)
    wanted = torch.tensor(labels[:, None], dtype=torch.float32)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(network(given), wanted).backward()
        optimizer.step()
    torch.save(network.eval(), folder / "model.pt")
    right = (network(given)[:, 0] > 0).numpy() == labels
    truth = {"accuracy": float(right[::5].mean()), "constant": float(labels[::5].mean())}
    (folder / "truth.json").write_text(json.dumps(truth))
    _write(folder / "pool.csv", rows)
    np.savetxt(folder / "labels.csv", labels, fmt="%d")


def _write(path: Path, rows: models.Array) -> None:
    np.savetxt(path, rows, delimiter=",", fmt="%.7f")


def _expect(folder: Path, labels: models.Array) -> None:
    (folder / "expected.txt").write_text("\n".join(map(str, labels)) + "\n")


def _figure(printed: Printed, name: str) -> float:
    found = re.search(rf"^ *{name} +([\d.]+)", printed.text, re.MULTILINE | re.IGNORECASE)
    return float(found[1]) if found else float("nan")


def at_least(name: str, least: float) -> Check:
    """A figure of the transcript is not below a number."""
    return Check(f"{name} >= {least:g}", lambda printed: _figure(printed, name) >= least)


def _true_accuracy(printed: Printed) -> bool:
    truth = json.loads((printed.folder / "truth.json").read_text())
    return abs(_figure(printed, "accuracy original") - truth["accuracy"]) <= 0.03


def encrypted_questions() -> list[Question]:
    """Returns all of them."""
    network = (
        "gamekeeper encrypted compile model.pt --trust-file --inputs pool.csv --labels labels.csv"
        " --out scoring.he"
    )
    return [
        Question(
            model="pipeline fitted to names: compile",
            make=reversed_columns,
            command=COMPILE,
            right="linear: agreement 1, above the best constant, which is printed beside it",
            checks=(FORM, exits(0), at_least("agreement", 0.99), says("best constant: 0[.][3-8]")),
            shown="agreement",
        ),
        Question(
            model="the same, asked with the columns in reverse",
            make=reversed_columns,
            command=QUERY,
            before=ISSUE,
            server=SERVE,
            right="the labels that predict gives for the same rows, six charged",
            checks=ANSWERED,
            shown="answered",
        ),
        Question(
            model="tables under pandas' header 0 to 29: compile",
            make=counted_columns,
            command=COMPILE,
            right="line 1 is a header, and said; agreement 1",
            checks=(FORM, exits(0), at_least("agreement", 0.99), says("line 1|header")),
            shown="line 1|header",
        ),
        Question(
            model="the same, asked",
            make=counted_columns,
            command=QUERY,
            before=ISSUE,
            server=SERVE,
            right="the labels that predict gives, six charged, not seven",
            checks=ANSWERED,
            shown="answered",
        ),
        Question(
            model="classes 3 and 7: compile",
            make=three_and_seven,
            command=COMPILE,
            right="linear: agreement 1",
            checks=(FORM, exits(0), at_least("agreement", 0.99)),
            shown="agreement",
        ),
        Question(
            model="the same, asked",
            make=three_and_seven,
            command=QUERY,
            before=ISSUE,
            server=SERVE,
            right="3 and 7 as predict gives them",
            checks=ANSWERED,
            shown="answered",
        ),
        Question(
            model="LinearRegression",
            make=linear,
            command=COMPILE,
            right="R2 of 1 with the original, not agreement",
            checks=(FORM, exits(0), at_least("R2 to original", 0.99), _without_agreement()),
            shown="R2",
        ),
        Question(
            model="torch network of one logit, with labels 0 and 1",
            make=one_logit,
            command=network,
            right="compared at 0: accuracy as measured (0.98), not the share of class 0 (0.37)",
            checks=(
                FORM,
                exits(0),
                at_least("agreement", 0.9),
                Check("accuracy is the true one", _true_accuracy),
            ),
            shown="accuracy original",
        ),
    ]


def _without_agreement() -> Check:
    return Check(
        "no agreement is printed",
        lambda printed: bool(printed.out.strip()) and "agreement" not in printed.text,
    )
