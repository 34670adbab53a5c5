"""The note beside the database: an empty one is refused, an older one says what is missing, a later one nothing."""

from dataclasses import replace

import pytest

from bwm.daemon.keepsake import NAME, Keepsake, compare, read, write
from bwm.errors import DatabaseTrouble

NOW = 1_795_248_000
NOTED = Keepsake("a" * 32, generation=7, triggers=3, last_event=40, seen_at=NOW - 60)


def judged(noted, found, tmp_path):
    return compare(noted, found, tmp_path, "regtest", NOW)


@pytest.mark.parametrize(
    "found", [NOTED, replace(NOTED, generation=9, triggers=0), replace(NOTED, last_event=99, seen_at=NOW)]
)
def test_the_same_database_or_a_later_state_of_it_is_not_worth_a_word(found, tmp_path):
    assert judged(NOTED, found, tmp_path) is None


def test_a_first_start_has_nothing_to_compare_with(tmp_path):
    assert judged(read(tmp_path), NOTED, tmp_path) is None


def test_a_new_and_empty_database_is_refused_where_something_was_watched(tmp_path):
    with pytest.raises(DatabaseTrouble, match=f"3 triggers here: it was lost.*{NAME}"):
        judged(NOTED, Keepsake("b" * 32, 0, 0, 0, 0), tmp_path)


@pytest.mark.parametrize("change", [{"generation": 6}, {"last_event": 39}, {"database": "b" * 32}])
def test_an_older_or_another_database_says_which_period_is_missing(change, tmp_path):
    found = replace(NOTED, **change, seen_at=NOW - 300_000, triggers=2)
    event = judged(NOTED, found, tmp_path)
    assert (event.detail["since"], event.detail["until"]) == (NOW - 300_000, NOW - 60)
    assert (event.detail["triggers_before"], event.detail["triggers"]) == (3, 2)


def test_a_note_is_read_as_it_was_written_and_private(tmp_path):
    write(tmp_path, NOTED)
    assert read(tmp_path) == NOTED
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"database": "x"}'])
def test_a_note_that_cannot_be_read_is_none(text, tmp_path):
    (tmp_path / NAME).write_text(text)
    assert read(tmp_path) is None
