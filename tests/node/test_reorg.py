"""When the chain changes its mind, sightings end as the new chain has them, with one event for each change."""

import sqlite3
import time
from contextlib import closing

from bwm import config
from bwm.chain.network import network
from bwm.daemon.connect import connect
from bwm.daemon.registration import Wish, prepare
from bwm.db import new_vaults
from bwm.db.database import Database
from bwm.node.frames import Gap
from regtest.node import wait_until


def kinds(bwm, txid):
    """What the journal says of one transaction, in order."""
    return [event["kind"] for event in bwm.events(txid=txid)]


def standing(bwm, txid):
    """Status and height of the one sighting of a transaction."""
    [row] = bwm.rows("SELECT status, height, block_hash FROM sighting WHERE txid = ?", txid)
    return row["status"], row["height"], row["block_hash"]


def wait_for_tip(bwm, node):
    wait_until(lambda: bwm.rows("SELECT hash FROM block ORDER BY height DESC")[0]["hash"] == node.tip, "the new tip")


def test_a_spend_whose_block_is_replaced_is_followed_to_its_new_block(node, guarded, coin, thief):
    theft = node.spend(coin, thief)
    guarded.wait_for_event("trigger.seen", txid=theft)
    first = node.mine(6)[0]
    assert guarded.wait_for_event("trigger.final", txid=theft)["block_hash"] == first

    node.reorg(6)
    guarded.wait_for_event("trigger.reorged", txid=theft)
    second = node.mine()[0]
    wait_for_tip(guarded, node)

    assert standing(guarded, theft) == ("confirmed", node.height, second)
    assert kinds(guarded, theft) == [
        "trigger.seen",
        "trigger.confirmed",
        "trigger.final",
        "trigger.reorged",
        "trigger.confirmed",
    ]


def test_a_reorg_that_the_daemon_slept_through_ends_as_on_the_new_chain(node, guarded, coin, thief):
    theft = node.spend(coin, thief)
    guarded.wait_for_event("trigger.seen", txid=theft)
    node.mine(6)
    guarded.wait_for_event("trigger.final", txid=theft)
    guarded.kill()

    raw = node.rpc("getrawtransaction", theft, 0, node.block_hash(node.height - 5))
    branch = node.reorg(6, txs=[raw])
    guarded.start()

    assert standing(guarded, theft) == ("final", node.height - 6, branch[0])
    assert kinds(guarded, theft)[3:] == ["trigger.reorged", "trigger.confirmed", "trigger.final"]


def test_a_rescue_that_wins_the_reorg_is_told_and_so_is_the_theft_that_lost(node, guarded, coin, thief):
    theft = node.spend(coin, thief)
    guarded.wait_for_event("trigger.seen", txid=theft)
    node.mine(2)
    guarded.wait_for_event("trigger.confirmed", txid=theft)
    rescue = node.signed_spend(coin, node.new_address(), feerate=1)

    node.reorg(2, txs=[rescue])

    rescued = node.rpc("decoderawtransaction", rescue)["txid"]
    assert guarded.wait_for_event("trigger.conflicted", txid=theft)["detail"]["by"] == rescued
    guarded.wait_for_event("trigger.confirmed", txid=rescued)
    assert kinds(guarded, theft) == ["trigger.seen", "trigger.confirmed", "trigger.reorged", "trigger.conflicted"]


def test_a_theft_that_lost_and_comes_back_with_another_reorg_is_a_theft_again(node, guarded, coin, thief):
    theft = node.signed_spend(coin, thief, feerate=5)
    txid = node.send(theft)
    guarded.wait_for_event("trigger.seen", txid=txid)
    node.mine_exactly([node.signed_spend(coin, node.new_address())])
    guarded.wait_for_event("trigger.conflicted", txid=txid)

    branch = node.reorg(1, txs=[theft])

    confirmed = guarded.wait_for_event("trigger.confirmed", txid=txid)
    assert confirmed["block_hash"] == branch[0]


def test_blocks_of_another_miner_that_win_over_ours_are_followed(node, guarded, coin, thief, make_node):
    other = make_node("other", blocks=0)
    other.connect(node)
    node.disconnect()
    theft = node.spend(coin, thief)
    guarded.wait_for_event("trigger.seen", txid=theft)
    node.mine(2)
    guarded.wait_for_event("trigger.confirmed", txid=theft)
    other.mine(4)

    node.connect(other)

    guarded.wait_for_event("trigger.reorged", txid=theft)
    wait_for_tip(guarded, node)
    block = node.mine()[0]
    wait_for_tip(guarded, node)
    assert standing(guarded, theft) == ("confirmed", node.height, block)


