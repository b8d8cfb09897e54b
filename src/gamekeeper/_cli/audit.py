"""`gamekeeper audit`: attack your own model, before others do."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamekeeper._cli._printing import indented_json, write_result
from gamekeeper._cli.options import ExitZero, Header, Json, NoColor, Quiet, Seed, TrustFile
from gamekeeper.audit.kinds import AnswerKind
from gamekeeper.base.errors import UsageError
from gamekeeper.base.files import require_another_file

if TYPE_CHECKING:
    from rich.console import Console

    from gamekeeper.audit.options import AuditOptions
    from gamekeeper.audit.result import AuditResult
    from gamekeeper.audit.targets import LanguageTarget, Target, TextTarget

NAME = "audit"
_OUTPUTS = ("audit.json", "report.html", "exchanges.parquet", "journal.sqlite")


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
        Path, typer.Option(help="Folder to write; the same audit run again continues there.")
    ],
    inputs: Annotated[
        Path | None,
        typer.Option(help="Unlabelled inputs of the model's domain: .npy, .csv or .parquet."),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            help=("Prompts for a language or embedding model: .txt, .jsonl, .csv or .parquet.")
        ),
    ] = None,
    header: Header = "auto",
    answers: Annotated[
        AnswerKind | None,
        typer.Option(
            help=(
                "What the target answers: labels, scores (of classes), score (one number), values"
                " (a regression), multilabel, embeddings. Default: recognised, and said."
            )
        ),
    ] = None,
    decision_at: Annotated[
        float | None,
        typer.Option(help="Score from which a decision falls, for a target that answers one."),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Error of a predicted value that does not matter, in its unit. Default: R2.",
            min=0,
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
        int | None, typer.Option(help="Tokens read and written, all runs together.", min=1)
    ] = None,
    budget_usd: Annotated[
        float | None, typer.Option(help="Dollars at the prices given, all runs together.", min=0)
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(help="Attack to run; see `gamekeeper list attacks`. Default: all. Repeat."),
    ] = None,
    defence: Annotated[
        list[str] | None,
        typer.Option(help="Defence to try; see `gamekeeper list defences`. Repeat."),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(
            help="Repetitions of each attack with other seeds; intervals are over them.", min=1
        ),
    ] = 3,
    usd_per_query: Annotated[
        float | None,
        typer.Option(help="Price of a query, in dollars. Default: 0.001, and said.", min=0),
    ] = None,
    usd_per_million_read: Annotated[
        float,
        typer.Option(
            help="Price of a million tokens that a language model reads, in dollars.", min=0
        ),
    ] = 0.0,
    usd_per_million_written: Annotated[
        float, typer.Option(help="Price of a million tokens that it writes, in dollars.", min=0)
    ] = 0.0,
    usd_per_input: Annotated[
        float, typer.Option(help="Cost of an unlabelled input for an attacker, in dollars.", min=0)
    ] = 0.0,
    usd_per_label: Annotated[
        float | None, typer.Option(help="Cost of labelling an input by hand, in dollars.", min=0)
    ] = None,
    usd_per_account: Annotated[
        float, typer.Option(help="Cost of another account for an attacker, in dollars.", min=0)
    ] = 1.0,
    owner_usd: Annotated[
        float | None,
        typer.Option(help="What the model cost you, in dollars, to compare with.", min=0),
    ] = None,
    queries_per_day: Annotated[
        int | None,
        typer.Option(
            help="Your limit for an account, in queries a day; gives the days a copy takes.", min=1
        ),
    ] = None,
    honest_queries: Annotated[
        int,
        typer.Option(
            help="Queries of an honest account in the time that an account's budget is for.", min=1
        ),
    ] = 200,
    encoder: Annotated[
        str | None,
        typer.Option(help="MODULE:FUNCTION, a public encoder that your model may be built on."),
    ] = None,
    counterfactuals: Annotated[
        str | None,
        typer.Option(
            help="MODULE:FUNCTION, if your API explains: the nearest input with another label."
        ),
    ] = None,
    public: Annotated[
        Path | None,
        typer.Option(help="Public inputs of the same shape, of another domain."),
    ] = None,
    behind: Annotated[
        Path | None,
        typer.Option(help=".toml of the same model behind a live defence, such as the guard."),
    ] = None,
    picture: Annotated[
        str | None, typer.Option(help="HEIGHTxWIDTH, if inputs are flattened pictures.")
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(
            help="MODULE:FUNCTION, your training: (inputs, labels, seed) -> a model that answers."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help=(
                "True labels of the inputs, one a row, as the target writes them: the baseline of a"
                " model that never asks yours, and what the model shows of its classes."
            )
        ),
    ] = None,
    shadows: Annotated[
        int,
        typer.Option(
            help="With --train: shadow models to train for each figure, an even number.", min=4
        ),
    ] = 16,
    log: Annotated[
        bool, typer.Option("--log", help="Write the attacks' queries to DIR/exchanges.parquet.")
    ] = False,
    log_per_day: Annotated[
        int, typer.Option(help="Queries a day of each attacker in that log.", min=1)
    ] = 500,
    log_accounts: Annotated[
        int, typer.Option(help="Accounts of each attacker in that log.", min=1)
    ] = 1,
    per_second: Annotated[float | None, typer.Option(help="Queries a second, at most.")] = None,
    threshold: Annotated[
        float, typer.Option(help="Fidelity, 0..1, from which the exit code is 1.")
    ] = 0.9,
    trust_file: TrustFile = False,
    json: Json = False,
    exit_zero: ExitZero = False,
    quiet: Quiet = False,
    no_color: NoColor = False,
    seed: Seed = 0,
) -> None:
    """Attack your own model to see what a copy costs.

    Needs a model and unlabelled inputs (or prompts); extra `audit`. Also shows which defence makes
    a copy more expensive. Audit only a model of your own: who ran it, when and on what is recorded
    in DIR/casebook. Every query is counted, kept and paid for once: the same command continues
    where an earlier one stopped. Writes audit.json and report.html; with --quiet alone nothing is
    printed. Fidelity counts above what a constant answer reaches. Exit 0: no copy reached
    --threshold for certain; 1: one did; 5: none did, and these inputs could not have shown one.

    Examples:

      gamekeeper audit scoring:predict --inputs pool.parquet --budget 10000 --out audit

      gamekeeper audit endpoint.toml --inputs pool.csv --out audit-http --per-second 10

      gamekeeper audit model.joblib --trust-file --inputs pool.npy --out audit-file
      --defence rounding

      gamekeeper audit chat.toml --prompts prompts.jsonl --out audit-chat --budget-usd 20

      gamekeeper audit --zoo --budget 3000 --out zoo
    """
    from rich.console import Console

    from gamekeeper.audit.attacks import attack_names
    from gamekeeper.audit.barriers import defence_names
    from gamekeeper.audit.options import DEFENCES, AuditOptions, Prices
    from gamekeeper.audit.run import audit, audit_text, with_privacy
    from gamekeeper.audit.targets import callable_target, named_function, open_target
    from gamekeeper.audit.traffic import Pace

    stderr = Console(stderr=True, quiet=quiet, no_color=no_color or None)
    stdout = Console(no_color=no_color or None)
    prices = Prices(
        **({} if usd_per_query is None else {"per_query": usd_per_query}),
        is_assumed=usd_per_query is None,
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
        answers=answers,
        decision_at=decision_at,
        tolerance=tolerance,
        defences=DEFENCES if defence is None else _known("defence", defence, defence_names()),
    )
    if zoo:
        _zoo(options, out, stderr, None if quiet else stdout, json)
        return
    if target is None or (inputs is None) == (prompts is None):
        raise UsageError("an audit needs a target and either --inputs or --prompts; or --zoo")
    if train is not None and labels is None:
        raise UsageError("--train needs --labels, the true labels of the inputs")
    for name in _OUTPUTS:
        require_another_file(out / name, target, inputs, prompts, labels, public, behind)
    pace = Pace(per_day=log_per_day, accounts=log_accounts) if log else None

    def on_stage(stage: str, done: int, total: int) -> None:
        stderr.print(stage, style="dim")

    if prompts is not None:
        source = _text_source(target, embeddings)
        result = audit_text(
            source, prompts, out, options, on_stage, pattern=_pattern(answer), log=pace
        )
    else:
        assert inputs is not None
        result = audit(
            open_target(target, trust_file=trust_file),
            inputs,
            out,
            options,
            on_stage,
            encode=callable_target(encoder).ask if encoder else None,
            explainer=callable_target(counterfactuals) if counterfactuals else None,
            behind=_http_target(behind) if behind else None,
            public=public,
            labels=labels,
            header=header,
            log=pace,
        )
        if train is not None and labels is not None:
            result = with_privacy(
                result, named_function(train), inputs, labels, options, shadows, on_stage, header
            )
    _report(result, out, None if quiet else stdout, json)
    raise typer.Exit(0 if exit_zero else _exit_code(result, threshold))


def _exit_code(result: "AuditResult", threshold: float) -> int:
    """1: a copy was made; 5: none was shown, and these inputs or seeds could not show one."""
    if not result.can_judge or result.is_unsure:
        return 5
    return 1 if result.reached(threshold) else 0


def _report(result: "AuditResult", out: Path, stdout: "Console | None", json: bool) -> None:
    from gamekeeper.report.audit import audit_document, print_audit
    from gamekeeper.report.audit_page import render_audit

    document = indented_json(audit_document(result))
    write_result(out / "audit.json", document)
    write_result(out / "report.html", render_audit(result).encode())
    if json:
        print(document.decode())
    elif stdout is not None:
        print_audit(result, stdout)
        print(f"report: {out / 'report.html'}")


def _text_source(spec: str, embeddings: bool) -> "LanguageTarget | TextTarget":
    from gamekeeper.audit.targets import (
        CallableVectors,
        ChatTarget,
        VectorTarget,
        WritingCallable,
        named_function,
        read_endpoint,
    )

    if not spec.endswith(".toml"):
        return (CallableVectors if embeddings else WritingCallable)(named_function(spec), spec)
    endpoint = read_endpoint(Path(spec))
    if endpoint.embeddings is None and endpoint.chat is None:
        raise UsageError(
            f"{spec} names no model under `chat` or `embeddings`, which --prompts needs"
        )
    return ChatTarget(endpoint) if endpoint.embeddings is None else VectorTarget(endpoint)


def _pattern(answer: str | None) -> str | None:

    try:
        re.compile(answer or "")
    except re.error as error:
        raise UsageError(f"--answer {answer!r} is not a regular expression: {error}") from error
    return answer


def _zoo(
    options: "AuditOptions", out: Path, stderr: "Console", stdout: "Console | None", json: bool
) -> None:
    from gamekeeper.audit.zoo import zoo
    from gamekeeper.report.zoo import print_zoo, zoo_document

    def on_stage(stage: str, done: int, total: int) -> None:
        stderr.print(stage, style="dim")

    specimens = []
    document = b""
    for specimen in zoo(replace(options, defences=()), on_stage):
        specimens.append(specimen)
        document = indented_json(zoo_document(specimens))
        write_result(out / "zoo.json", document)  # after each, since all together take a while
    if json:
        print(document.decode())
    elif stdout is not None:
        print_zoo(specimens, stdout)


def _sides(picture: str | None) -> tuple[int, int] | None:

    if picture is None:
        return None
    height, _, width = picture.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise UsageError(f'--picture must be HEIGHTxWIDTH, such as 28x28; found "{picture}"')
    return int(height), int(width)


def _known(kind: str, named: list[str], known: Sequence[str]) -> tuple[str, ...]:

    if unknown := sorted(set(named) - set(known)):
        raise UsageError(f"unknown {kind}: {', '.join(unknown)}; known are {', '.join(known)}")
    return tuple(dict.fromkeys(named))


def _http_target(path: Path) -> "Target":
    from gamekeeper.audit.targets import HttpTarget, read_endpoint

    endpoint = read_endpoint(path)
    if endpoint.chat or endpoint.embeddings:
        raise UsageError(
            f"{path} names a model that takes text: give --prompts in place of --inputs"
        )
    return HttpTarget(endpoint)
