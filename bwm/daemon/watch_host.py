"""What the node's answers and this machine say about how well bwm can see: old tips, full disks, wrong clocks."""

import shutil
from collections.abc import Collection
from pathlib import Path

from bwm.clock import Clock
from bwm.daemon.watch_health import HealthWatch
from bwm.health import LADDER, SLOW_BLOCKS, slow_conditions, tip_conditions
from bwm.node.answers import NodeInfo
from bwm.node.bitcoind import Bitcoind

_LEAST_FREE_BYTES = 100_000_000
_CLOCK_TOLERANCE_S = 2 * 3600  # a block's time may be two hours ahead of the network's (consensus)


class HostWatch:
    """Looks at each reconcile.

    ``folders`` are those that bwm writes to. ``mines_by_schedule``: False on regtest, where no block is ever due.
    """

    def __init__(
        self, folders: Collection[Path], node: Bitcoind, health: HealthWatch, clock: Clock, *, mines_by_schedule: bool
    ) -> None:
        self._node = node
        self._folders = folders
        self._health = health
        self._clock = clock
        self._mines_by_schedule = mines_by_schedule

    def look(self, info: NodeInfo) -> None:
        """Begin and end the conditions that follow from the node's state and the machine's."""
        now = self._clock.now()
        if self._mines_by_schedule and not info.initial_block_download:
            ladder = [name for _, name in LADDER]
            self._health.hold(ladder, tip_conditions(now - info.tip_time))
            self._health.hold(["slow-blocks"], self._slow_blocks(info, now))
        self._look_at_clock(info, now)
        free = min(shutil.disk_usage(folder).free for folder in self._folders)
        low = {"disk": f"{free // 1_000_000} MB left"} if free < _LEAST_FREE_BYTES else {}
        self._health.hold(["disk"], low)

    def _slow_blocks(self, info: NodeInfo, now: int) -> dict[str, str]:
        """One of a chain that is fed slowly never seems old: count its blocks as well."""
        if info.height < SLOW_BLOCKS:
            return {}
        earlier = self._node.block_header(self._node.block_hash(info.height - SLOW_BLOCKS))
        return slow_conditions(SLOW_BLOCKS, now - earlier.time) if earlier else {}

    def _look_at_clock(self, info: NodeInfo, now: int) -> None:
        """The chain's median time lies an hour or so behind the true time, and never ahead of it."""
        behind = info.median_time - now
        wrong = {"clock": f"{behind // 60} minutes behind the chain"} if behind > _CLOCK_TOLERANCE_S else {}
        self._health.hold(["clock"], wrong)
