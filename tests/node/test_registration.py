"""A vault is watched from the moment it is added, and what the chain or the mempool already knows is told at once."""

import pytest

from regtest.node import wait_until

SATS = 5_000_000


def kinds(bwm, txid, **fields):
    """What the journal says of one transaction, in order."""
    return [event["kind"] for event in bwm.events(txid=txid, **fields)]


@pytest.fixture
def running(bwm):
    """A running bwm that watches nothing yet."""
    bwm.start()
    return bwm


@pytest.fixture
def indexed(make_node):
    """A node with txindex."""
    return make_node(extra_args=["-txindex"])


def stolen(node):
    """A coin that was spent two blocks ago: the coin and the spend's txid."""
    coin = node.pay(node.new_address(), SATS)
    node.mine(3)
    theft = node.spend(coin, node.new_address(wallet="thief"))
    node.mine(2)
    return coin, theft


def test_a_coin_spent_in_the_mempool_before_its_vault_was_added_is_told_at_once(node, running, coin, thief):
    theft = node.spend(coin, thief)

    running("add-vault", "cold", "--outpoint", coin)

    running.wait_for_event("trigger.seen", txid=theft, timeout_s=8)
    running.wait_for_alert(txid=theft)


def test_a_transaction_mined_before_its_vault_was_added_is_told_at_once(node, running):
    _, theft = stolen(node)

    running("add-vault", "rewind", "--txid", theft)

    assert running.wait_for_event("trigger.confirmed", txid=theft, timeout_s=8)["height"] == node.height - 1
    running.wait_for_alert(txid=theft, severity="emergency")


def test_a_coin_spent_before_its_vault_was_added_is_found_by_a_node_with_txindex(indexed, make_bwm):
    bwm = make_bwm(indexed)
    bwm.start()
    coin, theft = stolen(indexed)

    bwm("add-vault", "cold", "--outpoint", coin)

    assert bwm.wait_for_event("trigger.confirmed", txid=theft)["height"] == indexed.height - 1
    bwm.wait_for_alert(txid=theft, severity="emergency")


def test_a_coin_spent_before_its_vault_was_added_is_found_from_the_birthday_on(node, running):
    coin, theft = stolen(node)

    running("add-vault", "cold", "--outpoint", coin, "--birthday", node.height - 10)

    running.wait_for_event("trigger.confirmed", txid=theft)
    running.wait_for_alert(txid=theft, severity="emergency")
    running.wait_ready()
    assert running.json("list-vaults")[0]["covered_from"] == node.height - 10


def test_a_coin_that_is_gone_without_a_trace_is_watched_with_a_remark_and_found_by_a_rescan(node, running):
    coin, theft = stolen(node)

    added = running("add-vault", "cold", "--outpoint", coin)
    assert "bwm rescan" in added.stderr
    running.wait_ready()
    assert not running.events("trigger.confirmed")

    running("rescan", "cold", "--from", node.height - 10)
    running.wait_for_event("trigger.confirmed", txid=theft)


def test_an_addresss_past_is_read_from_its_birthday_on_and_old_spends_are_not_alarms(node, running):
    address = node.new_address()
    coin = node.pay(address, SATS)
    node.mine()
    theft = node.spend(coin, node.new_address(wallet="thief"))
    node.mine(10)

    running("add-vault", "cold", "--address", address, "--birthday", node.height - 20)

    running.wait_for_event("trigger.final", txid=theft)
    running.wait_ready()
    assert kinds(running, coin.split(":")[0]) == ["funds.confirmed", "funds.final"]
    assert kinds(running, theft) == ["trigger.confirmed", "trigger.final"]
    assert {alert["severity"] for alert in running.alerts()} == {"info"}


def test_a_birthday_may_be_a_date(node, running):
    coin, theft = stolen(node)

    running("add-vault", "cold", "--outpoint", coin, "--birthday", "2020-01-01")

    running.wait_for_event("trigger.confirmed", txid=theft)


