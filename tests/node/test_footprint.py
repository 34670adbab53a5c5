"""bwm stays small and idle beside a node on a small machine. The bounds are loose: they catch a leap, not a drift."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from regtest.daemon import PROGRAM
from regtest.node import wait_until
from tests.servers.processes import descendants

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def bwm(bwm):
    """Started as people start it."""
    bwm.is_measured = True
    return bwm


def memory_mb(pid):
    """What a process has for itself, and its share of what it has with others (MB)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1000


def cpu_s(pid):
    """The processor time that a process has used (seconds)."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / TICKS_PER_S


def of_all(measure, pid):
    """The sum over a process and its children."""
    return sum(measure(each) for each in (pid, *descendants(pid)))


def share_of_processor(pid, seconds):
    """How much of one processor a process and its children use in the next seconds."""
    before, started = of_all(cpu_s, pid), time.monotonic()
    time.sleep(seconds)  # a measurement, not a wait for something
    return (of_all(cpu_s, pid) - before) / (time.monotonic() - started)


def least_work(times, *commands):
    """The least processor time of each command (seconds); they take turns, so that all have the same machine."""
    used = [[] for _ in commands]
    for _ in range(times):
        for command, mine in zip(commands, used, strict=True):
            before = os.times()
            subprocess.run(command, capture_output=True, check=True)
            after = os.times()
            mine.append(after.children_user - before.children_user + after.children_system - before.children_system)
    return [min(each) for each in used]


def test_a_daemon_with_two_channels_needs_less_memory_than_a_browser_tab(node, guarded, coin, thief, receiver):
    theft = node.spend(coin, thief)
    receiver.wait_for(text=theft)  # every process that a delivery needs is there now
    assert of_all(memory_mb, guarded.pid) < 120


def test_a_daemon_that_has_nothing_to_do_does_next_to_nothing(guarded):
    time.sleep(1)  # the start is over
    assert share_of_processor(guarded.pid, 6) < 0.03  # measured below 0.01 on a quiet machine


def test_a_daemon_whose_node_fetches_the_chain_for_days_leaves_it_the_processor(make_node, make_bwm):
    bwm = make_bwm(make_node("fresh", blocks=0))
    bwm.is_measured = True
    bwm.start(until_ready=False)
    wait_until(lambda: bwm.status()["node"]["syncing"], "a look at the node")
    wait_until(lambda: share_of_processor(bwm.pid, 1) < 0.1, "rest")


def test_help_is_there_at_once():
    python, program = least_work(5, [sys.executable, "-c", "import click"], [PROGRAM, "--help"])
    assert program < 4 * python


def test_a_theft_is_on_the_phone_within_two_seconds(node, guarded, coin, thief, receiver):
    raw = node.signed_spend(coin, thief)
    started = time.time()
    theft = node.send(raw)
    [message] = wait_until(lambda: receiver.holding(theft), "the message", every_s=0.005)
    assert message.at - started < 2
