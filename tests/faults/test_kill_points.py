"""P1: killed before every write and every fsync of a scenario, bwm ends where one ends that nothing happened to.

Two bwms stand beside one node. In each step one of them is started again and again, to be killed before the first
write or fsync of a thread, before the second, and so on, until it is through; the other runs undisturbed.
"""

import itertools
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from regtest.daemon import Bwm
from regtest.node import RegtestNode, wait_until
from tests import warm
from tests.faults.conftest import found, with_vault
from tests.faults.invariants import assert_invariants, settle, state
from tests.faults.tools import going_on_to_be_killed, killed_at

LIMIT_S = 30
LOOK_EVERY_S = 0.25
"""To see that it was killed is cheap, to compare all that it knows is not."""


class Steps:
    """The scenario: each step does something to the chain, or asks the owner to."""

    def __init__(self, node: RegtestNode, coins: list[str], thief: str) -> None:
        self._node, self._coins, self._thief = node, coins, thief
        self.thefts: list[str] = []

    def theft_in_the_mempool(self) -> None:
        self.thefts.append(self._node.spend(self._coins[len(self.thefts)], self._thief))

    def block(self) -> None:
        self._node.mine()

    def reorg(self) -> None:
        self._node.reorg(1)

    def burial(self) -> None:
        self._node.mine(6)


NORMAL = ("theft_in_the_mempool", "block")
LONG = ("theft_in_the_mempool", "block", "reorg", "block", "theft_in_the_mempool", "burial", "theft_in_the_mempool")


def kill_through(bwm: Bwm, is_through: Callable[[], bool], step: int) -> int:
    """Start and kill, ``step`` system calls later each time, until a run gets through; how often it was killed."""
    bwm.start_daemon = partial(warm.start, is_stopped=True)  # a cold start takes twice as long, and writes nothing more
    for kills, number in enumerate(itertools.count(1, step)):
        bwm.start(until_ready=False)
        deadline = time.monotonic() + LIMIT_S
        with going_on_to_be_killed(bwm.pid, number):
            while not ends(bwm, within_s=LOOK_EVERY_S) and not is_through():
                assert time.monotonic() < deadline, "neither killed nor through"
            if bwm.is_running:
                bwm.kill()
                return kills
    raise AssertionError("unreachable")


def ends(bwm: Bwm, *, within_s: float) -> bool:
    """Whether the daemon ends in that time."""
    with suppress(subprocess.TimeoutExpired):
        bwm.wait_exit(within_s)
    return not bwm.is_running


@pytest.mark.parametrize(
    ("names", "step"), [(NORMAL, 2), pytest.param(LONG, 1, marks=pytest.mark.long)], ids=["every-second", "each"]
)
@pytest.mark.timeout(3600)
def test_p1_killed_before_every_write_and_fsync_it_ends_as_if_undisturbed(
    node, make_bwm, coins, thief, note, names, step
):
    quiet, killed = (with_vault(make_bwm(node, name), coins) for name in ("quiet", "killed"))
    quiet.start()
    steps = Steps(node, coins, thief)
    kills = 0
    for name in names:
        getattr(steps, name)()
        for theft in steps.thefts:
            found(quiet, theft)
        settle(quiet, node)
        wanted = state(quiet)
        kills += kill_through(killed, lambda wanted=wanted: state(killed) == wanted, step)
        assert_invariants(quiet, node, steps.thefts)
        assert_invariants(killed, node, steps.thefts)
    note("kill points", kills)
    note("thefts", len(steps.thefts))
    assert kills >= 10 * len(names)


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.long)], ids=["every-fourth", "each"])
@pytest.mark.timeout(1800)
def test_p1_a_command_killed_before_a_write_or_fsync_did_all_or_nothing(node, bwm, coins, thief, note, step):
    kills = 0
    if step > 1:
        bwm("list-vaults")  # the tables are there: to make them takes hundreds of writes
    for kill in itertools.count(1, step):
        done = under(killed_at(kill), bwm, "add-vault", "cold", "--outpoint", coins[0])
        assert halves(bwm, "cold") in ([], [(1, 1)])
        if done or halves(bwm, "cold"):
            break
        kills += 1
    bwm.start()
    theft = node.spend(coins[0], thief)
    bwm.wait_for_alert(txid=theft)
    [alert] = [one for one in bwm.alerts() if one["kind"] == "trigger.seen"]
    for kill in itertools.count(1, step):
        done = under(killed_at(kill), bwm, "ack", alert["id"])
        state_now = bwm.rows("SELECT state FROM alert WHERE id = ?", alert["id"])[0]["state"]
        waiting = bwm.rows("SELECT id FROM outbox WHERE alert_id = ? AND due_at IS NOT NULL", alert["id"])
        assert state_now == "open" or not waiting
        if done:
            break
        kills += 1
    assert bwm.rows("SELECT state FROM alert WHERE id = ?", alert["id"]) == [{"state": "acknowledged"}]
    wait_until(lambda: bwm.is_running, "the daemon")
    note("kill points", kills)
    assert kills >= 5


def halves(bwm: Bwm, name: str) -> list[tuple[int, int]]:
    """How many rows there are of a vault and of its triggers; nothing before the tables are there."""
    query = "SELECT COUNT(DISTINCT v.id) AS v, COUNT(t.id) AS t FROM vault v LEFT JOIN trigger t ON t.vault_id = v.id "
    try:
        rows = bwm.rows(f"{query} WHERE v.name = ? GROUP BY v.id", name)
    except sqlite3.OperationalError:  # not made yet, or waiting for the next start to undo what was cut off
        return []
    return [(row["v"], row["t"]) for row in rows]


def under(wrapper: list[str], bwm: Bwm, *arguments: str) -> bool:
    """Run a command of bwm under a wrapper; True when it got through."""
    return bwm.run_under(wrapper, *arguments) == 0
