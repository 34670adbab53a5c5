"""C: what the chain and the mempool can do to a theft."""

import os

import pytest

from regtest.node import RpcError
from tests.faults.conftest import SATS, found, with_vault


def test_c1_a_theft_that_never_was_in_the_mempool_is_found_in_its_block(node, cold, coin, thief, hold):
    cold.start()
    hex_ = node.signed_spend(coin, thief)
    node.mine_exactly([hex_])
    theft = node.rpc("decoderawtransaction", hex_)["txid"]
    assert found(cold, theft)["kind"] == "trigger.confirmed"
    hold(cold, theft)


@pytest.mark.parametrize("depth", [1, 2, 6])
def test_c2_a_reorg_revises_the_one_story(node, cold, coin, thief, hold, depth):
    cold.start()
    theft = node.spend(coin, thief)
    node.mine(depth)
    cold.wait_for_event("trigger.confirmed", txid=theft)
    node.reorg(depth)
    cold.wait_for_event("trigger.reorged", txid=theft)
    hold(cold, theft)


@pytest.mark.parametrize("depth", [1, 12, pytest.param(100, marks=pytest.mark.long)])
def test_c3_a_reorg_while_bwm_was_away_ends_where_it_would_have(node, cold, coin, thief, hold, depth):
    cold.start()
    theft = node.spend(coin, thief)
    node.mine(depth)
    cold.wait_for_event("trigger.confirmed", txid=theft)
    cold.kill()
    node.reorg(depth)
    cold.start()
    cold.wait_for_event("trigger.reorged", txid=theft)
    hold(cold, theft)


def test_c4_a_theft_in_a_stale_block_and_then_in_another_is_one_story_at_a_new_place(node, cold, coin, thief, hold):
    cold.start()
    theft = node.spend(coin, thief)
    node.mine()
    cold.wait_for_event("trigger.confirmed", txid=theft)
    node.reorg(1)
    block = node.mine()[0]
    cold.wait_for_event("trigger.confirmed", txid=theft, block_hash=block)
    hold(cold, theft)
    assert cold.rows("SELECT height, block_hash FROM sighting") == [{"height": node.height, "block_hash": block}]


def test_c5_a_theft_that_loses_to_a_conflict_after_a_reorg_says_to_which(node, cold, coin, thief, hold):
    cold.start()
    rival = node.signed_spend(coin, node.new_address())
    theft = node.spend(coin, thief)
    node.mine()
    cold.wait_for_event("trigger.confirmed", txid=theft)
    node.reorg(1, txs=[rival])
    winner = node.rpc("decoderawtransaction", rival)["txid"]
    conflicted = cold.wait_for_event("trigger.conflicted", txid=theft)
    assert conflicted["detail"]["by"] == winner
    hold(cold, theft, winner)


def test_c6_a_replacement_that_takes_the_coin_is_a_theft_too(node, cold, coin, thief, hold):
    cold.start()
    first = node.spend(coin, thief, feerate=5)
    found(cold, first)
    second = node.spend(coin, thief, feerate=50)
    found(cold, second)
    assert cold.wait_for_event("trigger.replaced", txid=first)["detail"]["by"] == second
    hold(cold, first, second)


def test_c7_a_theft_that_a_full_mempool_evicts_is_still_watched(make_node, make_bwm, receiver, hold):
    node = make_node("small", blocks=165, extra_args=["-maxmempool=5"])
    coins = [node.pay(node.new_address(), SATS) for _ in range(2)]
    node.mine()
    thief = node.new_address(wallet="thief")
    bwm = with_vault(make_bwm(node, receiver_url=receiver.url()), coins)
    bwm.start()
    theft = node.spend(coins[0], thief, feerate=1.1)
    hex_ = node.rpc("getrawtransaction", theft)
    found(bwm, theft)
    fill(node)
    assert theft not in node.mempool()
    bwm.wait_for_event("trigger.evicted", txid=theft, timeout_s=60)
    node.mine_exactly([hex_])
    bwm.wait_for_event("trigger.confirmed", txid=theft)
    hold(bwm, theft, node=node)


