"""Spends in the mempool of coins that bwm comes to know only after it has looked at the spend."""

from bwm.node.frames import BlockBell, RawTx
from tests.node.conftest import SATS


def test_a_spend_heard_before_the_block_that_made_its_coin_was_read_is_seen(node, bwm, ingest, address, thief):
    source = node.pay(node.new_address(), 2 * SATS)
    node.mine()
    ingest.turn([BlockBell(node.tip)])
    deposit = node.signed_spend(source, address)
    node.mine_exactly([deposit])
    theft = node.spend(node.rpc("decoderawtransaction", deposit)["txid"] + ":0", thief)
    raw = bytes.fromhex(node.rpc("getrawtransaction", theft))

    ingest.turn([BlockBell(node.tip), RawTx(raw)])

    assert bwm.events("trigger.seen", txid=theft)
