"""What `gamekeeper audit` is asked, and what is right."""

import models
import servers
from checks import (
    audited,
    best,
    copied,
    costs,
    document,
    exits,
    is_in_form,
    measured_by,
    reaches,
    says,
    says_not,
)
from questions import Check, Printed, Question

ANSWER = "gamekeeper audit scoring:answer --inputs pool.npy"
PICKLE = "gamekeeper audit model.joblib --trust-file --inputs pool.npy"
LEARNT = "--seeds 4 --defence rounding --out out"
"""Where a copy is learnt rather than solved: the interval over two seeds has no lower bound to speak
of (Student's t with one degree of freedom).
"""
USUAL = "--seeds 2 --defence rounding --out out"
LINEAR = "equation-solving copies it to 0.99 with {} queries, one more than it has inputs"
EITHER = "(balanced )?agreement"
"""Which one it is depends on how even the classes of the test inputs are."""
FORM = is_in_form()


def solved(measure: str, inputs: int, out: str = "out") -> tuple[Check, ...]:
    """A linear model, which so many queries and one more determine. How much of that is claimed
    depends on the number of test inputs too.
    """
    given = {"queries": inputs + 1, "attack": "equation-solving"}
    return (
        FORM,
        exits(1),
        copied(measure, 0.95, **given),
        reaches(0.99, out=out, **given),
    )


def _asks(printed: Printed) -> bool:
    return "--answers" in printed.err and "audit.json" not in printed.text


ASKS = (FORM, exits(2), Check("asks for --answers", _asks))


def binary_scores() -> list[Question]:
    """One logistic regression of 30 inputs, by each of the forms in which it can answer."""
    forms = {
        "predict_proba": ("return model.predict_proba(rows)", "probabilities of 2 classes"),
        "probability of the positive class, (n,)": (
            "return model.predict_proba(rows)[:, 1]",
            "the probability of one of two classes",
        ),
        "probability of the positive class, (n, 1)": (
            "return model.predict_proba(rows)[:, 1:]",
            "the probability of one of two classes",
        ),
    }
    asked = [
        Question(
            model=f"logistic regression, function: {name}",
            make=models.logistic(body),
            command=f"{ANSWER} --budget 400 {USUAL}",
            right=f"{kind}; {LINEAR.format(models.CANCER + 1)}",
            checks=(*solved("agreement", models.CANCER), says(f"taken as {kind}")),
        )
        for name, (body, kind) in forms.items()
    ]
    logit = models.logistic("return model.decision_function(rows)")
    return [
        *asked,
        Question(
            model="logistic regression, function: decision_function",
            make=logit,
            command=f"{ANSWER} --budget 400 {USUAL}",
            right=f"one number without bounds: compared as a number; {LINEAR.format(31)}",
            checks=(*solved("R2", models.CANCER), says("taken as one predicted value")),
        ),
        Question(
            model="the same, where the decision is stated",
            make=logit,
            command=f"{ANSWER} --decision-at 0 --budget 400 --seeds 2 --out out2",
            right=f"one score, compared by decisions; {LINEAR.format(31)}",
            checks=(
                *solved("balanced agreement of decisions", models.CANCER, out="out2"),
                says("taken as one score"),
            ),
        ),
        Question(
            model="function that takes float32 alone",
            make=models.float32_only,
            command=f"{ANSWER} --budget 400 {USUAL}",
            right=f"asked with float32, and said; {LINEAR.format(31)}",
            checks=(*solved("agreement", models.CANCER), says("asked with float32")),
        ),
    ]


