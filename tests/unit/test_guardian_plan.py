"""What guardians mean to a plan: vaults that they protect, payments of strangers, signals that cannot be read yet."""

from dataclasses import replace

from bwm.chain.block import BlockRef
from bwm.chain.outpoint import outpoint_key
from bwm.chain.tx import Input, Output, Tx
from bwm.guardian.grammar import Payload
from bwm.guardian.state import Signal, state_of
from bwm.plan import Facts, VaultFacts, plan_block, plan_mempool, plan_tick
from bwm.plan_guardian import PAYMENTS_AN_HOUR, GuardianFacts, Unresolved
from bwm.severity import Severity
from bwm.watch.scan import scan_all
from bwm.watch.watch import Trigger, Watch, WatchIndex, What
from tests.unit.guardian_watcher import KEY, SCRIPTS, STRANGER, signature

SCRIPT = SCRIPTS["p2wpkh"]
VAULT_COIN, GUARDIAN_COIN = outpoint_key("aa" * 32, 0), outpoint_key("bb" * 32, 0)
INDEX = WatchIndex(
    [
        Watch(Trigger(1, "outpoint", "aa" * 32 + ":0", vault="cold"), What.COIN, VAULT_COIN, sats=5000),
        Watch(Trigger(2, "guardian", "bc1q", None, "family"), What.COIN, GUARDIAN_COIN, sats=9000),
        Watch(Trigger(2, "guardian", "bc1q", None, "family"), What.SCRIPT, SCRIPT),
    ]
)
UNLOCKED = (Signal("c" * 64, Payload(False, 1), True, 0, height=1, confirmed_at=0, final_at=0),)
LOCKED = (*UNLOCKED, Signal("d" * 64, Payload(True, 2), True, 0, height=1, confirmed_at=0))
NOW = 1_700_000_000


def a_tx(number, coin, *scripts):
    spend = Input(coin, b"", 0xFFFFFFFF, (signature(), KEY))
    return Tx(f"{number:064x}", 2, (spend,), tuple(Output(1000, each) for each in scripts), 0, b"raw")


THEFT = a_tx(1, VAULT_COIN, STRANGER)
LOCK = a_tx(2, GUARDIAN_COIN, Payload(True, 2).to_script(), SCRIPT)


def guardian(signals=UNLOCKED, **known):
    return GuardianFacts("family", "bc1q", SCRIPT, state_of(signals, 0, NOW), tuple(signals), **known)


def facts(*guardians, severity=Severity.WARNING, protected_by=("family",), **known):
    vault = VaultFacts(severity, guardians=protected_by, registered_height=known.pop("registered_height", None))
    return Facts("regtest", {"cold": vault}, guardians=guardians, **known)


def found(*txs):
    return scan_all(txs, INDEX)


def alert_of(changes, kind):
    [alert] = [alert for alert in changes.alerts if alert.event.kind == kind]
    return alert


def test_a_spend_from_a_vault_whose_guardian_is_locked_is_an_emergency():
    alert = alert_of(plan_mempool(found(THEFT), facts(guardian(LOCKED)), NOW), "trigger.seen")
    assert (alert.severity, alert.event.detail["guardian"]) == (Severity.EMERGENCY, "locked")


def test_a_spend_from_a_vault_whose_guardian_is_unlocked_is_as_grave_as_the_vault_says():
    alert = alert_of(plan_mempool(found(THEFT), facts(guardian()), NOW), "trigger.seen")
    assert (alert.severity, alert.event.detail["guardian"]) == (Severity.WARNING, "unlocked")


def test_a_vault_without_a_guardian_is_told_as_ever():
    alert = alert_of(plan_mempool(found(THEFT), facts(guardian(LOCKED), protected_by=()), NOW), "trigger.seen")
    assert (alert.severity, "guardian" in alert.event.detail) == (Severity.WARNING, False)


def test_of_several_guardians_a_locked_one_decides():
    other = replace(guardian(LOCKED), name="other")
    changes = plan_mempool(found(THEFT), facts(guardian(), other, protected_by=("family", "other")), NOW)
    assert alert_of(changes, "trigger.seen").event.detail["guardian"] == "locked"


