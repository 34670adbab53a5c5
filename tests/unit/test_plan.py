"""What one step makes of what is known: sightings and their lives, events, alerts."""

import time
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bwm.chain.block import BlockRef
from bwm.chain.outpoint import outpoint_key
from bwm.chain.tx import Input, Output, Tx
from bwm.plan import Absence, Changes, Facts, VaultFacts, plan_absences, plan_block, plan_mempool, plan_rewind
from bwm.severity import Severity
from bwm.watch.crowd import PAYMENTS_AN_HOUR
from bwm.watch.scan import scan_all
from bwm.watch.sighting import TRANSITIONS, Look, Sighting, Status
from bwm.watch.watch import Trigger, Watch, WatchIndex, What
from bwm.wording import Telling, tell

COIN = outpoint_key("aa" * 32, 0)
TRIGGER = Trigger(1, "outpoint", "aa" * 32 + ":0", vault="cold")
SCRIPT = Trigger(2, "script", "bcrt1q", vault="cold")
INDEX = WatchIndex([Watch(TRIGGER, What.COIN, COIN, sats=5000)])
NOW = 1_700_000_000


def a_tx(name: str, *coins: bytes, pays: bytes = b"\x51", sats: int = 1000) -> Tx:
    inputs = tuple(Input(coin, b"", 0xFFFFFFFF, ()) for coin in coins)
    return Tx(name * 32, 2, inputs, (Output(sats, pays),), 0, b"raw")


def a_block(height: int, name: str = "b") -> BlockRef:
    return BlockRef(height, f"{name}{height:063d}")


def facts(*sightings: Sighting, rivals: bool = False, **coins: tuple[Sighting, ...]) -> Facts:
    contested = {COIN: sightings} if rivals else {}
    known = {sighting.place: sighting for sighting in sightings}
    return Facts("regtest", {"cold": VaultFacts(final_depth=3, registered_height=50)}, known, contested)


def found(*txs: Tx, index: WatchIndex = INDEX) -> list[tuple[Tx, tuple[object, ...]]]:
    matches = {tx.txid: found for tx, found in scan_all(txs, index)}
    return [(tx, matches.get(tx.txid, ())) for tx in txs]


THEFT = a_tx("01", COIN)


def seen() -> Sighting:
    [sighting] = plan_mempool(found(THEFT), facts(), NOW).sightings
    return sighting


def kinds(changes: Changes) -> list[str]:
    return [event.kind for event in changes.events]


def test_a_spend_in_the_mempool_is_an_event_a_sighting_and_an_emergency():
    changes = plan_mempool(found(THEFT), facts(), NOW)
    [event], [alert] = changes.events, changes.alerts
    assert (event.kind, event.sats, event.txid, event.vault) == ("trigger.seen", 5000, THEFT.txid, "cold")
    assert event.reason == f"spends watched outpoint {TRIGGER.key}"
    assert alert.severity is Severity.EMERGENCY
    assert changes.transactions == (THEFT,)
    assert changes.cursor is None


def test_the_same_spend_met_again_changes_nothing():
    assert plan_mempool(found(THEFT), facts(seen()), NOW + 9).is_empty


def test_a_spend_first_met_in_a_block_is_confirmed():
    changes = plan_block(a_block(100), found(THEFT), facts(), NOW)
    assert kinds(changes) == ["trigger.confirmed"]
    assert changes.cursor is not None
    assert changes.cursor.to == a_block(100)


def test_a_vault_of_depth_three_is_final_with_the_third_block():
    [mined] = plan_block(a_block(100), found(THEFT), facts(seen()), NOW).sightings
    assert kinds(plan_block(a_block(101), [], facts(mined), NOW)) == []
    assert kinds(plan_block(a_block(102), [], facts(mined), NOW)) == ["trigger.final"]


def test_an_old_block_read_late_is_confirmed_and_final_at_once():
    changes = plan_block(a_block(90), found(THEFT), facts(), NOW, tip_height=100, move_cursor=False)
    assert kinds(changes) == ["trigger.confirmed", "trigger.final"]
    assert changes.cursor is None
    assert changes.sightings[0].status is Status.FINAL


def test_a_disconnected_block_takes_its_sightings_back_and_another_block_gives_them_again():
    [mined] = plan_block(a_block(100), found(THEFT), facts(seen()), NOW).sightings
    back = plan_rewind(a_block(99), facts(mined), NOW)
    assert kinds(back) == ["trigger.reorged"]
    assert back.sightings[0].block is None
    again = plan_block(a_block(100, "c"), found(THEFT), facts(*back.sightings), NOW)
    assert kinds(again) == ["trigger.confirmed"]
    assert again.sightings[0].block == a_block(100, "c")


def test_a_rewind_leaves_deeper_sightings_alone():
    [mined] = plan_block(a_block(100), found(THEFT), facts(seen()), NOW).sightings
    assert plan_rewind(a_block(100), facts(mined), NOW).events == ()


