"""What can go wrong with a response that was decided on (R5 to R18): each a vault of its own beside one node."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bwm.policy.guard import Guard
from regtest.daemon import Bwm
from regtest.node import RegtestNode, wait_until
from tests.node.response_stage import by_hand, decide, fund, protect, write
from tests.vault_signer import Key, TimelockedVault

RATES = (5, 20, 80)


class Stage:
    """One node and one daemon; every row takes a fresh vault."""

    def __init__(self, folder: Path, bitcoind: Path) -> None:
        self.safe = Key()
        self.node = RegtestNode(folder / "node", bitcoind=bitcoind, extra_args=("-persistmempool=0",))
        self.node.start()
        self.node.mine(110)
        self.bwm = Bwm(folder / "bwm", self.node, settings=f'[responses]\nallow = ["{self.safe.address}"]\n')
        self.bwm("hold", "--off")
        self.bwm.start()
        self._count = 0

    def vault(self, *, rates=RATES, delay=10, options=(), **shape) -> tuple[str, TimelockedVault, list]:
        """A vault with its ladder, armed: its name, itself, its steps."""
        self._count += 1
        name = f"v{self._count}"
        vault = fund(self.node, delay=delay, safe=self.safe)
        steps = [vault.response(rate, **shape) for rate in rates]
        protect(self.bwm, vault, steps, *options, name=name)
        return name, vault, steps

    def rob(self, name: str, vault: TimelockedVault, **order) -> None:
        """The thief's first transaction is mined, and a policy decides on it."""
        self.node.mine_exactly([vault.unvault.hex])
        decide(self.bwm, self.bwm.wait_for_event("trigger.confirmed", txid=vault.unvault.txid), **order)

    def wait(self, word: str, name: str, **fields) -> dict:
        return self.bwm.wait_for_event(f"response.{word}", vault=name, **fields)

    def told(self, word: str, name: str) -> list:
        return self.bwm.events(f"response.{word}", vault=name)


@pytest.fixture(scope="module")
def stage(bitcoind) -> Iterator[Stage]:
    folder = Path(tempfile.mkdtemp(prefix="bwm-"))
    stage = Stage(folder, bitcoind)
    try:
        yield stage
    finally:
        stage.bwm.kill()
        stage.node.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_r5_a_coin_that_a_rival_took_for_good_is_told_as_lost_and_kept(stage):
    name, vault, _ = stage.vault()
    stage.node.mine_exactly([vault.unvault.hex, vault.rival(50).hex])
    decide(stage.bwm, stage.bwm.wait_for_event("trigger.confirmed", txid=vault.unvault.txid))
    stage.wait("conflicted", name)
    stage.node.mine(5)
    assert stage.wait("lost", name)["detail"]["by"] == vault.rival(50).txid
    assert stage.bwm.json("list-responses")  # nothing was deleted
    assert not stage.told("sent", name)


def test_r6_and_r17_too_cheap_steps_are_passed_over_and_without_an_estimate_the_highest_allowed_is_sent(stage):
    budget = ("--budget", "3000")
    name, vault, steps = stage.vault(rates=(0.5, 20, 80), options=budget)
    stage.rob(name, vault)
    assert stage.wait("sent", name)["txid"] == steps[1].txid  # the third is above the budget
    assert not stage.told("refused", name)


def test_r7_what_is_in_the_mempool_or_a_block_already_is_followed_not_refused(stage):
    name, vault, steps = stage.vault()
    stage.node.mine_exactly([vault.unvault.hex])
    stage.node.send(steps[2].hex)  # another tower was faster
    by_hand(stage.bwm, f"{name}/safe")
    assert stage.wait("sent", name)["txid"] == steps[2].txid
    stage.node.mine()
    stage.wait("confirmed", name)
    assert not stage.told("refused", name)
    assert "is confirmed" in stage.bwm("broadcast", f"{name}/safe", stdin=f"{name}\n", exit_code=2).stderr


def test_r8_a_response_whose_outputs_are_spent_again_is_known_as_done(stage):
    name, vault, steps = stage.vault()
    stage.node.mine_exactly([vault.unvault.hex])
    child = vault.child(steps[2], steps[2].outputs[0][0], 2_000)
    stage.node.mine_exactly([steps[2].hex, child.hex])
    stage.node.mine(6)
    by_hand(stage.bwm, f"{name}/safe")
    assert stage.wait("buried", name)["txid"] == steps[2].txid
    assert not stage.told("sent", name)


def test_r9_a_rival_in_the_mempool_is_outbid_by_the_next_step_and_told_when_none_is_enough(stage):
    name, vault, steps = stage.vault(rates=(5, 20), options=("--budget", "3000"))
    stage.node.mine_exactly([vault.unvault.hex])
    stage.node.send(vault.rival(10).hex)
    by_hand(stage.bwm, f"{name}/safe")
    assert stage.wait("sent", name)["txid"] == steps[1].txid
    rival = vault.rival(100)
    stage.node.send(rival.hex)
    assert stage.wait("outbid", name)["detail"]["by"] == rival.txid
    stage.node.mine()
    assert stage.wait("conflicted", name)["detail"]["by"] == rival.txid


