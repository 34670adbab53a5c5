"""The regtest node that all other node tests stand on does what its verbs say."""

import pytest

from regtest.node import RpcError


def test_a_reorg_replaces_the_blocks_and_gives_their_transactions_back(node):
    coin = node.pay(node.new_address(), 1_000_000)
    before = node.height
    mined_in = node.mine(2)[0]

    branch = node.reorg(2)

    assert node.height == before + 3
    assert node.tip == branch[-1]
    assert node.rpc("getblockheader", mined_in)["confirmations"] == -1
    assert node.mempool() == {coin.split(":")[0]}


def test_a_reorg_can_carry_a_rival_transaction_to_victory(node):
    coin = node.pay(node.new_address(), 1_000_000)
    node.mine()
    theft = node.spend(coin, node.new_address(wallet="thief"))
    node.mine()
    rescue = node.signed_spend(coin, node.new_address(), feerate=1)

    node.reorg(1, txs=[rescue])

    assert node.mempool() == set()
    with pytest.raises(RpcError):
        node.rpc("getrawtransaction", theft)


def test_a_spend_with_a_higher_feerate_replaces_the_first(node):
    coin = node.pay(node.new_address(), 1_000_000)
    node.spend(coin, node.new_address(), feerate=5)

    second = node.spend(coin, node.new_address(), feerate=50)

    assert second in node.mempool()
    assert len(node.mempool()) == 2  # with the payment itself
    fee_sats = int(node.rpc("getmempoolentry", second)["fees"]["base"] * 100_000_000)
    assert fee_sats >= 50 * node.rpc("getmempoolentry", second)["vsize"]


def test_two_nodes_that_meet_agree_on_the_longer_chain(node, make_node):
    other = make_node("other", blocks=0)
    other.connect(node)
    node.disconnect()
    node.mine(1)
    other.mine(2)

    node.connect(other)

    assert node.tip == other.tip
    assert node.height == 112


def test_a_killed_node_comes_back_on_its_own_ports_with_its_blocks(node):
    url, tip = node.rpc_url, node.tip
    node.kill()
    node.start()
    assert (node.rpc_url, node.tip) == (url, tip)
