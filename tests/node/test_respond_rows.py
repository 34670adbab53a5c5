"""What can go wrong with a response that was decided on (R5 to R18): each a vault of its own beside one node.

What hangs on the node's relay rules is tried beside two: one with its own rules, one with those of Bitcoin Core.
"""

import functools
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bwm.policy.guard import Guard
from regtest.daemon import Bwm
from regtest.node import RegtestNode, wait_until
from tests.node.response_stage import by_hand, decide, fund, known_options, protect, write
from tests.vault_signer import Key, TimelockedVault

RATES = (5, 20, 80)
CORE = "-corepolicy=1"

WAITS = """
[[policy]]
name = "robbery"
on = ["trigger.confirmed"]
when = { vault = "changed" }
then = [{ respond = "safe", approval = "2h" }]
"""
ONLY_TELLS = WAITS.replace('{ respond = "safe", approval = "2h" }', '{ alert = ["owner"] }')


class Stage:
    """One node and one daemon; every row takes a fresh vault."""

    def __init__(self, folder: Path, bitcoind: Path, *relay: str) -> None:
        """``relay``: options that set the node's relay rules."""
        self.safe = Key()
        arguments = ("-persistmempool=0", *known_options(bitcoind, *relay))
        self.node = RegtestNode(folder / "node", bitcoind=bitcoind, extra_args=arguments)
        self.node.start()
        self.node.mine(110)
        settings = f'[responses]\nallow = ["{self.safe.address}"]\n{WAITS}'
        self.bwm = Bwm(folder / "bwm", self.node, settings=settings)
        self.bwm("hold", "--off")
        self.bwm.start()
        self._count = 0
        rules = self.node.rpc("getmempoolinfo")
        self.floor = float(rules["minrelaytxfee"]) * 100_000  # sat/vB
        self.increment = float(rules["incrementalrelayfee"]) * 100_000
        self.takes_free_parents = rules.get("truc_policy", "enforce") == "enforce"

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

    def close(self) -> None:
        self.bwm.kill()
        self.node.stop()


@pytest.fixture(scope="module")
def open_stage(bitcoind, run) -> Iterator[Callable[..., Stage]]:
    """A stage by the options of its node; the same for the same."""
    with ExitStack() as on:

        @functools.cache
        def make(*relay: str) -> Stage:
            folder = Path(tempfile.mkdtemp(prefix="bwm-"))
            on.callback(shutil.rmtree, folder, ignore_errors=True)
            stage = Stage(folder, bitcoind, *relay)
            on.callback(stage.close)
            return stage

        yield make


@pytest.fixture(scope="module")
def stage(open_stage) -> Stage:
    return open_stage()


@pytest.fixture(scope="module", params=[(), (CORE,)], ids=["own rules", "rules of Core"])
def ruled(request, open_stage) -> Stage:
    """A stage for each of the rules by which nodes relay."""
    return open_stage(*request.param)


def test_r5_a_coin_that_a_rival_took_for_good_is_told_as_lost_and_kept(stage):
    name, vault, _ = stage.vault()
    stage.node.mine_exactly([vault.unvault.hex, vault.rival(50).hex])
    decide(stage.bwm, stage.bwm.wait_for_event("trigger.confirmed", txid=vault.unvault.txid))
    stage.wait("conflicted", name)
    stage.node.mine(5)
    assert stage.wait("lost", name)["detail"]["by"] == vault.rival(50).txid
    assert stage.bwm.json("list-responses")  # nothing was deleted
    assert not stage.told("sent", name)


def test_r6_r17_too_cheap_steps_are_passed_over_and_without_an_estimate_the_highest_allowed_is_sent(ruled):
    budget = ("--budget", "3000")
    name, vault, steps = ruled.vault(rates=(ruled.floor / 2, 20, 80), options=budget)
    ruled.rob(name, vault)
    assert ruled.wait("sent", name)["txid"] == steps[1].txid  # the third is above the budget
    assert not ruled.told("refused", name)

    name, vault, steps = ruled.vault(rates=(ruled.floor * 1.2,))
    ruled.rob(name, vault)
    assert ruled.wait("sent", name)["txid"] == steps[0].txid


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


def test_r9_by_how_much_a_rival_must_be_outbid_is_the_nodes_own_rule(ruled):
    name, vault, steps = ruled.vault(rates=(10.5,))
    ruled.node.mine_exactly([vault.unvault.hex])
    rival = vault.rival(10)
    ruled.node.send(rival.hex)
    by_hand(ruled.bwm, f"{name}/safe")
    if ruled.increment < 0.5:
        assert ruled.wait("sent", name)["txid"] == steps[0].txid
        assert rival.txid not in ruled.node.mempool()
    else:
        told = ruled.wait("outbid", name)
        assert told["detail"]["by"] == rival.txid
        assert not ruled.told("sent", name)
        ruled.node.mine()
        ruled.wait("conflicted", name)


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


