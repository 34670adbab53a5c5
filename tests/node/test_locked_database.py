"""Somebody else holds the database's lock for longer than bwm waits: what was to be done then is done later."""

import sqlite3
from contextlib import contextmanager

import pytest

from bwm.errors import DatabaseUnwritable
from bwm.node.frames import Disconnected, Gap


@contextmanager
def locked(bwm):
    connection = sqlite3.connect(bwm.database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.close()


def test_a_vault_that_could_not_be_taken_up_while_the_database_was_locked_is_taken_up_later(
    node, bwm, ingest, coin, thief
):
    theft = node.spend(coin, thief)
    ingest.turn([Gap("rawtx")])
    bwm("add-vault", "late", "--outpoint", coin)

    with locked(bwm), pytest.raises(DatabaseUnwritable):
        ingest.take_up_newcomers()
    ingest.turn([Gap("rawtx")])

    assert bwm.events("trigger.seen", txid=theft, vault="late")
    assert not bwm.rows("SELECT * FROM backlog WHERE until_height IS NULL")


def test_a_single_write_that_the_lock_keeps_waiting_does_not_end_the_daemon(bwm, ingest):
    with locked(bwm):
        assert ingest.turn([Disconnected("feed")]) > 0

    ingest.turn([])
    assert bwm.rows("SELECT value FROM setting WHERE name = 'feed_topics'") == [{"value": ""}]