def regressions() -> list[Question]:
    """Estimators that predict values."""
    return [
        Question(
            model="Ridge, function",
            make=models.ridge_function,
            command=f"{ANSWER} --budget 400 {USUAL}",
            right=f"a regression, by R2; {LINEAR.format(11)}",
            checks=(*solved("R2", models.DIABETES), measured_by("R2")),
        ),
        Question(
            model="Ridge, .joblib",
            make=models.ridge_file,
            command=f"{PICKLE} --budget 400 {USUAL}",
            right=f"a regression, by R2; {LINEAR.format(11)}",
            checks=(*solved("R2", models.DIABETES), measured_by("R2")),
        ),
        Question(
            model="the same, error of 5 does not matter",
            make=models.ridge_file,
            command=f"{PICKLE} --tolerance 5 --budget 400 --seeds 2 --out out2",
            right="the share of values within 5, above what a constant reaches; solved by 11 queries",
            checks=(
                FORM,
                exits(1),
                copied("share of values within 5", 0.9, queries=11, attack="equation-solving"),
            ),
        ),
        Question(
            model="GradientBoostingRegressor, .joblib",
            make=models.boosted_regression,
            command=f"{PICKLE} --budget 400 {USUAL}",
            right="a regression, by R2; 50 trees are not solved by 11 queries: no copy is exact",
            checks=(
                FORM,
                exits(0, 1),
                measured_by("R2"),
                audited("0 < best R2 < 0.999", lambda found: 0 < best(found)["fidelity"] < 0.999),
            ),
        ),
        Question(
            model="DecisionTreeRegressor of eight leaves, .joblib",
            make=models.tree_regression,
            command=f"{PICKLE} --budget 4000 {LEARNT}",
            right="a regression, by R2; eight leaves of four inputs are copied to 0.90 by 1,000 queries",
            checks=(FORM, exits(1), measured_by("R2"), costs("0.90", queries=1_000)),
        ),
        Question(
            model="LinearRegression of three outputs, function",
            make=models.three_values,
            command=f"{ANSWER} --budget 400 {USUAL}",
            right="three numbers may be logits, values or embeddings: asks, exit 2",
            checks=ASKS,
            shown="--answers",
        ),
        Question(
            model="the same, said to be values",
            make=models.three_values,
            command=f"{ANSWER} --answers values --budget 400 {USUAL}",
            right=f"three values, by R2; {LINEAR.format(11)}",
            checks=(*solved("R2", models.DIABETES), says("taken as 3 predicted values")),
        ),
        Question(
            model="credit score, whole numbers from 300 to 850, function",
            make=models.credit_score,
            command=f"{ANSWER} --budget 800 {LEARNT}",
            right="labels, counts or a score: asks, with exit 2",
            checks=(FORM, exits(2), says("different whole numbers.*--answers")),
        ),
        Question(
            model="the same, said to be a value",
            make=models.credit_score,
            command=f"{ANSWER} --answers values --budget 800 {LEARNT}",
            right="by R2; smooth, so that it is copied to 0.80",
            checks=(FORM, exits(0, 1), measured_by("R2"), copied("R2", 0.80)),
        ),
        Question(
            model="the same, with a cut-off at 620",
            make=models.credit_score,
            command=f"{ANSWER} --decision-at 620 --budget 800 {LEARNT}",
            right="one score; by the balanced agreement of its decisions",
            checks=(FORM, exits(0, 1, 5), measured_by("balanced agreement of decisions")),
        ),
    ]


