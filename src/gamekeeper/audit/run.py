"""An audit in a folder: its journal, its casebook, and the attacks between.

OUT/journal.sqlite   every answer that was paid for; the same audit goes on from it
OUT/explained.sqlite the same for counterfactuals, if there are any
OUT/casebook/        who ran it, on what, when, and what came of it
"""

import getpass
import socket
from contextlib import ExitStack
from pathlib import Path

from gamekeeper.audit.attacks._attack import Encode
from gamekeeper.audit.driver import Audit, Stage
from gamekeeper.audit.inputs import read_inputs
from gamekeeper.audit.journal import Journal
from gamekeeper.audit.meter import Limits, Meter
from gamekeeper.audit.options import AuditOptions
from gamekeeper.audit.result import AuditResult
from gamekeeper.audit.targets import Target
from gamekeeper.casebook import Casebook


def audit(
    target: Target,
    inputs: Path,
    out: Path,
    options: AuditOptions,
    stage: Stage = lambda what: None,
    *,
    encode: Encode | None = None,
    explainer: Target | None = None,
    public: Path | None = None,
    log_per_day: int | None = None,
) -> AuditResult:
    """Attacks a target of one's own.

    Args:
        target: What is attacked.
        inputs: File of unlabelled inputs of its domain.
        out: Folder; made if it is not there.
        options: What the audit is told.
        stage: Told of each thing that is begun.
        encode: A public encoder that the target may be built on.
        explainer: What gives counterfactuals for inputs.
        public: File of inputs of the same shape that anybody can have, of another domain; None for none.
        log_per_day: Writes what thieves asked to OUT/exchanges.parquet, each so many queries a day; None for not.

    Raises:
        InputError: Inputs or folder cannot be used.
        UsageError: What the audit is told does not fit together.
        TargetError: The target failed; what was paid for is kept.
    """
    rows, others = read_inputs(inputs), read_inputs(public) if public else None
    out.mkdir(parents=True, exist_ok=True)
    limits = Limits(queries=options.budget, per_s=options.per_s)
    with ExitStack() as stack:
        meter = _meter(stack, target, out / "journal.sqlite", limits)
        explains = _meter(stack, explainer, out / "explained.sqlite", limits) if explainer else None
        with Casebook.open(out / "casebook") as book:
            who = {"by": getpass.getuser(), "host": socket.gethostname(), "inputs": str(inputs)}
            book.append("audit-started", target.name, who | {"budget": options.budget, "seed": options.seed})
            played = Audit(meter, rows, options, target.name, stage, encode=encode, explainer=explains, public=others)
            result = played.run()
            if log_per_day is not None:
                played.traffic.write(out / "exchanges.parquet", log_per_day, options.seed)
            best = {each.defence: each.best[1].fidelity if each.best else None for each in result.defended}
            book.append("audit-ended", target.name, {"paid_queries": meter.paid, "best_fidelity": best})
            book.sign()
    return result


def _meter(stack: ExitStack, target: Target, path: Path, limits: Limits) -> Meter:
    journal = Journal(path, target.name)
    stack.callback(journal.close)
    return Meter(target, journal, limits)
