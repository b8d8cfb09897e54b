"""`gamekeeper encrypted compile`: compile a model to run on encrypted input."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamekeeper._cli._printing import print_json, say
from gamekeeper._cli.encrypted._rows import read_rows
from gamekeeper._cli.encrypted._shared import (
    SCHEMA,
    Packing,
    unreadable,
    warnings,
)
from gamekeeper._cli.options import Json, Quiet, Seed, TrustFile
from gamekeeper.base.errors import UsageError

if TYPE_CHECKING:
    from gamekeeper.encrypted.compiled_model import CompiledModel
    from gamekeeper.encrypted.compiling import CompileOptions


def run(
    inputs: Annotated[
        Path,
        typer.Option(help="Typical input rows: CSV, .npy or .json; a header names the columns."),
    ],
    out: Annotated[
        Path, typer.Option(help="File to write; it holds the weights and is for the server alone.")
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
            help="True classes of the rows, whole numbers from 0: to train and to compare."
        ),
    ] = None,
    hidden: Annotated[
        list[int] | None,
        typer.Option(
            help="Without a model: train one from --labels with a layer of so many units. Repeat."
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
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compile a model to run on encrypted input, and say what that costs in accuracy.

    Needs a model with typical inputs, or --hidden to train one; extra `encrypted`. Linear models
    are kept as they are. Activations of networks become squares, which are fitted to --inputs and
    then trained towards the original's answers. The description that clients get has no weights,
    but shows the range of each input.

    Examples:

      gamekeeper encrypted compile model.joblib --trust-file --inputs pool.csv --out scoring.he

      gamekeeper encrypted compile --inputs pool.npy --labels labels.csv --hidden 32
      --packing batched --out scoring.he
    """
    from gamekeeper.encrypted.compiled_model import write_model

    options = _options(name or out.stem, packing, rows, error, strong, low, high, epochs, seed)
    made = _compiled(model, trust_file, inputs, labels, hidden or [], options)
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


def _compiled(
    model: Path | None,
    trust_file: bool,
    inputs: Path,
    labels: Path | None,
    hidden: list[int],
    options: "CompileOptions",
) -> "CompiledModel":
    from dataclasses import replace

    from gamekeeper.encrypted.compiling import compile_model, train_model

    if (model is None) == (not hidden):
        raise UsageError("name a model, or train one: --hidden UNITS --labels FILE")
    values, features = read_rows(inputs)
    known = None if labels is None else read_rows(labels)[0].astype("int64").reshape(-1)
    options = replace(options, features=features)
    if model is not None:
        return compile_model(_model(model, trust_file), values, options, known)
    if known is None:
        raise UsageError("--hidden needs --labels, the true classes of the rows")
    return train_model(values, known, hidden, options)


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
    network = made.network
    costs = _costs(made)
    shape = "-".join(map(str, [network.inputs, *(len(layer.bias) for layer in network.layers)]))
    yield (
        f"{made.description.name}: {shape}, {costs['packing']}, up to {costs['rows']} rows a"
        " request"
    )
    for name, value in made.report.items():
        if isinstance(value, float | int):
            yield f"  {name.replace('_', ' '):<20}{value:.4g}"
    for at, error in enumerate(made.report.get("activation_errors", [])):
        yield f"  {f'activation {at + 1}':<20}{error:.3f} standard deviations, before training"
    yield (
        f"  {'noise over weights':<20}{made.flood_bits:.1f} bits for one answer, half a bit less"
        " for twice as many"
    )
