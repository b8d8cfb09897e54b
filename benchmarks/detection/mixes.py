"""Composed months with several campaigns at once, and what else is asked of them.

All yield (scenario id, folder of traffic, options of hunt). Ids are permanent: detection/mix-SEED,
detection/without-FAMILY, detection/alone-NAME, detection/key-pool-ROUTER-OWNER,
detection/relay-OWNER (OWNER: declared or undeclared).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bases import composed
from pools import ROUTERS, with_key_pool, with_relay

ABLATED = ("content", "shape")
"""Families that tie accounts; the others only raise the verdict of what these have tied."""
Asked = Iterator[tuple[str, Path, tuple[str, ...]]]


@dataclass(frozen=True, kw_only=True)
class Mixes:
    """Months of one mix.

    Args:
        mix: What traffic to compose; JSON.
        data: Folders of prompt sets and traces.
        tools: Folder of the composer.
        work: Where traffic is kept.
    """

    mix: Path
    data: Sequence[Path]
    tools: Path
    work: Path

    def month(self, seed: int) -> Path:
        """Traffic of a seed."""
        return self._composed(self.mix, f"{self.mix.stem}-{seed}", seed)

    def whole(self, seed: int) -> Asked:
        """The mix as it is."""
        yield f"{self.mix.stem}-{seed}", self.month(seed), ()

    def ablated(self, seed: int) -> Asked:
        """The mix with one family of evidence left out."""
        for family in ABLATED:
            yield f"without-{family}-{seed}", self.month(seed), ("--without", family)

    def alone(self, seed: int) -> Asked:
        """Each campaign alone in the log, and none."""
        spec = json.loads(self.mix.read_text())
        for name in [*(campaign["name"] for campaign in spec["campaigns"]), None]:
            kept = [campaign for campaign in spec["campaigns"] if campaign["name"] == name]
            mix = self.work / f"alone-{name}.json"
            mix.write_text(json.dumps({**spec, "campaigns": kept}))
            traffic = self._composed(mix, f"alone-{name}-{seed}", seed)
            yield f"alone-{name or 'nobody'}-{seed}", traffic, ()

    def pools(self, seed: int) -> Asked:
        """The mix with one app behind several keys, and with persons behind a relay."""
        for declared in (False, True):
            owner = "declared" if declared else "undeclared"
            for router in ROUTERS:
                name = f"key-pool-{router}-{owner}-{seed}"
                out = self.work / f"traffic-{name}"
                month = self.month(seed)
                yield name, with_key_pool(month, out, router, declared=declared, seed=seed), ()
            name = f"relay-{owner}-{seed}"
            out = self.work / f"traffic-{name}"
            yield name, with_relay(self.month(seed), out, declared=declared, seed=seed), ()

    def _composed(self, mix: Path, name: str, seed: int) -> Path:
        return composed(self.work / f"traffic-{name}", mix, seed, self.data, self.tools)
