"""D: the database is locked, full, read-only, damaged, gone, old, or the power fails."""

import contextlib
import os
import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from regtest.node import wait_until
from tests.faults.conftest import found, with_vault
from tests.faults.tools import failing, remount, small_disk, traced


@pytest.mark.parametrize("seconds", [12, pytest.param(60, marks=pytest.mark.long)])
def test_d1_a_locked_database_is_waited_for_and_alerts_leave_from_memory(node, cold, coin, thief, hold, seconds):
    cold.start()
    with closing(sqlite3.connect(cold.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        theft = node.spend(coin, thief)
        cold.wait_for_alert(txid=theft)
        assert (cold.status()["running"], cold.alerts(), len(cold.json("list-vaults"))) == (True, [], 1)
        time.sleep(max(0, seconds - (time.monotonic() - began)))
        assert cold.events(txid=theft) == []
        other.execute("ROLLBACK")
    found(cold, theft)
    hold(cold, theft)


def test_d2_a_full_disk_stops_the_cursor_and_not_the_alerts(node, make_bwm, coins, thief, receiver, hold, folder):
    bwm = make_bwm(node, receiver_url=receiver.url())
    with small_disk(bwm.state_dir, megabytes=2) as is_small:
        if not is_small:
            pytest.skip("this machine mounts nothing for us; the next row has the same fault by system call")
        with_vault(bwm, coins)
        bwm.start()
        filler = bwm.state_dir / "filler"
        fill_up(filler)
        theft = node.spend(coins[0], thief)
        receiver.wait_for(text=theft)
        node.mine(30)
        receiver.wait_for(text="database cannot be written", limit_s=90)
        filler.unlink()
        found(bwm, theft)
        cold_tip = "SELECT * FROM block WHERE hash = ?"
        bwm.wait_for_row(cold_tip, node.tip)
        hold(bwm, theft)
        bwm.stop()


def fill_up(filler):
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\x00" * 4096):
            pass


def test_d2_a_disk_that_refuses_writes_stops_the_cursor_and_not_the_alerts(
    node, cold, coin, thief, receiver, hold, folder
):
    cold.start()
    with failing(cold.pid, "pwrite64,ftruncate,fallocate", "ENOSPC", folder / "strace.log"):
        theft = node.spend(coin, thief)
        receiver.wait_for(text=theft)
        node.mine()
        assert cold.events(txid=theft) == []
    found(cold, theft)
    hold(cold, theft)


def test_d3_a_disk_that_became_read_only_is_told_and_the_theft_is_found_afterwards(
    node, make_bwm, coins, thief, receiver, hold
):
    bwm = make_bwm(node, receiver_url=receiver.url())
    with small_disk(bwm.state_dir, megabytes=20) as is_small:
        if not is_small:
            pytest.skip("this machine mounts nothing for us")
        with_vault(bwm, coins)
        bwm.start()
        bwm.stop()
        remount(bwm.state_dir, "ro")
        bwm.start(until_ready=False)
        theft = node.spend(coins[0], thief)
        receiver.wait_for(text="bwm has stopped")
        bwm.kill()
        looked = bwm("doctor", exit_code=1)
        assert ("cannot be written" in looked.stdout, "does not run" in looked.stdout) == (True, True), looked
        remount(bwm.state_dir, "rw")
        bwm.start()
        found(bwm, theft)
        hold(bwm, theft)
        bwm.stop()


def flip_bytes(path, dice):
    data = bytearray(path.read_bytes())
    for place in range(4096, len(data), 512):
        data[place] ^= dice.randrange(1, 256)
    path.write_bytes(data)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "emptied", "removed"])
