"""The push service at its worst: failing, slow, refusing one of many; and devices that are no more."""

import sqlite3
import threading
from contextlib import closing

import pytest

from regtest.node import wait_until
from tests.api.wallet import vault
from tests.servers.expo import NOT_REGISTERED


@pytest.fixture(autouse=True)
def well(tower):
    """After each test the push service is well again."""
    yield
    tower.expo.status, tower.expo.delay_s = 200, 0


def opened(tower, *wallets):
    """A vault of all these wallets is opened; the txid."""
    txid, raw = tower.signed_trigger()
    one = vault(txid)
    for wallet in wallets:
        assert wallet.register(one).status == 200
    tower.node.send(raw)
    tower.bwm.wait_for_event("trigger.seen", txid=txid)
    return txid


def set_back(tower, seconds):
    """Let so much time go by, as far as pushes are concerned."""
    with closing(sqlite3.connect(tower.bwm.database, timeout=20)) as database, database:
        for column in ("due_at", "first_at", "last_at", "detected_at"):
            database.execute(f"UPDATE rewind_push SET {column} = {column} - ?", (seconds,))


def test_what_fails_is_tried_again_within_seconds_and_counted_when_it_is_taken(tower):
    wallet = tower.wallet()
    tower.expo.status = 500
    txid = opened(tower, wallet)
    tower.bwm.wait_for_row("SELECT 1 FROM rewind_push WHERE txid = ? AND failures > 0", txid)
    [item] = wallet.notifications()
    assert (item["txid"], item["attemptCount"]) == (txid, 0)

    tower.expo.status = 200

    [push] = tower.expo.wait_for(wallet.token, limit_s=15)
    assert push["data"]["attemptCount"] == 1


def test_it_is_told_again_after_six_hours_and_says_since_when(tower):
    wallet = tower.wallet()
    opened(tower, wallet)
    tower.expo.wait_for(wallet.token)
    wait_until(lambda: wallet.notifications()[0]["attemptCount"] == 1, "the record")

    set_back(tower, 6 * 3600)

    _, again = tower.expo.wait_for(wallet.token, 2)
    assert again["data"]["attemptCount"] == 2
    assert "6 hours ago" in again["body"]


def test_forty_devices_are_told_together(tower):
    wallets = [tower.wallet() for _ in range(40)]
    tower.expo.delay_s = 0.3
    tower.expo.requests.clear()
    opened(tower, *wallets)
    for wallet in wallets:
        tower.expo.wait_for(wallet.token, limit_s=5)
    assert max(tower.expo.requests) > 1


def test_one_token_that_has_a_batch_refused_delays_no_other(tower):
    good, poison, odd = [tower.wallet() for _ in range(5)], tower.wallet(), tower.wallet(token="not-of-expo")
    tower.expo.poison.add(poison.token)
    opened(tower, *good[:2], poison, odd, *good[2:])
    for wallet in (*good, odd):
        tower.expo.wait_for(wallet.token, limit_s=8)
    assert tower.expo.to(poison.token) == []
    assert len(poison.notifications()) == 1


def test_a_request_that_hangs_holds_up_no_other(tower):
    slow, quick = tower.wallet(), tower.wallet()
    over = threading.Event()
    tower.expo.on_push = lambda push: over.wait(20) if push["to"] == slow.token else None
    try:
        opened(tower, slow)
        tower.expo.wait_for(slow.token)
        opened(tower, quick)
        tower.expo.wait_for(quick.token, limit_s=5)
    finally:
        over.set()
        tower.expo.on_push = lambda _: None


def test_a_device_that_is_no_more_is_retired_and_that_is_said(tower):
    wallet = tower.wallet()
    tower.expo.fates[wallet.token] = NOT_REGISTERED
    opened(tower, wallet)
    event = tower.bwm.wait_for_event("channel.device_retired")
    assert event["detail"]["remaining"] == 0
    asked = len(tower.expo.requests)
    set_back(tower, 86_400)
    join = "rewind_push JOIN rewind_device ON device_id = rewind_device.id"
    assert tower.bwm.rows(f"SELECT 1 FROM {join} WHERE retired_at IS NOT NULL AND due_at IS NOT NULL") == []
    assert len(tower.expo.requests) - asked <= 5  # of the tests before

    del tower.expo.fates[wallet.token]
    name = wallet.notifications()[0]["vaultId"]
    assert wallet.register(vault(name=name)).status == 200
    tower.expo.wait_for(wallet.token)


def test_a_receipt_that_says_so_retires_a_device_as_well(tower):
    wallet = tower.wallet()
    tower.expo.receipts[wallet.token] = NOT_REGISTERED
    txid = opened(tower, wallet)
    tower.expo.wait_for(wallet.token)
    sql = (
        "SELECT 1 FROM rewind_device JOIN rewind_push ON device_id = rewind_device.id WHERE txid = ? AND retired_at > 0"
    )
    tower.bwm.wait_for_row(sql, txid)


def test_a_kill_in_the_middle_loses_nothing(tower):
    wallets = [tower.wallet() for _ in range(10)]
    tower.expo.status = 500
    opened(tower, *wallets)

    tower.bwm.kill()
    tower.expo.status = 200
    tower.bwm.start()

    for wallet in wallets:
        tower.expo.wait_for(wallet.token)
