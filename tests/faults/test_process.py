"""P: the process is killed, stopped, starved, doubled."""

import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from bwm.daemon.starts import Starts
from regtest.node import wait_until
from regtest.receiver import accept, hang
from tests.faults.conftest import MAY_REPEAT, change, found
from tests.faults.network import http_answer


def test_p2_sigterm_in_mid_send_leaves_an_uncertain_delivery_that_is_repeated_once(
    node, cold, coin, thief, receiver, hold
):
    receiver.behaviour = hang
    cold.start()
    theft = node.spend(coin, thief)
    receiver.wait_for(text=theft)

    cold.stop(timeout_s=10)
    [order] = cold.rows("SELECT * FROM outbox WHERE target = 'phone'")
    assert order["state"] == "uncertain"

    receiver.behaviour = accept
    cold.start()
    receiver.wait_for(2, text=theft)
    hold(cold, theft)
    assert len(receiver.holding(theft)) == 2
    assert [MAY_REPEAT in one.text for one in receiver.holding(theft)] == [False, True]


def test_p2_the_end_of_the_terminal_ends_it_in_order_and_signals_for_others_do_not(cold):
    cold.wrapper = ["env", "--default-signal=HUP"]  # these tests may themselves have been started by nohup(1)
    cold.start()
    os.kill(cold.pid, signal.SIGUSR1)
    os.kill(cold.pid, signal.SIGUSR2)
    assert cold.status()["running"]
    os.kill(cold.pid, signal.SIGHUP)
    assert cold.wait_exit() == 0
    assert "event=bwm.stopped" in cold.log_text()


def test_p2_started_by_nohup_it_outlives_its_terminal(cold):
    cold.wrapper = ["env", "--ignore-signal=HUP"]
    cold.start()
    os.kill(cold.pid, signal.SIGHUP)
    assert cold.status()["running"]
    cold.stop()


def test_p4_a_transaction_that_crashes_its_matcher_is_told_and_the_rest_goes_on(node, cold, coins, thief, hold, folder):
    poison, other = (node.signed_spend(coin, thief) for coin in coins[:2])
    txid = node.rpc("decoderawtransaction", poison)["txid"]
    cold.wrapper = [sys.executable, "-m", "tests.faults.poisoned", txid]
    cold.start()

    node.send(poison)
    theft = node.send(other)
    assert "fault" in found(cold, txid)["reason"]
    assert found(cold, theft)["kind"] == "trigger.seen"
    node.mine()
    cold.wait_for_event("trigger.confirmed", txid=txid)
    hold(cold, txid, theft)


def test_p4_an_alert_that_cannot_be_worded_is_told_plainly_and_the_rest_goes_on(node, cold, coins, thief, hold):
    cold.start()
    theft = node.spend(coins[0], thief)
    cold.wait_for_alert(txid=theft)
    cold.stop()
    change(cold, "UPDATE event SET detail = '{' WHERE txid = ?", theft)
    change(cold, "UPDATE outbox SET state = 'pending', due_at = 1 WHERE action = 'alert'")

    cold.start()
    other = node.spend(coins[1], thief)
    cold.wait_for_alert(txid=other)
    [alert] = cold.rows("SELECT a.id FROM alert a JOIN event e ON e.seq = a.event_id WHERE e.txid = ?", theft)
    told = wait_until(
        lambda: [line for line in cold.delivered(id=alert["id"]) if "bwm events" in line["body"]],
        "the plain words about the alert",
        timeout_s=60,
    )
    assert told[0]["severity"] == "emergency"
    assert cold.is_running


def test_p5_a_second_daemon_ends_at_once_and_writes_nothing(node, cold, coin, thief, hold):
    cold.start()
    before = cold.rows("SELECT * FROM setting WHERE name != 'seen_at'")

    began = time.monotonic()
    second = cold("run", exit_code=1, timeout_s=10)

    assert time.monotonic() - began < 5
    assert "already" in second.stderr
    assert cold.rows("SELECT * FROM setting WHERE name != 'seen_at'") == before
    theft = node.spend(coin, thief)
    found(cold, theft)
    hold(cold, theft)


