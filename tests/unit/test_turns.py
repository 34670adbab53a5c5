"""Threads that write: none is kept out by another that writes nearly without pause."""

import asyncio
import threading
import time

from bwm.api.writes import Writes
from bwm.errors import DatabaseUnwritable
from regtest.node import wait_until


def in_a_thread(database, work):
    """Do it with a connection that SQLite lets wait for nobody. The thread, and what was raised."""
    raised = []

    def run():
        with database.connection():
            list(database.rows("PRAGMA busy_timeout = 0"))
            try:
                work()
            except DatabaseUnwritable as error:
                raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


def write(database):
    with database.transaction():
        pass


def test_a_thread_waits_for_another_without_asking_sqlite(database):
    with database.transaction():
        thread, raised = in_a_thread(database, lambda: write(database))
        thread.join(0.2)
        assert thread.is_alive()
    thread.join()
    assert raised == []


def test_who_waited_for_long_asks_sqlite_and_is_told_why(database, monkeypatch):
    monkeypatch.setattr("bwm.db.database._TURN_S", 0.01)
    with database.transaction():
        thread, raised = in_a_thread(database, lambda: write(database))
        thread.join()
    assert "locked" in str(raised[0])


def test_what_callers_write_leaves_room_for_an_alert_after_a_moment(database):
    order = []
    writes = Writes(database)

    def slow():
        time.sleep(0.06)
        order.append("caller")

    async def call():
        await asyncio.gather(*(writes.do(slow) for _ in range(10)))

    calling = threading.Thread(target=lambda: asyncio.run(call()))
    calling.start()
    writes.start()
    wait_until(lambda: order, "the first caller")
    with database.transaction():
        order.append("alert")
    calling.join()
    writes.stop()
    writes.join()
    assert order.count("caller") == 10
    assert order[-1] == "caller", "all callers went first"
