"""Whatever happens while the daemon is dead, asleep or replaced is found once, and told."""

import json
import socket
import sqlite3
import time
from contextlib import closing

from regtest.node import wait_until

SATS = 5_000_000


def kinds(bwm, txid):
    """What the journal says of one transaction, in order."""
    return [event["kind"] for event in bwm.events(txid=txid)]


def test_fifty_blocks_that_pass_while_the_daemon_is_dead_are_read_and_told_once(node, bwm, thief, receiver):
    coins = [node.pay(node.new_address(), SATS) for _ in range(5)]
    node.mine()
    bwm("add-vault", "cold", *(word for coin in coins for word in ("--outpoint", coin)))
    bwm.start()
    bwm.kill()

    thefts = []
    for coin in coins:
        thefts.append(node.spend(coin, thief))
        node.mine(10)
    bwm.start()

    for theft in thefts:
        assert kinds(bwm, theft) == ["trigger.confirmed", "trigger.final"]
        receiver.wait_for(text=theft)
        assert len({line["id"] for line in bwm.delivered(txid=theft)}) == 1
    assert bwm.status()["cursor"] == {"height": node.height, "hash": node.tip}


def test_daemons_killed_again_and_again_while_they_catch_up_lose_nothing_and_count_nothing_twice(
    node, bwm, thief, receiver
):
    coins = [node.pay(node.new_address(), SATS) for _ in range(4)]
    node.mine()
    bwm("add-vault", "cold", *(word for coin in coins for word in ("--outpoint", coin)))
    bwm.start()
    bwm.kill()
    thefts = []
    for coin in coins:
        thefts.append(node.spend(coin, thief))
        node.mine(40)

    for height in (node.height - 150, node.height - 100, node.height - 50):
        bwm.start(until_ready=False)
        wait_until(lambda at=height: cursor(bwm) >= at, "a part of the way", every_s=0.002)
        bwm.kill()
    bwm.start()

    for theft in thefts:
        assert kinds(bwm, theft) == ["trigger.confirmed", "trigger.final"]
        receiver.wait_for(text=theft)


def cursor(bwm):
    return bwm.rows("SELECT MAX(height) AS height FROM block")[0]["height"]


def test_a_daemon_killed_while_it_sends_tells_the_same_alert_again_and_says_so(node, guarded, coin, thief, receiver):
    receiver.behaviour = lambda handler, over: guarded.kill()
    theft = node.spend(coin, thief)
    guarded.wait_exit()
    [cut_off] = receiver.wait_for(text=theft)

    receiver.behaviour = answer
    guarded.start()

    [_, again] = receiver.wait_for(count=2, text=theft)
    [alert] = guarded.alerts()
    assert alert["id"] in cut_off.text
    assert alert["id"] in again.text
    assert "attempt 2: may repeat an earlier message" in again.text
    assert kinds(guarded, theft) == ["trigger.seen"]


def answer(handler, over):
    handler.send_response(200)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def test_a_daemon_that_slept_finds_at_once_what_it_missed(node, guarded, coin, thief):
    guarded.pause()
    theft = node.spend(coin, thief)
    node.mine(3)
    guarded.resume()

    confirmed = guarded.wait_for_event("trigger.confirmed", txid=theft, timeout_s=10)
    assert confirmed["height"] == node.height - 2


def test_a_daemon_that_makes_no_step_is_not_said_to_cover_anything(guarded):
    guarded.pause()
    with closing(sqlite3.connect(guarded.database)) as connection, connection:
        connection.execute("UPDATE setting SET value = value - 300 WHERE name = 'seen_at'")  # as if minutes went by

    status = guarded.status()

    assert (status["running"], status["covered"]) == (True, False)
    assert any("makes no step" in words for words in status["not_covered"])

    reading = {"at": int(time.time()), "height": 7, "of": 900, "a_second": 2.0, "left_s": 446}
    with closing(sqlite3.connect(guarded.database)) as connection, connection:
        connection.execute("REPLACE INTO setting VALUES ('progress/chain', ?)", [json.dumps(reading)])
    assert not any("makes no step" in words for words in guarded.status()["not_covered"]), "it catches up"
    guarded.resume()
    guarded.wait_ready()


def test_the_service_manager_grants_time_for_a_long_check_before_it_hears_that_bwm_runs(bwm, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(20)
        manager.bind(str(tmp_path / "notify"))
        bwm.surroundings["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        bwm.start(until_ready=False)
        name, _, microseconds = manager.recv(100).decode().partition("=")
        assert (name, int(microseconds) >= 600_000_000) == ("EXTEND_TIMEOUT_USEC", True)
        assert manager.recv(100) == b"READY=1"


def test_a_second_daemon_on_the_same_folder_ends_at_once_and_writes_nothing(node, guarded):
    before = guarded.rows("PRAGMA data_version"), guarded.rows("SELECT COUNT(*) AS n FROM event")
    started = time.monotonic()

    second = guarded("run", exit_code=1)

    assert time.monotonic() - started < 5
    assert "Another bwm runs" in second.stderr
    assert "Traceback" not in second.stderr
    assert before == (guarded.rows("PRAGMA data_version"), guarded.rows("SELECT COUNT(*) AS n FROM event"))
    assert guarded.is_running


def test_a_daemon_asked_to_stop_ends_in_order_also_in_the_middle_of_a_delivery(node, guarded, coin, thief, receiver):
    receiver.behaviour = lambda handler, over: over.wait()
    theft = node.spend(coin, thief)
    receiver.wait_for(text=theft)

    guarded.stop()  # insists on exit code 0 within ten seconds

    receiver.behaviour = answer
    guarded.start()
    [_, again] = receiver.wait_for(count=2, text=theft)
    assert "may repeat" in again.text


def test_a_channel_that_took_the_last_message_is_in_no_trouble_after_a_death_just_then(bwm):
    """The daemon that wrote the trouble down died between the success and the look that would have ended it."""
    bwm.start()
    bwm.kill()
    trouble = {"channel/log": {"since": int(time.time()) - 60, "words": "cut off", "told": True}}
    with closing(sqlite3.connect(bwm.database)) as database, database:
        database.execute("INSERT OR REPLACE INTO setting (name, value) VALUES ('troubles', ?)", [json.dumps(trouble)])

    bwm.start()

    bwm.wait_for_event("channel.working")
