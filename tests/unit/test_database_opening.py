"""Opening a database that several programs want at once: the daemon at its first start, and a command beside it."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from bwm.db.database import Database
from bwm.errors import BwmError, DatabaseTrouble

OPEN = "import sys; from bwm.db.database import Database; Database(sys.argv[1], 'regtest')"


def test_programs_that_open_a_new_database_at_once_all_find_it_whole(tmp_path):
    for attempt in range(2):
        url = f"sqlite:///{tmp_path}/{attempt}/bwm.sqlite"
        programs = [
            subprocess.Popen([sys.executable, "-c", OPEN, url], stderr=subprocess.PIPE, text=True) for _ in range(4)
        ]
        assert [program.communicate()[1] for program in programs] == [""] * 4


def test_a_file_that_another_program_is_just_making_is_waited_for(tmp_path):
    file = tmp_path / "bwm.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE first (thing)")
        other.execute("BEGIN IMMEDIATE")
        done = threading.Timer(0.3, other.execute, ["COMMIT"])
        done.start()
        database = Database(f"sqlite:///{file}", "regtest")
        done.join()
    with database.connection():
        assert list(database.rows("PRAGMA journal_mode")) == [("wal",)]


def test_a_new_database_can_be_read_by_its_owner_only(tmp_path):
    subprocess.run([sys.executable, "-c", OPEN, f"sqlite:///{tmp_path}/state/bwm.sqlite"], check=True)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "bwm.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_place_where_no_database_can_be_is_told_with_what_to_check(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for place, words in ("folder", "Is a directory"), ("file/bwm.sqlite", "(Not a directory|File exists)"):
        told = f"The database {tmp_path}/{place} cannot be used: {words}. Check that the path exists"
        with pytest.raises(DatabaseTrouble, match=told):
            Database(f"sqlite:///{tmp_path}/{place}", "regtest")


def test_one_daemon_alone_works_on_a_database(tmp_path):
    """Whatever state directory each has; the first goes on, and a command may look."""
    first, second = (Database(f"sqlite:///{tmp_path}/bwm.sqlite", "regtest") for _ in range(2))
    first.take()
    with pytest.raises(BwmError, match=f"Another bwm runs on the database {tmp_path}/bwm.sqlite already"):
        second.take()
    with second.connection():
        assert list(second.rows("PRAGMA journal_mode")) == [("wal",)]


def test_x29_a_database_that_others_can_read_is_closed_to_them(tmp_path):
    database = tmp_path / "bwm.sqlite"
    database.touch(mode=0o644)
    subprocess.run([sys.executable, "-c", OPEN, f"sqlite:///{database}"], check=True)
    assert database.stat().st_mode & 0o777 == 0o600
