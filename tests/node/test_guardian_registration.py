"""Guardians are taken on only after their history was read, as far as the node can show it."""

import time

import pytest

from bwm.chain.network import network
from bwm.daemon.register_guardian import Wish, look_up
from bwm.db import guardians
from bwm.node.frames import Gap
from regtest.node import wait_until
from tests.guardian_signer import FEE, FINAL, Coin, Draft, Signer, fund, said
from tests.node.guardian_stage import QUICK

FILTERS = "-blockfilterindex=1"


def add(bwm, signer, *options, exit_code=0, name="family"):
    return bwm("add-guardian", name, signer.address, *options, exit_code=exit_code)


def history_without_a_trace(node):
    """A guardian with unlock 1, and then a lock 2 of whose outputs nothing is unspent."""
    signer = Signer(node)
    *coins, _ = fund(node, [signer.script] * 3)
    node.mine_exactly([signer.signal(coins[0], "unlock 1")])
    node.mine(6)
    no_change = Draft([(coins[1], FINAL)], [(0, said("lock 2"))])
    node.mine_exactly([signer.sign(no_change).hex()])
    return signer


def test_the_whole_history_is_read_where_the_node_has_filters_and_else_it_is_said_what_was_not(make_node, make_bwm):
    node = make_node(extra_args=[FILTERS])
    bwm = make_bwm(node)
    signer = history_without_a_trace(node)
    assert "locked(2)" in add(bwm, signer, exit_code=2).stderr
    added = add(bwm, signer, "--accept-locked")
    assert added.stdout.startswith("Added guardian family: locked")
    assert not added.stderr
    assert "lock 2" in bwm.events("guardian.added")[0]["reason"]

    node.stop()
    node.extra_args = ()
    node.start()
    other = make_bwm(node, "other")
    added = add(other, signer)
    assert added.stdout.startswith("Added guardian family: unlocked")
    assert "no compact block filters" in added.stderr


def test_a_history_that_the_node_has_pruned_is_not_guessed(make_node, make_bwm):
    node = make_node(extra_args=[FILTERS, "-prune=1", "-fastprune"])
    signer = history_without_a_trace(node)
    height = node.height
    node.mine(480)
    assert node.rpc("pruneblockchain", height + 300) > height
    bwm = make_bwm(node)
    refused = add(bwm, signer, exit_code=2).stderr
    assert "pruned" in refused
    assert "--assume-locked" in refused
    assert bwm.json("list-guardians") == []

    added = add(bwm, signer, "--assume-locked")
    assert "could not be read" in added.stderr
    bwm.start()
    [guardian] = bwm.json("list-guardians")
    assert (guardian["state"], guardian["nonce"]) == ("locked", 1)
    assert "history could not be read" in guardian["reason"]
    coin = coins_of(node, signer)[0]
    node.send(signer.signal(coin, "unlock 3"))
    wait_until(lambda: bwm.events("guardian.unlock_pending"), "the unlock")
    node.mine(6)
    wait_until(lambda: bwm.json("list-guardians")[0]["state"] == "unlocked", "the unlock to be final")


def coins_of(node, signer):
    """The guardian's coins by the node's own search."""
    found = node.rpc("scantxoutset", "start", [f"addr({signer.address})"])["unspents"]
    return [Coin(f"{each['txid']}:{each['vout']}", int(each["amount"] * 10**8), signer.script) for each in found]


@pytest.fixture
def signer(node):
    """A guardian with three coins, whose unlock 1 is final."""
    signer = Signer(node)
    coins = fund(node, [signer.script] * 4)
    node.mine_exactly([signer.signal(coins[0], "unlock 1")])
    node.mine(6)
    signer.coins = coins[1:]
    return signer


def test_signals_that_wait_in_the_mempool_count_at_registration(node, make_bwm, signer):
    bwm = make_bwm(node)
    unlock = signer.sign(signer.draft([signer.coins[0]], ["unlock 2"]))
    txid = node.send(unlock.hex())
    change = Coin(f"{txid}:1", unlock.outputs[1][0], signer.script)
    node.send(signer.signal(change, "lock 3"))
    assert "locked(3)" in add(bwm, signer, exit_code=2).stderr
    add(bwm, signer, "--accept-locked")
    bwm.start()
    node.mine()
    bwm.wait_for_event("guardian.confirmed")
    assert bwm.json("list-guardians")[0]["state"] == "locked"
    assert not bwm.events("guardian.locked"), "it was known to be locked before"


