"""The life of a transaction: replaced, evicted, expired, beaten, mined at once; each change is one event."""

import pytest

from regtest.node import wait_until
from tests.node.freely import anyones_address, script_of, spend_freely, wide

SATS = 5_000_000


def kinds(bwm, txid):
    """What the journal says of one transaction, in order."""
    return [event["kind"] for event in bwm.events(txid=txid)]


def test_a_spend_first_seen_in_a_block_is_a_trigger_as_well(node, guarded, coin, thief):
    theft = node.signed_spend(coin, thief)
    block = node.mine_exactly([theft])

    confirmed = guarded.wait_for_event("trigger.confirmed")

    assert (confirmed["block_hash"], confirmed["sats"]) == (block, SATS)
    assert kinds(guarded, confirmed["txid"]) == ["trigger.confirmed"]
    guarded.wait_for_alert(txid=confirmed["txid"], severity="emergency")


def test_a_coin_received_and_spent_in_one_block_is_seen_both_ways(node, bwm, address, thief):
    bwm("add-vault", "cold", "--address", address)
    bwm.start()
    bwm.kill()

    coin = node.pay(address, SATS)
    theft = node.spend(coin, thief)
    node.mine()
    bwm.start()

    bwm.wait_for_event("funds.confirmed", txid=coin.split(":")[0])
    assert bwm.wait_for_event("trigger.confirmed", txid=theft)["sats"] == SATS


def test_a_coin_received_and_spent_in_the_mempool_is_seen_both_ways(node, bwm, address, thief):
    bwm("add-vault", "cold", "--address", address)
    bwm.start()

    coin = node.pay(address, SATS)
    theft = node.spend(coin, thief)

    bwm.wait_for_event("funds.received", txid=coin.split(":")[0])
    bwm.wait_for_event("trigger.seen", txid=theft)


def test_a_transaction_is_final_at_its_vaults_depth_and_not_before(node, bwm, coin, thief):
    bwm("add-vault", "cold", "--outpoint", coin, "--final-depth", "3")
    bwm.start()
    theft = node.spend(coin, thief)
    node.mine(2)
    guarded_tip(bwm, node)
    assert kinds(bwm, theft)[-1] == "trigger.confirmed"

    node.mine()
    guarded_tip(bwm, node)

    assert kinds(bwm, theft) == ["trigger.seen", "trigger.confirmed", "trigger.final"]


def guarded_tip(bwm, node):
    wait_until(lambda: bwm.rows("SELECT hash FROM block ORDER BY height DESC")[0]["hash"] == node.tip, "the new tip")


def test_a_theft_replaced_by_another_theft_is_followed_to_the_one_that_wins(node, guarded, coin, thief):
    first = node.spend(coin, thief, feerate=5)
    guarded.wait_for_event("trigger.seen", txid=first)

    second = node.spend(coin, thief, feerate=50)
    guarded.wait_for_event("trigger.seen", txid=second)
    assert guarded.wait_for_event("trigger.replaced", txid=first)["detail"]["by"] == second
    node.mine()
    guarded.wait_for_event("trigger.conflicted", txid=first)

    assert kinds(guarded, first) == ["trigger.seen", "trigger.replaced", "trigger.conflicted"]
    assert kinds(guarded, second) == ["trigger.seen", "trigger.confirmed"]


def test_a_theft_replaced_by_what_leaves_our_coin_alone_is_told_as_replaced(node, bwm, coin, thief):
    """The theft spends our coin and one of the thief's; its replacement only the thief's."""
    theirs = node.pay(thief, SATS)
    node.mine()
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm.start()
    inputs = [{"txid": txid, "vout": int(vout), "sequence": 0} for txid, vout in (c.split(":") for c in (coin, theirs))]
    unsigned = node.rpc("createrawtransaction", inputs, [{thief: "0.0999"}])
    half = node.rpc("signrawtransactionwithwallet", unsigned, wallet="vault")["hex"]
    theft = node.send(node.rpc("signrawtransactionwithwallet", half, wallet="thief")["hex"])
    guarded = bwm.wait_for_event("trigger.seen", txid=theft)
    assert guarded["sats"] == SATS

    other = node.spend(theirs, thief, feerate=200, wallet="thief")

    assert bwm.wait_for_event("trigger.replaced", txid=theft, timeout_s=12)["detail"]["by"] == other
    node.mine()
    bwm.wait_for_event("trigger.conflicted", txid=theft)
    assert not bwm.events(txid=other)