def fill(node):
    """Push everything cheap out of a mempool of five megabytes: a large transaction for each coin of the miner."""
    many = 2900
    for coin in node.rpc("listunspent", 1, wallet="miner"):
        spent = bytes.fromhex(coin["txid"])[::-1] + coin["vout"].to_bytes(4, "little") + b"\x00" + b"\xff" * 4
        outputs = b"".join((600).to_bytes(8, "little") + b"\x16\x00\x14" + os.urandom(20) for _ in range(many))
        change = int(coin["amount"] * 100_000_000) - 600 * many - 5_000_000
        if change < 0:
            continue
        outputs += change.to_bytes(8, "little") + b"\x16\x00\x14" + os.urandom(20)
        count = b"\xfd" + (many + 1).to_bytes(2, "little")
        unsigned = b"\x02\x00\x00\x00\x01" + spent + count + outputs + bytes(4)
        try:
            node.send(node.rpc("signrawtransactionwithwallet", unsigned.hex(), wallet="miner")["hex"])
        except RpcError:  # the mempool's lowest fee has risen above ours: it is full
            return


def test_c8_a_block_that_is_declared_invalid_is_left_without_a_message(node, cold, coin, thief, hold):
    cold.start()
    theft = node.spend(coin, thief)
    block = node.mine()[0]
    cold.wait_for_event("trigger.confirmed", txid=theft)
    node.rpc("invalidateblock", block)
    cold.wait_for_event("trigger.reorged", txid=theft)
    node.rpc("reconsiderblock", block)
    cold.wait_for_event("trigger.confirmed", txid=theft, height=node.height)
    hold(cold, theft)


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.long)])
def test_c9_many_thefts_in_one_block_are_as_many_events_in_one_transaction(node, bwm, thief, hold, count):
    address = node.new_address()
    amounts = {node.new_address(): "0.001" for _ in range(count)}
    funding = node.rpc("sendmany", "", amounts, wallet="miner", fee_rate=10)
    node.mine()
    owned = node.rpc("gettransaction", funding, verbose=True, wallet="miner")["decoded"]["vout"]
    coins = [f"{funding}:{out['n']}" for out in owned if out["scriptPubKey"].get("address") in amounts]
    assert len(coins) == count
    with_vault(bwm, coins).start()
    thefts = [node.signed_spend(coin, address) for coin in coins]
    node.mine_exactly(thefts)
    txids = [node.rpc("decoderawtransaction", theft)["txid"] for theft in thefts]
    bwm.wait_for_event("trigger.confirmed", txid=txids[-1], timeout_s=60)
    assert len(bwm.events("trigger.confirmed")) == count
    hold(bwm, *txids, timeout_s=100)


def test_c10_a_theft_and_its_recovery_in_one_block_are_both_recorded(node, cold, coins, thief, hold):
    cold.start()
    thefts = [node.signed_spend(coin, thief) for coin in coins[:2]]
    node.mine_exactly(thefts)
    txids = [node.rpc("decoderawtransaction", theft)["txid"] for theft in thefts]
    for txid in txids:
        cold.wait_for_event("trigger.confirmed", txid=txid)
    hold(cold, *txids)


def test_c11_a_vault_that_is_added_after_the_theft_is_answered_at_once(node, bwm, coin, thief, hold):
    bwm.start()
    theft = node.spend(coin, thief)
    node.mine()
    bwm("add-vault", "late", "--txid", theft)
    bwm.wait_for_event("trigger.confirmed", txid=theft, vault="late")
    bwm.wait_for_alert(txid=theft)
    hold(bwm, theft)


def test_c12_a_coin_that_an_unknown_transaction_spends_is_a_theft(node, bwm, coin, thief, hold):
    planned = node.signed_spend(coin, thief, feerate=3)
    bwm("add-vault", "plan", "--txid", node.rpc("decoderawtransaction", planned)["txid"], "--outpoint", coin)
    bwm.start()
    other = node.spend(coin, thief, feerate=7)
    assert found(bwm, other)["trigger_kind"] == "outpoint"
    hold(bwm, other)


def test_c13_a_tip_that_moves_during_the_scan_costs_a_second_look(node, cold, coins, thief, hold, dice):
    cold.start()
    cold.pause()
    thefts = []
    for coin in coins:
        thefts.append(node.spend(coin, thief))
        node.mine(dice.randrange(1, 8))
    cold.resume()
    node.reorg(2)
    for _ in range(10):
        node.mine()
    for theft in thefts:
        cold.wait_for_event("trigger.confirmed", txid=theft)
    hold(cold, *thefts)


def test_c14_a_transaction_mined_while_bwm_looks_is_not_called_vanished(node, cold, coins, thief, hold):
    cold.start()
    thefts = []
    for coin in coins:
        thefts.append(node.spend(coin, thief))
        found(cold, thefts[-1])
        node.mine()
    hold(cold, *thefts)
    assert cold.events("trigger.evicted") == []
    assert cold.events("trigger.replaced") == []
