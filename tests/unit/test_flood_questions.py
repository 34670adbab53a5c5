"""What the database is asked of a flood: as many transactions and vaults as a mempool has."""

import sqlite3

import pytest

from bwm.chain.tx import parse_tx
from bwm.db import announcements, schema, sightings, watches

COUNT = 1200


def transaction(number: int) -> bytes:
    """One that spends a coin of its own and pays nobody."""
    coin = number.to_bytes(32) + bytes(4)
    return bytes.fromhex("02000000" + "01") + coin + b"\x00" + b"\xff" * 4 + b"\x01" + bytes(8) + b"\x00" + bytes(4)


@pytest.fixture
def few_names(database):
    """A database that takes 999 values in one question; others take 32,766, or 65,535 as PostgreSQL does."""
    connection = schema.proxy.connection()
    usual = connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
    yield database
    connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, usual)


def test_more_transactions_than_one_question_may_name_are_found(few_names):
    txs = [parse_tx(transaction(number)) for number in range(COUNT)]
    with few_names.transaction():
        sightings.keep_transactions(txs)
    found = sightings.transactions({tx.txid for tx in txs})
    assert {txid: tx.raw for txid, tx in found.items()} == {tx.txid: tx.raw for tx in txs}


def test_a_step_may_touch_more_vaults_than_one_question_may_name(few_names):
    vault = schema.Vault.create(name="v7", severity="high", final_depth=6, tags='["a"]', created_at=0)
    common = {"vault": vault.id, "max_fee": 1, "begins_at": 0}
    schema.Announcement.create(**common, txid="11" * 32, ends_at=10, state="open", nonce="1", created_at=0)
    met = {"txid": "22" * 32, "met_by": f"{7:064x}"}
    schema.Announcement.create(**common, **met, ends_at=10, state="met", nonce="2", created_at=0)
    vaults, txids = [f"v{number}" for number in range(COUNT)], [f"{number:064x}" for number in range(COUNT)]

    assert [one.id for one in announcements.of_vaults(vaults, txids, now=10**9)] == [2, 1]
    assert announcements.of_vaults(["v8"], txids, now=10**9) == ()
    assert watches.tags_of(vaults) == {"v7": ("a",)}
