"""Moments at which the node cannot answer: a coin that nobody finds yet, a lock that is gone before it is asked for."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bwm.chain.network import network
from bwm.chain.outpoint import parse_outpoint
from bwm.config import load
from bwm.daemon.connect import connect
from bwm.daemon.finder import Finder
from bwm.daemon.follow_chain import ChainFollower
from bwm.daemon.follow_mempool import MempoolFollower
from bwm.daemon.register_guardian import Wish, look_up
from bwm.daemon.watchlist import WatchList
from bwm.daemon.writer import Writer
from bwm.db import guardians
from bwm.db.database import Database
from bwm.node.bitcoind import Bitcoind
from tests.guardian_signer import FEE, FINAL, Coin, Draft, Signer, fund, said


class SlowNode(Bitcoind):
    """A real node that does not tell yet of some transactions and of the coins that they make."""

    def __init__(self, rpc):
        super().__init__(rpc)
        self.untold: set[str] = set()  # txids

    def raw_transactions(self, txids):
        return super().raw_transactions([txid for txid in txids if txid not in self.untold])

    def coins(self, outpoints, include_mempool):
        found = super().coins(outpoints, include_mempool)
        return {key: coin for key, coin in found.items() if key[:32][::-1].hex() not in self.untold}


class SetClock:
    """A clock that the test sets."""

    def __init__(self):
        self.at = int(time.time())

    def now(self):
        return self.at

    def monotonic(self):
        return float(self.at)


class Desk:
    """The parts of a daemon that read, driven by hand."""

    def __init__(self, node, database):
        self.node = node
        self.clock = SetClock()
        watch_list = WatchList()
        finder = Finder(watch_list, node, network("regtest"), 20)
        writer = Writer(database, watch_list, [], self.clock, 6, lambda: None, lambda alerts: None)
        self.chain = ChainFollower(node, watch_list, finder, writer, lambda: None)
        self.mempool = MempoolFollower(node, finder, writer)
        self.chain.start()
        watch_list.refresh()

    def look(self):
        self.chain.advance()
        assert self.mempool.look(self.chain.at())
        self.chain.tick()


@pytest.fixture
def signer(node):
    """A guardian with coins, whose unlock 1 is final."""
    signer = Signer(node)
    signer.coins = fund(node, [signer.script] * 3)
    node.mine_exactly([signer.signal(signer.coins.pop(), "unlock 1")])
    node.mine(6)
    return signer


@pytest.fixture
def make_desk(make_bwm, node, signer):
    """A desk in this process, with the guardian registered; again after a crash: ``make_desk()`` once more."""
    bwm = make_bwm(node)
    config = load(bwm.config, None)
    slow = SlowNode(connect(config).rpc)

    @contextmanager
    def desk() -> Iterator[Desk]:
        database = Database(config.database_url, config.network)
        with database.connection():
            if not bwm.rows("SELECT id FROM guardian"):
                now = int(time.time())
                new = look_up(Wish("family", signer.address), network("regtest"), slow, now).guardian
                with database.transaction():
                    guardians.add(new, now)
            yield Desk(slow, database)

    desk.bwm = bwm
    return desk


def shown(bwm):
    [row] = bwm.rows("SELECT state, nonce FROM guardian")
    return f"{row['state']}({row['nonce']})"


def kinds(bwm):
    return [event["kind"] for event in bwm.events(guardian="family") if not event["kind"].endswith((".seen", ".added"))]


def test_a_lock_whose_coin_cannot_be_found_yet_is_kept_told_after_a_minute_and_counts_once_it_is(
    node, signer, make_desk
):
    """T23. The coin is paid by a transaction that only the node knows of, and it does not say."""
    bwm = make_desk.bwm
    with make_desk() as desk:
        desk.look()
        stranger = Signer(node)
        [coin] = fund(node, [stranger.script])
        paid = node.send(stranger.sign(Draft([(coin, FINAL)], [(coin.sats - FEE, signer.script)])).hex())
        coin = Coin(f"{paid}:0", coin.sats - FEE, signer.script)
        lock = Draft([(coin, FINAL)], [(0, said("lock 2")), (coin.sats - FEE, stranger.script)])
        node.send(signer.sign(lock).hex())
        desk.node.untold.add(paid)
        desk.look()
        assert kinds(bwm) == []
        desk.clock.at += 59
        desk.look()
        assert kinds(bwm) == []
    with make_desk() as desk:  # a crash costs nothing
        desk.node.untold.add(paid)
        desk.clock.at += 60
        desk.look()
        desk.look()
        [event] = bwm.events("guardian.unverified_lock")
        assert event["reason"].startswith("possible lock 2, not verified")
        [alert] = bwm.rows("SELECT severity FROM alert WHERE event_id = ?", event["seq"])
        assert alert["severity"] == "critical"
        assert shown(bwm) == "unlocked(1)"
        desk.node.untold.clear()
        desk.look()
        assert shown(bwm) == "locked(2)"
        assert not bwm.rows("SELECT txid FROM unresolved")


def test_a_signal_of_another_guardian_is_forgotten_once_its_coin_is_found(node, make_desk):
    bwm = make_desk.bwm
    other = Signer(node)
    [coin] = fund(node, [other.script])
    with make_desk() as desk:
        desk.look()
        desk.node.untold.add(coin.outpoint.partition(":")[0])
        node.send(other.signal(coin, "lock 2"))
        desk.look()
        assert len(bwm.rows("SELECT txid FROM unresolved")) == 1
        node.mine()  # in a block the node knows what was spent
        desk.look()
        assert not bwm.rows("SELECT txid FROM unresolved")
        desk.clock.at += 100
        desk.look()
    assert (kinds(bwm), shown(bwm)) == ([], "unlocked(1)")


@pytest.mark.parametrize("restarted", [False, True])
def test_a_lock_replaced_before_the_node_was_asked_counts_and_an_unlock_does_not(node, signer, make_desk, restarted):
    bwm = make_desk.bwm
    coin = signer.coins[0]
    heard = [bytes.fromhex(signer.signal(coin, payload)) for payload in ("lock 2", "unlock 3")]
    with make_desk() as desk:
        desk.look()
        node.send(signer.sign(Draft([(coin, FINAL)], [(coin.sats - 5 * FEE, Signer(node).script)])).hex())
        assert desk.mempool.hear(heard)
        if not restarted:
            desk.look()
    if restarted:
        with make_desk() as desk:
            desk.look()
    assert shown(bwm) == "locked(2)"
    [row] = bwm.rows("SELECT counted FROM signal WHERE is_lock = 0 AND nonce = 3")
    assert row["counted"] == 0
    assert "guardian.locked" in kinds(bwm)
    assert "guardian.moved_without_signal" in kinds(bwm)


@pytest.mark.parametrize("since", [0, 20])
def test_a_lock_heard_of_after_its_rival_was_mined_is_told_with_that_rival_and_not_as_evicted(
    node, signer, make_desk, since
):
    """The rival is found in the last blocks; and among what was sighted, however many blocks there were since."""
    bwm = make_desk.bwm
    coin = signer.coins[0]
    heard = bytes.fromhex(signer.signal(coin, "lock 2"))
    with make_desk() as desk:
        desk.look()
        rival = signer.sign(Draft([(coin, FINAL)], [(coin.sats - 5 * FEE, Signer(node).script)])).hex()
        node.mine_exactly([rival])
        mined_at = node.height
        node.mine(since)
        desk.look()
        assert desk.mempool.hear([heard])
        for _ in range(3):  # without a rival in the mempool, two looks must agree
            desk.look()
    [lost] = bwm.events("guardian.conflicted")
    assert lost["detail"]["by"] == node.rpc("decoderawtransaction", rival)["txid"]
    assert lost["height"] == mined_at
    assert not bwm.events("guardian.evicted")
    assert shown(bwm) == "locked(2)"


def test_a_lock_is_final_once_blocks_that_hold_nothing_have_buried_it(node, signer, make_desk):
    bwm = make_desk.bwm
    with make_desk() as desk:
        desk.look()
        node.mine_exactly([signer.signal(signer.coins[0], "lock 2")])
        desk.look()
        node.mine(4)
        desk.look()
        assert not bwm.events("guardian.final")
        node.mine(1)
        desk.look()
    assert len(bwm.events("guardian.final")) == 1


def test_a_lock_that_only_the_feed_showed_and_nobody_signed_does_not_count(node, signer, make_desk):
    bwm = make_desk.bwm
    coin = signer.coins[0]
    genuine = signer.sign(signer.draft([coin], ["lock 2"]))
    other = Draft(genuine.inputs, [(0, said("lock 9")), genuine.outputs[1]], {}, genuine.witnesses)
    unsigned = Draft(genuine.inputs, [(0, said("lock 8")), genuine.outputs[1]])
    with make_desk() as desk:
        desk.look()
        desk.mempool.hear([bytes.fromhex(other.hex()), bytes.fromhex(unsigned.hex())])
        desk.look()
        assert not bwm.rows("SELECT txid FROM unresolved")
    assert (kinds(bwm), shown(bwm)) == ([], "unlocked(1)")


def test_a_coin_of_the_guardian_that_bwm_did_not_know_speaks_for_it(node, signer, make_desk):
    bwm = make_desk.bwm
    with make_desk() as desk:
        desk.look()
        coin = signer.coins[0]
        forget(bwm, coin)
        lock = Draft([(coin, FINAL)], [(0, said("lock 2")), (coin.sats - FEE, Signer(node).script)])
        node.send(signer.sign(lock).hex())
        desk.look()
    assert shown(bwm) == "locked(2)"


def forget(bwm, coin):
    """Take a coin off the watch list, as if it had come in while nobody could see it."""
    with sqlite3.connect(bwm.database) as connection:
        assert connection.execute("DELETE FROM watch WHERE key = ?", (parse_outpoint(coin.outpoint),)).rowcount == 1
