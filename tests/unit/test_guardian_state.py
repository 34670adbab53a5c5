"""Guardian states over time: every scenario, and what holds for any history at all."""

import itertools
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwm.guardian.grammar import Payload
from bwm.guardian.registration import refusal_to_add, refusal_to_remove
from bwm.guardian.state import PendingUnlock, Signal, next_marks, state_of
from tests.unit.guardian_watcher import Watcher, settled

TABLE = tomllib.loads((Path(__file__).parents[1] / "data" / "guardian" / "scenarios.toml").read_text())
ROWS = TABLE["scenario"]


def started(row):
    watcher = Watcher()
    start = row.get("start", "base")
    if start != "fresh":
        watcher.define("first unlock", "unlock 1")
        watcher.do("mine", "first unlock")
        watcher.do("bury", "5")
        assert str(watcher.state) == "unlocked(1)"
    if start == "locked":
        watcher.define("first lock", "lock 2")
        watcher.do("see", "first lock")
        watcher.do("mine", "first lock")
    for name, words in row["transactions"].items():
        watcher.define(name, words)
    return watcher


def shown(state):
    pending = " ".join(str(one.nonce) for one in state.pending)
    return f"{state} pending {pending}" if pending else str(state)


def outcome(refusal):
    return "taken" if refusal is None else "refused"


