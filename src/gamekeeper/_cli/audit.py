"""`gamekeeper audit`: attack a model of one's own, before others do."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from gamekeeper.audit.options import AuditOptions
    from gamekeeper.audit.targets import LanguageTarget, Target, TextTarget

NAME = "audit"


def run(
    target: Annotated[
        str | None,
        typer.Argument(
            help=(
                "MODULE:FUNCTION, a .toml that describes an endpoint, .onnx, .pt2, or a pickled"
                " estimator."
            )
        ),
    ] = None,
    *,
    out: Annotated[
        Path, typer.Option(help="Folder to write; an audit that is run again goes on there.")
    ],
    inputs: Annotated[
        Path | None, typer.Option(help="Unlabelled inputs of its domain: .npy, .csv or .parquet.")
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help=(
                "For a language model, or one that gives embeddings: .txt, .jsonl, .csv or"
                " .parquet."
            )
        ),
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(help="With --prompts: regular expression of the final answer in a reply."),
    ] = None,
    embeddings: Annotated[
        bool,
        typer.Option(
            "--embeddings", help="With --prompts: MODULE:FUNCTION gives vectors, not texts."
        ),
    ] = False,
    zoo: Annotated[
        bool, typer.Option("--zoo", help="Audit a few dozen models on public data instead.")
    ] = False,
    budget: Annotated[
        int, typer.Option(help="Queries of the target, all runs together.", min=1)
    ] = 10_000,
    budget_tokens: Annotated[
        int | None, typer.Option(help="Tokens read and written, likewise.", min=1)
    ] = None,
    budget_usd: Annotated[
        float | None, typer.Option(help="Dollars by the prices given, likewise.", min=0)
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(help="See `gamekeeper list attacks`; all unless some are named."),
    ] = None,
    defence: Annotated[
        list[str] | None,
        typer.Option(help="See `gamekeeper list defences`; may be given more than once."),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Thieves of each kind; intervals are over them.", min=1)
    ] = 3,
    usd_per_query: Annotated[
        float, typer.Option(help="What you charge, in dollars.", min=0)
    ] = 0.001,
    usd_per_million_read: Annotated[
        float, typer.Option(help="And for a million tokens that a language model reads.", min=0)
    ] = 0.0,
    usd_per_million_written: Annotated[
        float, typer.Option(help="And for a million that it writes.", min=0)
    ] = 0.0,
    usd_per_input: Annotated[
        float, typer.Option(help="What an unlabelled input costs a thief.", min=0)
    ] = 0.0,
    usd_per_label: Annotated[
        float | None, typer.Option(help="What labelling an input by hand costs.", min=0)
    ] = None,
    usd_per_account: Annotated[
        float, typer.Option(help="What an account more costs a thief.", min=0)
    ] = 1.0,
    owner_usd: Annotated[
        float | None, typer.Option(help="What the model cost you, to compare with.", min=0)
    ] = None,
    queries_per_day: Annotated[
        int | None, typer.Option(help="Your limit on an account, for days.", min=1)
    ] = None,
    honest_queries: Annotated[
        int,
        typer.Option(
            help="Inputs that an honest account asks in the time an account's budget is for.", min=1
        ),
    ] = 200,
    encoder: Annotated[
        str | None,
        typer.Option(help="MODULE:FUNCTION, a public encoder that your model may be built on."),
    ] = None,
    counterfactuals: Annotated[
        str | None,
        typer.Option(
            help="MODULE:FUNCTION, if your interface explains: the near input with another label."
        ),
    ] = None,
    public: Annotated[
        Path | None,
        typer.Option(help="Inputs of the same shape that anybody can have, of another domain."),
    ] = None,
    behind: Annotated[
        Path | None,
        typer.Option(help=".toml of the same model behind a live defence, such as the guard."),
    ] = None,
    picture: Annotated[
        str | None, typer.Option(help="HEIGHTxWIDTH, if inputs are pictures, flattened.")
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(
            help="MODULE:FUNCTION, your training: (inputs, labels, seed) to a model that answers."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help=(
                "True labels of the inputs, whole numbers from 0, a row each: what do classes show?"
            )
        ),
    ] = None,
    shadows: Annotated[
        int, typer.Option(help="With --train: models to train for each figure, even.", min=4)
    ] = 16,
    log: Annotated[
        bool, typer.Option("--log", help="Write what thieves asked as DIR/exchanges.parquet.")
    ] = False,
    log_per_day: Annotated[
        int, typer.Option(help="Queries a day of each thief there.", min=1)
    ] = 500,
    log_accounts: Annotated[
        int, typer.Option(help="Accounts of each thief in that log.", min=1)
    ] = 1,
    per_second: Annotated[float | None, typer.Option(help="Queries a second at most.")] = None,
    threshold: Annotated[float, typer.Option(help="Fidelity from which the exit code is 1.")] = 0.9,
    trust_file: Annotated[
        bool,
        typer.Option(
            "--trust-file", help="Read a pickled estimator, which runs what stands in the file."
        ),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print audit.json on standard output.")
    ] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 also when a copy was made.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no table.")] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="No colours (also by NO_COLOR).")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Attack your own model: what would a copy cost a thief, and which defence changes that?

    An audit is for a model of your own; who ran it, when and on what is recorded in DIR/casebook.
    Every query is counted, kept and paid for once: the same command goes on where an earlier one
    stopped.

    Examples:

      gamekeeper audit scoring:predict --inputs pool.parquet --budget 10000 --out audit

      gamekeeper audit endpoint.toml --inputs pool.csv --out audit --per-second 10

      gamekeeper audit model.joblib --trust-file --inputs pool.npy --out audit --defence rounding

      gamekeeper audit chat.toml --prompts prompts.jsonl --out audit --budget 2000 --budget-usd 20

      gamekeeper audit --zoo --budget 3000 --out zoo
    """
    import orjson
    from rich.console import Console

    from gamekeeper.audit.attacks import attack_names
    from gamekeeper.audit.barriers import defence_names
    from gamekeeper.audit.options import AuditOptions, Prices
    from gamekeeper.audit.run import audit, audit_text, with_privacy
    from gamekeeper.audit.targets import callable_target, named_function
    from gamekeeper.audit.traffic import Pace
    from gamekeeper.base.errors import UsageError
    from gamekeeper.report.audit import audit_document, print_audit
    from gamekeeper.report.audit_page import render_audit

    told = Console(stderr=True, quiet=quiet, no_color=no_color or None)
    shown = Console(no_color=no_color or None)
    prices = Prices(
        per_query=usd_per_query,
        per_million_read=usd_per_million_read,
        per_million_written=usd_per_million_written,
        per_input=usd_per_input,
        per_label=usd_per_label,
        per_account=usd_per_account,
        owner=owner_usd,
        queries_per_day=queries_per_day,
    )
    options = AuditOptions(
        budget=budget,
        tokens=budget_tokens,
        usd=budget_usd,
        seeds=seeds,
        seed=seed,
        per_s=per_second,
        prices=prices,
        picture=_sides(picture),
        honest_queries=honest_queries,
        attacks=_known("attack", attack or [], attack_names()),
        **({} if defence is None else {"defences": _known("defence", defence, defence_names())}),
    )
    if zoo:
        _zoo(options, out, told, None if quiet else shown, json)
        return
    if target is None or (inputs is None) == (prompts is None):
        raise UsageError("an audit wants a target, and --inputs or --prompts; or --zoo")
    if train is not None and labels is None:
        raise UsageError("--train wants --labels, the true labels of the inputs")
    pace = Pace(per_day=log_per_day, accounts=log_accounts) if log else None
    stage = lambda what: told.print(what, style="dim")  # noqa: E731
    if prompts is not None:
        source = _text_source(target, embeddings)
        result = audit_text(
            source, prompts, out, options, stage, pattern=_pattern(answer), log=pace
        )
    else:
        assert inputs is not None
        result = audit(
            _target(target, trust_file),
            inputs,
            out,
            options,
            stage,
            encode=callable_target(encoder).ask if encoder else None,
            explainer=callable_target(counterfactuals) if counterfactuals else None,
            behind=_http_target(behind) if behind else None,
            public=public,
            labels=labels,
            log=pace,
        )
        if train is not None and labels is not None:
            result = with_privacy(
                result, named_function(train), inputs, labels, options, shadows, stage
            )
    document = orjson.dumps(audit_document(result), option=orjson.OPT_INDENT_2)
    (out / "audit.json").write_bytes(document)
    (out / "report.html").write_text(render_audit(result), encoding="utf-8")
    if json:
        print(document.decode())
    elif not quiet:
        print_audit(result, shown)
        print(f"{out / 'report.html'} shows it")
    best = result.defended[0].best
    raise typer.Exit(1 if best and best[1].fidelity >= threshold and not exit_zero else 0)


