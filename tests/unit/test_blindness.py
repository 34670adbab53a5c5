"""The account of blind time: nothing that happens while bwm is blind ends it, and none of it is left out."""

import sqlite3
from contextlib import closing

import pytest

from bwm.daemon.watch_health import HealthWatch
from bwm.daemon.watchlist import WatchList
from bwm.daemon.writer import Writer
from bwm.db import blindness, journal

NOW = 1_800_000_000


class Clock:
    """Moved by hand; ``asleep`` is what only the clock on the wall counts."""

    def __init__(self) -> None:
        self.awake = self.asleep = 0

    def now(self) -> int:
        return NOW + self.awake + self.asleep

    def monotonic(self) -> float:
        return float(self.awake)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def start(database, clock):
    def start() -> HealthWatch:
        writer = Writer(database, WatchList(), [], clock, 6, lambda: None, lambda alerts: None)
        return HealthWatch(database, writer, clock, {"node", "database"})

    return start


def test_a_daemon_that_is_started_while_the_node_is_away_stays_blind_until_it_is_back(start, clock):
    health = start()
    health.prove_writable()
    health.begin("node")
    health.look()
    clock.awake += 600

    health = start()
    health.look()
    assert blindness.is_blind()
    clock.awake += 600
    health.end("node")
    health.look()

    assert not blindness.is_blind()
    assert max(ended for _, ended in blindness.intervals(clock.now())) == clock.now()


def test_a_machine_that_sleeps_while_the_node_is_away_wakes_up_blind(start, clock):
    health = start()
    health.begin("node")
    health.look()
    clock.awake, clock.asleep = 1, 300
    health.look()
    assert blindness.is_blind()
    clock.awake += 600
    health.end("node")
    health.look()
    assert not blindness.is_blind()
    assert (NOW, clock.now()) in blindness.intervals(clock.now())


def test_the_time_in_which_the_database_could_not_be_written_is_accounted_for_afterwards(start, clock, database):
    list(database.rows("PRAGMA busy_timeout = 0"))
    health = start()
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        health.begin("database")
        health.look()
        for _ in range(12):
            clock.awake += 50
            health.look()
    health.end("database")
    health.look()
    assert blindness.intervals(clock.now()) == [(NOW, NOW + 600)]
    assert not blindness.is_blind()


def test_a_machine_that_wakes_up_before_its_database_does_says_so_all_the_same(start, clock, database):
    list(database.rows("PRAGMA busy_timeout = 0"))
    health = start()
    health.look()
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        health.begin("database")
        clock.asleep = 300
        for _ in range(3):
            clock.awake += 1
            health.look()
    health.end("database")
    clock.awake += 1
    health.look()
    health.look()
    [awoke] = journal.read(kind="node.was_asleep")
    assert awoke.detail["lasted_s"] == 301
    assert (NOW, NOW + 301) in blindness.intervals(clock.now())
