"""The table of docs/measurements/guard-load.md: what the guard costs a request, beside a bare proxy
and LiteLLM.

    python benchmarks/guard/load/run.py [--rounds 5] [--seconds 3] [--litellm-python PYTHON]
    [--accounts 100000]

Gateways run at the same time, each a process kept to the first core, and are asked in turn, each
round in another order, so that whatever else the machine does falls on all alike. The model, the
callers and the guard's linking process share the second core. LiteLLM (`litellm[proxy]`) wants an
environment of its own, whose Python is named.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import median

import uvloop
from caller import Heard, call, requests
from gateways import BESIDE, GATEWAY, Gateway, bare, guard, model

_STREAMS_AT_ONCE = 16
_PACED_AT_ONCE = 4
_GAP_MS = 5


@dataclass(kw_only=True)
class Measured:
    """One gateway, a value a round."""

    one_ms: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    streams: list[float] = field(default_factory=list)
    first_p50_ms: list[float] = field(default_factory=list)
    first_p99_ms: list[float] = field(default_factory=list)
    failed: int = 0
    memory_mb: float = 0.0


def main() -> None:
    """Measures, prints, and writes the figures where `--json` says."""
    wanted = _arguments()
    os.sched_setaffinity(0, BESIDE)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as up:
        upstream = up.enter_context(model())
        gateways = [upstream, *_gateways(wanted, upstream, Path(folder), up)]
        measured = {each.name: Measured() for each in gateways}
        for turn in range(wanted.rounds):
            for each in [*gateways[turn % len(gateways) :], *gateways[: turn % len(gateways)]]:
                uvloop.run(_round(each, measured[each.name], wanted.seconds))
            print(f"round {turn + 1} of {wanted.rounds}", file=sys.stderr, flush=True)
        for each in gateways[1:]:
            measured[each.name].memory_mb = each.memory_mb()
    print(_table(measured))
    crowd = _crowd(wanted.accounts) if wanted.accounts else {}
    if wanted.json:
        wanted.json.write_text(
            json.dumps({n: asdict(m) for n, m in measured.items()} | {"crowd": crowd}, indent=1)
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each cell in each round")
    parser.add_argument(
        "--litellm-python", type=Path, help="Python of an environment with litellm[proxy]"
    )
    parser.add_argument(
        "--accounts", type=int, default=0, help="then also: memory with so many accounts"
    )
    parser.add_argument("--json", type=Path, help="file for the figures of every round")
    return parser.parse_args()


def _gateways(
    wanted: argparse.Namespace, upstream: Gateway, folder: Path, up: ExitStack
) -> Iterator[Gateway]:
    yield up.enter_context(bare(upstream))
    yield up.enter_context(guard(upstream, folder / "beside"))
    yield up.enter_context(guard(upstream, folder / "same", "guard, linking on its core", GATEWAY))
    if wanted.litellm_python:
        from litellm_side import litellm_proxy

        yield up.enter_context(litellm_proxy(wanted.litellm_python, upstream))


async def _round(gateway: Gateway, measured: Measured, seconds: float) -> None:
    """One turn of a gateway in all cells."""
    key = gateway.key
    whole = cycle(requests(100, key=key))
    streamed = cycle(requests(100, stream=True, key=key))
    slowly = cycle(requests(100, stream=True, gap_ms=_GAP_MS, key=key))
    await call(gateway.port, whole, 8, 0.3)  # warm
    alone = await call(gateway.port, whole, 1, seconds)
    before = gateway.cpu_s()
    many = await call(gateway.port, whole, 64, seconds)
    cpu_s = gateway.cpu_s() - before
    streams = await call(gateway.port, streamed, _STREAMS_AT_ONCE, seconds)
    paced = await call(gateway.port, slowly, _PACED_AT_ONCE, seconds)
    measured.one_ms.append(alone.took_ms(0.5))
    measured.rate.append(many.rate)
    measured.cpu_us.append(cpu_s / max(len(many.took_s), 1) * 1e6)
    measured.streams.append(streams.rate)
    measured.first_p50_ms.append(paced.first_ms(0.5))
    measured.first_p99_ms.append(paced.first_ms(0.99))
    measured.failed += sum(heard.failed for heard in (alone, many, streams, paced))


def _table(measured: dict[str, Measured]) -> str:
    """Markdown; median over rounds, lowest and highest behind it."""
    rows = [
        "| gateway | median ms at 1 connection | requests/s at 64 | CPU us/request | streams/s (50 chunks, 16 at once) "
        "| first token held back, median ms | p99 ms | memory MB | not answered with 200 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, each in measured.items():
        cells = [
            _cell(each.one_ms, 3),
            _cell(each.rate, 0),
            _cell(each.cpu_us, 0),
            _cell(each.streams, 0),
        ]
        cells += [
            _cell(each.first_p50_ms, 2),
            _cell(each.first_p99_ms, 2),
            f"{each.memory_mb:.0f}",
            str(each.failed),
        ]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(values: list[float], digits: int) -> str:
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def _crowd(accounts: int) -> dict[str, float]:
    """Memory of a guard that has just served so many accounts, three requests each."""
    with (
        tempfile.TemporaryDirectory() as folder,
        model() as upstream,
        guard(upstream, Path(folder)) as gateway,
    ):
        uvloop.run(call(gateway.port, requests(100), 8))
        before = gateway.memory_mb()
        heard: Heard = uvloop.run(call(gateway.port, requests(accounts, n=3 * accounts), 32))
        after = gateway.memory_mb()
    print(
        f"{accounts:,} accounts: {before:.0f} MB before, {after:.0f} MB after ({len(heard.took_s):,} answers)"
    )
    return {"accounts": accounts, "before_mb": before, "after_mb": after}


if __name__ == "__main__":
    main()
