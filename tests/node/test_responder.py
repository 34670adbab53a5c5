"""The supervisor of responses, driven turn by turn beside a real node: what it may do, and what it must not."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from bwm import config
from bwm.chain.network import network
from bwm.channels import open_channel
from bwm.daemon.connect import connect
from bwm.daemon.open_response import sealer_of
from bwm.daemon.respond import Responder
from bwm.daemon.run import Daemon
from bwm.db import alerts, answers, broadcasts, journal, responses, vaults
from bwm.db.database import Database
from bwm.errors import NodeForbidden, UsageError
from bwm.plan import case_of
from bwm.policy.guard import Guard
from tests.node.response_stage import allow, fund, protect, write, write_decision

RATES = (5, 20, 80)


class Clock:
    """The wall clock, moved forward by hand."""

    def __init__(self) -> None:
        self.ahead = 0
        self.wrong_by = 0  # seconds, of the clock on the wall alone

    def now(self) -> int:
        return int(time.time()) + self.ahead + self.wrong_by

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


class Meanwhile:
    """A node beside which something happens, once, between one of its answers and the next question."""

    def __init__(self, node, call, deed):
        self._node, self._call, self._deed = node, call, deed

    def __getattr__(self, name):
        real = getattr(self._node, name)
        if name != self._call or not self._deed:
            return real

        def answer(*args, **options):
            said = real(*args, **options)
            deed, self._deed = self._deed, None
            if deed:
                deed()
            return said

        return answer


class LoadingNode:
    """A node that was just started and still reads its mempool from disk: nothing is in it yet."""

    def __init__(self, node):
        self._node = node

    def __getattr__(self, name):
        return getattr(self._node, name)

    def mempool_is_loaded(self):
        return False

    def transaction(self, txid, block_hash=None):
        return self._node.transaction(txid, block_hash) if block_hash else None

    def spent_in_mempool(self, outpoints):
        return {}

    def raw_transactions(self, txids):
        return {}


class Tower:
    """A vault, its ladder, and the loops of a daemon in the test's own hands."""

    def __init__(self, node, bwm, on: ExitStack) -> None:
        self.node, self.bwm = node, bwm
        self.words: str | None = None  # why the chain cannot be trusted
        self.clock = Clock()
        self.settings = config.load(bwm.config)
        self.database = Database(self.settings.database_url, self.settings.network)
        on.enter_context(self.database.connection())
        channels = [open_channel(one) for one in self.settings.channels]
        self.ingest = Daemon(self.settings, self.database, self.clock, connect(self.settings), channels).ingest
        self.ingest.begin()
        self.responder = self.make_responder()

    def make_responder(self, name: str = "regtest", node: Any = None) -> Responder:
        return Responder(
            self.database,
            node or connect(self.settings),
            network(name),
            lambda: sealer_of(self.settings),
            self.settings.responses.allow,
            [],
            self.clock,
            lambda: None,
            lambda: self.words,
        )

    def turn(self, turns: int = 1) -> list[str]:
        """Some time later; the words told since the beginning."""
        for _ in range(turns):
            self.clock.ahead += 15
            self.ingest.turn([])
            self.responder.turn()
        return [event.kind.partition(".")[2] for event in journal.read(kind="response")]

    def turn_while(self, call: str, deed: Callable[[], object]) -> list[str]:
        """A turn of a new supervisor in which something happens right after the node answered ``call``.

        What it told, of which nothing may be of moments that never were.
        """
        before = len(self.turn(0))
        self.clock.ahead += 15
        self.make_responder(node=Meanwhile(connect(self.settings), call, deed)).turn()
        return self.turn(0)[before:]

    @property
    def sent(self) -> set[str]:
        return {step.txid for step in self.steps} & self.node.mempool()


@pytest.fixture
def tower(node, make_bwm):
    vault = fund(node)
    bwm = make_bwm(node, settings=allow(vault))
    steps = [vault.response(rate) for rate in RATES]
    protect(bwm, vault, steps)
    with ExitStack() as on:
        tower = Tower(node, bwm, on)
        tower.vault, tower.steps = vault, steps
        tower.turn(2)  # it has caught up
        yield tower


def rob(tower, **order) -> None:
    tower.node.mine_exactly([tower.vault.unvault.hex])
    tower.turn()
    [theft] = [event for event in journal.read(kind="trigger") if event.trigger_kind == "txid"]
    write_decision(tower.database, theft.seq, **order)


def assert_keeps_its_name(tower) -> None:
    """What was decided on knows its vault by the name: under another it would be given up."""
    with pytest.raises(UsageError, match="was decided on"), tower.database.transaction():
        vaults.edit("cold", new_name="warm")


def test_without_a_decision_nothing_is_ever_sent(tower):
    tower.node.mine_exactly([tower.vault.unvault.hex])
    assert "sent" not in tower.turn(4)
    assert not tower.sent
    assert not broadcasts.live()


