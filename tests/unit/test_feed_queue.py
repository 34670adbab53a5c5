"""A feed that says more than bwm can read fills no memory, and what was dropped is looked for."""

import threading

from bwm.daemon.feed_queue import FeedQueue
from bwm.node.frames import Connected, Disconnected, Gap, MempoolAdded, RawTx


def test_messages_come_out_in_their_order_and_once():
    queue = FeedQueue()
    said = [Connected("feed"), RawTx(b"\x01"), MempoolAdded("aa", 1), RawTx(b"\x02")]
    for message in said:
        queue.put(message)

    assert queue.take() == said
    assert queue.take() == []


def test_a_flood_is_held_within_bounds_and_ends_in_a_gap():
    queue = FeedQueue()
    for _ in range(100):
        queue.put(RawTx(b"\x00" * 1_000_000))
    queue.put(Disconnected("feed"))

    messages = queue.take()

    assert sum(len(message.raw) for message in messages if isinstance(message, RawTx)) <= 64_000_000
    assert messages[-2:] == [Disconnected("feed"), Gap("overflow")]
    queue.put(RawTx(b"\x03"))
    assert queue.take() == [RawTx(b"\x03")]


def test_many_small_messages_are_bounded_as_well():
    queue = FeedQueue()
    for _ in range(60_000):
        queue.put(MempoolAdded("aa", 1))

    assert len(queue.take()) == 50_001


def test_who_waits_is_woken():
    queue = FeedQueue()
    threading.Timer(0.05, queue.put, [RawTx(b"\x01")]).start()

    assert queue.take(timeout_s=10) == [RawTx(b"\x01")]


def test_what_is_not_urgent_waits_for_what_is():
    queue = FeedQueue(is_urgent=lambda message: message == RawTx(b"\x02"))
    queue.put(RawTx(b"\x01"))
    threading.Timer(0.05, queue.put, [RawTx(b"\x02")]).start()

    assert queue.take(timeout_s=10) == [RawTx(b"\x01"), RawTx(b"\x02")]


def test_what_is_not_urgent_comes_when_the_wait_is_over():
    queue = FeedQueue(is_urgent=lambda message: False)
    queue.put(RawTx(b"\x01"))

    assert queue.take(timeout_s=0.01) == [RawTx(b"\x01")]


def test_many_that_are_not_urgent_wait_no_longer():
    queue = FeedQueue(is_urgent=lambda message: False)
    for _ in range(1_000):
        queue.put(MempoolAdded("aa", 1))

    assert len(queue.take(timeout_s=3_600)) == 1_000
