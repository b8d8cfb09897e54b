"""`gamekeeper audit`: attack a model of one's own, before others do."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from gamekeeper.audit.options import AuditOptions
    from gamekeeper.audit.targets import Target

NAME = "audit"


def run(
    target: Annotated[
        str | None,
        typer.Argument(
            help="MODULE:FUNCTION, a .toml that describes an endpoint, .onnx, .pt2, or a pickled estimator."
        ),
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder to write; an audit that is run again goes on there.")],
    inputs: Annotated[
        Path | None, typer.Option(help="Unlabelled inputs of its domain: .npy, .csv or .parquet.")
    ] = None,
    zoo: Annotated[bool, typer.Option("--zoo", help="Audit a few dozen models on public data instead.")] = False,
    budget: Annotated[int, typer.Option(help="Queries of the target, all runs together.", min=1)] = 10_000,
    defence: Annotated[
        list[str] | None, typer.Option(help="See `gamekeeper list defences`; may be given more than once.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Thieves of each kind; intervals are over them.", min=1)] = 3,
    usd_per_query: Annotated[float, typer.Option(help="What you charge, in dollars.", min=0)] = 0.001,
    usd_per_input: Annotated[float, typer.Option(help="What an unlabelled input costs a thief.", min=0)] = 0.0,
    usd_per_label: Annotated[float | None, typer.Option(help="What labelling an input by hand costs.", min=0)] = None,
    owner_usd: Annotated[float | None, typer.Option(help="What the model cost you, to compare with.", min=0)] = None,
    queries_per_day: Annotated[int | None, typer.Option(help="Your limit on an account, for days.", min=1)] = None,
    encoder: Annotated[
        str | None, typer.Option(help="MODULE:FUNCTION, a public encoder that your model may be built on.")
    ] = None,
    counterfactuals: Annotated[
        str | None, typer.Option(help="MODULE:FUNCTION, if your interface explains: the near input with another label.")
    ] = None,
    public: Annotated[
        Path | None, typer.Option(help="Inputs of the same shape that anybody can have, of another domain.")
    ] = None,
    picture: Annotated[str | None, typer.Option(help="HEIGHTxWIDTH, if inputs are pictures, flattened.")] = None,
    train: Annotated[
        str | None, typer.Option(help="MODULE:FUNCTION, your training: (inputs, labels, seed) to a model that answers.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="With --train: true labels of the inputs, whole numbers, a row each.")
    ] = None,
    shadows: Annotated[int, typer.Option(help="With --train: models to train for each figure, even.", min=4)] = 16,
    log: Annotated[bool, typer.Option("--log", help="Write what thieves asked as DIR/exchanges.parquet.")] = False,
    log_per_day: Annotated[int, typer.Option(help="Queries a day of each thief in that log.", min=1)] = 500,
    per_second: Annotated[float | None, typer.Option(help="Queries a second at most.")] = None,
    threshold: Annotated[float, typer.Option(help="Fidelity from which the exit code is 1.")] = 0.9,
    trust_file: Annotated[
        bool, typer.Option("--trust-file", help="Read a pickled estimator, which runs what stands in the file.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print audit.json on standard output.")] = False,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit 0 also when a copy was made.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no table.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours (also by NO_COLOR).")] = False,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Attack your own model: what would a copy cost a thief, and which defence changes that?

    An audit is for a model of your own; who ran it, when and on what is recorded in DIR/casebook. Every query is
    counted, kept and paid for once: the same command goes on where an earlier one stopped.

    Examples:

      gamekeeper audit scoring:predict --inputs pool.parquet --budget 10000 --out audit

      gamekeeper audit endpoint.toml --inputs pool.csv --out audit --per-second 10

      gamekeeper audit model.joblib --trust-file --inputs pool.npy --out audit --defence rounding

      gamekeeper audit --zoo --budget 3000 --out zoo
    """
    from dataclasses import replace
    from functools import partial

    import orjson
    from rich.console import Console

    from gamekeeper.audit.inputs import read_inputs
    from gamekeeper.audit.options import AuditOptions, Prices
    from gamekeeper.audit.privacy import privacy_of
    from gamekeeper.audit.run import audit
    from gamekeeper.audit.targets import callable_target, named_function
    from gamekeeper.errors import UsageError
    from gamekeeper.report.audit import audit_document, print_audit
    from gamekeeper.report.audit_page import render_audit

    told = Console(stderr=True, quiet=quiet, no_color=no_color or None)
    prices = Prices(
        per_query=usd_per_query,
        per_input=usd_per_input,
        per_label=usd_per_label,
        owner=owner_usd,
        queries_per_day=queries_per_day,
    )
    options = AuditOptions(
        budget=budget, seeds=seeds, seed=seed, per_s=per_second, prices=prices, picture=_sides(picture)
    )
    if defence is not None:
        options = replace(options, defences=_known(defence))
    if zoo:
        _zoo(options, out, told, json, quiet, no_color)
        return
    if target is None or inputs is None:
        raise UsageError("an audit wants a target and --inputs, or --zoo")
    if train is not None and labels is None:
        raise UsageError("--train wants --labels, the true labels of the inputs")
    result = audit(
        _target(target, trust_file),
        inputs,
        out,
        options,
        stage=lambda what: told.print(what, style="dim"),
        encode=callable_target(encoder).ask if encoder else None,
        explainer=callable_target(counterfactuals) if counterfactuals else None,
        public=public,
        log_per_day=log_per_day if log else None,
    )
    if train is not None and labels is not None:
        told_of = partial(told.print, style="dim")
        recipe, truth = named_function(train), read_inputs(labels)[:, 0].astype(int)
        privacy = privacy_of(recipe, read_inputs(inputs), truth, models=shadows, seed=seed, stage=told_of)
        result = replace(result, privacy=privacy)
    document = orjson.dumps(audit_document(result), option=orjson.OPT_INDENT_2)
    (out / "audit.json").write_bytes(document)
    (out / "report.html").write_text(render_audit(result), encoding="utf-8")
    if json:
        print(document.decode())
    elif not quiet:
        print_audit(result, Console(no_color=no_color or None))
        print(f"{out / 'report.html'} shows it")
    best = result.defended[0].best
    raise typer.Exit(1 if best and best[1].fidelity >= threshold and not exit_zero else 0)