def test_another_spend_in_a_block_beats_the_one_in_the_mempool():
    rival = a_tx("02", COIN)
    changes = plan_block(a_block(100), found(rival), facts(seen(), rivals=True), NOW)
    assert kinds(changes) == ["trigger.confirmed", "trigger.conflicted"]
    assert changes.events[1].detail["by"] == rival.txid
    assert changes.events[1].txid == THEFT.txid


def test_a_beaten_spend_is_merely_evicted_when_its_rival_is_disconnected():
    rival = a_tx("02", COIN)
    changes = plan_block(a_block(100), found(rival), facts(seen(), rivals=True), NOW)
    back = plan_rewind(a_block(99), facts(*changes.sightings), NOW)
    assert {s.txid: s.status for s in back.sightings} == {
        THEFT.txid: Status.EVICTED,
        rival.txid: Status.REORGED,
    }


def test_what_left_the_mempool_is_replaced_when_a_rival_shows_and_evicted_when_none_does():
    assert kinds(plan_absences([Absence(seen(), "02" * 32)], facts(), NOW)) == ["trigger.replaced"]
    [gone] = plan_absences([Absence(seen())], facts(), NOW).sightings
    assert gone.status is Status.EVICTED
    assert kinds(plan_mempool(found(THEFT), facts(gone), NOW)) == ["trigger.seen"]


def test_a_coin_received_and_spent_in_one_block_is_both_a_receipt_and_a_spend():
    script = b"\x00\x14" + b"\x07" * 20
    index = WatchIndex([Watch(SCRIPT, What.SCRIPT, script)])
    deposit = a_tx("03", outpoint_key("bb" * 32, 1), pays=script, sats=700)
    spend = a_tx("04", outpoint_key("03" * 32, 0))
    changes = plan_block(a_block(100), found(deposit, spend, index=index), facts(), NOW)
    assert [(event.kind, event.sats) for event in changes.events] == [
        ("funds.confirmed", 700),
        ("trigger.confirmed", 700),
    ]
    assert [alert.severity for alert in changes.alerts] == [Severity.INFO, Severity.EMERGENCY]


def test_the_mempool_has_no_order_and_a_spend_listed_before_its_parent_is_seen():
    script = b"\x00\x14" + b"\x07" * 20
    index = WatchIndex([Watch(SCRIPT, What.SCRIPT, script)])
    deposit = a_tx("03", outpoint_key("bb" * 32, 1), pays=script)
    spend = a_tx("04", outpoint_key("03" * 32, 0))
    changes = plan_mempool(found(spend, deposit, index=index), facts(), NOW)
    assert sorted(kinds(changes)) == ["funds.received", "trigger.seen"]


def test_a_block_full_of_payments_to_a_watched_script_is_searched_in_a_moment():
    """Anybody can pay for such a block; when the time grows with its square, the watchdog ends bwm for ever."""
    script = b"\x00\x14" + b"\x07" * 20
    index = WatchIndex([Watch(SCRIPT, What.SCRIPT, script)])
    block = [a_tx(f"{number:02x}", outpoint_key("bb" * 32, number), pays=script) for number in range(256)]
    flood = [replace(tx, txid=f"{number:064x}") for number, tx in enumerate(block * 32)]
    began = time.monotonic()
    assert len(scan_all(flood, index)) == 8192
    assert time.monotonic() - began < 20  # seconds; it takes less than one, and took minutes


def paid_by_many(count: int, first: int = 0) -> list[tuple[Tx, tuple[object, ...]]]:
    """Payments to one watched script, each in a transaction of its own."""
    script = b"\x00\x14" + b"\x07" * 20
    index = WatchIndex([Watch(SCRIPT, What.SCRIPT, script)])
    payment = a_tx("05", outpoint_key("bb" * 32, 0), pays=script, sats=7)
    return found(*(replace(payment, txid=f"{number:064x}") for number in range(first, first + count)), index=index)


def test_x35_of_a_crowd_of_payments_a_hundred_are_told_and_the_others_counted():
    changes = plan_block(a_block(60), paid_by_many(PAYMENTS_AN_HOUR + 30), facts(), NOW)
    assert kinds(changes) == ["funds.confirmed"] * PAYMENTS_AN_HOUR + ["funds.too_many"]
    assert len(changes.alerts) == PAYMENTS_AN_HOUR + 1
    assert len(changes.transactions) == PAYMENTS_AN_HOUR
    assert len(changes.watches) == PAYMENTS_AN_HOUR + 30  # the coins are watched, told or not
    assert (changes.events[-1].sats, changes.events[-1].detail["payments"]) == (30 * 7, 30)


def test_a_crowd_is_told_of_once_an_hour_however_many_transactions_it_comes_in():
    late = replace(facts(), payments={SCRIPT.id: PAYMENTS_AN_HOUR})
    single = [plan_mempool(paid_by_many(1, number), late, NOW + number).events for number in range(2)]
    assert [event.kind for events in single for event in events] == ["funds.too_many"] * 2
    assert len({event.key for events in single for event in events}) == 1
    [other_hour] = plan_mempool(paid_by_many(1), late, NOW + 3600).events
    assert other_hour.key != single[0][0].key