def test_a_signal_that_leaves_the_mempool_before_the_first_look_is_told_as_gone(node, make_bwm, signer):
    bwm = make_bwm(node, settings=QUICK)  # it takes two looks
    node.mine_exactly([signer.signal(signer.coins.pop(), "unlock 5")])
    node.mine(6)
    coin = signer.coins.pop()
    node.send(signer.signal(coin, "unlock 6"))
    add(bwm, signer)
    assert bwm.json("list-guardians")[0]["pending_unlock"] == {"nonce": 6, "confirmations": 0}
    node.mine_exactly([signer.sign(signer.draft([coin])).hex()])
    bwm.start()
    bwm.wait_for_event("guardian.unlock_vanished")
    assert bwm.json("list-guardians")[0]["pending_unlock"] is None


def test_an_unlock_that_is_not_deep_at_registration_is_followed_through_a_reorg(node, make_bwm, signer):
    bwm = make_bwm(node)
    raw = signer.signal(signer.coins[0], "unlock 5")
    node.mine_exactly([raw])
    node.mine(2)
    add(bwm, signer)
    bwm.start()
    assert bwm.json("list-guardians")[0]["pending_unlock"] == {"nonce": 5, "confirmations": 3}
    node.reorg(3, txs=[signer.sign(signer.draft([signer.coins[0]])).hex()])
    bwm.wait_for_event("guardian.unlock_vanished")
    assert bwm.json("list-guardians")[0]["pending_unlock"] is None


def test_an_unlock_whose_block_leaves_the_chain_between_look_up_and_registration_is_not_final(node, ingest, signer):
    """The daemon has followed the reorg when it hears of the guardian: nothing else tells it that the block is gone."""
    node.mine_exactly([signer.signal(signer.coins[0], "unlock 5")])
    parts = ingest._parts
    now = int(time.time())
    prepared = look_up(Wish("family", signer.address), network("regtest"), parts.node, now)
    assert node.height in [signal.height for signal in prepared.guardian.signals]
    node.reorg(1, 7)
    ingest.turn([Gap("hashblock")])

    with parts.database.transaction():
        guardians.add(prepared.guardian, now)
    for _ in range(3):
        ingest.turn([Gap("hashblock")])

    [family] = guardians.all_facts(now)
    assert [signal.final_at for signal in family.signals if signal.payload.nonce == 5] == [None]
    assert family.state.nonce == 1


def test_what_must_not_be_a_guardian_is_refused(node, make_bwm, signer):
    bwm = make_bwm(node)
    for keyless in ("bcrt1pfeesnyr2tx", node.rpc("decodescript", "5214" + "11" * 20)["address"]):
        assert "anyone" in bwm("add-guardian", "family", keyless, exit_code=2).stderr
    assert "no vault" in add(bwm, signer, "--vault", "cold", exit_code=2).stderr
    add(bwm, signer, "--tag", "savings")
    again = bwm("add-guardian", "twin", signer.address.upper(), exit_code=2)
    assert "already" in again.stderr
    assert "guardian's" in bwm("add-vault", "cold", "--address", signer.address, exit_code=2).stderr
    assert [guardian["name"] for guardian in bwm.json("list-guardians")] == ["family"]

    high = Signer(node)
    coins = fund(node, [high.script] * 2)
    node.mine_exactly([high.signal(coins[0], "unlock 70000")])
    node.mine(6)
    assert "--accept-high-nonce" in add(bwm, high, name="high", exit_code=2).stderr
    add(bwm, high, "--accept-high-nonce", name="high")
    empty = Signer(node)
    coin = fund(node, [empty.script])[0]
    node.mine_exactly([empty.sign(Draft([(coin, FINAL)], [(0, said("unlock 1")), (FEE, high.script)])).hex()])
    node.mine(6)
    assert "valid unlock" in add(bwm, empty, name="empty", exit_code=2).stderr
