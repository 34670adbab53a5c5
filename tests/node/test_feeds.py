"""The feed is a bell: with any part of it missing, late or broken all is seen, at worst some seconds later."""

import pytest

from bwm.errors import NodeDown
from bwm.node.frames import Gap, RawTx
from bwm.node.rpc import Rpc
from regtest.node import wait_until
from tests.guardian_signer import Signer, fund

SATS = 5_000_000

SOON_S = 8  # in which the node is asked in any case, with room for a busy machine
RECONCILE_S = 15 + 5


@pytest.mark.parametrize(
    "topics",
    [("rawtx", "hashblock"), ("rawtx", "sequence"), ("rawtx",), ("sequence",), ("hashblock",), ("rawblock",), ()],
    ids="+".join,
)
def test_a_node_that_publishes_only_a_part_is_watched_as_well(make_node, make_bwm, topics):
    node = make_node(topics=topics)
    coin = node.pay(node.new_address(), SATS)
    node.mine()
    bwm = make_bwm(node)
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm.start()
    wait_until(lambda: bwm.status()["feed"]["topics"] == sorted(topics), "the connection to the feed")

    theft = node.spend(coin, node.new_address(wallet="thief"))
    bwm.wait_for_event("trigger.seen", txid=theft, timeout_s=SOON_S)
    node.mine()
    bwm.wait_for_event("trigger.confirmed", txid=theft, timeout_s=SOON_S)

    assert not bwm.events("node.feed_lost")


def test_a_feed_that_is_configured_and_never_comes_is_told_and_does_without(make_node, make_bwm):
    node = make_node(topics=())
    coin = node.pay(node.new_address(), SATS)
    node.mine()
    bwm = make_bwm(node)
    bwm.config.write_text(bwm.config.read_text().replace("[node]", f'[node]\nzmq_rawtx = "{node.zmq}"'))
    bwm("add-vault", "cold", "--outpoint", coin)
    bwm.start()

    theft = node.spend(coin, node.new_address(wallet="thief"))

    bwm.wait_for_event("trigger.seen", txid=theft, timeout_s=SOON_S)
    status = bwm.status()
    assert status["feed"] == {"connected": False, "topics": []}
    assert status["covered"]


def test_a_restarted_node_with_a_new_cookie_is_followed_on(node, guarded, coin, thief):
    cookie = node.cookie.read_text()
    node.restart()
    assert node.cookie.read_text() != cookie

    wait_until(lambda: guarded.status()["feed"]["connected"], "the connection to the feed")
    theft = node.spend(coin, thief)
    guarded.wait_for_event("trigger.seen", txid=theft, timeout_s=SOON_S)
    node.mine()
    guarded.wait_for_event("trigger.confirmed", txid=theft, timeout_s=SOON_S)

    assert node.cookie.read_text().partition(":")[2] not in guarded.log_text()


def test_a_theft_known_to_a_node_before_it_restarts_is_neither_lost_nor_told_twice(node, guarded, coin, thief):
    theft = node.spend(coin, thief)
    guarded.wait_for_event("trigger.seen", txid=theft)

    node.restart()
    wait_until(lambda: theft in node.mempool(), "the mempool of before")
    node.mine()
    guarded.wait_for_event("trigger.confirmed", txid=theft)

    assert [event["kind"] for event in guarded.events(txid=theft)] == ["trigger.seen", "trigger.confirmed"]


def test_blocks_that_pass_while_the_node_is_away_are_read_when_it_is_back(node, guarded, coin, thief, make_node):
    other = make_node("other", blocks=0)
    other.connect(node)
    theft = node.signed_spend(coin, thief)
    node.stop()
    txid = other.send(theft)
    other.mine(50)

    node.start()
    node.connect(other)

    confirmed = guarded.wait_for_event("trigger.confirmed", txid=txid)
    assert confirmed["height"] == node.height - 49
    guarded.wait_for_event("trigger.final", txid=txid)


def test_a_daemon_may_start_before_its_node(node, bwm, coin, thief):
    bwm("add-vault", "cold", "--outpoint", coin)
    node.stop()
    bwm.start(until_ready=False)
    wait_until(lambda: bwm.status()["running"], "the running daemon")
    assert not bwm.status()["covered"]

    node.start()
    bwm.wait_ready()

    theft = node.spend(coin, thief)
    bwm.wait_for_event("trigger.seen", txid=theft)


def test_messages_lost_by_a_full_queue_are_made_up_for(make_node, make_bwm):
    marks = [f"-zmqpub{topic}hwm=2" for topic in ("hashblock", "rawtx", "sequence")]
    node = make_node(extra_args=marks)
    address = node.new_address()
    bwm = make_bwm(node)
    bwm("add-vault", "cold", "--address", address)
    bwm.start()

    bwm.pause()
    payments = {node.pay(address, 100_000 + number).split(":")[0] for number in range(60)}
    node.mine()
    bwm.resume()

    wait_until(
        lambda: {event["txid"] for event in bwm.events("funds.confirmed")} == payments, "all payments", RECONCILE_S
    )


@pytest.mark.long
def test_a_node_that_freezes_is_told_of_within_two_minutes_and_so_is_its_return(node, guarded, coin, thief):
    node.pause()
    assert guarded.wait_for_alert(kind="node.unreachable", timeout_s=120)["severity"] == "critical"
    assert guarded.status()["blind_since"]
    node.resume()
    guarded.wait_for_alert(kind="node.reachable")

    theft = node.spend(coin, thief)
    guarded.wait_for_event("trigger.seen", txid=theft)


def test_a_lock_that_only_the_feed_showed_while_the_node_gave_no_answer_counts(node, bwm, ingest, monkeypatch):
    def silence(*_):
        raise NodeDown("the node does not answer")

    signer = Signer(node)
    first, second = fund(node, [signer.script] * 2)
    node.mine_exactly([signer.signal(first, "unlock 1")])
    node.mine(6)
    bwm("add-guardian", "family", signer.address)
    ingest.turn([Gap("hashblock")])
    lock = bytes.fromhex(signer.signal(second, "lock 2"))

    with monkeypatch.context() as trouble:
        trouble.setattr(Rpc, "_exchange", silence)
        assert ingest.turn([RawTx(lock)]) > 0
        assert ingest.turn([RawTx(lock)]) > 0
    for _ in range(2):
        ingest.turn([Gap("rawtx")])

    assert bwm.events("guardian.locked")
