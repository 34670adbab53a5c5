"""From a theft's broadcast to the push that the push service took, while hundreds of wallets register each second.

    python -m tests.benchmarks.push --vaults 1 100000 --rate 300

A real node, a real bwm and a stand-in for the push service, all on this machine. At the end the same is measured under
a flood of requests of every sort, as fast as they are answered.
"""

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from regtest.node import RegtestNode, get_node, wait_until
from tests.api.conftest import Tower, running_tower
from tests.api.wallet import Wallet, post, vault
from tests.benchmarks.__main__ import machine
from tests.benchmarks.callers import Answered, callers
from tests.benchmarks.feed import cpu_s
from tests.benchmarks.report import Row, print_table

TARGET_S = 2.0
_AT_ONCE = 2000  # vaults in one request, to get there
_PAUSE_S = 0.25  # between two
_A_BLOCK = 20  # payments: the wallet does not chain more


@dataclass(frozen=True)
class Theft:
    """A transaction that is not sent yet, and the telephone that must hear of it."""

    raw: str
    wallet: Wallet


@dataclass
class Measured:
    """What one load did to the thefts under it."""

    took_s: list[float]  # sorted
    answered: Answered
    used: float  # of a core, by the daemon

    @property
    def p50_s(self) -> float:
        return statistics.median(self.took_s)

    @property
    def p99_s(self) -> float:
        return self.took_s[math.ceil(len(self.took_s) * 0.99) - 1]


def signed_thefts(node: RegtestNode, count: int) -> list[str]:
    """So many spends of coins in blocks, that nobody has sent."""
    coins = []
    for number in range(1, count + 1):
        coins.append(node.pay(node.new_address(), 500_000))
        if number % _A_BLOCK == 0 or number == count:
            node.mine()
    return [node.signed_spend(coin, node.new_address(wallet="thief")) for coin in coins]


def guard(tower: Tower, raws: Sequence[str]) -> list[Theft]:
    """A telephone for each of them."""
    thefts = [Theft(raw, tower.wallet()) for raw in raws]
    for theft in thefts:
        txid = tower.node.rpc("decoderawtransaction", theft.raw)["txid"]
        assert theft.wallet.register(vault(txid)).status == 200
    _wait_until_taken_up(tower)
    return thefts


def fill(tower: Tower, vaults: int) -> None:
    """So many vaults of others."""
    for start in range(0, vaults, _AT_ONCE):
        many = (vault(uuid4().hex * 2, number=number) for number in range(min(_AT_ONCE, vaults - start)))
        body = tower.wallet().registration(*many)
        assert post(tower.port, "/regtest/watchtower/register", body).status == 200
    _wait_until_taken_up(tower)


def _wait_until_taken_up(tower: Tower) -> None:
    sql = "SELECT 1 FROM backlog UNION ALL SELECT 1 FROM rewind_vault WHERE unchecked > 0 LIMIT 1"
    wait_until(lambda: not tower.bwm.rows(sql), "the taking up", 300, every_s=0.2)


def measure(
    tower: Tower, thefts: Sequence[Theft], load: AbstractContextManager[Answered], load_first_s: float = 3.0
) -> Measured:
    """Send them one after the other under the load, which has gone on for a while before the first."""
    took_s = []
    with load as answered:
        time.sleep(load_first_s)
        used, since = cpu_s(tower.bwm.pid), time.monotonic()
        for theft in thefts:
            began = time.time()
            tower.node.send(theft.raw)
            [push] = tower.expo.wait_for(theft.wallet.token, limit_s=60)
            took_s.append(tower.expo.arrived_at[tower.expo.pushes.index(push)] - began)
            time.sleep(_PAUSE_S)
        used = (cpu_s(tower.bwm.pid) - used) / (time.monotonic() - since)
    return Measured(sorted(took_s), answered, used)


def rows_of(measured: Measured, case: str, rate: float | None) -> list[Row]:
    """The times in seconds, and how many requests were answered each second."""
    note = f"p50 {measured.p50_s:.2f} s over {len(measured.took_s)} thefts; {100 * measured.used:.0f} % of a core"
    said = ", ".join(f"{status} {count}" for status, count in sorted(measured.answered.statuses.items()))
    said += f"; each in {1000 * statistics.median(measured.answered.took_s or [0]):.0f} ms"
    return [
        Row("broadcast to push, p99 (s)", case, measured.p99_s, TARGET_S, False, measured.p50_s, note),
        Row("requests answered a second", case, measured.answered.per_s, 0.97 * (rate or 0), note=said),
    ]


def run(folder: Path, vaults: Sequence[int], thefts: int, rate: float) -> list[Row]:
    """Each number of vaults with a bwm of its own, all beside one node."""
    rows = []
    with RegtestNode(folder / "node", bitcoind=get_node()) as node:
        node.mine(110)
        for number in vaults:
            with running_tower(folder / f"bwm-{number}", node) as tower:
                fill(tower, number - 1)
                guarded = guard(tower, signed_thefts(node, thefts))
                busy = measure(tower, guarded, callers(tower.port, rate))
                rows += rows_of(busy, f"{number:,} vaults, {rate:g} registrations/s", rate)
                guarded = guard(tower, signed_thefts(node, thefts))
                flooded = measure(tower, guarded, callers(tower.port))
                rows += rows_of(flooded, f"{number:,} vaults, a flood", None)
    return rows


def main() -> int:
    """1 if a target was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.push",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--vaults", nargs="+", type=int, default=[1, 100_000], metavar="N", help="registered (1 100000)"
    )
    parser.add_argument("--rate", type=float, default=300, metavar="N", help="fresh registrations a second (300)")
    parser.add_argument("--thefts", type=int, default=100, metavar="N", help="for each number, twice (100)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bwm-push-") as folder:
        rows = run(Path(folder), options.vaults, options.thefts, options.rate)
    print(f"{machine()}\n")
    print_table(rows)
    return 0 if all(row.is_met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