def test_a_block_that_the_operator_invalidates_is_left_and_taken_up_again(node, guarded, coin, thief):
    theft = node.spend(coin, thief)
    block = node.mine()[0]
    guarded.wait_for_event("trigger.confirmed", txid=theft)

    node.rpc("invalidateblock", block)
    guarded.wait_for_event("trigger.reorged", txid=theft)
    node.rpc("reconsiderblock", block)
    wait_for_tip(guarded, node)

    assert standing(guarded, theft) == ("confirmed", node.height, block)


def test_a_reorg_that_goes_back_behind_the_first_start_hides_nothing(node, bwm, coin, thief):
    node.mine(3)
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm.start()

    branch = node.reorg(3, txs=[node.signed_spend(coin, thief)])

    confirmed = bwm.wait_for_event("trigger.confirmed")
    assert confirmed["block_hash"] == branch[0]
    assert "chain.replaced" not in bwm.log_text()


def test_a_chain_that_parts_from_ours_behind_all_that_we_know_is_read_without_a_gap(node, bwm, coin, thief):
    node.mine(200)
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm.start()
    first_known = bwm.rows("SELECT MIN(height) AS height FROM block")[0]["height"]

    branch = node.reorg(node.height - first_known + 1, txs=[node.signed_spend(coin, thief)])

    confirmed = bwm.wait_for_event("trigger.confirmed")
    assert (confirmed["height"], confirmed["block_hash"]) == (first_known, branch[0])
    bwm.wait_for_alert(kind="node.chain_replaced")


def test_a_node_that_lost_its_chain_is_followed_from_the_beginning(node, guarded, coin, thief):
    theft = node.spend(coin, thief)
    node.mine()
    guarded.wait_for_event("trigger.confirmed", txid=theft)
    guarded.kill()
    lost = node.height

    node.rpc("invalidateblock", node.block_hash(1))
    node.mine(3)
    guarded.start()

    assert guarded.status()["cursor"] == {"height": 3, "hash": node.tip}
    assert lost > 3
    assert standing(guarded, theft)[0] != "confirmed"


def test_what_stands_below_the_fork_is_not_called_gone_where_few_blocks_are_kept(node, guarded, coin, thief):
    theft = node.spend(coin, thief)
    guarded.wait_for_event("trigger.seen", txid=theft)
    node.mine(8)
    guarded.wait_for_event("trigger.final", txid=theft)
    wait_for_tip(guarded, node)
    guarded.kill()
    with closing(sqlite3.connect(guarded.database)) as database, database:
        database.execute("DELETE FROM block WHERE height BETWEEN ? AND ?", (node.height - 10, node.height - 1))

    node.reorg(3)
    guarded.start()
    wait_for_tip(guarded, node)

    assert kinds(guarded, theft) == ["trigger.seen", "trigger.confirmed", "trigger.final"]


def test_coins_that_a_reorg_gives_back_to_vaults_added_after_their_spend_are_watched(node, bwm, thief):
    addresses = [node.new_address() for _ in range(2)]
    coins = [node.pay(address, 1_000_000) for address in addresses]
    node.mine()
    for coin in coins:
        node.spend(coin, node.new_address())
    node.mine(2)
    bwm.start()
    bwm("add-vault", "watched", "--address", addresses[0])
    wait_until(lambda: bwm.status()["covered"], "the vault to be taken up")
    settings = config.load(bwm.config)
    looked_up = prepare([Wish("looked up", addresses=(addresses[1],))], network("regtest"), connect(settings))

    [mined, *_] = node.reorg(2, txs=[node.signed_spend(coin, thief, feerate=50) for coin in coins])
    wait_for_tip(bwm, node)
    database = Database(settings.database_url, settings.network)
    with database.connection():
        new_vaults.add(database, looked_up.vaults, int(time.time()))

    for name in ("watched", "looked up"):
        assert bwm.wait_for_event("trigger.confirmed", vault=name)["block_hash"] == mined


def test_a_coin_spent_in_a_block_that_only_the_look_up_saw_is_watched_when_that_block_leaves(node, ingest, bwm, thief):
    """The vault is taken up while its reader stands one block behind, and the reorg comes before the next."""
    late = node.new_address()
    coin = node.pay(late, 1_000_000)
    node.mine()
    ingest.turn([Gap("hashblock")])
    node.spend(coin, node.new_address())
    [mined] = node.mine()
    bwm("add-vault", "late", "--address", late)  # the coin is among the unspent ones no more
    ingest.take_up_newcomers()
    assert ingest._parts.chain.at().height == node.height - 1

    node.rpc("invalidateblock", mined)
    theft = node.signed_spend(coin, thief, feerate=50)
    node.mine_exactly([theft])
    node.mine_exactly()
    ingest.turn([Gap("hashblock")])

    assert [event["kind"] for event in bwm.events(vault="late")] == ["trigger.confirmed"]