def test_a_tower_that_cannot_trust_the_chain_waits_unless_the_deadline_is_near(tower):
    tower.words = "another node has a different chain"
    rob(tower)
    assert tower.turn(3)[-2:] == ["decided", "held"]  # told once
    assert not tower.sent
    tower.node.mine(4)  # five of ten blocks are left
    tower.turn()
    assert not tower.sent
    tower.node.mine(2)
    assert tower.turn()[-1] == "sent"
    assert tower.sent == {tower.steps[2].txid}


def test_a_hold_is_never_passed_over_and_a_guard_may_call_it_off_meanwhile(tower):
    with tower.database.transaction():
        responses.hold(on=True)
    rob(tower, guard=Guard(unless=("vanished",)))
    tower.node.mine(7)
    assert tower.turn(2)[-1] == "held"
    assert not tower.sent
    assert_keeps_its_name(tower)
    tower.node.reorg(8)  # the thief's transaction is in the mempool again ...
    tower.node.send(tower.vault.sweep(60).hex)  # ... and replaced there by the owner
    assert "called_off" in tower.turn(3)
    with tower.database.transaction():
        responses.hold(on=False)
    tower.turn(2)
    assert not tower.sent


def test_a_clock_that_is_set_back_keeps_no_response_waiting(tower):
    rob(tower, delay_s=25)
    assert_keeps_its_name(tower)
    tower.clock.wrong_by = -3 * 86_400
    assert "sent" not in tower.turn()  # its delay begins again ...
    assert not tower.sent
    assert tower.turn(3)[-1] == "sent"  # ... and is not begun a third time
    assert tower.sent


def test_a_clock_that_is_set_forward_takes_no_time_from_who_may_say_no(tower):
    rob(tower, delay_s=100)
    tower.clock.wrong_by = 86_400
    assert "sent" not in tower.turn()
    assert tower.turn(4)[-1] == "sent"


def test_a_clock_that_is_set_forward_by_small_steps_takes_hardly_more_time_than_one_of_them(tower):
    rob(tower, delay_s=300)
    for _ in range(8):
        tower.clock.wrong_by += 55
        assert "sent" not in tower.turn()
    assert tower.turn(10)[-1] == "sent"


def test_a_clock_that_is_set_forward_takes_no_time_from_who_may_say_yes(tower):
    rob(tower, guard=Guard(approve_by=int(time.time()) + 3600))
    tower.clock.wrong_by = 86_400
    assert "called_off" not in tower.turn(2)
    decided = journal.read(kind="policy.decided")[-1].detail["decision"]
    tower.bwm("approve", decided, "--by", "alice")
    assert tower.turn()[-1] == "sent"


def test_a_clock_that_was_behind_for_a_while_shortens_no_delay(tower):
    rob(tower, delay_s=100)
    tower.clock.wrong_by = -86_400
    assert "sent" not in tower.turn()
    tower.responder = tower.make_responder()
    tower.clock.wrong_by = 0
    assert "sent" not in tower.turn()
    assert tower.turn(4)[-1] == "sent"


@pytest.mark.parametrize(
    "order",
    [{"target": "no-such-response"}, {"guard": Guard(approve_by=int(time.time()))}],
    ids=["there is none", "nobody said yes"],
)
def test_an_order_that_comes_to_nothing_though_nobody_wants_that_is_told_as_loudly_as_it_is_bad(tower, order):
    rob(tower, **order)
    assert tower.turn(2)[-1] == "not_sent"
    assert broadcasts.due(tower.clock.now()) == []
    [told] = [alert for alert in alerts.listed() if alert.case.startswith("response/cold/")]
    assert (told.state, told.severity) == ("open", "critical")


def test_on_another_network_nothing_is_sent_or_taken(tower):
    tower.responder = tower.make_responder("signet")
    rob(tower)
    assert "decided" not in tower.turn(2)
    assert not tower.sent
    tower.responder = tower.make_responder()
    assert tower.turn()[-1] == "sent"


def test_a_step_that_somebody_keeps_dearer_ones_out_with_is_told_once(tower):
    """What spends its output and pays much must be paid for as well by whatever takes its place (BIP 125)."""
    rob(tower)
    cheap = tower.steps[0]
    tower.node.send(cheap.hex)
    tower.node.send(tower.vault.child(cheap, cheap.outputs[0][0], 100_000, version=2).hex)
    assert tower.turn_while("test_mempool_accept", lambda: tower.node.mine_exactly([])) == ["decided", "sent"]
    assert tower.turn(2)[-1] == "stuck"
    [alert] = [alert for alert in alerts.listed() if alert.case.startswith("response/cold/safe/")]
    assert (alert.state, alert.severity) == ("open", "critical")
    tower.node.mine_exactly([])
    assert tower.turn(2).count("stuck") == 1
    assert tower.sent == {cheap.txid}
    tower.node.mine()
    assert "confirmed" in tower.turn(2)


