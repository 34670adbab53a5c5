"""One worker a channel, many deliveries side by side: none waits for one that hangs, each is recorded."""

import random
import threading
from types import SimpleNamespace

import pytest

from bwm.channels import open_channel
from bwm.clock import SystemClock
from bwm.config_channels import ChannelConfig
from bwm.daemon.dispatch import ChannelWorker
from bwm.db import channel_outcomes, outbox
from bwm.db.schema import Alert, Event, Order
from bwm.errors import DeliveryRefused
from bwm.secret import Secret
from bwm.wording import Reader
from regtest.node import wait_until
from regtest.receiver import Receiver, accept, hang

COUNT = 60


@pytest.fixture
def troubles():
    return []


@pytest.fixture
def worker(database, receiver: Receiver, troubles):
    channel = open_channel(ChannelConfig("phone", "apprise", url=Secret(receiver.url())))
    worker = ChannelWorker(channel, Reader(), database, SystemClock(), lambda name, words: troubles.append(words))
    yield worker
    worker.stop()
    channel.close()
    if worker.is_alive():
        worker.join(20)
    assert not worker.is_alive()


def order(database, count: int, first: int = 0) -> None:
    """So many alerts, each with its own vault, to be told now."""
    now = SystemClock().now()
    with database.transaction():
        for n in range(first, first + count):
            event = Event.create(key=f"{n}", kind="trigger.seen", at=now, network="regtest", vault=f"v{n}!", reason="")
            fields = {"case": f"{n}", "event": event, "last_event": event, "severity": "emergency", "state": "open"}
            Alert.create(id=f"{n:010}", created_at=now, since=now, **fields)
            outbox.order_delivery(f"{n:010}", "phone", now)


def delivered():
    return Order.select().where(Order.state == "done").count()


def test_one_message_that_hangs_holds_up_no_other(database, receiver, worker):
    def hang_for_one(handler, over: threading.Event) -> None:
        (hang if receiver.holding("v7!") and b"v7!" in receiver.received[-1].body else accept)(handler, over)

    receiver.behaviour = hang_for_one
    order(database, COUNT)
    worker.start()

    wait_until(lambda: delivered() == COUNT - 1, "all but one to be delivered", timeout_s=12)
    assert Order.get(Order.alert == f"{7:010}").state == "in_flight"


def test_each_outcome_is_recorded_and_told(database, receiver, worker, troubles):
    order(database, COUNT)
    worker.start()

    wait_until(lambda: delivered() == COUNT, "all to be delivered")
    assert {order.attempts for order in Order.select()} == {1}
    assert troubles == [None] * COUNT
    assert len(receiver.received) == COUNT


def test_what_is_under_way_at_the_end_is_recorded(database, receiver, worker):
    arrived = threading.Event()

    def answer_late(handler, over: threading.Event) -> None:
        arrived.set()
        over.wait(1)
        accept(handler, over)

    receiver.behaviour = answer_late
    order(database, 3)
    worker.start()
    assert arrived.wait(20)

    worker.stop()
    worker.join(20)

    assert delivered() == 3


def test_where_no_more_threads_can_be_had_everything_is_told_by_those_that_there_are(database, troubles, monkeypatch):
    start = threading.Thread.start

    def start_one_sender(thread: threading.Thread) -> None:
        if thread.name.startswith("channel phone_") and thread.name != "channel phone_0":
            refused.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    def deliver(message):
        refused.wait(20)
        told.append(message.vault)

    told, refused = [], threading.Event()
    channel = SimpleNamespace(name="phone", warm_up=lambda: None, deliver=deliver, close=lambda: None)
    worker = ChannelWorker(channel, Reader(), database, SystemClock(), lambda name, words: troubles.append(words))
    monkeypatch.setattr(threading.Thread, "start", start_one_sender)
    monkeypatch.setattr(random, "random", lambda: 0.0)  # tried again as soon as can be
    order(database, 3)
    worker.start()
    try:
        wait_until(lambda: worker.wake() or delivered() == 3 or not worker.is_alive(), "all to be delivered")
        assert worker.failure is None
        assert sorted(told) == [f"v{n}!" for n in range(3)]
        assert set(troubles) == {None, "not sent: this machine lets bwm have no more threads"}
    finally:
        worker.stop()
        worker.join(20)


def test_a_theft_does_not_wait_behind_a_flood_that_is_as_grave(database, troubles):
    told = []
    channel = SimpleNamespace(name="phone", deliver=lambda message: told.append(message.vault), close=lambda: None)
    worker = ChannelWorker(channel, Reader(), database, SystemClock(), lambda name, words: troubles.append(words))
    order(database, COUNT)
    Order.update(due_at=Order.due_at - 10).where(Order.alert != f"{30:010}").execute()  # the flood came before

    for _ in range(4):
        worker.turn()

    assert "v30!" in told[:2]
    assert "v0!" in told[:2]  # nor does what has waited the longest
    assert len(set(told)) == 4


def test_a_channel_is_well_again_after_a_success_whatever_was_refused_before(database, troubles):
    def deliver(message) -> None:
        if message.vault != "v1!":
            raise DeliveryRefused("no such number")

    channel = SimpleNamespace(name="phone", deliver=deliver, close=lambda: None)
    worker = ChannelWorker(channel, Reader(), database, SystemClock(), lambda name, words: troubles.append(words))
    order(database, 1)
    worker.turn()
    assert channel_outcomes.is_failing("phone")

    Order.update(state="closed", due_at=None).execute()  # somebody answered meanwhile
    order(database, 1, first=1)
    worker.turn()
    assert troubles == ["no such number", None]
    assert not channel_outcomes.is_failing("phone")