def _zoo(options: "AuditOptions", out: Path, told: "Console", json: bool, quiet: bool, no_color: bool) -> None:
    from dataclasses import replace

    import orjson
    from rich.console import Console

    from gamekeeper.audit.zoo import zoo
    from gamekeeper.report.zoo import print_zoo, zoo_document

    out.mkdir(parents=True, exist_ok=True)
    specimens = []
    for specimen in zoo(replace(options, defences=()), met=lambda name: told.print(name, style="dim")):
        specimens.append(specimen)  # written after each, for the whole takes a while
        (out / "zoo.json").write_bytes(orjson.dumps(zoo_document(specimens), option=orjson.OPT_INDENT_2))
    if json:
        print((out / "zoo.json").read_text(encoding="utf-8"))
    elif not quiet:
        print_zoo(specimens, Console(no_color=no_color or None))


def _sides(picture: str | None) -> tuple[int, int] | None:
    from gamekeeper.errors import UsageError

    if picture is None:
        return None
    height, _, width = picture.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise UsageError(f'--picture "{picture}" is no size; expected HEIGHTxWIDTH, such as 28x28')
    return int(height), int(width)


def _known(defences: list[str]) -> tuple[str, ...]:
    from gamekeeper.defences import DEFENCES
    from gamekeeper.errors import UsageError

    if unknown := sorted(set(defences) - DEFENCES.keys()):
        raise UsageError(f"no defence {', '.join(unknown)}; there are {', '.join(DEFENCES)}")
    return tuple(dict.fromkeys(defences))


def _target(spec: str, trust_file: bool) -> "Target":
    from gamekeeper.audit.targets import callable_target, estimator_target, http_target, onnx_target, torch_target
    from gamekeeper.errors import UsageError

    readers: dict[str, Callable[[Path], Target]] = {
        ".toml": http_target,
        ".onnx": onnx_target,
        ".pt2": torch_target,
        ".pt": torch_target,
    }
    if read := readers.get(Path(spec).suffix):
        return read(Path(spec))
    if ":" in spec:
        return callable_target(spec)
    if not trust_file:
        raise UsageError(f"reading {spec} runs what stands in it; if it is your own, say --trust-file")
    return estimator_target(Path(spec))
