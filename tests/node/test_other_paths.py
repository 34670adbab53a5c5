"""Responses that go to a second node as well: it may reach the miners when the owner's own does not."""

from regtest.node import wait_until
from tests.node.response_stage import allow, by_hand, fund, protect

PEERS = """
[[peer_node]]
name = "attic"
rpc = "{attic.rpc_url}"
cookie_file = "{attic.cookie}"
relay_responses = true

[[peer_node]]
name = "only asked"
rpc = "{asked.rpc_url}"
cookie_file = "{asked.cookie}"
"""


def pass_on(node, *others):
    """The tip's block, to nodes that are not connected."""
    for other in others:
        other.rpc("submitblock", node.rpc("getblock", node.tip, 0))


def test_a_second_node_gets_it_too_and_one_that_hangs_holds_up_nobody(node, make_node, make_bwm):
    attic, asked = (make_node(name, blocks=0, topics=()) for name in ("attic", "asked"))
    vault = fund(node)
    for height in range(1, node.height + 1):
        block = node.rpc("getblock", node.block_hash(height), 0)
        for other in (attic, asked):
            other.rpc("submitblock", block)
    step = vault.response(20)
    bwm = make_bwm(node, settings=allow(vault) + PEERS.format(attic=attic, asked=asked))
    protect(bwm, vault, [step])
    bwm.start()
    node.mine_exactly([vault.unvault.hex])
    pass_on(node, attic, asked)
    bwm.wait_for_event("trigger.confirmed", txid=vault.unvault.txid)

    attic.pause()
    by_hand(bwm)
    bwm.wait_for_event("response.sent")
    attic.resume()
    node.mine_exactly([])
    pass_on(node, attic, asked)
    wait_until(lambda: step.txid in attic.mempool(), "the response at the second node")
    wait_until(lambda: "response.handed_on" in bwm.log_text(), "a word about it")
    assert step.txid not in asked.mempool()
    assert step.hex not in bwm.log_text()


def test_what_waits_behind_a_node_that_hangs_is_not_handed_on_once_everything_is_held(node, make_node, make_bwm):
    attic = make_node("attic", blocks=0, topics=())
    vault = fund(node)
    for height in range(1, node.height + 1):
        attic.rpc("submitblock", node.rpc("getblock", node.block_hash(height), 0))
    step = vault.response(20)
    bwm = make_bwm(node, settings=allow(vault) + PEERS.format(attic=attic, asked=attic))
    protect(bwm, vault, [step])
    bwm.start()
    node.mine_exactly([vault.unvault.hex])
    pass_on(node, attic)
    bwm.wait_for_event("trigger.confirmed", txid=vault.unvault.txid)

    attic.pause()
    by_hand(bwm)
    bwm.wait_for_event("response.sent")
    bwm("hold")
    attic.resume()
    wait_until(lambda: "everything is held" in bwm.log_text(), "a word that it was not handed on")
    assert step.txid not in attic.mempool()
