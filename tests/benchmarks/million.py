"""A service with very many triggers: added from one file, held in memory, loaded again, and a theft among them."""

import os
import time
from pathlib import Path

from regtest.daemon import Bwm
from regtest.node import RegtestNode, get_node, wait_until
from regtest.receiver import Receiver
from tests.benchmarks.memory import proportional_bytes
from tests.benchmarks.report import Row
from tests.servers.processes import descendants

_EACH = 100  # triggers of a vault


def rows(folder: Path, count: int) -> list[Row]:
    """``count`` triggers; the targets are for a million."""
    with Receiver() as receiver, RegtestNode(folder / "many", bitcoind=get_node()) as node:
        node.mine(110)
        coins = [node.pay(node.new_address(), 1_000_000) for _ in range(3)]
        node.mine()
        service = _Service(folder, node, receiver)
        try:
            return service.measure(coins, count)
        finally:
            service.bwm.kill()


class _Service:
    """A daemon with a channel by Apprise, and thefts."""

    def __init__(self, folder: Path, node: RegtestNode, receiver: Receiver) -> None:
        self._folder = folder
        self._node = node
        self._receiver = receiver
        self._thief = node.new_address(wallet="miner")
        self.bwm = Bwm(folder / "bwm-many", node, receiver_url=receiver.url())

    def measure(self, coins: list[str], count: int) -> list[Row]:
        alone, among, after = coins
        self.bwm("add-vault", "first", "--outpoint", alone)
        self.bwm.start()
        with_one = self._steal(alone)
        imported = self._add([among, after], count)
        with_many = self._steal(among)
        memory = sum(map(proportional_bytes, (self.bwm.pid, *descendants(self.bwm.pid)))) / 1e6
        self.bwm.stop()
        ready = self._start()
        again = self._steal(after)
        what = f"{count:,} triggers"
        slower = min(with_many, again) / with_one
        note = (
            f"{with_many * 1000:.0f} ms, with one trigger {with_one * 1000:.0f}, after the restart {again * 1000:.0f}"
        )
        return [
            Row("added from a file (s)", what, imported, 60, at_least=False),
            Row("memory of the daemon's processes (MB)", f"{what}, Apprise loaded", memory, 100, at_least=False),
            Row("ready after a restart (s)", what, ready, 5, at_least=False),
            Row("theft told, to with one trigger", what, slower, 2, at_least=False, note=note),
        ]

    def _add(self, coins: list[str], count: int) -> float:
        """How long it takes, watched and all (seconds)."""
        file = self._folder / "vaults.csv"
        with file.open("w") as lines:
            lines.write("name,outpoint\n")
            lines.writelines(f"v{n // _EACH},{os.urandom(32).hex()}:0\n" for n in range(count - len(coins)))
            lines.writelines(f"mine,{coin}\n" for coin in coins)
        began = time.monotonic()
        self.bwm("add-vault", "--from-file", file, timeout_s=1000)
        took = time.monotonic() - began
        query = "SELECT value FROM setting WHERE name = 'watch_generation'"
        assert self.bwm.rows(query)
        wait_until(lambda: self.bwm.status()["covered"], "all to be watched", 120)
        return took

    def _start(self) -> float:
        """Until a theft would be told (seconds)."""
        lines = self.bwm.log_text().count("bwm.ready")
        began = time.monotonic()
        self.bwm.start(until_ready=False)
        wait_until(lambda: self.bwm.log_text().count("bwm.ready") > lines, "the daemon's readiness", 120)
        return time.monotonic() - began

    def _steal(self, coin: str) -> float:
        """From the theft to the message (seconds)."""
        raw = self._node.signed_spend(coin, self._thief)
        began = time.time()
        theft = self._node.send(raw)
        [message] = wait_until(lambda: self._receiver.holding(theft), "the alert", every_s=0.002)
        return message.at - began