def test_every_scenario_is_in_the_table():
    assert {row["id"][:3] for row in ROWS} == {f"S{n:02}" for n in range(1, 34)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_scenario_goes_as_the_table_says(row):
    watcher = started(row)
    for step in row["steps"]:
        notices = [notice for verb in step["do"].split(", ") for notice in watcher.do(*verb.split())]
        told = " ".join(notice.reason for notice in notices)
        assert shown(watcher.state) == step["state"], step
        assert [notice.kind.removeprefix("guardian.") for notice in notices] == step.get("says", []), step
        assert step.get("tells", "") in told
        if "literal" in step:
            assert f"other wallets may show {step['literal']}" in watcher.state.reason
        elif watcher.state.state != "locked":
            assert "other wallets" not in watcher.state.reason
        if "add" in step:
            assert outcome(refusal_to_add(watcher.state, coins=1)) == step["add"]
        if "add_locked" in step:
            assert outcome(refusal_to_add(watcher.state, coins=1, accept_locked=True)) == step["add_locked"]
        if "remove" in step:
            assert outcome(refusal_to_remove(watcher.state)) == step["remove"]


def test_an_unlock_waits_for_its_delay_and_a_disconnected_block_starts_it_anew():
    watcher = Watcher(unlock_confirmations=1, unlock_delay_s=3600)
    watcher.define("A", "unlock 1")
    watcher.do("mine", "A")
    watcher.do("wait", "3599")
    watcher.do("undo", "1")
    watcher.do("mine", "A")
    watcher.do("wait", "3599")
    assert shown(watcher.state) == "uninstantiated pending 1"
    assert [notice.kind for notice in watcher.do("wait", "1")] == ["guardian.unlocked"]
    assert watcher.state.since == watcher.now


def test_an_unlock_is_honoured_at_first_sight_when_no_confirmation_is_asked():
    watcher = Watcher(unlock_confirmations=0)
    watcher.define("A", "unlock 1")
    watcher.do("see", "A")
    assert shown(watcher.state) == "unlocked(1)"
    assert [notice.kind for notice in watcher.do("drop", "A")] == ["guardian.final_unlock_reorged"]
    assert shown(watcher.state) == "unlocked(1)"


def test_a_delay_alone_still_waits_for_a_block():
    watcher = Watcher(unlock_confirmations=0, unlock_delay_s=10)
    watcher.define("A", "unlock 1")
    watcher.do("see", "A")
    watcher.do("wait", "1000")
    assert shown(watcher.state) == "uninstantiated pending 1"


def test_what_is_not_counted_or_has_vanished_before_it_was_final_has_no_effect():
    vanished = Signal("a" * 64, Payload(False, 5), True, 0, vanished=True)
    uncounted = Signal("b" * 64, Payload(True, 6), False, 0)
    assert shown(state_of([vanished, uncounted], 100, 0, unlock_confirmations=0)) == "uninstantiated"


def test_the_pending_unlock_shown_is_the_one_nearest_to_taking_effect():
    signals = [
        Signal("a" * 64, Payload(False, 5), True, 0),
        Signal("b" * 64, Payload(False, 4), True, 0, height=99),
        Signal("c" * 64, Payload(True, 3), True, 0),
    ]
    state = state_of(signals, 100, 0)
    assert state.pending_unlock == PendingUnlock(4, 2, 6, "b" * 64)
    assert str(state.pending_unlock) == "unlock 4 pending 2/6"
    assert [pending.nonce for pending in state.pending] == [4, 5]


def test_the_state_dates_from_the_signal_that_decides_it():
    locks = [Signal("a" * 64, Payload(True, 2), True, 30), Signal("b" * 64, Payload(True, 2), True, 20)]
    assert state_of(locks, 100, 99).since == 20
    unlock = Signal("c" * 64, Payload(False, 3), True, 40, height=95, confirmed_at=50, final_at=60)
    assert state_of([*locks, unlock], 100, 99).since == 60


def test_marks_are_given_once_and_only_to_counted_unlocks():
    final = Signal("a" * 64, Payload(False, 3), True, 0, height=1)
    others = [
        Signal("b" * 64, Payload(False, 4), False, 0, height=1),
        Signal("c" * 64, Payload(True, 5), True, 0, height=1),
        Signal("d" * 64, Payload(False, 6), True, 0, height=2),
    ]
    (marked,) = next_marks([final, *others], 6, 777)
    assert (marked.txid, marked.final_at) == (final.txid, 777)
    assert next_marks([marked, *others], 6, 888) == ()


PAYLOADS = st.builds(Payload, st.booleans(), st.integers(0, 6))
SIGNALS = st.builds(
    Signal,
    txid=st.integers(0, 2**16).map(lambda n: f"{n:064x}"),
    payload=PAYLOADS,
    counted=st.booleans(),
    first_seen_at=st.integers(0, 50),
    height=st.none() | st.integers(80, 100),
    confirmed_at=st.none() | st.integers(0, 50),
    final_at=st.none() | st.integers(0, 50),
)


@given(st.lists(SIGNALS, max_size=5), st.integers(0, 8), st.sampled_from([0, 30]))
def test_the_state_does_not_depend_on_order_or_repetition(signals, confirmations, delay):
    rule = (100, 60, confirmations, delay)
    expected = state_of(signals, *rule)
    for order in itertools.permutations(signals):
        assert state_of(order, *rule) == expected
    assert state_of(signals * 2, *rule) == expected


@given(st.lists(SIGNALS, max_size=6), st.integers(0, 8))
def test_marking_what_is_final_does_not_change_the_state(signals, confirmations):
    marked = next_marks(signals, 100, 60, confirmations)
    replaced = {replace(mark, final_at=None) for mark in marked}
    stored = [*marked, *(signal for signal in signals if signal not in replaced)]
    assert settled(state_of(stored, 100, 60, confirmations)) == settled(state_of(signals, 100, 60, confirmations))


@given(st.lists(SIGNALS, max_size=6), SIGNALS.filter(lambda s: s.counted and s.payload.lock and s.payload.nonce))
def test_another_lock_never_unlocks(signals, lock):
    before, after = state_of(signals, 100, 60), state_of([*signals, lock], 100, 60)
    assert after.state != "unlocked" or (before.state, before.nonce) == (after.state, after.nonce)
    if lock.payload.nonce >= (before.nonce or 0):
        assert str(after) == f"locked({lock.payload.nonce})"


@given(st.lists(SIGNALS, max_size=6), st.randoms(use_true_random=False))
def test_vanishing_alone_never_changes_state_or_nonce_once_marked(signals, chance):
    signals = [*signals, *next_marks(signals, 100, 60)]
    before = state_of(signals, 100, 60)
    vanished = [signal.gone() if chance.random() < 0.5 else signal for signal in signals]
    after = state_of(vanished, 100, 60)
    assert (after.state, after.nonce) == (before.state, before.nonce)


NAMES = "ABCDE"
WORDS = st.builds("{} {}".format, st.sampled_from(["lock", "unlock"]), st.integers(0, 5))
VERBS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["see", "mine", "drop"]), st.sampled_from(NAMES)),
        st.tuples(st.just("undo"), st.just("1")),
        st.tuples(st.just("bury"), st.integers(1, 4).map(str)),
    ),
    max_size=25,
)


