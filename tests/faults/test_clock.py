"""T: the clock jumps, starts in 1970, or changes its zone. Intervals are the monotonic clock's, times are UTC."""

import time

import pytest

from regtest.node import wait_until
from regtest.receiver import accept, reply
from tests.faults.conftest import found, with_vault
from tests.faults.tools import Clock

DAY_S = 86_400
LONGEST_WAIT_S = 300


@pytest.mark.parametrize("ahead_s", [DAY_S, 3650 * DAY_S], ids=["a-day", "ten-years"])
def test_t1_a_clock_that_jumps_ahead_keeps_the_schedule(node, cold, clock, coins, thief, receiver, hold, ahead_s):
    with cold.config.open("a") as file:
        file.write('\n[deadman]\nperiod = "30d"\n')
    cold.start()
    first = node.spend(coins[0], thief)
    receiver.wait_for(text=first)
    cold.wait_for_row("SELECT 1 FROM setting WHERE name = 'check_in_watch' AND value NOT LIKE '%null%'")
    clock.set(ahead_s)
    cold.wait_for_event("node.was_asleep")
    second = node.spend(coins[1], thief)
    receiver.wait_for(text=second)
    hold(cold, first, second)
    assert len(receiver.holding(first)) <= 2
    looked = "SELECT 1 FROM setting WHERE name = 'check_in_watch' AND json_extract(value, '$.looked_at') > ?"
    cold.wait_for_row(looked, clock.now() - ahead_s // 2)
    assert [event for event in cold.events() if event["kind"].startswith("deadman.")] == []
    assert cold.is_running


@pytest.mark.parametrize("back_s", [3600, DAY_S], ids=["an-hour", "a-day"])
def test_t2_a_clock_that_is_set_back_neither_freezes_retries_nor_makes_a_burst(
    node, cold, clock, coins, thief, receiver, hold, back_s
):
    cold.start()
    receiver.behaviour = reply(500)
    first = node.spend(coins[0], thief)
    receiver.wait_for(text=first)
    clock.set(-back_s)
    receiver.behaviour = accept
    near = "SELECT id FROM outbox WHERE target = 'phone' AND (due_at <= ? OR state = 'done')"
    cold.wait_for_row(near, clock.now() + LONGEST_WAIT_S + 10)
    for _ in range(LONGEST_WAIT_S // 50 + 1):
        time.sleep(1.5)
        clock.forward(50)
    wait_until(lambda: len(receiver.holding(first)) >= 2, "the retry", timeout_s=30)
    second = node.spend(coins[1], thief)
    receiver.wait_for(text=second)
    hold(cold, first, second)
    assert len(receiver.holding(first)) <= 4


def test_t3_a_machine_that_starts_in_1970_watches_and_says_that_its_clock_is_wrong(
    node, cold, clock, coins, thief, receiver, hold
):
    clock.set(-int(time.time()) + 3600)
    cold.start(until_ready=False)
    wait_until(lambda: "bwm.ready" in cold.log_text(), "the daemon's readiness")
    first = node.spend(coins[0], thief)
    receiver.wait_for(text=first)
    cold.wait_for_event("node.clock_wrong")
    clock.set(0)
    second = node.spend(coins[1], thief)
    receiver.wait_for(text=second)
    cold.wait_for_event("node.clock_right", timeout_s=40)
    hold(cold, first, second)


def test_t4_another_time_zone_changes_nothing_that_is_written(node, make_bwm, coins, thief, receiver, hold, folder):
    times = []
    for name, zone in (("east", "Pacific/Kiritimati"), ("west", "America/St_Johns")):
        bwm = with_vault(make_bwm(node, name, receiver_url=receiver.url()), coins)
        clock = Clock(bwm.home)
        bwm.surroundings |= clock.environment | {"TZ": zone}
        bwm.start()
        times.append(bwm)
    theft = node.spend(coins[0], thief)
    at = [found(bwm, theft)["at"] for bwm in times]
    assert abs(at[0] - at[1]) <= 2
    for bwm in times:
        line = bwm.wait_for_alert(txid=theft)
        assert line["at"].endswith("Z")
        hold(bwm, theft)