def test_r16_a_decision_stands_as_it_was_made_when_its_policy_is_changed_meanwhile(stage):
    vault = fund(stage.node, safe=stage.safe)
    steps = [vault.response(20)]
    protect(stage.bwm, vault, steps, name="changed")
    stage.node.mine_exactly([vault.unvault.hex])
    decided = stage.bwm.wait_for_event("policy.decided", vault="changed")
    [before] = stage.bwm.json("check-policies")["policies"]

    stage.bwm.stop()
    stage.bwm.config.write_text(stage.bwm.config.read_text().replace(WAITS, ONLY_TELLS))
    stage.bwm.start()
    [now] = stage.bwm.json("check-policies")["policies"]
    assert now["version"] != before["version"] == decided["detail"]["version"]
    assert "changed: policy robbery" in stage.bwm.wait_for_event("policy.changed")["reason"]
    assert not stage.told("decided", "changed")

    stage.bwm("approve", decided["detail"]["decision"], "--by", "alice")
    assert stage.wait("sent", "changed")["txid"] == steps[0].txid
    [row] = stage.bwm.rows("SELECT * FROM decision WHERE vault = 'changed' AND policy = 'robbery' AND event_id = ?",
                           stage.bwm.events("trigger.confirmed", vault="changed")[0]["seq"])  # fmt: skip
    assert row["version"] == before["version"], "what was decided is not decided again"


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


def test_a_parent_at_the_lowest_fee_goes_with_a_child_that_pays_by_any_rules(ruled):
    vault = fund(ruled.node, safe=ruled.safe)
    ruled.bwm("add-vault", "pair", "--txid", vault.unvault.txid, "--outpoint", vault.deposit.outpoint)
    parent = vault.response(ruled.floor * 1.05, anchor=240)
    child = vault.child(parent, parent.outputs[0][0], 6_000, version=2)
    shown = write(ruled.bwm.home, [vault.unvault], "--parent")
    files = [*write(ruled.bwm.home, [parent]), *write(ruled.bwm.home, [child], "--child")]
    assert "ready" in ruled.bwm("add-response", "pair", "safe", *files, *shown).stdout
    ruled.node.mine_exactly([vault.unvault.hex])
    ruled.bwm.wait_for_event("trigger.confirmed", txid=vault.unvault.txid)
    by_hand(ruled.bwm, "pair/safe")
    assert ruled.wait("sent", "pair")["txid"] == parent.txid
    assert {parent.txid, child.txid} <= ruled.node.mempool()


def test_what_the_relay_rules_forbid_is_told_at_registration(ruled):
    vault = fund(ruled.node, safe=ruled.safe)
    ruled.bwm("add-vault", "odd", "--txid", vault.unvault.txid, "--outpoint", vault.deposit.outpoint)
    ruled.node.mine_exactly([vault.unvault.hex])

    def said(name, exit_code, **shape):
        files = write(ruled.bwm.home, [vault.response(20, **shape)])
        done = ruled.bwm("add-response", "odd", name, *files, exit_code=exit_code)
        return done.stdout + done.stderr

    assert "relay rules refuse it: dust" in said("dust", 2, anchor=100)
    assert "relay rules refuse it" in said("talk", 2, note=200)
    assert "ready" in said("anchored", 0, anchor=240)
    assert "ready" in said("noted", 0, note=40)


def test_r18_a_package_that_this_node_would_refuse_is_told_before_the_day(ruled):
    vault = fund(ruled.node, safe=ruled.safe)
    ruled.bwm("add-vault", "package", "--txid", vault.unvault.txid, "--outpoint", vault.deposit.outpoint)
    parent = vault.response(0, version=3, anchor=0)
    child = vault.child(parent, parent.outputs[0][0], 6_000)
    files = [*write(ruled.bwm.home, [parent]), *write(ruled.bwm.home, [child], "--child")]
    shown = write(ruled.bwm.home, [vault.unvault], "--parent")
    alone = ruled.bwm("add-response", "package", "safe", *files[:2], *shown, exit_code=2).stderr
    assert "the node takes nothing below" in alone
    if not ruled.takes_free_parents:
        said = ruled.bwm("add-response", "package", "safe", *files, *shown, exit_code=2).stderr
        assert "mempooltruc=enforce" in said
        return
    assert "ready" in ruled.bwm("add-response", "package", "safe", *files, *shown).stdout
    if CORE in ruled.node.extra_args:  # of Knots, whose own rules are others
        options, ruled.node.extra_args = ruled.node.extra_args, ("-persistmempool=0",)
        ruled.node.restart()
        ruled.node.mine()
        assert "mempooltruc=enforce" in ruled.wait("void", "package")["reason"]
        ruled.node.extra_args = options
        ruled.node.restart()
        ruled.node.mine()
        ruled.wait("ready", "package")
    ruled.node.mine_exactly([vault.unvault.hex])
    ruled.bwm.wait_for_event("trigger.confirmed", txid=vault.unvault.txid)
    by_hand(ruled.bwm, "package/safe")
    assert ruled.wait("sent", "package")["txid"] == parent.txid
    assert {parent.txid, child.txid} <= ruled.node.mempool()