def test_an_addresss_coins_are_watched_without_a_birthday(node, running, address, coin, thief):
    running("add-vault", "cold", "--address", address)
    theft = node.spend(coin, thief)

    assert running.wait_for_event("trigger.seen", txid=theft)["sats"] == SATS


def test_a_vault_added_while_the_daemon_is_stopped_misses_nothing_after_it(node, bwm, coin, thief, receiver):
    bwm.start()
    bwm.stop()
    bwm("add-vault", "cold", "--outpoint", coin)
    theft = node.spend(coin, thief)
    node.mine(3)

    bwm.start()

    assert kinds(bwm, theft) == ["trigger.confirmed"]
    receiver.wait_for(text=theft)


def test_two_vaults_that_watch_the_same_coin_are_both_told(node, running, address, coin, thief):
    running("add-vault", "mine", "--outpoint", coin)
    running("add-vault", "ours", "--address", address, "--severity", "warning")

    theft = node.spend(coin, thief)

    running.wait_for_event("trigger.seen", txid=theft, vault="mine")
    running.wait_for_event("trigger.seen", txid=theft, vault="ours")
    running.wait_for_alert(txid=theft, vault="mine", severity="emergency")
    running.wait_for_alert(txid=theft, vault="ours", severity="warning")


def test_a_removed_vault_is_watched_no_more_and_its_history_stays(node, running, coin, thief):
    other = node.pay(node.new_address(), SATS)
    running("add-vault", "old", "--outpoint", coin)
    running("add-vault", "new", "--outpoint", other)
    node.spend(coin, thief, feerate=5)
    running.wait_for_event("trigger.seen", vault="old")

    running("remove-vault", "old", "--yes")
    node.mine()
    theft = node.spend(other, thief)
    running.wait_for_event("trigger.seen", txid=theft, vault="new")

    assert [event["kind"] for event in running.json_lines("events", "--vault", "old")] == ["trigger.seen"]


def test_an_edited_depth_counts_from_then_on(node, running, coin, thief):
    running("add-vault", "cold", "--outpoint", coin, "--final-depth", "3")
    theft = node.spend(coin, thief)
    node.mine(2)
    running.wait_for_event("trigger.confirmed", txid=theft)
    running("edit-vault", "cold", "--final-depth", "4")

    node.mine()
    node.mine()

    assert running.wait_for_event("trigger.final", txid=theft)
    assert running.rows("SELECT MAX(height) AS tip FROM block")[0]["tip"] == node.height


def test_a_theft_that_a_removed_vault_was_told_of_is_told_again_to_one_of_the_same_name(node, running, coin, thief):
    running("add-vault", "cold", "--outpoint", coin)
    theft = node.spend(coin, thief)
    first = running.wait_for_event("trigger.seen", txid=theft)
    running("ack", running.wait_for_alert(txid=theft)["id"], "--by", "alice")
    running("remove-vault", "cold", "--yes")

    running("add-vault", "cold", "--outpoint", coin)

    wait_until(lambda: len(running.events("trigger.seen", txid=theft)) == 2, "the theft told again")
    assert running.events("trigger.seen", txid=theft)[0]["key"] == first["key"]
    wait_until(lambda: len(running.delivered(txid=theft)) == 2, "its second alert")


def test_blocks_of_the_past_that_the_node_has_deleted_are_told_and_not_called_covered(make_node, make_bwm):
    node = make_node(extra_args=["-prune=1"], blocks=600)
    node.rpc("pruneblockchain", 300)
    kept_from = node.rpc("getblockchaininfo")["pruneheight"]
    bwm = make_bwm(node)
    bwm("add-vault", "cold", "--address", node.new_address(), "--birthday", 10)

    bwm.start()

    assert bwm.wait_for_event("node.gap")["detail"]["last_height"] == kept_from - 1
    assert bwm.json("list-vaults")[0]["covered_from"] == kept_from
