"""The watch list in memory beside others who change it in the database."""

import itertools

import pytest

from bwm.daemon.watchlist import WatchList
from bwm.db import raw, settings

READS = 10  # more than a refresh asks the database for


@pytest.mark.parametrize("only_added", [True, False])
def test_a_change_between_two_reads_leaves_no_list_that_seems_current_and_lets_no_plan_through(
    database, monkeypatch, only_added
):
    """Else every plan is refused, and nothing is written, until somebody happens to change the list once more."""
    read = raw.rows
    for gap in range(READS):
        watch_list, reads = WatchList(), itertools.count()

        def meanwhile(sql, *values, gap=gap, reads=reads):
            answer = read(sql, *values)
            if next(reads) == gap:
                with database.transaction():
                    settings.next_generation(only_added=only_added)
            return answer

        monkeypatch.setattr(raw, "rows", meanwhile)
        watch_list.refresh()
        monkeypatch.setattr(raw, "rows", read)
        if watch_list.is_current():
            assert watch_list.generation_of_plans == settings.generation_of_plans()