def tables() -> list[Question]:
    """Columns with names, text and gaps, and without names."""
    first = "gamekeeper audit model.joblib --trust-file --inputs applicants.csv"
    second = "gamekeeper audit model.joblib --trust-file --inputs turned.csv"
    table = "gamekeeper audit model.joblib --trust-file --inputs rows.csv"
    return [
        Question(
            model="ColumnTransformer pipeline: text, numbers, gaps; CSV with names",
            make=models.pipeline,
            command=f"{first} --budget 800 {USUAL}",
            right="read by name, text and gaps kept; seven free parameters: copied to 0.90",
            checks=(
                FORM,
                exits(1),
                says("taken as probabilities of 2 classes"),
                copied(EITHER, 0.90),
            ),
        ),
        Question(
            model="the same, columns in reverse",
            make=models.pipeline,
            command=f"{second} --budget 800 --seeds 2 --defence rounding --out out2",
            right="put into the model's order, and said: the same test labels, copied to 0.90",
            checks=(
                FORM,
                exits(1),
                says("order|by name"),
                copied(EITHER, 0.90),
                Check("the same share of the largest class", _same_constant),
            ),
        ),
        Question(
            model="logistic regression, CSV of 569 rows without a header",
            make=models.without_header,
            command=f"{table} --budget 400 {USUAL}",
            right=f"says that there is no header, no row is lost; {LINEAR.format(31)}",
            checks=(*solved("agreement", models.CANCER), says("no header")),
            shown="no header",
        ),
        Question(
            model="the same, CSV under pandas' header 0 to 29",
            make=models.counted_header,
            command=f"{table} --budget 400 {USUAL}",
            right=f"line 1 is a header, and said; {LINEAR.format(31)}",
            checks=(
                *solved("agreement", models.CANCER),
                says("line 1|header"),
                says_not("no header|line 1 is read as data"),
            ),
            shown="line 1|header",
        ),
    ]


def _same_constant(printed: Printed) -> bool:
    mine = document(printed.folder / "out2")["measure"]["constant"]
    theirs = document(printed.folder / "out")["measure"]["constant"]
    return bool(mine == theirs)


def labels() -> list[Question]:
    """Labels by any name, rare classes, several labels, vectors."""
    rate = "return model.predict_proba(rows)"
    label = "return model.predict(rows).astype(int)"
    return [
        Question(
            model="three species as text, function",
            make=models.texts,
            command=f"{ANSWER} --budget 800 {USUAL}",
            right="three labels; a linear rule of four inputs is copied to 0.80",
            checks=(
                FORM,
                exits(0, 1),
                says("taken as labels"),
                copied("agreement", 0.80),
            ),
        ),
        Question(
            model="labels 3 and 7, function",
            make=models.labelled(3, 7),
            command=f"{ANSWER} --budget 1000 {USUAL}",
            right="two labels; a linear rule of six inputs is copied to 0.80",
            checks=(FORM, exits(0, 1), says("taken as labels"), copied("agreement", 0.80)),
        ),
        Question(
            model="labels -1 and 1, function",
            make=models.labelled(-1, 1),
            command=f"{ANSWER} --budget 1000 {USUAL}",
            right="two labels; a linear rule of six inputs is copied to 0.80",
            checks=(FORM, exits(0, 1), says("taken as labels"), copied("agreement", 0.80)),
        ),
        Question(
            model="fraud, 1 % positives, predict_proba, 12,000 inputs",
            make=models.fraud(12_000, rate),
            command=f"{ANSWER} --budget 4000 {USUAL}",
            right="balanced agreement, of which a constant has 0.5; nine queries solve it",
            checks=(
                FORM,
                exits(0, 1),
                copied("balanced agreement", 0.80, queries=9, attack="equation-solving"),
                audited("a constant has 0.5", lambda found: found["baseline"] == 0.5),
            ),
        ),
        Question(
            model="the same by predict: labels alone",
            make=models.fraud(12_000, label),
            command=f"{ANSWER} --budget 4000 {USUAL}",
            right="balanced agreement; the constant `not fraud` (0.99 of rows) is not called a copy",
            checks=(
                FORM,
                exits(0, 1),
                measured_by("balanced agreement"),
                audited("a constant has 0.5", lambda found: found["baseline"] == 0.5),
                says_not(r"fidelity of [\d.]+ \(agreement\)"),
            ),
        ),
        Question(
            model="the same by predict, 1,200 inputs",
            make=models.fraud(1_200, label),
            command=f"{ANSWER} --budget 600 {USUAL}",
            right="about three positives among the test inputs: says that it cannot judge, exit 5",
            checks=(
                FORM,
                exits(5),
                says_not("can be copied to"),
                audited("cannot judge", lambda found: found["can_judge"] is False),
            ),
        ),
        Question(
            model="the same by predict, 400 inputs, no positive among the test inputs",
            make=models.fraud(400, label),
            command=f"{ANSWER} --budget 300 {USUAL}",
            right="one label everywhere: refused, or says that it cannot judge",
            checks=(FORM, exits(2, 5), says_not("can be copied to"), says("label|class")),
        ),
        Question(
            model="the same by predict_proba, 1,200 inputs",
            make=models.fraud(1_200, rate),
            command=f"{ANSWER} --budget 600 {USUAL}",
            right="cannot judge by classes: exit 5; or compared by rank, and nine queries solve it",
            checks=(FORM, Check("cannot judge, or solved", _is_solved_or_not_judged)),
        ),
        Question(
            model="OneVsRest of three labels, predict_proba",
            make=models.several_labels,
            command=f"{ANSWER} --budget 800 {USUAL}",
            right="three labels that do not depend on each other; linear: seven queries solve each",
            checks=(
                *solved("balanced agreement of labels", 6),
                says("3 labels that do not depend on each other"),
            ),
        ),
        Question(
            model="embeddings of 32 numbers and unit length, function",
            make=models.embeddings,
            command=f"{ANSWER} --budget 800 {USUAL}",
            right="embeddings, compared by nearest neighbour; not a classifier",
            checks=(
                FORM,
                exits(0, 1),
                says("taken as embeddings of 32 numbers"),
                measured_by("nearest neighbour"),
            ),
        ),
    ]


