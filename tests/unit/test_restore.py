"""A backup is put in the place of the database only when it is one, and what was there is kept."""

import sqlite3
from contextlib import closing

import pytest

from bwm.db.backup import back_up, restore
from bwm.db.database import Database
from bwm.db.settings import read, write
from bwm.errors import DatabaseTrouble, UsageError


def made(path, mark, network="regtest"):
    """A database that holds a mark."""
    database = Database(f"sqlite:///{path}", network)
    with database.connection(), database.transaction():
        write("mark", mark)
    return database


def mark_of(path):
    database = Database(f"sqlite:///{path}", "regtest")
    with database.connection():
        return read("mark")


def test_a_restored_database_is_the_backup_and_the_other_is_kept(tmp_path):
    back_up(made(tmp_path / "bwm.sqlite", "old"), tmp_path / "backup")
    made(tmp_path / "bwm.sqlite", "new")

    aside = restore(tmp_path / "backup", tmp_path / "bwm.sqlite", "regtest")

    assert mark_of(tmp_path / "bwm.sqlite") == "old"
    assert mark_of(aside) == "new"
    assert (tmp_path / "bwm.sqlite").stat().st_mode & 0o077 == 0


def test_a_backup_that_cannot_be_written_is_told_by_the_name_that_was_given(tmp_path):
    with pytest.raises(DatabaseTrouble, match=r"copied to \S+/nowhere/backup: No such file or directory\. Nothing"):
        back_up(made(tmp_path / "bwm.sqlite", "mine"), tmp_path / "nowhere" / "backup")


def test_what_was_kept_before_is_not_overwritten(tmp_path):
    back_up(made(tmp_path / "bwm.sqlite", "old"), tmp_path / "backup")
    kept = {restore(tmp_path / "backup", tmp_path / "bwm.sqlite", "regtest") for _ in range(3)}
    assert len(kept) == 3
    assert all(path.exists() for path in kept)


def test_a_backup_is_restored_where_there_is_no_database(tmp_path):
    back_up(made(tmp_path / "bwm.sqlite", "old"), tmp_path / "backup")
    assert restore(tmp_path / "backup", tmp_path / "elsewhere" / "bwm.sqlite", "regtest") is None
    assert mark_of(tmp_path / "elsewhere" / "bwm.sqlite") == "old"


def test_what_is_no_backup_of_this_network_changes_nothing(tmp_path):
    made(tmp_path / "bwm.sqlite", "mine")
    made(tmp_path / "other", "theirs", network="signet")
    with closing(sqlite3.connect(tmp_path / "foreign")) as connection:
        connection.execute("CREATE TABLE notes (text)")
    for name, words in (("other", "network signet"), ("foreign", "no database of bwm")):
        with pytest.raises(UsageError, match=words):
            restore(tmp_path / name, tmp_path / "bwm.sqlite", "regtest")
    assert mark_of(tmp_path / "bwm.sqlite") == "mine"
    assert not list(tmp_path.glob("bwm.sqlite.*"))


def test_a_damaged_backup_changes_nothing(tmp_path):
    back_up(made(tmp_path / "bwm.sqlite", "mine"), tmp_path / "backup")
    raw = bytearray((tmp_path / "backup").read_bytes())
    raw[5000:9000] = b"\xff" * 4000
    (tmp_path / "backup").write_bytes(raw)
    with pytest.raises(DatabaseTrouble, match="could not be restored"):
        restore(tmp_path / "backup", tmp_path / "bwm.sqlite", "regtest")
    assert mark_of(tmp_path / "bwm.sqlite") == "mine"


def test_the_log_of_a_database_that_is_no_more_is_not_read_into_the_restored_one(tmp_path):
    path, wal = tmp_path / "bwm.sqlite", tmp_path / "bwm.sqlite-wal"
    back_up(made(path, "old"), tmp_path / "backup")
    with closing(sqlite3.connect(path)) as open_one:
        open_one.execute("UPDATE setting SET value = 'new' WHERE name = 'mark'")
        open_one.commit()
        left = wal.read_bytes()  # as a kill leaves it
    path.unlink()
    wal.write_bytes(left)

    restore(tmp_path / "backup", path, "regtest")

    assert mark_of(path) == "old"
    assert (tmp_path / "bwm.sqlite.before-restore-1-wal").read_bytes() == left
