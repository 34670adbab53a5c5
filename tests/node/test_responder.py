"""The supervisor of responses, driven turn by turn beside a real node: what it may do, and what it must not."""

import time
from contextlib import ExitStack

import pytest

from bwm import config
from bwm.chain.network import network
from bwm.channels import open_channel
from bwm.daemon.connect import connect
from bwm.daemon.open_response import sealer_of
from bwm.daemon.respond import Responder
from bwm.daemon.run import Daemon
from bwm.db import broadcasts, journal, responses
from bwm.db.database import Database
from bwm.policy.guard import Guard
from tests.node.response_stage import allow, fund, protect, write_decision

RATES = (5, 20, 80)


class Clock:
    """The wall clock, moved forward by hand."""

    def __init__(self) -> None:
        self.ahead = 0

    def now(self) -> int:
        return int(time.time()) + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


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

    def make_responder(self, name: str = "regtest") -> Responder:
        return Responder(
            self.database,
            connect(self.settings),
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
    tower.node.reorg(8)  # the thief's transaction is in the mempool again ...
    tower.node.send(tower.vault.sweep(60).hex)  # ... and replaced there by the owner
    assert "called_off" in tower.turn(3)
    with tower.database.transaction():
        responses.hold(on=False)
    tower.turn(2)
    assert not tower.sent


def test_an_order_for_what_there_is_not_is_told_and_closed(tower):
    rob(tower, target="no-such-response")
    assert tower.turn(2)[-1] == "called_off"
    assert broadcasts.due(tower.clock.now()) == []


def test_on_another_network_nothing_is_sent_or_taken(tower):
    tower.responder = tower.make_responder("signet")
    rob(tower)
    assert "decided" not in tower.turn(2)
    assert not tower.sent
    tower.responder = tower.make_responder()
    assert tower.turn()[-1] == "sent"


def test_a_lost_key_is_told_at_once_and_mended_by_bringing_it_back(tower):
    key = tower.settings.state_dir / "sealing.key"
    kept = key.rename(key.with_name("kept"))
    rob(tower)
    told = tower.turn(2)
    assert {"void", "held"} <= set(told)
    kept.rename(key)
    assert "sent" in tower.turn(2)


def test_a_new_supervisor_goes_on_where_a_dead_one_stopped(tower, monkeypatch):
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
    write_decision(tower.database, theft.seq)
    told = tower.turn(3)
    assert told.count("decided") == 1
    assert len(broadcasts.live()) == 1
    assert broadcasts.due(tower.clock.now()) == []
