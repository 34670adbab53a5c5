"""The outside: the dead-man service that hears signs of life, and a second node that has another chain."""

import time

from bwm.chain.network import network
from bwm.config_node import NodeConfig
from bwm.daemon.connect import reach
from bwm.daemon.watch_peers import BEHIND, OTHER_CHAIN, difference
from regtest.node import wait_until
from regtest.receiver import Receiver, reply
from tests.faults.conftest import with_vault

HEARTBEAT = """
[heartbeat]
url = "{url}"
every = "10s"
"""
PEER = """
[[peer_node]]
name = "attic"
rpc = "{node.rpc_url}"
cookie_file = "{node.cookie}"
"""


def test_n6_a_sign_of_life_is_sent_only_while_bwm_can_see(node, make_bwm, coins, receiver):
    with Receiver() as service:
        bwm = make_bwm(node, receiver_url=receiver.url(), settings=HEARTBEAT.format(url=service.url("http", "beat")))
        with_vault(bwm, coins).start()
        service.wait_for(1)
        node.pause()
        bwm.wait_for_row("SELECT * FROM setting WHERE name = 'troubles' AND value LIKE '%node%'", timeout_s=40)
        heard = len(service.received)
        time.sleep(12)
        assert len(service.received) == heard
        assert bwm.status()["blind_since"]

        node.resume()
        service.wait_for(heard + 1, limit_s=40)
        service.behaviour = reply(500)
        wait_until(lambda: "condition=heartbeat" in bwm.log_text(), "a word about the service")
        assert "beat" not in bwm.log_text().replace("heartbeat", "")


def test_n14_m3_a_second_node_with_another_chain_is_told(node, make_node, make_bwm, coins, receiver, clock_of):
    other = make_node("attic", blocks=105, topics=())
    bwm = make_bwm(node, receiver_url=receiver.url(), settings=PEER.format(node=other))
    with_vault(bwm, coins)
    clock = clock_of(bwm)
    bwm.start(until_ready=False)  # with such a neighbour nothing is covered
    bwm.wait_for_row("SELECT * FROM setting WHERE name = 'troubles' AND value LIKE '%peers/attic%'", timeout_s=60)
    for _ in range(25):
        clock.forward(50)
        time.sleep(1.2)
    bwm.wait_for_alert(kind="node.disagreement", severity="critical")
    assert not bwm.status()["covered"]


def test_n14_two_nodes_agree_up_to_the_ordinary_delay_of_a_block(node, make_node):
    other = make_node("attic", blocks=0, topics=())
    for height in range(1, node.height):
        other.rpc("submitblock", node.rpc("getblock", node.block_hash(height), 0))
    ours, theirs = (
        reach(NodeConfig(rpc=one.rpc_url, cookie_file=one.cookie, rest="off"), network("regtest"))
        for one in (node, other)
    )
    assert difference(ours, theirs) is None
    node.mine()
    assert difference(ours, theirs).condition == BEHIND  # which holds no response
    found = difference(theirs, ours)
    assert found.condition == OTHER_CHAIN  # we may be cut off
    assert "at block" in found.words
    other.mine(2)
    found = difference(ours, theirs)
    assert found.condition == OTHER_CHAIN
    assert "different blocks" in found.words
