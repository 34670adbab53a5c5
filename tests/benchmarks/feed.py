"""The feed: how long until a match is decided, what it costs at ten transactions a second, and whether a burst is lost.

Beside it listens a bare subscriber, which does nothing with what it receives.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bwm.chain.outpoint import txid_text
from regtest.daemon import Bwm
from regtest.node import RegtestNode, get_node, wait_until
from tests.benchmarks.full_blocks import Mill, spend
from tests.benchmarks.report import Row
from tests.servers.processes import descendants

BURST = 5_700  # transactions of a busy block
_PER_S = 10
_WINDOWS = 3
_BURSTS = 5
_ROUND_S = 0.5  # a subscription takes less to arrive


class Listener:
    """A process of tests.benchmarks.listen."""

    def __init__(self, way: str, node: RegtestNode) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.listen", way, node.zmq]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        assert self._process.stdout
        assert self._process.stdout.readline() == "listening\n"
        time.sleep(_ROUND_S)

    def end(self) -> list[tuple[float, str]]:
        """When it heard what: times by the monotonic clock, and txids."""
        heard: list[tuple[float, str]] = json.loads(self._process.communicate(timeout=60)[0].splitlines()[-1])
        return heard


def rows(folder: Path, seconds: int) -> list[Row]:
    """All of it on one node; windows of so many ``seconds``, with ten transactions in each second."""
    count = seconds * _PER_S * _WINDOWS
    with RegtestNode(folder / "feed", bitcoind=get_node(), extra_args=["-acceptnonstdtxn=1"]) as node:
        mill = Mill(node, BURST, reserved=count, small=True)
        bursts = _bursts(node, mill)
        with _daemon(folder, node) as daemon:
            return [*_trickle(node, mill, count, daemon), *bursts]


@contextmanager
def _daemon(folder: Path, node: RegtestNode) -> Iterator[Bwm]:
    bwm = Bwm(folder / "bwm-feed", node)
    bwm.start()
    try:
        yield bwm
    finally:
        bwm.kill()


def _trickle(node: RegtestNode, mill: Mill, count: int, daemon: Bwm) -> list[Row]:
    """Ten transactions a second, heard by all at once."""
    wait_until(lambda: daemon.status()["covered"], "a daemon at rest")
    time.sleep(2)
    listeners = {way: Listener(way, node) for way in ("bare", "bwm")}
    pids = {"daemon": daemon.pid} | {way: listener.pid for way, listener in listeners.items()}
    used: dict[str, list[float]] = {name: [] for name in pids}  # of a processor, in each window
    sent = {}
    for window in range(_WINDOWS):
        before, began = {name: cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
        for number, coin in enumerate(mill.reserved[window:count:_WINDOWS]):
            time.sleep(max(0.0, began + number / _PER_S - time.monotonic()))
            at = time.monotonic()
            raw, txid = spend(coin, mill.sats)
            node.send(raw.hex())
            sent[txid_text(txid)] = at
        time.sleep(max(0.0, began + count / _WINDOWS / _PER_S - time.monotonic()))
        for name, pid in pids.items():
            used[name].append((cpu_s(pid) - before[name]) / (time.monotonic() - began))
    time.sleep(1)
    heard = {way: listener.end() for way, listener in listeners.items()}
    latency = {way: median(at - sent[txid] for at, txid in result if txid in sent) for way, result in heard.items()}
    rate = f"{_PER_S} transactions a second"
    return [
        Row(
            "match decided, to a bare subscriber",
            rate,
            latency["bwm"] / latency["bare"],
            1.1,
            at_least=False,
            note=f"{latency['bwm'] * 1000:.2f} ms after sending, bare {latency['bare'] * 1000:.2f}",
        ),
        Row(
            "processor for that, to a bare subscriber",
            rate,
            min(used["bwm"]) / min(used["bare"]),
            1.5,
            at_least=False,
            median_value=median(used["bwm"]) / median(used["bare"]),
            note=f"{100 * min(used['bwm']):.2f} % of a core",
        ),
        Row(
            "processor of the whole daemon, % of a core",
            rate,
            100 * min(used["daemon"]),
            0.5,
            at_least=False,
            median_value=100 * median(used["daemon"]),
        ),
    ]


def _bursts(node: RegtestNode, mill: Mill) -> list[Row]:
    """Blocks of 5,700 transactions, by turns before one listener and the other."""
    rates: dict[str, list[float]] = {"bare": [], "bwm": []}
    lost = 0
    for _ in range(_BURSTS):
        for way, measured in rates.items():
            listener = Listener(way, node)
            mill.grind()
            time.sleep(_ROUND_S)
            heard = listener.end()
            if way == "bwm":
                lost += BURST + 1 - len(heard)
            measured.append(len(heard) / (heard[-1][0] - heard[0][0]))
    note = f"{max(rates['bwm']):,.0f} a second, bare {max(rates['bare']):,.0f}"
    ratio = max(rates["bwm"]) / max(rates["bare"])
    middle = median(rates["bwm"]) / median(rates["bare"])
    case = f"{BURST:,} transactions at once"
    return [
        Row("rate of a burst, to a bare subscriber", case, ratio, 0.7, median_value=middle, note=note),
        Row("lost of a burst", f"{_BURSTS} blocks, {case}", lost, 0, at_least=False),
    ]


def cpu_s(pid: int) -> float:
    """The processor time that a process and its children have used (seconds)."""
    return sum(_cpu_s(each) for each in (pid, *descendants(pid)))


def _cpu_s(pid: int) -> float:
    """Of the threads that live (proc_pid_schedstat: nanoseconds on a processor)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