def live_through(watcher, verbs):
    """Apply the verbs that a real chain and mempool could show; a mined transaction is not mined again."""
    for verb, what in verbs:
        mined = what in {name for names in watcher.blocks for name in names}
        if (verb == "undo" and not watcher.blocks) or (verb in ("see", "mine", "drop") and mined):
            continue
        yield watcher.do(verb, what)


@settings(max_examples=200)
@given(st.lists(WORDS, min_size=5, max_size=5), VERBS, st.permutations(NAMES))
def test_any_history_ends_in_the_state_of_one_never_disturbed(words, verbs, order):
    disturbed, calm = Watcher(), Watcher()
    for watcher in (disturbed, calm):
        for name, payload in zip(NAMES, words, strict=True):
            watcher.define(name, payload)
    for _ in live_through(disturbed, verbs):
        pass
    buried = {name for names in disturbed.blocks for name in names}
    for name in order:
        if name not in buried:
            disturbed.do("mine", name)
    for name in NAMES:
        calm.do("mine", name)
    for watcher in (disturbed, calm):
        watcher.do("bury", "6")
    assert settled(disturbed.state) == settled(calm.state)


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.builds("lock {}".format, st.integers(0, 5)),
            st.builds("forged unlock {}".format, st.integers(0, 5)),
            st.builds("look-alike unlock {}".format, st.integers(0, 5)),
            st.builds("raw guardv1.Lock=false#0{}".format, st.integers(0, 5)),
            st.builds("unlock {}, unlock {}".format, st.integers(0, 2), st.integers(3, 5)),
            st.just("unlock 0"),
            st.just("moved"),
        ),
        min_size=5,
        max_size=5,
    ),
    VERBS,
    st.integers(0, 6),
)
def test_nothing_unlocks_without_an_unlock_that_the_guardian_signed(words, verbs, confirmations):
    watcher = Watcher(unlock_confirmations=confirmations)
    for name, payload in zip(NAMES, words, strict=True):
        watcher.define(name, payload)
    was_locked = False
    for notices in live_through(watcher, verbs):
        assert watcher.state.state != "unlocked"
        assert not watcher.state.pending
        assert not (was_locked and watcher.state.state != "locked")
        assert "guardian.unlocked" not in {notice.kind for notice in notices}
        was_locked = watcher.state.state == "locked"


@settings(max_examples=200)
@given(st.lists(WORDS, min_size=5, max_size=5), VERBS)
def test_every_change_of_state_is_told(words, verbs):
    watcher = Watcher()
    for name, payload in zip(NAMES, words, strict=True):
        watcher.define(name, payload)
    before = watcher.state
    for notices in live_through(watcher, verbs):
        if str(before) != str(watcher.state):
            assert f"guardian.{watcher.state.state}" in {notice.kind for notice in notices}
        before = watcher.state


@pytest.mark.parametrize("seen_first", [True, False])
def test_no_permutation_of_a_mixed_set_ends_differently(seen_first):
    words = {"A": "unlock 1", "B": "lock 2", "C": "unlock 3", "D": "lock 3", "E": "unlock 2"}
    ends = set()
    for order in itertools.permutations(words):
        watcher = Watcher()
        for name in order:
            watcher.define(name, words[name])
            if seen_first:
                watcher.do("see", name)
        for name in reversed(order):
            watcher.do("mine", name)
        watcher.do("bury", "6")
        ends.add(str(watcher.state))
    assert ends == {"locked(3)"}