def test_d4_a_damaged_database_is_found_at_the_start_and_never_watches_nothing(cold, receiver, hold, dice, damage):
    cold.start()
    cold.stop()
    for rest in cold.state_dir.glob("bwm.sqlite-*"):
        rest.unlink()
    if damage == "flipped":
        flip_bytes(cold.database, dice)
    elif damage == "truncated":
        os.truncate(cold.database, cold.database.stat().st_size // 2)
    elif damage == "emptied":
        os.truncate(cold.database, 0)
    else:
        cold.database.unlink()

    cold.start(until_ready=False)

    assert cold.wait_exit() == 1
    assert "backup" in cold.log_text()
    receiver.wait_for(text="database")


def test_d5_an_error_of_the_disk_ends_the_daemon_and_the_next_start_checks(node, cold, coin, thief, hold, folder):
    cold.start()
    with failing(cold.pid, "fdatasync,fsync", "EIO", folder / "strace.log"):
        theft = node.spend(coin, thief)
        assert cold.wait_exit() == 1
    cold.start()
    found(cold, theft)
    hold(cold, theft)


@pytest.mark.parametrize("loss", ["removed", "replaced"])
def test_d6_a_database_that_is_taken_away_while_bwm_runs_is_noticed(cold, receiver, loss):
    cold.start()
    if loss == "removed":
        cold.database.unlink()
    else:
        shutil.copy(cold.database, cold.home / "copy")
        (cold.home / "copy").rename(cold.database)

    assert cold.wait_exit() == 1
    receiver.wait_for(text="database")


@pytest.mark.parametrize("part", ["wal", "shm"])
def test_d6_a_part_of_the_database_that_is_removed_while_bwm_runs_is_noticed(node, cold, coin, thief, hold, part):
    cold.start()
    theft = node.spend(coin, thief)
    found(cold, theft)
    cold.wait_for_alert(txid=theft)
    Path(f"{cold.database}-{part}").unlink()

    assert cold.wait_exit() == 1
    cold.wait_for_alert(kind="node.stopped")
    cold.start()
    assert [event["kind"] for event in cold.events(txid=theft)] == ["trigger.seen"]
    hold(cold, theft)


def test_p5_a_lock_that_somebody_removes_is_there_again(cold):
    cold.start()
    (cold.state_dir / "bwm.lock").unlink()
    wait_until((cold.state_dir / "bwm.lock").exists, "a new lock")
    wait_until(lambda: cold.status()["covered"], "a status that says the truth")
    assert "Another bwm runs" in cold("run", exit_code=1).stderr
    cold.stop()
    assert not cold.status()["running"]


def test_d7_a_restored_backup_says_what_must_be_distrusted_and_finds_the_theft_again(
    node, cold, coins, thief, receiver, hold, folder
):
    cold.start()
    cold("backup", folder / "backup.sqlite")
    cold("add-vault", "forgotten", "--outpoint", coins[3])
    theft = node.spend(coins[0], thief)
    node.mine()
    cold.wait_for_event("trigger.confirmed", txid=theft)
    assert (
        "Stop it first: systemctl stop bwm@regtest"
        in cold("restore", folder / "backup.sqlite", "--yes", exit_code=1).stderr
    )
    cold.stop()

    cold("restore", folder / "backup.sqlite", "--yes")
    cold.start()

    restored = cold.wait_for_event("node.restored")
    assert restored["detail"]["since"] <= restored["detail"]["until"]
    cold.wait_for_alert(kind="node.restored")
    cold.wait_for_event("trigger.confirmed", txid=theft)
    hold(cold, theft)


def test_d10_a_database_that_goes_back_in_time_while_bwm_runs_is_told(cold, node, coins):
    cold("add-vault", "late", "--outpoint", coins[3])
    cold.start()
    with closing(sqlite3.connect(cold.database)) as server, server:  # as one that took over without the latest
        server.execute("PRAGMA foreign_keys = 1")
        server.execute("DELETE FROM vault WHERE name = 'late'")
        server.execute("UPDATE setting SET value = value - 1 WHERE name = 'watch_generation'")
    cold.stop()  # and notes what the database holds, as it does now and then

    cold.start()
    assert cold.wait_for_event("node.restored")["detail"]["triggers_before"] == 5
    assert cold.wait_for_alert(kind="node.restored", severity="critical")


def test_d9_nothing_is_told_before_it_is_on_the_disk(node, cold, coin, thief, hold, folder):
    """What a power cut would leave behind at the moment of the alert, rebuilt from the system calls."""
    cold.start()
    log = folder / "calls"
    with traced(cold.pid, "pwrite64,fdatasync,write", log):
        theft = node.spend(coin, thief)
        cold.wait_for_alert(txid=theft)
    synced = synced_at_the_first_line(log.read_text())
    left = folder / "after-the-power-cut"
    left.mkdir()
    shutil.copy(cold.database, left)
    wal = (cold.state_dir / "bwm.sqlite-wal").read_bytes()[:synced]
    (left / "bwm.sqlite-wal").write_bytes(wal)
    with closing(sqlite3.connect(left / "bwm.sqlite")) as connection:
        assert connection.execute("SELECT kind FROM event WHERE txid = ?", [theft]).fetchall() == [("trigger.seen",)]
    hold(cold, theft)


def synced_at_the_first_line(calls):
    """How many bytes of the write-ahead log were on the disk when the first alert was written."""
    written = synced = 0
    for line in calls.splitlines():
        if re.search(r"\bwrite\(\d+<.*alerts\.jsonl>", line):
            return synced
        if "pwrite64(" in line and "bwm.sqlite-wal>" in line and (match := re.search(r", (\d+), (\d+)\)", line)):
            written = max(written, int(match[1]) + int(match[2]))
        elif "fdatasync(" in line and "bwm.sqlite-wal>" in line:
            synced = written
    raise AssertionError("no alert was written")