def test_x35_a_theft_in_a_crowd_and_what_is_sighted_already_are_never_passed_over():
    late = replace(facts(seen()), payments={TRIGGER.id: 1000, SCRIPT.id: 1000})
    changes = plan_block(a_block(60), [*paid_by_many(3), *found(THEFT)], late, NOW)
    assert kinds(changes) == ["trigger.confirmed", "funds.too_many"]


def test_the_history_of_an_address_read_on_registration_does_not_wake_anybody():
    script = b"\x00\x14" + b"\x07" * 20
    coin = outpoint_key("03" * 32, 0)
    index = WatchIndex([Watch(SCRIPT, What.SCRIPT, script), Watch(SCRIPT, What.COIN, coin, sats=1)])
    old = plan_block(a_block(48), found(a_tx("04", coin), index=index), facts(), NOW, 60, move_cursor=False)
    fresh = plan_block(a_block(49), found(a_tx("04", coin), index=index), facts(), NOW, 60, move_cursor=False)
    assert {alert.severity for alert in old.alerts} == {Severity.INFO}
    assert {alert.severity for alert in fresh.alerts} == {Severity.EMERGENCY}


looks = st.sampled_from(["mempool", "block", "bury", "rewind", "gone", "rival"])


@given(st.lists(looks, max_size=30))
def test_a_sighting_changes_only_along_the_table_and_each_change_is_one_event(steps):
    sighting, height, revision = seen(), 100, 0
    for step in steps:
        known = facts(sighting)
        if step == "mempool":
            changes = plan_mempool(found(THEFT), known, NOW)
        elif step == "block":
            changes = plan_block(a_block(height), found(THEFT), known, NOW)
        elif step == "bury":
            height += 3
            changes = plan_block(a_block(height), [], known, NOW)
        elif step == "rewind":
            changes = plan_rewind(a_block(50), known, NOW)
        else:
            changes = plan_absences([Absence(sighting, "02" * 32 if step == "rival" else None)], known, NOW)
        for event, after in zip(changes.events, changes.sightings, strict=False):
            assert event.kind.startswith("trigger.")
            assert after.revision > revision
        if changes.sightings:
            [after] = changes.sightings
            assert len(changes.events) == after.revision - sighting.revision
            sighting, revision = after, after.revision
    assert len({event.key for event in changes.events} if steps else set()) == (len(changes.events) if steps else 0)


def test_no_look_moves_a_sighting_to_where_it_is():
    assert all(status is not after for (status, _), after in TRANSITIONS.items())
    assert (Status.FINAL, Look.GONE) not in TRANSITIONS


def test_a_theft_from_several_triggers_says_what_leaves_the_vault_in_all_whichever_coin_stands_first():
    dust, whole, paid = outpoint_key("bb" * 32, 0), outpoint_key("cc" * 32, 0), outpoint_key("dd" * 32, 0)
    watches = [
        Watch(Trigger(3, "outpoint", "dust", vault="cold"), What.COIN, dust, sats=546),
        Watch(Trigger(4, "outpoint", "whole", vault="cold"), What.COIN, whole, sats=90_000_000),
        Watch(Trigger(5, "script", "its address", vault="cold"), What.COIN, whole, sats=90_000_000),
        Watch(Trigger(6, "outpoint", "another's", vault="warm"), What.COIN, paid, sats=7),
    ]
    theft = a_tx("05", dust, whole, paid)
    changes = plan_mempool(found(theft, index=WatchIndex(watches)), facts(), NOW)
    told = {event.trigger_key: tell(event, event, Telling("id", NOW)).body for event in changes.events}
    assert [key for key, body in told.items() if "Amount: 90,000,546 sat" in body] == ["dust", "whole", "its address"]
    assert "Amount: 7 sat" in told["another's"]
    assert [event.sats for event in changes.events] == [546, 90_000_000, 7, 90_000_000]  # of each its own


def test_an_amount_in_all_is_never_less_than_that_of_one_trigger():
    gone = "aa" * 32
    watches = [
        Watch(Trigger(3, "txid", "06" * 32, vault="cold"), What.TXID, bytes.fromhex("06" * 32)),
        Watch(Trigger(4, "outpoint", f"{gone}:0", vault="cold"), What.COIN, COIN),  # of an unknown amount
    ]
    changes = plan_mempool(found(a_tx("06", COIN, sats=800), index=WatchIndex(watches)), facts(), NOW)
    assert [event.sats for event in changes.events] == [None, 800]
    assert {event.detail["vault_sats"] for event in changes.events} == {800}


class CountedId(int):
    """The number of a trigger, which counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        CountedId.compared += 1
        return int(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = int.__hash__


def test_thousands_who_watch_the_same_are_not_compared_each_with_each():
    watched, many = a_tx("07", COIN), 300
    triggers = [Trigger(CountedId(number), "txid", watched.txid, f"v{number}") for number in range(many)]
    keys = ((What.TXID, bytes.fromhex(watched.txid)), (What.COIN, COIN))
    CountedId.compared = 0
    [(_, matches)] = scan_all([watched], WatchIndex(Watch(each, *key) for each in triggers for key in keys))
    assert len(matches) == many
    assert CountedId.compared < 20 * many
