"""Z: the feed loses messages, garbles, repeats, forges or falls silent. It is a bell and never the truth."""

import time

from regtest.node import wait_until
from tests.faults.conftest import SATS, found, with_vault

WITHOUT_FEED_S = 20


def lose_transactions(parts):
    """What an overflow at the publisher does: the counter goes on, the message never comes."""
    return [] if parts[0] in (b"rawtx", b"sequence") else [parts]


def lose_everything(_):
    return []


def test_z1_a_gap_in_the_numbering_is_a_reason_to_look(node, behind, relay, coins, thief, hold):
    bwm = behind(feed=relay)
    bwm.start()
    found(bwm, node.spend(coins[2], thief))
    seen = relay.seen
    relay.tamper = lose_transactions
    lost = node.spend(coins[0], thief)
    wait_until(lambda: relay.seen >= seen + 2, "the lost messages")
    relay.tamper = lambda parts: [parts]
    began = time.monotonic()
    told = node.spend(coins[1], thief)
    for theft in (lost, told):
        found(bwm, theft)
    assert time.monotonic() - began < 5
    hold(bwm, lost, told)


def test_z1_a_high_water_mark_of_one_loses_messages_and_no_theft(make_node, make_bwm, receiver, hold):
    marks = [f"-zmqpub{topic}hwm=1" for topic in ("rawtx", "sequence", "hashblock")]
    node = make_node("narrow", extra_args=marks)
    coins = [node.pay(node.new_address(), SATS) for _ in range(5)]
    node.mine()
    thief = node.new_address(wallet="thief")
    bwm = with_vault(make_bwm(node, receiver_url=receiver.url()), coins)
    bwm.start()
    bwm.pause()
    thefts = [node.spend(coin, thief) for coin in coins]
    for _ in range(15):
        node.pay(node.new_address(wallet="miner"), 50_000)
    node.mine()
    bwm.resume()
    for theft in thefts:
        found(bwm, theft)
    hold(bwm, *thefts, node=node)


def test_z2_messages_lost_before_a_silence_are_found_by_asking(node, behind, relay, coin, thief, hold):
    bwm = behind(feed=relay)
    bwm.start()
    relay.tamper = lose_everything
    theft = node.spend(coin, thief)
    found(bwm, theft, timeout_s=WITHOUT_FEED_S)
    hold(bwm, theft)


def test_z3_a_subscriber_that_connects_late_asks_for_what_it_missed(node, behind, zmq_proxy, coin, thief, hold):
    zmq_proxy.refusing = True
    bwm = behind(feed=zmq_proxy)
    bwm.start(until_ready=False)
    bwm.wait_for_row("SELECT * FROM block")
    theft = node.spend(coin, thief)
    node.mine()
    zmq_proxy.refusing = False
    found(bwm, theft, timeout_s=WITHOUT_FEED_S)
    hold(bwm, theft)


MALFORMED = [
    [b"rawtx"],
    [b"rawtx", b"\x00" * 32],
    [b"rawtx", b"", b"", b"", b""],
    [b"rawtx", b"\x01\x02\x03", b"\x00\x00\x00\x00"],
    [b"rawtx", b"", b"\x00\x00\x00\x00"],
    [b"rawtx", b"\xff" * 100, b"\x00" * 8],
    [b"rawtx2", b"\x00" * 60, b"\x00\x00\x00\x00"],
    [b"hashblock", b"\x00" * 31, b"\x00\x00\x00\x00"],
    [b"hashblocks", b"\x00" * 32, b"\x00\x00\x00\x00"],
    [b"sequence", b"\x00" * 32 + b"X", b"\x00\x00\x00\x00"],
    [b"sequence", b"\x00" * 32 + b"A" + b"\x00" * 7, b"\x00\x00\x00\x00"],
    [b"sequence", b"\x00" * 31, b"\x00\x00\x00\x00"],
    [b"hashblock\xff\xfe", b"\x00" * 32, b"\x00\x00\x00\x00"],
]


def test_z4_malformed_messages_are_counted_and_dropped(node, behind, relay, coin, thief, hold):
    bwm = behind(feed=relay)
    bwm.start()
    for message in MALFORMED:
        relay.send(message)
    theft = node.spend(coin, thief)
    found(bwm, theft)
    hold(bwm, theft)
    assert bwm.is_running
    assert 1 <= bwm.log_text().count("feed.malformed") <= 2


def test_z5_a_transaction_and_a_block_of_four_megabytes_are_handled_in_time(node, behind, relay, coins, thief, hold):
    bwm = behind(feed=relay)
    bwm.start()
    theft = node.spend(coins[0], thief)
    outputs = [{"data": "00" * 3_900_000}]
    spend = node.rpc("listunspent", 1, wallet="miner")[0]
    unsigned = node.rpc("createrawtransaction", [{"txid": spend["txid"], "vout": spend["vout"]}], outputs)
    signed = node.rpc("signrawtransactionwithwallet", unsigned, wallet="miner")["hex"]
    relay.send([b"rawtx", bytes.fromhex(signed), b"\x07\x00\x00\x00"])
    relay.send([b"rawtx", b"\x01" * 6_000_000, b"\x08\x00\x00\x00"])
    began = time.monotonic()
    second = node.spend(coins[1], thief)
    found(bwm, second, timeout_s=5)
    assert time.monotonic() - began < 5
    hold(bwm, theft, second)


def test_z6_the_same_transaction_five_times_and_out_of_order_is_one_event(
    node, behind, relay, coins, thief, hold, dice
):
    held = []
    relay.tamper = lambda parts: held.append(parts) or []
    bwm = behind(feed=relay)
    bwm.start()
    thefts = [node.spend(coin, thief) for coin in coins]
    wait_until(lambda: len(held) >= 2 * len(coins), "all messages")
    messages = held * 5
    dice.shuffle(messages)
    for message in messages:
        relay.send(message)
    for theft in thefts:
        found(bwm, theft)
    hold(bwm, *thefts)


def test_z7_a_forged_theft_as_in_x38_and_a_forged_block_are_not_believed(node, behind, relay, coins, thief, hold):
    bwm = behind(feed=relay)
    bwm.start()
    forged = node.signed_spend(coins[0], thief)
    relay.send([b"rawtx", bytes.fromhex(forged), b"\x00\x00\x00\x00"])
    relay.send([b"hashblock", b"\x11" * 32, b"\x00\x00\x00\x00"])
    relay.send([b"sequence", b"\x11" * 32 + b"D", b"\x00\x00\x00\x00"])
    relay.send([b"sequence", b"\x11" * 32 + b"A" + b"\x01" * 8, b"\x01\x00\x00\x00"])

    true = node.spend(coins[1], thief)
    found(bwm, true)
    hold(bwm, true)
    txid = node.rpc("decoderawtransaction", forged)["txid"]
    assert bwm.events(txid=txid) == []
    assert bwm.delivered(txid=txid) == []


def test_z8_a_half_open_connection_is_noticed_and_told(node, behind, zmq_proxy, coins, thief, hold):
    bwm = behind(feed=zmq_proxy)
    bwm.start()
    zmq_proxy.frozen = True
    theft = node.spend(coins[0], thief)
    found(bwm, theft, timeout_s=WITHOUT_FEED_S)
    wait_until(lambda: "feed.disconnected" in bwm.log_text(), "a word about the feed", timeout_s=45)

    zmq_proxy.frozen = False
    wait_until(lambda: bwm.log_text().count("feed.connected") == 2, "the feed's return")
    later = node.spend(coins[1], thief)
    found(bwm, later)
    hold(bwm, theft, later)