def test_a_lock_in_the_same_block_counts_for_the_spend_beside_it():
    changes = plan_block(BlockRef(100, "b"), found(THEFT, LOCK), facts(guardian()), NOW)
    assert alert_of(changes, "trigger.confirmed").severity is Severity.EMERGENCY


def test_history_that_is_read_late_is_no_emergency():
    old = facts(guardian(LOCKED), registered_height=200)
    index = WatchIndex([Watch(Trigger(3, "script", "bc1p", vault="cold"), What.COIN, VAULT_COIN, sats=1)])
    changes = plan_block(BlockRef(100, "b"), scan_all([THEFT], index), old, NOW, 200, move_cursor=False)
    assert alert_of(changes, "trigger.confirmed").severity is Severity.INFO


def payments(count):
    forged = (Payload(True, 9).to_script(), SCRIPT)
    return [a_tx(100 + n, outpoint_key(f"{n:064x}", 7), *forged) for n in range(count)]


def scripts_of(txs):
    return {item.spends: STRANGER for tx in txs for item in tx.inputs}


def test_strangers_payments_are_journaled_up_to_a_number_and_their_coins_watched_all_the_same():
    txs = payments(PAYMENTS_AN_HOUR + 5)
    changes = plan_mempool(found(*txs), facts(guardian(), spent_scripts=scripts_of(txs)), NOW)
    kinds = [event.kind for event in changes.events]
    assert kinds.count("guardian.forged") == kinds.count("guardian.seen") == PAYMENTS_AN_HOUR
    assert kinds.count("guardian.too_many_payments") == 1
    assert len({watch.key for watch in changes.watches}) == PAYMENTS_AN_HOUR + 5


def test_a_flood_is_told_once_an_hour():
    txs = payments(2)
    flooded = facts(guardian(lately=PAYMENTS_AN_HOUR), spent_scripts=scripts_of(txs))
    keys = [plan_mempool(found(tx), flooded, at).events[0].key for tx, at in zip(txs, (NOW, NOW + 60), strict=True)]
    assert keys[0] == keys[1]
    assert plan_mempool(found(txs[0]), flooded, NOW + 3600).events[0].key != keys[0]


def test_a_flood_hides_nothing_that_the_guardian_signed():
    changes = plan_mempool(found(LOCK), facts(guardian(lately=10 * PAYMENTS_AN_HOUR)), NOW)
    assert {"guardian.seen", "guardian.locked"} <= {event.kind for event in changes.events}


def test_a_signal_that_waits_is_told_once_of_the_guardian_that_it_pays():
    late = Unresolved(LOCK, NOW - 60)
    other = replace(guardian(), name="other", script=STRANGER)
    changes = plan_tick(facts(guardian(), other, waiting=(late, Unresolved(payments(1)[0], NOW - 59))), NOW)
    [event] = changes.events
    assert (event.kind, event.guardian, event.txid) == ("guardian.unverified_lock", "family", LOCK.txid)
    assert changes.alerts[0].severity is Severity.CRITICAL
    assert changes.waiting == (replace(late, told=True),)
    assert plan_tick(facts(guardian(), waiting=changes.waiting), NOW + 60).is_empty


def test_a_signal_that_pays_no_guardian_is_told_of_every_one():
    stray = Unresolved(a_tx(9, VAULT_COIN, Payload(True, 2).to_script()), NOW - 60)
    changes = plan_tick(facts(guardian(), replace(guardian(), name="other"), waiting=(stray,)), NOW)
    assert [event.guardian for event in changes.events] == ["family", "other"]
    assert len(changes.waiting) == 1


def test_a_rival_in_a_block_takes_the_signal_from_the_mempool():
    seen = plan_mempool(found(LOCK), facts(guardian()), NOW)
    [sighting] = seen.sightings
    rival = a_tx(3, GUARDIAN_COIN, STRANGER)
    known = facts(
        guardian((*UNLOCKED, *seen.guardians[0].signals)),
        sightings={sighting.place: sighting},
        contested={GUARDIAN_COIN: (sighting,)},
    )
    changes = plan_block(BlockRef(100, "b"), found(rival), known, NOW)
    assert changes.guardians[0].state.place == "gone"
    assert str(changes.guardians[0].state) == "locked(2)"
    assert {"guardian.lock_vanished", "guardian.moved_without_signal"} <= {event.kind for event in changes.events}
