"""A flood of alerts: what is critical is not held up by it, the rest is told together, and memory stays small."""

import threading
import time
from pathlib import Path

import pytest

from bwm.channels import open_channel
from bwm.channels.channel import Message
from bwm.clock import SystemClock
from bwm.config_channels import ChannelConfig
from bwm.daemon.dispatch import ChannelWorker
from bwm.daemon.unwritten import Unwritten
from bwm.db.alerts import Target
from bwm.db.schema import Alert, Event, Order
from bwm.secret import Secret
from bwm.severity import Severity
from bwm.wording import Reader
from regtest.node import wait_until
from regtest.receiver import Receiver, accept, hang

COUNT = 10_000
LATENCY_S = 0.2
MEMORY_KIB = 64 * 1024


@pytest.fixture
def worker(database, receiver: Receiver):
    receiver.behaviour = answer_slowly
    channel = open_channel(ChannelConfig("phone", "apprise", url=Secret(receiver.url())))
    channel.warm_up()
    target = Target("phone", Severity.INFO)
    worker = ChannelWorker(
        channel, Reader(), database, SystemClock(), lambda name, words: None, target, may_digest=True
    )
    yield worker
    worker.stop()
    channel.close()
    if worker.is_alive():
        worker.join(20)
    assert not worker.is_alive()


def answer_slowly(handler, over: threading.Event) -> None:
    over.wait(LATENCY_S)
    accept(handler, over)


def flood(database, severities: list[str]) -> None:
    """An alert of each severity, to be told now, in this order."""
    now = SystemClock().now()
    common = {"kind": "funds.received", "at": now, "network": "regtest", "reason": "dust"}
    numbered = list(enumerate(severities, 1))
    with database.transaction():
        insert(Event, [{"seq": n, "key": f"{n}", "vault": f"v{n % 7}", **common} for n, _ in numbered])
        stand = {"state": "open", "created_at": now, "since": now}
        insert(Alert, [alert_row(n, severity) | stand for n, severity in numbered])
        insert(Order, [order_row(n, severity) | {"due_at": now} for n, severity in numbered])


def alert_row(number: int, severity: str) -> dict[str, object]:
    return {"id": f"{number:010}", "case": f"{number}", "event": number, "last_event": number, "severity": severity}


def order_row(number: int, severity: str) -> dict[str, object]:
    rank = Severity(severity).rank
    return {"action": "alert", "target": "phone", "alert": f"{number:010}", "state": "pending", "rank": rank}


def insert(table, rows: list[dict[str, object]]) -> None:
    for first in range(0, len(rows), 500):
        table.insert_many(rows[first : first + 500]).execute()


def not_told() -> int:
    return Order.select().where(Order.done_at.is_null()).count()


def memory_kib() -> int:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1])


def test_a9_x36_ten_thousand_alerts_at_once_are_told_in_a_minute_and_the_critical_one_first(database, receiver, worker):
    flood(database, ["info"] * (COUNT // 2) + ["emergency"] + ["warning"] * (COUNT // 2 - 1))
    before, began = memory_kib(), time.monotonic()
    worker.start()

    wait_until(lambda: told(receiver, f"{COUNT // 2 + 1:010}"), "the critical one", timeout_s=20)
    critical_s = time.monotonic() - began
    wait_until(lambda: not_told() == 0, "all of them", timeout_s=60)
    grown = memory_kib() - before

    assert critical_s < 2
    assert len(receiver.received) == 2  # the one, and a digest of all others
    assert f"{COUNT - 1:,}" in receiver.received[-1].text
    assert grown < MEMORY_KIB


def told(receiver: Receiver, alert_id: str) -> bool:
    return any(alert_id in each.text for each in receiver.received)


def test_what_no_digest_may_hold_is_told_side_by_side(database, receiver, worker):
    """Many thefts at once: one after the other they would take a minute."""
    flood(database, ["emergency"] * 300)
    began = time.monotonic()
    worker.start()
    wait_until(lambda: not_told() == 0, "all of them", timeout_s=60)
    assert time.monotonic() - began < 300 * LATENCY_S / 4
    assert len(receiver.received) == 300


def test_x36_a_flood_into_a_receiver_that_hangs_leaves_room_for_what_is_critical(database, receiver, worker):
    def hang_for_dust(handler, over: threading.Event) -> None:
        (accept if b"0000000101" in receiver.received[-1].body else hang)(handler, over)

    receiver.behaviour = hang_for_dust
    flood(database, ["high"] * 100)
    worker.start()
    wait_until(lambda: Order.select().where(Order.state == "in_flight").count() == 28, "the flood", timeout_s=10)
    now = SystemClock().now()
    with database.transaction():
        Event.create(seq=101, key="101", kind="trigger.seen", at=now, network="regtest", vault="cold", reason="")
        fields = {"case": "101", "event": 101, "last_event": 101, "severity": "emergency", "state": "open"}
        Alert.create(id="0000000101", created_at=now, since=now, **fields)
        Order.create(action="alert", target="phone", alert="0000000101", state="pending", due_at=now, rank=4)
    worker.wake()
    wait_until(lambda: Order.get(Order.alert == "0000000101").state == "done", "the critical one", timeout_s=2)


def a_message(number: int, severity: str) -> Message:
    return Message(f"{number}", severity, "x", "", "", at=0)


def test_when_too_much_waits_in_memory_the_least_grave_is_dropped():
    unwritten = Unwritten(most=3)
    for number, severity in enumerate(["emergency", "info", "warning", "critical", "info", "high"]):
        unwritten.add(a_message(number, severity))
    order = []
    while message := unwritten.next():
        order.append(message.severity)
        unwritten.remove(message)
    assert order == ["emergency", "critical", "high"]


def test_what_cannot_be_told_from_memory_holds_up_no_other_as_grave():
    unwritten = Unwritten()
    first, second = a_message(1, "emergency"), a_message(2, "emergency")
    unwritten.add(first)
    unwritten.add(second)
    unwritten.put_last(first)
    assert unwritten.next() is second
