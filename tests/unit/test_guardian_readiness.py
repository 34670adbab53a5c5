"""Whether a lock signed in advance would lock today, and what is said when that changes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.guardian.grammar import Payload
from bwm.guardian.readiness import (
    ArmedLock,
    CoinNow,
    FeeFloor,
    JudgedLock,
    Readiness,
    readiness,
    smallest_coin,
)
from bwm.plan import plan_readiness
from bwm.severity import Severity

LOCK = ArmedLock(bytes(36), nonce=5, feerate=20_000)
COIN = CoinNow(100_000, is_confirmed=True)
FLOOR = FeeFloor(relay=1_000, mining=15_000)
SAID = {Payload(False, 1), Payload(True, 3), Payload(False, 4)}


@pytest.mark.parametrize(
    ("lock", "coin", "floor", "said", "verdict", "words"),
    [
        (LOCK, COIN, FLOOR, SAID, "ready", "nonce 5"),
        (LOCK, COIN, FeeFloor(1_000), set(), "ready", "nonce 5"),
        (LOCK, COIN, FLOOR, SAID | {Payload(True, 5)}, "used", "has said lock 5"),
        (LOCK, None, FLOOR, SAID | {Payload(True, 5)}, "used", "has said lock 5"),
        (LOCK, COIN, FLOOR, SAID | {Payload(False, 5)}, "void", "not above 5"),
        (LOCK, COIN, FLOOR, SAID | {Payload(True, 9)}, "void", "not above 9"),
        (LOCK, None, FLOOR, SAID, "void", "its coin is spent"),
        (LOCK, COIN, FeeFloor(25_000), SAID, "void", "pays 20 sat/vB, and the node takes nothing below 25 sat/vB"),
        (LOCK, CoinNow(600, True), FLOOR, SAID, "void", "too small"),
        (LOCK, CoinNow(100_000, False), FLOOR, SAID, "weak", "not confirmed"),
        (LOCK, COIN, FeeFloor(1_000, 20_001), SAID, "weak", "to be mined within a day"),
    ],
)
def test_a_lock_is_judged_by_its_nonce_its_coin_and_its_fee(lock, coin, floor, said, verdict, words):
    found = readiness(lock, coin, floor, said)
    assert found.verdict == verdict
    assert words in found.reason


def test_every_fault_is_named():
    reason = readiness(LOCK, None, FeeFloor(25_000), {Payload(True, 9)}).reason
    assert reason.count(";") == 2


def test_the_smallest_coin_pays_for_the_lock_and_leaves_its_dust():
    assert smallest_coin(2, 20_000) == 20 * 140 + 546


@given(st.integers(1, 10), st.sets(st.builds(Payload, st.booleans(), st.integers(1, 10))))
def test_only_a_lock_above_everything_that_was_said_is_ready(nonce, said):
    found = readiness(replace(LOCK, nonce=nonce), COIN, FLOOR, said)
    assert (found.verdict == "ready") == all(nonce > payload.nonce for payload in said)


def judged(verdict, at=0):
    return JudgedLock(7, "family", "bc1q", LOCK, Readiness(verdict, f"it is {verdict}"), at)


def plan(before, after):
    return plan_readiness([before], [after], "regtest", 100)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("ready", "void", Severity.HIGH),
        ("ready", "weak", Severity.WARNING),
        ("weak", "void", Severity.HIGH),
        ("void", "ready", Severity.INFO),
        ("ready", "used", None),
    ],
)
def test_a_change_is_journaled_and_a_bad_one_told(before, after, told):
    changes = plan(judged(before), judged(after, at=100))
    [event] = changes.events
    assert event.kind == f"guardian.armed_lock_{after}"
    assert (event.guardian, event.detail["outpoint"], event.detail["nonce"]) == ("family", "00" * 32 + ":0", 5)
    assert [alert.severity for alert in changes.alerts] == ([] if told is None else [told])
    assert changes.judged == (judged(after, at=100),)


def test_the_end_of_a_trouble_resolves_its_alert():
    [bad] = plan(judged("ready"), judged("void")).alerts
    [good] = plan(judged("void"), judged("ready")).alerts
    assert good.case == bad.case
    assert good.resolves == bad.severity


def test_what_stands_as_before_is_neither_told_nor_written_often():
    assert plan(judged("void"), judged("void", at=100)).is_empty
    later = plan(judged("void", at=-3500), judged("void", at=100))
    assert (later.events, later.judged) == ((), (judged("void", at=100),))