def _text_source(spec: str, embeddings: bool) -> "LanguageTarget | TextTarget":
    from gamekeeper.audit.targets import (
        CallableVectors,
        ChatTarget,
        VectorTarget,
        WritingCallable,
        named_function,
        read_endpoint,
    )
    from gamekeeper.base.errors import UsageError

    if not spec.endswith(".toml"):
        return (CallableVectors if embeddings else WritingCallable)(named_function(spec), spec)
    endpoint = read_endpoint(Path(spec))
    if endpoint.embeddings is None and endpoint.chat is None:
        raise UsageError(
            f"{spec} names no model behind `chat` or `embeddings`, and --prompts asks with text"
        )
    return ChatTarget(endpoint) if endpoint.embeddings is None else VectorTarget(endpoint)


def _pattern(answer: str | None) -> str | None:
    from gamekeeper.base.errors import UsageError

    try:
        re.compile(answer or "")
    except re.error as error:
        raise UsageError(f"--answer {answer!r} is no regular expression: {error}") from error
    return answer


def _zoo(
    options: "AuditOptions", out: Path, told: "Console", shown: "Console | None", json: bool
) -> None:
    import orjson

    from gamekeeper.audit.zoo import zoo
    from gamekeeper.report.zoo import print_zoo, zoo_document

    out.mkdir(parents=True, exist_ok=True)
    specimens = []
    for specimen in zoo(
        replace(options, defences=()), met=lambda name: told.print(name, style="dim")
    ):
        specimens.append(specimen)  # written after each, for the whole takes a while
        (out / "zoo.json").write_bytes(
            orjson.dumps(zoo_document(specimens), option=orjson.OPT_INDENT_2)
        )
    if json:
        print((out / "zoo.json").read_text(encoding="utf-8"))
    elif shown is not None:
        print_zoo(specimens, shown)


