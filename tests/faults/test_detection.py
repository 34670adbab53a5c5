"""How long it takes from the spend to the event on disk, with the node's feed and without."""

import time

import pytest

from tests.faults.conftest import SATS, found, with_vault

COUNT = 10


def many_coins(node, count):
    addresses = {node.new_address(): f"{SATS / 1e8:.8f}" for _ in range(count)}
    funding = node.rpc("sendmany", "", addresses, wallet="miner", fee_rate=10)
    node.mine()
    outputs = node.rpc("gettransaction", funding, verbose=True, wallet="miner")["decoded"]["vout"]
    return [f"{funding}:{out['n']}" for out in outputs if out["scriptPubKey"].get("address") in addresses]


@pytest.mark.parametrize("topics", [("hashblock", "rawtx", "sequence"), ()], ids=["with-the-feed", "without"])
def test_z9_a_theft_is_on_disk_within_seconds(make_node, make_bwm, receiver, hold, note, topics, dice):
    node = make_node("measured", topics=topics)
    coins = many_coins(node, COUNT)
    thief = node.new_address(wallet="thief")
    bwm = with_vault(make_bwm(node, receiver_url=receiver.url()), coins)
    bwm.start()
    thefts = []
    for coin in coins:
        hex_ = node.signed_spend(coin, thief)
        time.sleep(dice.random())
        began = time.monotonic()
        thefts.append(node.send(hex_))
        found(bwm, thefts[-1])
        took = time.monotonic() - began
        note("with the feed" if topics else "without the feed", took)
        assert took <= (2 if topics else 20)
    hold(bwm, *thefts, node=node)
