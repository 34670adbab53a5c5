"""Blocks that came while nobody looked: fetched by REST or RPC, read in order, each trigger in them found."""

import pytest

BLOCKS = 30


@pytest.fixture(params=["rest", "rpc"])
def node(request, make_node):
    return make_node(extra_args=["-rest=1"] if request.param == "rest" else [])


def test_every_trigger_of_a_long_absence_is_found_in_its_own_block(node, bwm, address, thief):
    coins = [node.pay(address, 1_000_000) for _ in range(3)]
    node.mine()
    bwm("add-vault", "cold", *(word for coin in coins for word in ("--outpoint", coin)))
    bwm.start()
    bwm.stop()
    heights = {}
    for coin in coins:
        heights[node.spend(coin, thief)] = node.height + 1
        node.mine(BLOCKS // 3)

    bwm.start()

    for theft, height in heights.items():
        assert bwm.wait_for_event("trigger.confirmed", txid=theft)["height"] == height
    assert bwm.status()["cursor"] == {"height": node.height, "hash": node.tip}
    assert ("node.without_rest" in bwm.log_text()) == ("-rest=1" not in node.extra_args)


def test_the_blocks_of_another_branch_are_read_when_the_chain_changes_on_the_way(node, bwm):
    bwm.start()
    bwm.stop()
    node.mine(BLOCKS)
    node.reorg(BLOCKS - 5)

    bwm.start()

    assert bwm.status()["cursor"]["hash"] == node.tip
    assert [row["height"] for row in bwm.rows("SELECT height FROM block ORDER BY height")][-BLOCKS:] == list(
        range(node.height - BLOCKS + 1, node.height + 1)
    )


def test_a_deposit_and_its_theft_in_one_block_of_the_past_are_both_found(node, bwm, address, thief):
    bwm("add-vault", "cold", "--address", address)
    bwm.start()
    bwm.stop()
    coin = node.pay(address, 1_000_000)
    theft = node.spend(coin, thief)
    node.mine(BLOCKS)

    bwm.start()

    assert bwm.wait_for_event("trigger.confirmed", txid=theft)["trigger_key"] == address
