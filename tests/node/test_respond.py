"""Responses sent, followed and buried, beside a real node."""

import json
import time

import pytest

from regtest.node import wait_until
from tests.node.response_stage import (
    Crowd,
    allow,
    by_hand,
    decide,
    fund,
    known_options,
    protect,
    small_blocks,
    write,
)

POLICY = """
[[policy]]
name = "theft"
on = ["trigger.seen", "trigger.confirmed"]
when = { vault = "cold" }
then = [{ respond = "cold/safe", after = "3s", unless = "acknowledged" }]
"""


@pytest.fixture
def stage(node, make_bwm):
    """A vault with a ladder of three steps, armed, a policy that orders it, and a daemon that watches."""
    vault = fund(node)
    bwm = make_bwm(node, settings=f"{POLICY}{allow(vault)}")
    steps = [vault.response(rate) for rate in (5, 20, 80)]
    protect(bwm, vault, steps)
    bwm.start()
    return node, bwm, vault, steps


def kinds(bwm):
    """The story of the response, in order. Its readiness is judged beside it: that it is used may come at any time."""
    told = [event["kind"].removeprefix("response.") for event in bwm.events() if event["kind"].startswith("response.")]
    return [kind for kind in told if kind != "used"]


def test_a_theft_is_answered_followed_and_buried(stage):
    node, bwm, vault, steps = stage
    node.send(vault.unvault.hex)
    decided = bwm.wait_for_event("policy.decided", txid=vault.unvault.txid)
    assert bwm.events("response.sent") == []
    sent = bwm.wait_for_event("response.sent")
    assert sent["at"] >= decided["at"] + 3
    assert sent["txid"] in node.mempool()
    assert sent["detail"]["trigger"] == vault.unvault.txid
    node.mine()
    mined = bwm.wait_for_event("response.confirmed")
    assert mined["height"] == node.height
    node.mine(5)
    buried = bwm.wait_for_event("response.buried")
    assert buried["txid"] == sent["txid"]
    assert kinds(bwm)[-4:] == ["decided", "sent", "confirmed", "buried"]
    wait_until(lambda: bwm.json("list-responses")[0]["verdict"] == "used", "the verdict")
    assert steps[0].hex not in bwm.log_text() + bwm.alerts_file.read_text() + json.dumps(bwm.events())


def test_an_acknowledgement_in_time_keeps_it_back(stage):
    node, bwm, vault, steps = stage
    node.mine_exactly([vault.unvault.hex])
    bwm.wait_for_event("policy.decided")
    bwm("ack", "--all", "--by", "owner")
    assert "acknowledged" in bwm.wait_for_event("response.called_off")["reason"]
    assert not node.mempool() & {step.txid for step in steps}


def test_r13_a_ladder_outruns_the_thief_through_full_blocks_a_reorg_and_a_kill(make_node, make_bwm, bitcoind):
    node = make_node(extra_args=small_blocks(bitcoind))
    vault = fund(node, 1_000_000)
    crowd = Crowd(node, 140)
    crowd.make_history(3)
    steps = [vault.response(rate) for rate in (2, 6, 20, 60, 150)]
    budget = 9_000  # pays for the fourth
    bwm = make_bwm(node, settings=allow(vault))
    protect(bwm, vault, steps, "--budget", str(budget))
    bwm.start()
    crowd.pay(100, 50)  # eleven blocks full
    node.mine_exactly([vault.unvault.hex])
    started = node.height
    theft = bwm.wait_for_event("trigger.confirmed", txid=vault.unvault.txid)

    node.pause()
    decide(bwm, theft)  # it is on disk, and nothing can be sent
    time.sleep(1.5)
    bwm.kill()
    node.resume()
    assert not node.mempool() & {step.txid for step in steps}
    bwm.start(until_ready=False)
    first = bwm.wait_for_event("response.sent")
    assert first["txid"] == steps[1].txid  # 3 sat/vB is what it took so far

    def followed():  # a step that is mined is written down after the look at its block, and no further one is needed
        looked = bwm.rows("SELECT * FROM broadcast WHERE scanned_hash = ?", node.tip)
        return looked or bwm.events("response.confirmed")

    while not bwm.events("response.confirmed"):
        node.mine()
        wait_until(followed, "a look at the new block")
        time.sleep(1.2)  # a turn, in which the next step may be sent
        assert node.height < started + vault.delay, "the thief could follow"
    [confirmed] = bwm.events("response.confirmed")
    sent = [event["txid"] for event in bwm.events() if event["kind"] in ("response.sent", "response.raised")]
    places = [[step.txid for step in steps].index(txid) for txid in sent]
    assert places == sorted(places)
    assert places[-1] == 3
    assert len(places) >= 2  # it climbed

    node.reorg(3)
    bwm.wait_for_event("response.reorged")
    wait_until(lambda: confirmed["txid"] in node.mempool(), "the response back in the mempool")
    node.mine(1 + vault.delay)
    bwm.wait_for_event("response.buried", txid=confirmed["txid"])
    refused = node.rpc("testmempoolaccept", [vault.theft().hex])[0]
    assert "missing" in refused["reject-reason"]  # its time has come, and the coin is gone
    assert all(event["detail"]["fee_sats"] <= budget for event in bwm.events() if event["detail"].get("fee_sats"))
    told = [event["kind"] for event in bwm.json_lines("events", "--kind", "response")]
    story = ["decided", "raised", "confirmed", "reorged", "confirmed", "buried"]
    words = [kind.partition(".")[2] for kind in told]
    assert [word for word in words if word in story] == story


def test_a_response_without_a_fee_goes_with_its_child_where_the_node_takes_such_pairs(make_node, make_bwm, bitcoind):
    """R18 and feature 78: version 3, no fee, an anchor of nothing, and a child that pays for both."""
    node = make_node(extra_args=known_options(bitcoind, "-mempooltruc=enforce"))
    vault = fund(node)
    bwm = make_bwm(node, settings=allow(vault))
    bwm("add-vault", "cold", "--txid", vault.unvault.txid, "--outpoint", vault.deposit.outpoint)
    parent = vault.response(0, version=3, anchor=0)
    child = vault.child(parent, parent.outputs[0][0], 6_000)
    files = [*write(bwm.home, [parent]), *write(bwm.home, [child], "--child")]
    added = bwm("add-response", "cold", "safe", *files, *write(bwm.home, [vault.unvault], "--parent"))
    assert "ready" in added.stdout
    bwm.start()
    node.mine_exactly([vault.unvault.hex])
    bwm.wait_for_event("trigger.confirmed")
    by_hand(bwm)
    assert bwm.wait_for_event("response.sent")["txid"] == parent.txid
    assert {parent.txid, child.txid} <= node.mempool()
    node.mine()
    bwm.wait_for_event("response.confirmed")
