"""L: few file descriptors, little of a processor, floods."""

import resource
import threading
import time
from pathlib import Path

import pytest

from regtest.node import wait_until
from tests.faults.conftest import found
from tests.faults.test_feed import MALFORMED


def test_l2_with_64_file_descriptors_the_feed_and_a_channel_work(node, cold, coins, thief, receiver, hold):
    cold.wrapper = ["prlimit", "--nofile=64"]
    cold.start()
    thefts = [node.spend(coin, thief) for coin in coins]
    for theft in thefts:
        found(cold, theft)
    receiver.wait_for(text=thefts[0])
    hold(cold, *thefts)


def test_l3_with_a_tenth_of_a_processor_it_is_slower_and_never_wrong(node, cold, coins, thief, hold):
    cold.start()
    over = threading.Event()

    def throttle() -> None:
        while not over.is_set():
            cold.resume()
            time.sleep(0.01)
            cold.pause()
            time.sleep(0.09)
        cold.resume()

    thread = threading.Thread(target=throttle)
    thread.start()
    try:
        thefts = []
        for coin in coins:
            thefts.append(node.spend(coin, thief))
            node.mine(3)
        for theft in thefts:
            found(cold, theft, timeout_s=60)
    finally:
        over.set()
        thread.join()
    hold(cold, *thefts)


@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=pytest.mark.long)])
@pytest.mark.timeout(900)
def test_l4_a_flood_of_malformed_messages_fills_no_log(node, behind, relay, coin, thief, hold, count):
    bwm = behind(feed=relay)
    bwm.start()
    before = len(bwm.log_text())
    for number in range(count):
        relay.send(MALFORMED[number % len(MALFORMED)])
    theft = node.spend(coin, thief)
    found(bwm, theft, timeout_s=60)
    assert len(bwm.log_text()) - before < 20_000
    wait_until(lambda: bwm.delivered(txid=theft), "the alert")
    hold(bwm, theft)
    pages = int(Path(f"/proc/{bwm.pid}/statm").read_text().split()[1])
    assert pages * resource.getpagesize() < 400_000_000
