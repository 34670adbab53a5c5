"""The watch list in memory beside others who change it in the database."""

import itertools

import pytest

from bwm.chain.outpoint import outpoint_key
from bwm.daemon.watchlist import WatchList
from bwm.db import new_vaults, raw, settings, sightings, vaults, watches
from bwm.db.commit import commit
from bwm.db.vaults import NewKey, NewTrigger, NewVault
from bwm.errors import WatchListChanged
from bwm.plan import Changes
from bwm.watch.sighting import Sighting, Status
from bwm.watch.watch import Family, Trigger, What

READS = 10  # more than a refresh asks the database for


@pytest.mark.parametrize("stays", [True, False])
def test_a_change_between_two_reads_leaves_no_list_that_seems_current_and_lets_no_plan_through(
    database, monkeypatch, stays
):
    """Else every plan is refused, and nothing is written, until somebody happens to change the list once more."""
    read = raw.rows
    for gap in range(READS):
        watch_list, reads = WatchList(), itertools.count()

        def meanwhile(sql, *values, gap=gap, reads=reads):
            answer = read(sql, *values)
            if next(reads) == gap:
                with database.transaction():
                    settings.next_generation(stays=stays)
            return answer

        monkeypatch.setattr(raw, "rows", meanwhile)
        watch_list.refresh()
        monkeypatch.setattr(raw, "rows", read)
        if watch_list.is_current():
            assert watch_list.generation_of_plans == settings.generation_of_plans()


COIN = outpoint_key("aa" * 32, 0)


def add_vault(database, name: str, coin: bytes = COIN) -> Trigger:
    new_vaults.add(database, [NewVault(name, (NewTrigger("outpoint", name, (NewKey(What.COIN, coin, 7),)),))], 0)
    [watch] = [watch for watch in watches.by_keys([coin]) if watch.trigger.vault == name]
    return watch.trigger


def a_theft(trigger: Trigger) -> Changes:
    return Changes(sightings=(Sighting(trigger, "bb" * 32, Family.TRIGGER, Status.SEEN, 7, "", 0),))


def test_who_adds_and_removes_vaults_all_the_time_keeps_no_theft_of_others_from_being_written(database):
    cold = add_vault(database, "cold")
    add_vault(database, "theirs")
    watch_list = WatchList()
    watch_list.refresh()
    changes = a_theft(cold)

    with database.transaction():
        vaults.remove("theirs")
    add_vault(database, "theirs again")
    commit(database, changes, (), 0, watch_list.generation_of_plans)

    assert [one.trigger for one in sightings.of_vault("cold")] == [cold]
    assert not watch_list.is_current()


def test_what_was_found_for_a_vault_that_is_gone_is_not_written_for_who_has_its_number_now(database):
    changes = a_theft(add_vault(database, "cold"))
    watch_list = WatchList()
    watch_list.refresh()
    with database.transaction():
        vaults.remove("cold")
    assert add_vault(database, "other").id == changes.sightings[0].trigger.id

    with pytest.raises(WatchListChanged):
        commit(database, changes, (), 0, watch_list.generation_of_plans)
    assert not sightings.of_vault("other")