def test_p6_a_stopped_machine_that_wakes_up_says_so_and_misses_nothing(node, cold, clock, coins, thief, hold):
    cold.start()
    cold.pause()
    thefts = [node.spend(coin, thief) for coin in coins[:2]]
    node.mine()
    clock.forward(600)
    cold.resume()

    asleep = cold.wait_for_event("node.was_asleep")
    assert asleep["detail"]["lasted_s"] >= 600
    for theft in thefts:
        found(cold, theft)
    hold(cold, *thefts)
    assert cold.rows("SELECT * FROM blindness WHERE ended_at - began_at >= 600")


def test_p7_a_daemon_without_memory_ends_and_its_next_start_knows_all(node, cold, coins, thief, hold, dice):
    cold.start()
    size = int(Path(f"/proc/{cold.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    limit = size + dice.randrange(0, 2_000_000)
    resource.prlimit(cold.pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    for _ in range(20):
        node.pay(node.new_address(wallet="miner"), 100_000)
    thefts = [node.spend(coin, thief) for coin in coins]
    node.mine()
    if not cold.is_running or not cold.events(kind="trigger.confirmed"):
        cold.kill()
        cold.start()
    for theft in thefts:
        cold.wait_for_event("trigger.confirmed", txid=theft)
    hold(cold, *thefts)


def test_p8_a_daemon_that_something_ends_after_each_start_says_so(node, behind, rpc_proxy, coins, thief):
    bwm = behind(rpc=rpc_proxy)
    rpc_proxy.answer = http_answer("200 OK", '{"result":null,"error":null,"id":0}')  # which is no node's
    for ago_s in (40, 30, 20, 10):
        Starts(bwm.state_dir).note(int(time.time()) - ago_s)
    bwm.start(until_ready=False)
    assert bwm.wait_exit() == 1
    [told] = bwm.delivered(kind="node.stopped")
    assert (told["severity"], "started 5 times" in told["body"]) == ("critical", True)

    rpc_proxy.answer = None
    theft = node.spend(coins[0], thief)
    bwm.start()
    found(bwm, theft)
    assert len(bwm.delivered(kind="node.stopped")) == 1
    bwm.stop()
    assert Starts(bwm.state_dir).note(int(time.time())) is None, "an end that was asked for did not begin anew"


def test_p9_a_log_that_nobody_reads_holds_nothing_up(node, cold, coin, thief, hold):
    """A pipe whose reader hangs, as a journal may; all that was said is there when it reads again."""
    cold.log = cold.home / "pipe"
    os.mkfifo(cold.log)
    reader = os.open(cold.log, os.O_RDWR | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(reader, b"." * 4096)
    cold.start()
    theft = node.spend(coin, thief)
    node.mine()
    found(cold, theft)
    hold(cold, theft)

    os.read(reader, 1 << 20)
    cold.stop()
    said = os.read(reader, 1 << 20)
    os.close(reader)
    assert said.index(b"kind=trigger.confirmed") < said.index(b"event=bwm.stopped")
    assert b"lines_dropped" not in said


def test_a11_a_daemon_killed_after_the_receiver_took_it_repeats_once_and_says_so(
    node, cold, coin, thief, receiver, hold
):
    cold.start()
    receiver.on_arrival = lambda _: cold.kill()
    theft = node.spend(coin, thief)
    receiver.wait_for(text=theft)
    cold.wait_exit()

    receiver.on_arrival = lambda _: None
    cold.start()
    receiver.wait_for(2, text=theft)
    hold(cold, theft)
    assert len(receiver.holding(theft)) == 2
    assert [MAY_REPEAT in one.text for one in receiver.holding(theft)] == [False, True]
