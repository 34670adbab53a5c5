"""Whoever rests is woken when anybody wrote, when a time has come and when the clock was set; and else left alone."""

import threading

import pytest

from bwm.daemon.stir import Stir
from bwm.db import announcements, outbox, schema, settings
from bwm.db.database import Database
from bwm.order import LEASE_S
from tests.simulation.mortal import VirtualClock

NOW = 1_700_000_000


@pytest.fixture
def clock():
    return VirtualClock(NOW)


@pytest.fixture
def stir(database, clock):
    """One that has looked already, at a database that nobody has written to since."""
    stir = Stir(database, clock)
    assert stir.look()
    assert not stir.look()
    return stir


def by_another(database: Database, write):
    """As the command line does it, or another thread of the daemon: on a connection of its own."""

    def run():
        with database.connection(), database.transaction():
            write()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def an_order(due_at, state="pending", lease_until=None):
    schema.Order.create(action="respond", target="sweep", state=state, due_at=due_at, lease_until=lease_until)


def test_what_another_writes_is_noticed_once(stir, database):
    by_another(database, lambda: settings.write("hold", "1"))
    assert stir.look()
    assert not stir.look()


def test_who_only_reads_wakes_nobody(stir, database):
    by_another(database, lambda: settings.read("hold"))
    assert not stir.look()


@pytest.mark.parametrize("state", ["pending", "uncertain", "done"])
def test_an_order_wakes_when_its_time_has_come_and_until_it_is_taken(stir, database, clock, state):
    by_another(database, lambda: an_order(NOW + 60, state))
    assert stir.look()
    clock.advance(59)
    assert not stir.look()
    clock.advance(1)
    assert stir.look()
    assert stir.look()
    by_another(database, lambda: schema.Order.update(due_at=None).execute())
    assert stir.look()
    assert not stir.look()


def test_a_lease_that_lapses_wakes(stir, database, clock):
    by_another(database, lambda: an_order(NOW, "in_flight", NOW + LEASE_S))
    assert stir.look()
    assert not stir.look()
    clock.advance(LEASE_S + 1)
    assert stir.look()
    by_another(database, lambda: outbox.lapse(clock.now()))
    assert stir.look()


def test_an_announcement_that_nobody_kept_to_wakes(stir, database, clock):
    def announce():
        vault = schema.Vault.create(name="cold", severity="critical", final_depth=6, created_at=NOW)
        times = {"begins_at": NOW, "ends_at": NOW + 30, "created_at": NOW}
        schema.Announcement.create(vault=vault, state="open", max_fee=0, nonce="one", **times)

    by_another(database, announce)
    assert stir.look()
    clock.advance(30)
    assert not stir.look()
    assert not announcements.over(clock.now())
    clock.advance(1)
    assert stir.look()
    assert announcements.over(clock.now())


@pytest.mark.parametrize("by_s", [-3600, 3600])
def test_a_clock_that_was_set_wakes_once(stir, clock, by_s):
    clock.advance(1)
    assert not stir.look()
    clock.offset = by_s
    assert stir.look()
    assert not stir.look()