def test_a_theft_beaten_by_a_block_with_another_spend_is_told_by_what(node, guarded, coin, thief):
    theft = node.spend(coin, thief)
    guarded.wait_for_event("trigger.seen", txid=theft)

    rescue = node.signed_spend(coin, node.new_address())
    node.mine_exactly([rescue])

    rescued = node.rpc("decoderawtransaction", rescue)["txid"]
    assert guarded.wait_for_event("trigger.conflicted", txid=theft)["detail"]["by"] == rescued
    assert kinds(guarded, rescued) == ["trigger.confirmed"]


@pytest.fixture
def hasty(make_bwm, node, coin):
    """A running bwm that asks its node every two seconds, and whose vault ``cold`` watches ``coin``."""
    return start_hasty(make_bwm, node, coin)


def start_hasty(make_bwm, node, coin):
    bwm = make_bwm(node, settings='[defaults]\nreconcile_every = "2s"')
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm.start()
    return bwm


def test_a_theft_that_expires_is_told_and_watched_on(node, hasty, coin, thief):
    raw = node.signed_spend(coin, thief)
    theft = node.send(raw)
    hasty.wait_for_event("trigger.seen", txid=theft)

    later = node.rpc("getmempoolentry", theft)["time"] + 15 * 24 * 3600  # a node forgets after 14 days
    node.rpc("setmocktime", later)
    node.pay(node.new_address(wallet="stranger"), SATS)  # what is old leaves when something new comes
    hasty.wait_for_event("trigger.evicted", txid=theft)
    node.send(raw)
    wait_until(lambda: kinds(hasty, theft)[-1] == "trigger.seen", "the return of the theft")
    node.mine()
    hasty.wait_for_event("trigger.confirmed", txid=theft)

    assert kinds(hasty, theft) == ["trigger.seen", "trigger.evicted", "trigger.seen", "trigger.confirmed"]


def test_a_theft_that_a_full_mempool_drops_is_told_and_still_a_theft_when_mined(make_node, make_bwm):
    node = make_node(extra_args=["-maxmempool=5"])
    coin = node.pay(node.new_address(), SATS)
    node.mine(100, anyones_address(node))
    node.mine(100)
    bwm = start_hasty(make_bwm, node, coin)
    raw = node.signed_spend(coin, node.new_address(wallet="thief"), feerate=1)
    theft = node.send(raw)
    bwm.wait_for_event("trigger.seen", txid=theft)

    flood(node, until_gone=theft)

    bwm.wait_for_event("trigger.evicted", txid=theft)
    node.mine_exactly([raw])
    bwm.wait_for_event("trigger.confirmed", txid=theft)


def flood(node, until_gone):
    """Fill the mempool with transactions of 80,000 vbytes, each dearer than the last, until it drops the cheap one."""
    for number, height in enumerate(range(node.height - 199, node.height - 99), 1):
        reward = node.rpc("getblock", node.block_hash(height), 2)["tx"][0]
        sats = int(reward["vout"][0]["value"] * 100_000_000)
        node.send(wide(f"{reward['txid']}:0", (sats - number * 2_000_000) // 2500))
        if until_gone not in node.mempool():
            return
    pytest.fail("the mempool took everything")


def test_five_hundred_thefts_in_one_block_are_all_told(node, bwm):
    anyone = anyones_address(node)
    script = script_of(node, anyone)
    purse = node.pay(anyone, SATS)
    node.mine()
    split = node.send(spend_freely(purse, [(9_000, script)] * 500))
    node.mine()
    coins = [f"{split}:{number}" for number in range(500)]
    bwm("add-vault", "--from-file", "-", stdin="name,outpoint\n" + "".join(f"cold,{coin}\n" for coin in coins))
    bwm.start()

    block = node.mine_exactly([spend_freely(coin, [(8_000, script)]) for coin in coins])

    bwm.wait_for_event("trigger.confirmed")
    told = bwm.events("trigger.confirmed")
    assert {event["trigger_key"] for event in told} == set(coins)  # all with the first: they are one transaction
    assert {event["block_hash"] for event in told} == {block}
    wait_until(lambda: len({line["id"] for line in bwm.delivered()}) == 500, "the alerts", timeout_s=100)