def test_r10_a_time_lock_of_its_own_is_waited_for(stage):
    name, vault, steps = stage.vault(rates=(20,), locktime=stage.node.height + 4)
    stage.rob(name, vault)
    assert "time lock" in stage.wait("waiting", name)["reason"]
    stage.node.mine(5)
    assert stage.wait("sent", name)["txid"] == steps[0].txid


def test_r11_r12_a_node_that_restarts_and_forgets_its_mempool_gets_it_again(stage):
    name, vault, steps = stage.vault()
    stage.node.mine_exactly([vault.unvault.hex])
    event = stage.bwm.wait_for_event("trigger.confirmed", txid=vault.unvault.txid)
    stage.node.stop()
    decide(stage.bwm, event)
    time.sleep(1)
    stage.node.start()
    stage.wait("sent", name)
    stage.node.restart()
    stage.wait("evicted", name)
    wait_until(lambda: steps[2].txid in stage.node.mempool(), "the response in the mempool again", 60)
    stage.node.mine()
    stage.wait("confirmed", name)


def test_r14_a_fee_above_the_nodes_own_limit_is_paid_where_the_owner_allows_it(stage):
    name, vault, steps = stage.vault(rates=(12_000,))
    stage.rob(name, vault)
    assert stage.wait("sent", name)["txid"] == steps[0].txid


def test_r15_nothing_is_sent_before_a_person_said_so(stage):
    name, vault, steps = stage.vault()
    stage.bwm("disarm", f"{name}/safe")
    stage.rob(name, vault)
    assert "not armed" in stage.wait("held", name)["reason"]
    stage.bwm("hold")
    stage.bwm("arm", f"{name}/safe")
    wait_until(lambda: len(stage.told("held", name)) == 2, "the word that everything is on hold")
    assert not {step.txid for step in steps} & stage.node.mempool()
    assert "on hold" in stage.bwm("broadcast", f"{name}/safe", stdin=f"{name}\n", exit_code=2).stderr
    stage.bwm("hold", "--off")
    stage.wait("sent", name)

    name, vault, steps = stage.vault()
    stage.rob(name, vault, guard=Guard(approve_by=int(time.time()) + 3600))
    waiting = "SELECT * FROM outbox WHERE action = 'respond' AND state = 'pending' AND last_error IS NOT NULL"
    stage.bwm.wait_for_row(waiting)
    assert not {step.txid for step in steps} & stage.node.mempool()
    assert not stage.told("decided", name)


def test_a_decision_by_hand_asks_for_the_vaults_name_and_can_be_tried_first(stage):
    name, vault, steps = stage.vault()
    stage.node.mine_exactly([vault.unvault.hex])
    tried = stage.bwm("broadcast", f"{name}/safe", "--dry-run").stdout
    assert tried.count("accepted") == len(steps)
    assert "not the vault's name" in stage.bwm("broadcast", f"{name}/safe", stdin="yes\n", exit_code=2).stderr
    assert not {step.txid for step in steps} & stage.node.mempool()
    assert not stage.bwm.rows("SELECT * FROM decision WHERE vault = ?", name)


def test_a_trigger_that_vanished_is_never_brought_back_and_its_response_waits(stage):
    name, vault, steps = stage.vault()
    stage.node.send(vault.unvault.hex)
    seen = stage.bwm.wait_for_event("trigger.seen", txid=vault.unvault.txid)
    stage.node.restart()  # it forgets its mempool
    decide(stage.bwm, seen)
    assert "trigger" in stage.wait("waiting", name)["reason"]
    stage.node.mine()
    assert vault.unvault.txid not in stage.node.mempool()
    assert not stage.told("sent", name)
    stage.node.send(vault.unvault.hex)
    assert stage.wait("sent", name)["txid"] in {step.txid for step in steps}
    stage.bwm("remove-vault", name, "--yes", exit_code=2)  # it is on its way
    stage.node.mine()
    stage.wait("confirmed", name)


def test_r18_a_package_that_this_node_would_refuse_is_told_at_registration(stage):
    vault = fund(stage.node, safe=stage.safe)
    stage.bwm("add-vault", "package", "--txid", vault.unvault.txid, "--outpoint", vault.deposit.outpoint)
    parent = vault.response(0, version=3, anchor=0)
    child = vault.child(parent, parent.outputs[0][0], 6_000)
    files = [*write(stage.bwm.home, [parent]), *write(stage.bwm.home, [child], "--child")]
    shown = write(stage.bwm.home, [vault.unvault], "--parent")
    alone = stage.bwm("add-response", "package", "safe", *files[:2], *shown, exit_code=2).stderr
    assert "the node takes nothing below" in alone
    policy = stage.node.rpc("getmempoolinfo").get("truc_policy", "enforce")
    if policy != "enforce":
        said = stage.bwm("add-response", "package", "safe", *files, *shown, exit_code=2).stderr
        assert "mempooltruc=enforce" in said
    else:
        assert "ready" in stage.bwm("add-response", "package", "safe", *files, *shown).stdout
