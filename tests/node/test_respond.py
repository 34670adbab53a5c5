"""Responses sent, followed and buried, beside a real node."""

import json

import pytest

from regtest.node import wait_until
from tests.node.response_stage import allow, decide, fund, protect


@pytest.fixture
def stage(node, make_bwm):
    """A vault with a ladder of three steps, armed, and a daemon that watches it."""
    vault = fund(node)
    bwm = make_bwm(node, settings=allow(vault))
    steps = [vault.response(rate) for rate in (5, 20, 80)]
    protect(bwm, vault, steps)
    bwm("arm", "cold/safe")
    bwm.start()
    return node, bwm, vault, steps


def kinds(bwm):
    """The story of the response, in order."""
    return [event["kind"].removeprefix("response.") for event in bwm.events() if event["kind"].startswith("response.")]


def test_a_theft_is_answered_followed_and_buried(stage):
    node, bwm, vault, steps = stage
    node.send(vault.unvault.hex)
    seen = bwm.wait_for_event("trigger.seen", txid=vault.unvault.txid)
    assert bwm.events("response.decided") == []
    decide(bwm, seen)
    sent = bwm.wait_for_event("response.sent")
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