def test_a_lost_key_is_told_at_once_and_mended_by_bringing_it_back(tower):
    key = tower.settings.state_dir / "sealing.key"
    kept = key.rename(key.with_name("kept"))
    rob(tower)
    told = tower.turn(2)
    assert {"void", "held"} <= set(told)
    kept.rename(key)
    assert "sent" in tower.turn(2)


def test_p3_a_new_supervisor_goes_on_where_a_dead_one_stopped(tower, monkeypatch):
    rob(tower)
    seen = []

    class Died(BaseException):
        pass

    def die(*_):
        seen.append(1)
        raise Died

    real = broadcasts.put
    monkeypatch.setattr(broadcasts, "put", die)  # the node has it, and nobody wrote that down
    with pytest.raises(Died):
        tower.responder.turn()
    assert tower.sent
    monkeypatch.setattr(broadcasts, "put", real)
    tower.responder = tower.make_responder()
    tower.turn(2)
    tower.node.mine()
    tower.turn()
    assert tower.turn()[-1] in ("confirmed", "used")
    assert tower.turn().count("sent") == 1
    tower.node.mine(5)
    tower.turn()
    assert "buried" in tower.turn()
    assert len(seen) == 1


def test_a_second_decision_does_not_send_a_second_one(tower):
    rob(tower)
    tower.turn()
    [theft] = [event for event in journal.read(kind="trigger") if event.trigger_kind == "outpoint"]
    write_decision(tower.database, theft.seq, target="spare/safe")
    told = tower.turn(3)
    assert told.count("decided") == 1
    assert len(broadcasts.live()) == 1
    assert broadcasts.due(tower.clock.now()) == []


def test_a_decision_that_found_another_waiting_stands_when_that_one_is_called_off(tower):
    tower.words = "another node has a different chain"  # so that the first is taken, and not sent
    rob(tower, guard=Guard(unless=("acknowledged",)))
    assert tower.turn()[-1] == "held"
    [theft] = [event for event in journal.read(kind="trigger") if event.trigger_kind == "outpoint"]
    write_decision(tower.database, theft.seq)
    assert tower.turn(2).count("decided") == 1
    [alert] = [one for one in alerts.listed() if one.case == case_of(theft)]
    with tower.database.transaction():
        answers.acknowledge(alert.id, "owner", tower.clock.now(), seen=alert.revision)
    tower.turn(2)
    tower.words = None
    told = tower.turn(2)
    assert (told.count("called_off"), told.count("decided")) == (1, 2)
    assert tower.sent


def test_a_veto_calls_off_what_is_held_and_what_the_same_policy_decides_later_about_the_same_spend(tower):
    tower.words = "another node has a different chain"
    rob(tower)
    assert tower.turn(2)[-1] == "held"
    decided = journal.read(kind="policy.decided")[-1].detail["decision"]
    assert "respond safe" in tower.bwm("veto", decided, "--by", "alice").stdout
    assert tower.turn()[-1] == "called_off"
    tower.words = None
    [theft] = [event for event in journal.read(kind="trigger") if event.trigger_kind == "outpoint"]
    write_decision(tower.database, theft.seq)
    assert tower.turn(2)[-2:] == ["called_off", "called_off"]
    assert not tower.sent
    assert "Nothing of decision" in tower.bwm("veto", decided, exit_code=2).stderr


# What happens between two questions to the node


def test_a_response_that_is_mined_while_one_looks_is_not_said_to_be_gone(tower):
    rob(tower)
    tower.turn()
    assert tower.sent
    assert tower.turn_while("tip", tower.node.mine) == []
    assert tower.turn()[-1] in ("confirmed", "used")


@pytest.mark.parametrize("call", ["tip", "relay_floor"])
def test_one_that_another_tower_sent_and_that_is_mined_while_one_looks_does_not_wait(tower, call):
    rob(tower)
    mined = [tower.steps[0].hex]
    assert set(tower.turn_while(call, lambda: tower.node.mine_exactly(mined))) <= {"decided"}
    assert set(tower.turn(2)) & {"waiting", "refused", "outbid", "void"} == set()
    assert "confirmed" in tower.turn()


def test_one_that_is_mined_while_its_readiness_is_judged_is_not_said_to_be_void(tower):
    rob(tower)
    tower.turn()
    tower.node.mine_exactly([])
    assert tower.turn_while("mempool_rules", tower.node.mine) == []
    assert set(tower.turn(2)[-2:]) == {"confirmed", "used"}


