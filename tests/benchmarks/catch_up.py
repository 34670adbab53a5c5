"""Catching up after downtime, on a chain of full blocks: each way by turns, in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from bwm.chain.outpoint import txid_text
from bwm.config import load
from bwm.daemon.connect import connect
from regtest.daemon import Bwm
from regtest.node import RegtestNode, get_node, wait_until
from regtest.receiver import Receiver
from tests.benchmarks.full_blocks import SCRIPT, Mill, spend
from tests.benchmarks.report import Row
from tests.benchmarks.scan import random_outpoints

_WATCHED = 1_000
_PLANTED = 3  # thefts among the blocks
_FILTERED = 10  # scripts of a vault that was added late
_LONG = 1_000  # blocks: the time of starting weighs in the reading of fewer
_NODE = ["-rest=1", "-blockfilterindex=1", "-acceptnonstdtxn=1", "-dbcache=300"]


def rows(folder: Path, blocks: int, library: Path, rounds: int) -> list[Row]:
    """All of it, on one chain of so many full blocks."""
    with Receiver() as receiver, RegtestNode(folder / "chain", bitcoind=get_node(), extra_args=_NODE) as node:
        chain = _Chain(folder, node, receiver, blocks)
        times = chain.race(library, rounds)
        return [*_ratios(times, blocks), *chain.late_vault(times), chain.theft_meanwhile()]


class _Chain:
    """A node with full blocks above the cursor of a bwm that watches coins spent in them."""

    def __init__(self, folder: Path, node: RegtestNode, receiver: Receiver, blocks: int) -> None:
        self.blocks = blocks
        self._node = node
        self._receiver = receiver
        self._mill = Mill(node, reserved=_PLANTED + 1)
        self._bwm = Bwm(folder / "bwm-chain", node, receiver_url=receiver.url())
        *planted, self._last = self._mill.reserved
        reserved = (txid + index.to_bytes(4, "little") for txid, index in self._mill.reserved)
        keys = [*random_outpoints(_WATCHED), *reserved]
        lines = (f"cold,{txid_text(key[:32])}:{int.from_bytes(key[32:], 'little') % 1000}" for key in keys)
        self._bwm("add-vault", "--from-file", "-", stdin="\n".join(["name,outpoint", *lines]))
        self._bwm.start()
        self._bwm.stop()
        self.first = node.height + 1
        places = {1 + number * blocks // _PLANTED: coin for number, coin in enumerate(planted)}
        self.planted = len(places)
        for number in range(blocks):
            self._mill.grind(places.get(number + 1))

    def race(self, library: Path, rounds: int) -> dict[str, list[dict[str, Any]]]:
        """Every way once in each round."""
        ways = {
            "fetching": ("fetching",),
            "apart": ("apart",),
            "plain": ("daemon",),
            "compiled": ("daemon", str(library)),
            "library": ("library",),
        }
        results: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, (way, *more) in ways.items():
                results[name].append(self._read(way, *more))
        found = {result["found"] for name in ("plain", "compiled") for result in results[name]}
        assert found == {self.planted}, f"{found} of {self.planted} planted thefts were found"
        return results

    def _read(self, way: str, *more: str) -> dict[str, Any]:
        state = self._bwm.home / "copy"
        shutil.copytree(self._bwm.state_dir, state, ignore=shutil.ignore_patterns("*.sock*"))
        command = [sys.executable, "-m", "tests.benchmarks.reader", way, self._bwm.config, state, self.first, *more]
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True)
        shutil.rmtree(state)
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        assert result["blocks"] == self.blocks
        return result

    def late_vault(self, times: dict[str, list[dict[str, Any]]]) -> list[Row]:
        """The node's filters are searched for a vault's scripts, instead of reading the blocks."""
        node = connect(load(self._bwm.config))
        last = self._node.height
        wait_until(lambda: (node.block_filter_height() or 0) >= last, "the node's filters", 120)
        scripts = [SCRIPT[:2] + os.urandom(32) for _ in range(_FILTERED)]
        durations = []
        for _ in range(5):
            began = time.perf_counter()
            node.scan_blocks(scripts, self.first, last)
            durations.append(time.perf_counter() - began)
        reading = [result["seconds"] for result in times["apart"]]
        return [
            Row(
                "late vault, % of reading the same blocks",
                f"{_FILTERED} scripts",
                100 * min(durations) / min(reading),
                5,
                at_least=False,
                median_value=100 * median(durations) / median(reading),
            )
        ]

    def theft_meanwhile(self) -> Row:
        """A theft enters the mempool while the daemon is far behind: when is it told?"""
        raw, txid = spend(self._last, self._mill.sats)
        self._bwm.start(until_ready=False)
        wait_until(lambda: self._height() > self.first, "the first blocks", every_s=0.005)
        began = time.time()
        self._node.send(raw.hex())
        behind = self._node.height - self._height()
        [message] = wait_until(lambda: self._receiver.holding(txid_text(txid)), "the alert", 120, every_s=0.005)
        left = self._node.height - self._height()
        self._bwm.kill()
        note = f"{behind} blocks behind when it was sent, {left} when it was told"
        return Row("theft while catching up, told after (s)", "full blocks", message.at - began, 2, False, note=note)

    def _height(self) -> int:
        return int(self._bwm.rows("SELECT MAX(height) AS height FROM block")[0]["height"])


def _ratios(times: dict[str, list[dict[str, Any]]], blocks: int) -> list[Row]:
    def ratio(way: str, yardstick: str) -> tuple[float, float]:
        own, base = ([result["seconds"] for result in times[name]] for name in (way, yardstick))
        return min(own) / min(base), median(own) / median(base)

    def row(what: str, way: str, yardstick: str, target: float, *, times_as_fast: bool = False) -> Row:
        best, middle = ratio(yardstick, way) if times_as_fast else ratio(way, yardstick)
        return Row(what, f"{blocks} full blocks", best, target, times_as_fast, middle, _note(times[way], blocks))

    memory = max(result["memory"] for result in times["plain"]) / 1e6
    return [
        row("catching up, to fetching and searching apart", "plain", "apart", 1.15),
        row("catching up, times python-bitcoinrpc + CBlock", "plain", "library", 30, times_as_fast=True),
        row("catching up, to fetching alone", "plain", "fetching", 6),
        row("catching up compiled, to fetching alone", "compiled", "fetching", 1.3 if blocks >= _LONG else 1.8),
        Row("memory while catching up (MB more)", f"{blocks} full blocks", memory, 20, at_least=False),
    ]


def _note(results: list[dict[str, Any]], blocks: int) -> str:
    return f"{min(result['seconds'] for result in results) / blocks * 1000:.1f} ms a block"
