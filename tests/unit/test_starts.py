"""What begins anew again and again says so; what was ended on purpose does not."""

import pytest

from bwm.daemon.starts import NAME, Starts

NOW = 1_800_000_000


def test_a_fifth_start_within_an_hour_is_told_and_every_one_after_it(tmp_path):
    told = [Starts(tmp_path).note(NOW + 600 * number) for number in range(6)]
    assert [one is not None for one in told] == [False] * 4 + [True] * 2
    assert "within 41 minutes it was started 5 times" in told[4]
    assert (tmp_path / NAME).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("apart_s", [1200, -600], ids=["seldom", "while the clock is set back"])
def test_what_starts_seldom_is_not_told(tmp_path, apart_s):
    assert not any(Starts(tmp_path).note(NOW + apart_s * number) for number in range(8))


def test_an_end_that_was_asked_for_begins_the_count_anew(tmp_path):
    for number in range(20):
        starts = Starts(tmp_path)
        assert starts.note(NOW + number) is None
        if number % 4 == 3:
            starts.forget()


@pytest.mark.parametrize("text", ["", "{", "null", '["a"]', "[[]]"])
def test_a_count_that_cannot_be_read_begins_anew(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    assert [Starts(tmp_path).note(NOW) is None for _ in range(5)] == [True] * 4 + [False]