def test_one_that_another_tower_brings_in_while_a_rival_is_too_dear_is_no_rival(tower):
    rob(tower)
    tower.node.send(tower.vault.rival(100).hex)
    step = tower.steps[2]

    def bring_in():
        tower.node.rpc("prioritisetransaction", step.txid, 0, 10_000_000)
        tower.node.send(step.hex)

    assert tower.turn_while("test_mempool_accept", bring_in) == ["decided"]
    assert tower.turn()[-1] == "sent"


def test_blocks_that_are_replaced_while_they_are_searched_are_searched_again(tower):
    rob(tower)
    tower.turn()
    [sent] = tower.sent
    raw = next(step.hex for step in tower.steps if step.txid == sent)
    for _ in range(2):
        tower.node.mine_exactly([])
    assert tower.turn_while("block", lambda: tower.node.reorg(2, txs=[raw])) == []
    assert "evicted" not in tower.turn(2)
    assert "confirmed" in tower.turn()


def test_a_trigger_that_is_mined_while_one_looks_has_not_vanished(tower):
    tower.node.send(tower.vault.unvault.hex)
    tower.turn()
    [theft] = [event for event in journal.read(kind="trigger") if event.trigger_kind == "txid"]
    write_decision(tower.database, theft.seq, guard=Guard(unless=("vanished",)))
    assert "called_off" not in tower.turn_while("tip", tower.node.mine)
    assert "called_off" not in tower.turn(2)
    assert tower.sent


def test_the_response_after_one_that_was_removed_is_told_like_any(tower, node):
    rob(tower)
    assert "sent" in tower.turn(2)
    node.mine(6)
    before = tower.turn(3)
    assert "buried" in before
    tower.bwm("remove-response", "cold/safe", "--yes")

    tower.vault = fund(node, safe=tower.vault.safe)
    protect(tower.bwm, tower.vault, [tower.vault.response(rate) for rate in RATES], name="spare")
    node.mine_exactly([tower.vault.unvault.hex])
    tower.turn()
    theft = next(event for event in journal.read(kind="trigger") if event.txid == tower.vault.unvault.txid)
    write_decision(tower.database, theft.seq, target="spare/safe")
    told = tower.turn(2)[len(before) :]
    assert [word for word in told if word in ("decided", "sent")] == ["decided", "sent"]


def test_what_the_node_may_not_be_asked_for_is_told_and_keeps_no_other_response_waiting(tower, node):
    def forbid():
        raise NodeForbidden("testmempoolaccept: add it to rpcwhitelist")

    other = fund(node, safe=tower.vault.safe)
    protect(tower.bwm, other, steps := [other.response(20)], name="spare")
    node.mine_exactly([tower.vault.unvault.hex, other.unvault.hex])
    tower.turn()
    for theft in (event for event in journal.read(kind="trigger") if event.trigger_kind == "txid"):
        write_decision(tower.database, theft.seq)

    told = tower.turn_while("test_mempool_accept", forbid)

    assert told == ["decided", "decided", "refused", "sent"]
    assert "rpcwhitelist" in next(event.reason for event in journal.read(kind="response.refused"))
    assert {step.txid for step in steps} & node.mempool()
    assert tower.turn()[-1] == "sent"
    assert tower.sent


def test_a_node_that_still_loads_its_mempool_calls_no_response_off(tower):
    tower.node.send(tower.vault.unvault.hex)
    tower.turn()
    theft = next(event for event in journal.read(kind="trigger") if event.trigger_kind == "txid")
    write_decision(tower.database, theft.seq, guard=Guard(unless=("vanished",)))
    tower.responder = tower.make_responder(node=LoadingNode(connect(tower.settings)))
    assert "called_off" not in tower.turn(2)
    tower.responder = tower.make_responder()
    assert tower.turn()[-1] == "sent"


def test_a_tower_that_was_just_started_calls_no_response_off_for_being_blind(tower):
    rob(tower, guard=Guard(unless=("blind",)))
    tower.words = "bwm has not caught up with the chain yet"
    assert "called_off" not in tower.turn(2)
    tower.words = None
    assert tower.turn()[-1] == "sent"


def test_a_coin_that_bwm_never_saw_and_that_is_gone_is_told_as_lost_and_not_as_a_fee_too_high(tower, node):
    vault = tower.vault = fund(node, safe=tower.vault.safe)
    tower.bwm("add-vault", "spare", "--txid", vault.unvault.txid)
    steps = write(tower.bwm.home, [vault.response(rate) for rate in RATES])
    tower.bwm("add-response", "spare", "safe", *steps, "--budget", "50000", "--delay", "10")
    tower.bwm("arm", "spare/safe")
    node.mine_exactly([vault.unvault.hex, vault.rival(50).hex])
    tower.turn()
    theft = next(event for event in journal.read(kind="trigger") if event.txid == vault.unvault.txid)
    write_decision(tower.database, theft.seq)
    assert tower.turn(4)[-1] == "conflicted"
