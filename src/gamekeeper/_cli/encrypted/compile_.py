"""`gamekeeper encrypted compile`: compile a model to run on encrypted input."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from gamekeeper._cli._printing import print_json, say
from gamekeeper._cli.encrypted._rows import read_inputs, read_labels
from gamekeeper._cli.encrypted._shared import (
    SCHEMA,
    Packing,
    unreadable,
    warnings,
)
from gamekeeper._cli.options import Header, Json, Quiet, Seed, TrustFile
from gamekeeper.base.errors import UsageError
from gamekeeper.base.extras import missing_extra
from gamekeeper.base.files import require_another_file

if TYPE_CHECKING:
    from gamekeeper.base.tables import Header as HeaderChoice
    from gamekeeper.encrypted.compiled_model import CompiledModel
    from gamekeeper.encrypted.compiling import CompileOptions

Outputs = Literal["classes", "score", "labels", "values"]
_MOST_FEATURES = 5


def run(
    inputs: Annotated[
        Path,
        typer.Option(
            help="Typical input rows: CSV, .npy, .parquet or .json; columns are matched by name."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="File to write; it holds the weights and is for the server alone. Replaces an"
            " earlier compiled model, no other file."
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Argument(
            help="Pickled estimator of scikit-learn, or torch.nn.Sequential saved whole."
        ),
    ] = None,
    trust_file: TrustFile = False,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="True classes of the rows, as the model names them, or values: to train and to"
            " compare. Their number tells whether they have a header."
        ),
    ] = None,
    hidden: Annotated[
        list[int] | None,
        typer.Option(
            help="Without a model: train one from --labels with a layer of so many units. Repeat."
        ),
    ] = None,
    outputs: Annotated[
        Outputs | None,
        typer.Option(
            help="What a network's outputs are: scores of classes, one score, labels or values."
            " Default: what the model or --labels say."
        ),
    ] = None,
    packing: Annotated[
        Packing, typer.Option(help="latency: few rows a request; batched: thousands.")
    ] = "latency",
    rows: Annotated[
        int | None,
        typer.Option(help="Rows that fit into a request, a power of two. Default: what fits."),
    ] = None,
    error: Annotated[
        float,
        typer.Option(
            help="Largest error of a score, in its unit; noise of that size hides the weights."
        ),
    ] = 1e-3,
    strong: Annotated[
        bool,
        typer.Option(
            "--strong", help="Larger ring: the noise hides more, in three times the time."
        ),
    ] = False,
    low: Annotated[
        float | None,
        typer.Option(help="With --high: range of every input. Default: the range of --inputs."),
    ] = None,
    high: Annotated[float | None, typer.Option(help="See --low.")] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the model. Default: the name of --out.")
    ] = None,
    epochs: Annotated[
        int,
        typer.Option(
            help="Epochs of training a network of squares; 0 only fits its activations.", min=0
        ),
    ] = 60,
    seed: Seed = 0,
    header: Header = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compile a model to run on encrypted input, and say what that costs in accuracy.

    Needs a model with typical inputs, or --hidden to train one; extra `encrypted`. Linear models
    are kept as they are. Activations of networks become squares, which are fitted to --inputs and
    then trained towards the original's answers. Classes are compared by agreement, beside the best
    constant class; values of a regression by R2 and differences; both on every fifth row of
    --inputs, which nothing is fitted to. The description that clients get has no weights, but shows
    the range of each input.

    Examples:

      gamekeeper encrypted compile model.joblib --trust-file --inputs pool.csv --out scoring.he

      gamekeeper encrypted compile --inputs pool.npy --labels labels.csv --hidden 32
      --packing batched --out scoring.he
    """
    from gamekeeper.encrypted.compiled_model import require_replaceable, write_model

    require_another_file(out, model, inputs, labels)
    require_replaceable(out)
    options = _options(name or out.stem, packing, rows, error, strong, low, high, epochs, seed)
    options = replace(options, outputs=outputs)
    source = _Source(model, trust_file, inputs, labels, hidden or [], header, quiet)
    made = _compiled(source, options)
    write_model(made, out)
    fields = {
        "model": str(out),
        "flood_bits": made.flood_bits,
        "report": made.report,
        **_costs(made),
    }
    if json:
        print_json(SCHEMA, {"compiled": fields})
    else:
        print("\n".join(_report_lines(made)))
    say("\n".join(warnings(made)), quiet)


def _options(
    name: str,
    packing: Packing,
    rows: int | None,
    error: float,
    strong: bool,
    low: float | None,
    high: float | None,
    epochs: int,
    seed: int,
) -> "CompileOptions":
    from gamekeeper.encrypted.compiling import CompileOptions
    from gamekeeper.encrypted.fitting import Training

    if (low is None) != (high is None) or (low is not None and high is not None and not low < high):
        raise UsageError("--low and --high go together, and --low must be the lower")
    if not 0 < error < 1e6:
        raise UsageError("--error must be above 0 and below 1,000,000, in the unit of a score")
    span = None if low is None or high is None else (low, high)
    training = Training(epochs=epochs, seed=seed) if epochs else None
    return CompileOptions(
        name=name,
        packing=packing,
        rows=rows,
        error=error,
        strong=strong,
        range=span,
        training=training,
    )


class _Source(NamedTuple):
    """What is compiled, as the command line names it."""

    model: Path | None
    trust_file: bool
    inputs: Path
    labels: Path | None
    hidden: list[int]
    header: "HeaderChoice"
    quiet: bool


