"""An audit in a folder: its journal, its casebook, and the attacks between.

OUT/journal.sqlite   every answer that was paid for; the same audit goes on from it
OUT/explained.sqlite the same for counterfactuals, if there are any
OUT/behind.sqlite    the same for answers through a live defence, if there is one
OUT/casebook/        who ran it, on what, when, and what came of it
"""

import getpass
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from gamekeeper.audit.attacks._attack import Encode
from gamekeeper.audit.columns import with_columns
from gamekeeper.audit.driver import Audit
from gamekeeper.audit.inputs import read_inputs, read_labels
from gamekeeper.audit.journal import Journal
from gamekeeper.audit.language.driver import LanguageAudit
from gamekeeper.audit.language.interview import Interview, Vectors
from gamekeeper.audit.language.prompts import read_prompts
from gamekeeper.audit.language.vectors import VectorAudit
from gamekeeper.audit.meter import Limits, Meter
from gamekeeper.audit.options import AuditOptions
from gamekeeper.audit.privacy import Recipe, privacy_of
from gamekeeper.audit.result import AuditResult
from gamekeeper.audit.subject import Beside
from gamekeeper.audit.targets import LanguageTarget, Target, TextTarget
from gamekeeper.audit.traffic import Pace, Traffic
from gamekeeper.base.progress import OnStage, ignore_stage
from gamekeeper.base.tables import Header
from gamekeeper.casebook import Casebook


class _Played(Protocol):
    """An audit of any kind of target."""

    @property
    def traffic(self) -> Traffic: ...

    def run(self) -> AuditResult: ...


def audit(
    target: Target,
    inputs: str | Path,
    out: str | Path,
    options: AuditOptions,
    on_stage: OnStage = ignore_stage,
    *,
    encode: Encode | None = None,
    explainer: Target | None = None,
    behind: Target | None = None,
    public: str | Path | None = None,
    labels: str | Path | None = None,
    header: Header = "auto",
    log: Pace | None = None,
) -> AuditResult:
    """Attacks a target of one's own that answers rows of a table.

    Args:
        target: What is attacked.
        inputs: File of unlabelled inputs of its domain.
        out: Folder; made if it is not there.
        options: Of the audit.
        on_stage: Called with the name of each stage that begins.
        encode: A public encoder that the target may be built on.
        explainer: What gives counterfactuals for inputs.
        behind: The same target behind a live defence.
        public: File of inputs of the same shape that anybody can have, of another domain; None for
            none.
        labels: File of the inputs' true labels: classes are reconstructed, and judged by them, and
            a model that learns from them alone is the baseline; None for not.
        header: Whether line 1 of CSV files has the names of columns.
        log: Writes what thieves asked to OUT/exchanges.parquet, at this pace; None for not.

    Raises:
        InputError: Inputs or folder cannot be used.
        UsageError: The options contradict each other.
        TargetError: The target failed; what was paid for is kept.
    """
    inputs = Path(inputs)
    out = Path(out)
    public = Path(public) if public else None
    labels = Path(labels) if labels else None
    read = read_inputs(inputs, header=header)
    rows = read.rows
    target = with_columns(target, read.columns)
    behind = with_columns(behind, read.columns) if behind else None
    limits = _limits(options)
    others = read_inputs(public, header=header, like=read.columns).rows if public else None
    truth = read_labels(labels, len(rows), header) if labels else None
    said = (*read.remarks, *(truth.remarks if truth else ()))

    def begin(stack: ExitStack) -> Audit:
        meter = Meter(target, _journal(stack, out / "journal.sqlite", target.name), limits)
        sources = {"explained": explainer, "behind": behind}
        explained, through = (
            Meter(other, _journal(stack, out / f"{name}.sqlite", other.name), limits)
            if other
            else None
            for name, other in sources.items()
        )
        beside = Beside(
            encode=encode,
            explainer=explained,
            behind=through,
            public=others,
            labels=truth,
            columns=read.columns,
        )
        return Audit(meter, rows, options, target.name, on_stage, beside)

    result = _recorded(target.name, inputs, out, options, begin, log)
    return replace(result, remarks=(*result.remarks, *said))


def audit_text(
    target: LanguageTarget | TextTarget,
    prompts: Path,
    out: Path,
    options: AuditOptions,
    on_stage: OnStage = ignore_stage,
    *,
    pattern: str | None = None,
    log: Pace | None = None,
) -> AuditResult:
    """Attacks a target of one's own that is asked with text: a language model, or one that gives
    vectors.

    Args:
        target: What is attacked.
        prompts: File of prompts of its task, or of texts of its domain.
        out: Folder; made if it is not there.
        options: Of the audit.
        on_stage: Called with the name of each stage that begins.
        pattern: Regular expression of the final answer in a language model's reply; None for all of
            it.
        log: As `audit`.

    Raises:
        InputError: Prompts or folder cannot be used.
        UsageError: The options contradict each other.
        TargetError: The target failed; what was paid for is kept.
    """
    asked = read_prompts(prompts)

    def begin(stack: ExitStack) -> LanguageAudit | VectorAudit:
        journal = _journal(stack, out / "journal.sqlite", target.name)
        limits = _limits(options)
        if isinstance(target, LanguageTarget):
            interview = Interview(target, journal, limits)
            return LanguageAudit(interview, asked, options, target.name, on_stage, pattern=pattern)
        return VectorAudit(Vectors(target, journal, limits), asked, options, target.name, on_stage)

    return _recorded(target.name, prompts, out, options, begin, log)


def with_privacy(
    result: AuditResult,
    train: Recipe,
    inputs: Path,
    labels: Path,
    options: AuditOptions,
    models: int,
    on_stage: OnStage = ignore_stage,
    header: Header = "auto",
) -> AuditResult:
    """Returns the result of an audit with what the training tells of its rows beside it; see
    `privacy_of`.
    """
    rows = read_inputs(inputs, header=header).rows
    truth = read_labels(labels, len(rows), header).numbered().numbers
    beside = result.privacy
    found = privacy_of(
        train, rows, truth, models=models, seed=options.seed, on_stage=on_stage, beside=beside
    )
    return replace(result, privacy=found)


def _recorded(
    name: str,
    inputs: Path,
    out: Path,
    options: AuditOptions,
    begin: Callable[[ExitStack], _Played],
    log: Pace | None,
) -> AuditResult:
    """Runs an audit between two entries of its casebook."""
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack, Casebook.open(out / "casebook") as book:
        who = {"by": getpass.getuser(), "host": socket.gethostname(), "inputs": str(inputs)}
        book.append("audit-started", name, who | {"budget": options.budget, "seed": options.seed})
        played = begin(stack)
        result = played.run()
        if log is not None:
            played.traffic.write(out / "exchanges.parquet", log, options.seed)
        best = {
            each.defence: each.best[1].fidelity if each.best else None for each in result.defended
        }
        book.append("audit-ended", name, {"paid_queries": result.paid, "best_fidelity": best})
        book.sign()
    return result


def _limits(options: AuditOptions) -> Limits:
    return Limits(
        queries=options.budget,
        per_s=options.per_s,
        tokens=options.tokens,
        usd=options.usd,
        prices=options.prices,
    )


def _journal(stack: ExitStack, path: Path, target: str) -> Journal:
    journal = Journal(path, target)
    stack.callback(journal.close)
    return journal
