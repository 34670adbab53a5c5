"""Whoever has thousands of telephones told of a transaction of his own holds up neither writers nor others' alerts."""

import pytest

from bwm.chain.block import BlockRef
from bwm.db import cursor, raw, rewind, rewind_push, schema
from bwm.db.rewind import Device, Quota, Registration
from bwm.severity import Severity

NOW = 1_700_000_000
HIS, OURS = "aa" * 32, "bb" * 32


def register(database, device: str, txid: str, *wallet_ids: str) -> None:
    with database.transaction():
        registrations = [Registration(wallet_id, 1, (txid,)) for wallet_id in wallet_ids]
        who = Device(device, b"sealed", "uuid", "wallet", "tower", "en")
        rewind.register("regtest", who, registrations, Quota(1000, 1000), Severity.EMERGENCY, NOW)


def happen(database, txid: str) -> None:
    """It is seen in the mempool."""
    with database.transaction():
        fields = {"kind": "trigger.seen", "at": NOW, "network": "regtest", "reason": ""}
        schema.Event.create(key=txid, vault="any", txid=txid, **fields)
        sql = """
            INSERT INTO sighting (trigger_id, txid, family, status, revision, reason, detail, first_seen_at)
            SELECT id, key, 'trigger', 'seen', 0, '', '{}', ? FROM trigger WHERE key = ?
        """
        raw.run(sql, NOW, txid)


def refresh(database) -> bool:
    with database.transaction():
        return rewind_push.refresh(NOW)


def told() -> list[str]:
    return [txid for (txid,) in raw.rows("SELECT txid FROM rewind_push ORDER BY id")]


@pytest.fixture
def crowd(database, monkeypatch):
    """Eight vaults of four devices each, for one transaction; and behind them a vault of one device for another."""
    with database.transaction():
        cursor.move(BlockRef(10, "cc" * 32))
    for device in range(4):
        register(database, f"his {device}", HIS, *(f"his {number}" for number in range(8)))
    register(database, "ours", OURS, "ours")
    monkeypatch.setattr(rewind_push, "_AT_ONCE", 8)
    while refresh(database):
        pass
    assert not told()


def test_a_crowd_is_brought_up_to_date_in_parts_and_completely(database, crowd):
    happen(database, HIS)
    sizes = []
    while refresh(database):
        sizes.append(len(told()))
    assert sizes == [8, 16, 24]
    assert told() == [HIS] * 32
    assert not rewind_push.any_change()


def test_who_has_few_devices_is_told_before_the_rest_of_a_crowd(database, crowd):
    happen(database, HIS)
    assert refresh(database)
    happen(database, OURS)
    assert refresh(database)
    assert told()[8] == OURS
    while refresh(database):
        pass
    assert sorted(told()) == [HIS] * 32 + [OURS]
