"""A: receivers that hang, refuse, drip, ask to wait, lose what they took, or are away for a day."""

import time

import pytest

from regtest.node import wait_until
from regtest.receiver import Receiver, accept, break_off, drip, hang, reply, unused_port
from tests.faults.conftest import found

SECOND = """
[[channel]]
name = "second"
kind = "apprise"
url = "{url}"
people = ["owner"]
"""


@pytest.fixture
def two(make_bwm, node, receiver, coins):
    """A bwm with the channels log, phone (the sound receiver) and ``second``; give the second's URL."""

    def make(url):
        bwm = make_bwm(node, receiver_url=receiver.url(), settings=SECOND.format(url=url))
        bwm("add-vault", "cold", *(word for coin in coins for word in ("--outpoint", coin)))
        return bwm

    return make


@pytest.mark.parametrize("behaviour", [hang, reply(500), break_off, drip], ids=["hang", "500", "break-off", "drip"])
def test_a1_a2_a5_a_bad_receiver_delays_no_other_and_gets_it_when_it_is_well(
    node, two, coin, thief, receiver, hold, behaviour
):
    with Receiver(behaviour=behaviour) as bad:
        bwm = two(bad.url())
        bwm.start()
        began = time.monotonic()
        theft = node.spend(coin, thief)
        receiver.wait_for(text=theft)
        assert time.monotonic() - began < 5
        bad.wait_for(text=theft)
        attempt = "SELECT * FROM outbox WHERE target = 'second' AND state IN ('pending', 'uncertain')"
        order = bwm.wait_for_row(attempt, timeout_s=17)
        assert order["last_error"]
        bad.behaviour = accept
        bwm.wait_for_row("SELECT * FROM outbox WHERE target = 'second' AND state = 'done'", timeout_s=40)
        hold(bwm, theft)


@pytest.mark.parametrize("url", ["json://no-such-host.invalid/", "jsons://127.0.0.1:{port}/"], ids=["dns", "tls"])
def test_a3_a4_a_name_or_a_certificate_that_fails_delays_no_other(node, two, coin, thief, receiver, hold, url):
    with Receiver() as plain:
        bwm = two(url.format(port=plain.url().rsplit(":", 1)[1].strip("/")))
        bwm.start()
        began = time.monotonic()
        theft = node.spend(coin, thief)
        receiver.wait_for(text=theft)
        assert time.monotonic() - began < 5
        bwm.wait_for_row("SELECT * FROM outbox WHERE target = 'second' AND last_error IS NOT NULL", timeout_s=20)
    assert found(bwm, theft)


def test_a6_a_receiver_that_asks_to_wait_an_hour_is_asked_again_within_minutes(node, two, coin, thief, receiver, hold):
    with Receiver(behaviour=reply(429, {"Retry-After": "3600"})) as bad:
        bwm = two(bad.url())
        bwm.start()
        theft = node.spend(coin, thief)
        receiver.wait_for(text=theft)
        query = "SELECT * FROM outbox WHERE target = 'second' AND last_error IS NOT NULL AND state = 'pending'"
        order = bwm.wait_for_row(query)
        assert order["due_at"] - time.time() <= 300


def test_a7_what_a_receiver_took_and_lost_is_told_again_until_somebody_answers(
    node, cold, clock, coin, thief, receiver, hold
):
    cold.start()
    theft = node.spend(coin, thief)
    receiver.wait_for(text=theft)
    for _ in range(2):
        clock.forward(31)
        time.sleep(2)
    receiver.wait_for(2, text=theft)
    [alert] = [one for one in cold.alerts() if one["kind"] == "trigger.seen"]
    cold("ack", alert["id"])
    seen = len(receiver.holding(theft))
    for _ in range(10):
        clock.forward(50)
        time.sleep(0.3)
    time.sleep(2)
    assert len(receiver.holding(theft)) == seen
    hold(cold, theft)


def test_a8_all_channels_away_for_a_day_deliver_within_minutes_and_once(
    node, cold, clock, coins, thief, receiver, hold
):
    receiver.behaviour = reply(503)
    cold.start()
    thefts = [node.spend(coin, thief) for coin in coins]
    for theft in thefts:
        receiver.wait_for(text=theft)
    for _ in range(24):
        clock.forward(3600)
        time.sleep(0.1)
    receiver.behaviour = accept
    before = len(receiver.received)
    clock.forward(50)
    for _ in range(7):
        time.sleep(1)
        clock.forward(50)
    query = "SELECT id FROM outbox o WHERE target = 'phone' AND state != 'done'"
    wait_until(lambda: not cold.rows(query), "every delivery", timeout_s=60)
    assert len(receiver.received) - before <= 40
    hold(cold, *thefts)


def test_a10_a_channel_that_is_dead_is_told_on_the_others(node, two, clock_of, coin, thief, receiver):
    with unused_port() as port:
        bwm = two(f"json://127.0.0.1:{port}/")
        clock = clock_of(bwm)
        bwm.start()
        theft = node.spend(coin, thief)
        receiver.wait_for(text=theft)
        bwm.wait_for_row("SELECT * FROM outbox WHERE target = 'second' AND last_error IS NOT NULL", timeout_s=20)
        clock.forward(40)
        time.sleep(2)
        clock.forward(40)
        receiver.wait_for(text="A channel takes no messages: second", limit_s=90)
        assert not next(one for one in bwm.status()["channels"] if one["name"] == "second")["healthy"]


def test_a12_an_acknowledgement_twice_and_late_is_one(node, cold, coin, thief, receiver, hold):
    cold.start()
    theft = node.spend(coin, thief)
    receiver.wait_for(text=theft)
    [alert] = cold.alerts()
    for _ in range(2):
        cold("ack", alert["id"], exit_code=None)
    node.mine()
    cold.wait_for_event("trigger.confirmed", txid=theft)
    cold("ack", alert["id"], exit_code=None)
    [after] = cold.alerts()
    assert after["state"] == "acknowledged"
    hold(cold, theft)


def test_a13_an_acknowledgement_while_a_retry_is_in_flight_ends_the_retries(node, two, coin, thief, receiver, hold):
    with Receiver(behaviour=hang) as bad:
        bwm = two(bad.url())
        bwm.start()
        theft = node.spend(coin, thief)
        bad.wait_for(text=theft)
        [alert] = bwm.alerts()
        bwm("ack", alert["id"])
        bwm.wait_for_row("SELECT * FROM outbox WHERE target = 'second' AND state = 'closed'", timeout_s=30)
        time.sleep(2)
        assert len(bad.holding(theft)) == 1


def test_a15_a_mistyped_receiver_is_told_of_and_keeps_no_other_from_working(node, two, coin, thief, receiver, clock_of):
    bwm = two("jsonn://127.0.0.1:1/")
    clock = clock_of(bwm)
    bwm.start()
    theft = node.spend(coin, thief)
    receiver.wait_for(text=theft)
    found(bwm, theft)
    wait_until(lambda: "condition=channel/second" in bwm.log_text(), "a word in the log")

    def a_minute_later():
        clock.forward(61)
        return bwm.events("channel.failing")

    [failing] = wait_until(a_minute_later, "a word about it", every_s=3)
    assert "jsonn" in failing["reason"]
    receiver.wait_for(text="second")
    assert "second" in bwm("doctor", exit_code=1).stdout