def _compiled(source: _Source, options: "CompileOptions") -> "CompiledModel":
    from gamekeeper.encrypted.compiling import compile_model, train_model
    from gamekeeper.encrypted.originals import read_original

    if (source.model is None) == (not source.hidden):
        raise UsageError("name a model, or train one: --hidden UNITS --labels FILE")
    if source.hidden and options.outputs not in (None, "classes"):
        raise UsageError("--hidden trains classes; --outputs is for a model")
    if source.hidden and source.labels is None:
        raise UsageError("--hidden needs --labels, the true classes of the rows")
    model = None if source.model is None else _model(source.model, source.trust_file)
    named = () if model is None else read_original(model).features
    table = read_inputs(source.inputs, source.header, named, source.quiet)
    values = table.numbers()
    options = replace(options, features=table.names)
    known = None
    if source.labels is not None:
        known = read_labels(source.labels, len(values), source.quiet)
    if model is None:
        return train_model(values, known, source.hidden, options)
    return compile_model(model, values, options, known)


def _model(path: Path, trust_file: bool) -> Any:
    if not trust_file:
        raise UsageError(
            f"reading {path} runs the code that it contains; if you trust it, add --trust-file"
        )
    try:
        if path.suffix in (".pt", ".pth"):
            import torch

            return torch.load(path, weights_only=False, map_location="cpu")
        import joblib

        return joblib.load(path)  # reads plain pickles too
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and (missing := missing_extra(error)):
            raise missing from error
        raise unreadable(
            path, f"{type(error).__name__}: {error}"[:200], "a pickled model"
        ) from error


def _costs(made: "CompiledModel") -> dict[str, Any]:
    layout = made.description.layout
    return {
        "packing": layout.packing,
        "rows": layout.rows,
        "parts": layout.parts,
        "degree": made.description.parameters.degree,
        "error": made.description.error,
        "determining_rows": made.network.determining_rows,
    }


def _report_lines(made: "CompiledModel") -> Iterator[str]:
    from gamekeeper.report.formatting import counted

    network = made.network
    costs = _costs(made)
    shape = "-".join(map(str, [network.inputs, *(len(layer.bias) for layer in network.layers)]))
    yield (
        f"{made.description.name}: {shape}, {costs['packing']}, up to"
        f" {counted(costs['rows'], 'row')} a request"
    )
    report = made.report
    yield (
        f"  measured on {report['rows']} held-out rows, of the {report['rows_of_inputs']} of"
        " --inputs"
    )
    yield from _figure_lines(report, "  ")
    if report["outputs"] == "score":
        yield "  one score: above 0 means the second class, as above 0.5 after a sigmoid"
    if report.get("outputs_assumed"):
        yield "  one output, read as a value; if it is the logit of a class: --outputs score"
    for at, error in enumerate(report.get("activation_errors", [])):
        yield f"  {f'activation {at + 1}':<22}{error:.3f} standard deviations, before training"
    yield (
        f"  {'noise over weights':<22}{made.flood_bits:.1f} bits for one answer, half a bit less"
        " for twice as many"
    )
    if "stretched" in report:
        yield from _stretched_lines(report["stretched"])


_FIGURES = {
    "agreement": ("agreement", "agreement_constant", "the best constant: {:.4g}"),
    "accuracy_original": ("accuracy original", "accuracy_constant", "the best constant: {:.4g}"),
    "accuracy": ("accuracy", "accuracy_constant", "the best constant: {:.4g}"),
    "r2": ("R2 to original", None, "a constant: 0"),
    "mean_difference": ("mean difference", None, ""),
    "largest_difference": ("largest difference", None, ""),
    "r2_truth_original": ("R2 original", None, "a constant: 0"),
    "r2_truth": ("R2", None, "a constant: 0"),
}
"""Figures of a report: how they are called, and what they are compared with."""


def _figure_lines(figures: dict[str, Any], indent: str) -> Iterator[str]:
    for key, (title, baseline, beside) in _FIGURES.items():
        if key not in figures:
            continue
        value = "not defined" if figures[key] is None else f"{figures[key]:.4g}"
        compared = beside.format(figures.get(baseline)) if baseline else beside
        yield f"{indent}{title:<22}{value}{f' ({compared})' if compared else ''}"


def _stretched_lines(stretched: dict[str, Any]) -> Iterator[str]:
    without = stretched["without"]
    rows = "1 row" if stretched["rows"] == 1 else f"{stretched['rows']} rows"
    yield f"warning: the range of inputs is stretched by {rows} of --inputs:"
    for each in stretched["features"][:_MOST_FEATURES]:
        wide = each["high"] - each["low"]
        usual = each["usual_high"] - each["usual_low"]
        times = f", {wide / usual:,.0f} times narrower" if usual > 0 else ""
        yield (
            f"  {each['name']}: {each['low']:.4g} to {each['high']:.4g}; without {each['rows']} of"
            f" them {each['usual_low']:.4g} to {each['usual_high']:.4g}{times}"
        )
    if (more := len(stretched["features"]) - _MOST_FEATURES) > 0:
        yield f"  and {more} more"
    measured = "1 row" if without["rows"] == 1 else f"{without['rows']} rows"
    yield f"  without these rows, measured on {measured}:"
    yield from _figure_lines(without, "    ")
    bits = without["flood_bits"]
    yield f"    {'noise over weights':<22}{'not known' if bits is None else f'{bits:.1f} bits'}"
    yield "  leave these rows out of --inputs, or state --low and --high: clients clip to the range"
