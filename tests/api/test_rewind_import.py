"""A watchtower that was in use for years gives its wallets to bwm, with everything that is odd in its database."""

import sqlite3
import time
from contextlib import closing

import pytest

from regtest.node import wait_until

SCHEMA = """
CREATE TABLE notifications (
    pushToken TEXT NOT NULL, vaultId TEXT NOT NULL, walletUUID TEXT NOT NULL, walletName TEXT NOT NULL,
    vaultNumber INTEGER NOT NULL, watchtowerId TEXT NOT NULL, firstAttemptAt INTEGER, acknowledged INTEGER DEFAULT 0,
    lastAttemptAt INTEGER, attemptCount INTEGER DEFAULT 0, locale TEXT, PRIMARY KEY (pushToken, vaultId));
CREATE TABLE vault_txids (txid TEXT PRIMARY KEY, vaultId TEXT, status TEXT, commitmentTxid TEXT);
CREATE TABLE commitments (txid TEXT PRIMARY KEY, vaultId TEXT, created_at INTEGER);
CREATE TABLE network_state (id INTEGER PRIMARY KEY CHECK (id = 1), last_checked_height INTEGER);
"""


@pytest.fixture
def peer(tmp_path):
    """An empty database of the other watchtower, with its log not yet written back."""
    with closing(sqlite3.connect(tmp_path / "watchtower.regtest.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=wal")
        database.executescript(SCHEMA)
        yield database


def put_device(peer, wallet, vault, number=1, locale="en", first_at=None, attempts=0, acknowledged=0):
    row = (wallet.token, vault, wallet.uuid, wallet.name, number, wallet.base, first_at, acknowledged, first_at)
    peer.execute("INSERT INTO notifications VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, attempts, locale))


def put_txid(peer, txid, vault, status):
    peer.execute("INSERT INTO vault_txids VALUES (?, ?, ?, NULL)", (txid, vault, status))


def test_its_users_stay_guarded_and_nobody_is_told_twice(tower, peer, tmp_path):
    node, told, unaware, acked = tower.node, tower.wallet(), tower.wallet(locale=None), tower.wallet()
    (old, old_raw), (meanwhile, raw), (waiting, later) = (tower.signed_trigger() for _ in range(3))
    node.send(old_raw)
    node.mine(8)
    now = int(time.time())
    put_txid(peer, old, "old", "irreversible")
    put_device(peer, told, "old", first_at=now - 7200, attempts=2)
    put_device(peer, acked, "old", first_at=now - 7200, attempts=1, acknowledged=1)
    put_txid(peer, meanwhile.upper(), "meanwhile", "unseen")
    put_device(peer, unaware, "meanwhile", number="3.0", locale=None)
    put_txid(peer, waiting, "waiting", "unseen")
    put_device(peer, told, "waiting")
    for odd in (None, "abcd", "zz" * 32, 5):
        put_txid(peer, odd, "meanwhile", "unchecked")
    put_txid(peer, "ee" * 32, None, "unseen")
    peer.execute("INSERT INTO commitments VALUES ('x', 'old', 0)")
    peer.execute("INSERT INTO network_state VALUES (1, ?)", (node.height,))
    node.send(raw)
    node.mine(5)
    before = tower.bwm.rows("SELECT COUNT(*) AS n FROM rewind_vault")

    dry = tower.bwm("import-rewind", tmp_path, "--dry-run")
    assert "3 vaults" in dry.stdout
    assert tower.bwm.rows("SELECT COUNT(*) AS n FROM rewind_vault") == before
    done = tower.bwm("import-rewind", tmp_path)
    assert "new are 3 vaults, 3 transactions, 4 devices" in done.stdout
    assert "4 times something in the place of a txid" in done.stderr
    assert "txid in capitals" in done.stderr
    assert told.token not in done.stdout + done.stderr

    [push] = tower.expo.wait_for(unaware.token)
    assert (push["data"]["txid"], push["data"]["vaultNumber"], push["data"]["attemptCount"]) == (meanwhile, 3, 1)
    assert tower.expo.to(told.token) == tower.expo.to(acked.token) == []
    [item] = told.notifications()
    assert (item["txid"], item["attemptCount"], item["firstDetectedAt"]) == (old, 2, now - 7200)
    assert acked.notifications() == []

    assert "new are 0 vaults, 0 transactions, 0 devices" in tower.bwm("import-rewind", tmp_path).stdout
    node.send(later)
    [push] = tower.expo.wait_for(told.token)
    assert push["data"]["txid"] == waiting
    assert told.ack("old").status == 200
    wait_until(lambda: [each["txid"] for each in told.notifications()] == [waiting], "the shorter list")


def test_a_folder_without_a_database_is_refused(tower, tmp_path):
    assert "no database" in tower.bwm("import-rewind", tmp_path, exit_code=2).stderr


def test_a_file_that_is_no_database_is_refused_and_nothing_is_changed(tower, tmp_path):
    (tmp_path / "watchtower.regtest.sqlite").write_text("not a database at all, and long enough to be looked at" * 100)
    assert "Nothing was taken over" in tower.bwm("import-rewind", tmp_path, exit_code=2).stderr


def test_other_networks_are_named_and_left_alone(tower, peer, tmp_path):
    (tmp_path / "watchtower.bitcoin.sqlite").touch()
    done = tower.bwm("import-rewind", tmp_path)
    assert "bitcoin: left alone" in done.stderr
    assert "regtest: new are 0 vaults" in done.stdout