def _is_solved_or_not_judged(printed: Printed) -> bool:
    by_rank = copied("rank correlation", 0.99, queries=9, attack="equation-solving")
    return printed.code == 5 or by_rank.is_met(printed)


def files() -> list[Question]:
    """Boosted trees, ONNX and torch."""
    given = f"--inputs pool.npy --budget 400 {USUAL}"
    learnt = f"--inputs pool.npy --budget 600 {LEARNT}"
    return [
        Question(
            model="XGBClassifier, native .json",
            make=models.xgboost_classifier,
            command=f"gamekeeper audit model.json {learnt}",
            right="read without --trust-file; two classes; 20 trees are learnt to 0.80",
            checks=(FORM, exits(0, 1), says("class"), copied("agreement", 0.80)),
        ),
        Question(
            model="XGBRegressor, native .json",
            make=models.xgboost_regressor,
            command=f"gamekeeper audit model.json {given}",
            right="read without --trust-file; a regression, by R2, not exact",
            checks=(
                FORM,
                exits(0, 1),
                measured_by("R2"),
                audited("0 < best R2 < 0.999", lambda found: 0 < best(found)["fidelity"] < 0.999),
            ),
        ),
        Question(
            model="Booster of XGBoost, .joblib",
            make=models.booster_pickled,
            command=f"{PICKLE} --budget 600 {LEARNT}",
            right="probability of one of two classes; 20 trees are learnt to 0.80",
            checks=(FORM, exits(0, 1), says("class"), copied("agreement", 0.80)),
        ),
        Question(
            model="LightGBM, .txt",
            make=models.lightgbm_text,
            command=f"gamekeeper audit model.txt {learnt}",
            right="read without --trust-file; two classes; 20 trees are learnt to 0.80",
            checks=(FORM, exits(0, 1), says("class"), copied("agreement", 0.80)),
        ),
        Question(
            model="LogisticRegression by skl2onnx, .onnx",
            make=models.onnx_classifier,
            command=f"gamekeeper audit model.onnx {given}",
            right=f"the second output, probabilities, is read; {LINEAR.format(31)}",
            checks=(*solved("agreement", models.CANCER), says("probabilities of 2 classes")),
        ),
        Question(
            model="LinearRegression by skl2onnx, .onnx",
            make=models.onnx_regressor,
            command=f"gamekeeper audit model.onnx {given}",
            right=f"a regression, by R2; {LINEAR.format(11)}",
            checks=(*solved("R2", models.DIABETES), measured_by("R2")),
        ),
        Question(
            model="torch network of three logits, .onnx",
            make=models.onnx_of_torch,
            command=f"gamekeeper audit model.onnx {given}",
            right="three numbers without bounds: asks, exit 2",
            checks=ASKS,
            shown="--answers",
        ),
        Question(
            model="the same, said to be scores",
            make=models.onnx_of_torch,
            command=f"gamekeeper audit model.onnx --answers scores {given}",
            right=f"logits of 3 classes; {LINEAR.format(31)}",
            checks=(
                *solved(EITHER, models.CANCER),
                says("logits.* of 3 classes"),
            ),
        ),
        Question(
            model="torch network of one logit, .pt2",
            make=models.exported(1),
            command=f"gamekeeper audit model.pt2 {given}",
            right=f"one number: not taken for labels; {LINEAR.format(31)}",
            checks=(*solved("R2", models.CANCER), says("one predicted value|one score")),
        ),
        Question(
            model="torch network of one sigmoid, .pt2",
            make=models.exported(1, "Sigmoid"),
            command=f"gamekeeper audit model.pt2 {given}",
            right=f"the probability of one of two classes; {LINEAR.format(31)}",
            checks=(
                *solved(EITHER, models.CANCER),
                says("probability of one of two classes"),
            ),
        ),
        Question(
            model="torch network of three logits, .pt2",
            make=models.exported(3),
            command=f"gamekeeper audit model.pt2 {given}",
            right="three numbers without bounds: asks, exit 2",
            checks=ASKS,
            shown="--answers",
        ),
    ]