def _sides(picture: str | None) -> tuple[int, int] | None:
    from gamekeeper.base.errors import UsageError

    if picture is None:
        return None
    height, _, width = picture.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise UsageError(f'--picture "{picture}" is no size; expected HEIGHTxWIDTH, such as 28x28')
    return int(height), int(width)


def _known(kind: str, named: list[str], there_are: Sequence[str]) -> tuple[str, ...]:
    from gamekeeper.base.errors import UsageError

    if unknown := sorted(set(named) - set(there_are)):
        raise UsageError(f"no {kind} {', '.join(unknown)}; there are {', '.join(there_are)}")
    return tuple(dict.fromkeys(named))


def _target(spec: str, trust_file: bool) -> "Target":
    from gamekeeper.audit.targets import (
        callable_target,
        estimator_target,
        onnx_target,
        torch_target,
    )
    from gamekeeper.base.errors import UsageError

    readers: dict[str, Callable[[Path], Target]] = {
        ".toml": _http_target,
        ".onnx": onnx_target,
        ".pt2": torch_target,
        ".pt": torch_target,
    }
    if read := readers.get(Path(spec).suffix):
        return read(Path(spec))
    if ":" in spec:
        return callable_target(spec)
    if not trust_file:
        raise UsageError(
            f"reading {spec} runs what stands in it; if it is your own, say --trust-file"
        )
    return estimator_target(Path(spec))


def _http_target(path: Path) -> "Target":
    from gamekeeper.audit.targets import HttpTarget, read_endpoint
    from gamekeeper.base.errors import UsageError

    endpoint = read_endpoint(path)
    if endpoint.chat or endpoint.embeddings:
        raise UsageError(
            f"{path} names a model that is asked with text: give --prompts in place of --inputs"
        )
    return HttpTarget(endpoint)