def endpoints() -> list[Question]:
    """Servers, and a function that fails now and then."""
    asked = f"gamekeeper audit endpoint.toml --inputs pool.npy --budget 400 {USUAL}"
    solves = (*solved("agreement", models.CANCER), says("probabilities of 2 classes"))
    return [
        Question(
            model="HTTP: a list of lists at the top",
            make=servers.served(servers.plain_lists, 'rows = "instances"', 'scores = ""'),
            command=asked,
            right=f"probabilities; {LINEAR.format(31)}",
            checks=solves,
        ),
        Question(
            model="HTTP: [[{label, score}]] of Hugging Face's pipelines, the likeliest first",
            make=servers.served(servers.pipelines, 'rows = "inputs"', 'scores = ""'),
            command=asked,
            right=f"matched by label, not by place; {LINEAR.format(31)}",
            checks=solves,
        ),
        Question(
            model="HTTP: {label, probability} for each row",
            make=servers.served(servers.label_and_probability, 'scores = "predictions"'),
            command=asked,
            right="a probability of the named label: 31 queries solve it, or labels alone, and said",
            checks=(
                FORM,
                exits(0, 1),
                says("taken as (labels|probabilities of 2|the probability of one)"),
                copied("agreement", 0.80),
            ),
        ),
        Question(
            model="KServe v2, FP32 alone, label before probabilities",
            make=servers.served(servers.kserve, 'kserve = "cancer"'),
            command=asked,
            right=f"asked with FP32, the second output is read; {LINEAR.format(31)}",
            checks=solves,
        ),
        Question(
            model="function that raises for 3 % of inputs",
            make=models.sometimes_failing,
            command=f"{ANSWER} --budget 600 {USUAL}",
            right="the audit goes on and says how many failed; 31 queries and those that fail solve it",
            checks=(
                FORM,
                exits(1),
                copied("agreement", 0.95, attack="equation-solving"),
                audited("failures are counted", lambda f: f["failed_queries"]["count"] > 0),
                says("fail|not answered|without an answer"),
            ),
            shown="failed|not answered|without an answer",
        ),
    ]


def audit_questions() -> list[Question]:
    """Returns all of them."""
    return [
        *binary_scores(),
        *regressions(),
        *tables(),
        *labels(),
        *files(),
        *endpoints(),
    ]
