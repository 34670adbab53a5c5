"""The outbox on a real SQLite file: leases, the fence, repeats, acknowledgement. Nothing is lost, nothing twice."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwm.db import alerts, answers, outbox, schema, stand_down
from bwm.db.alerts import Target
from bwm.db.answers import Outcome
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.errors import DeliverLater, DeliveryRefused, DeliveryUncertain
from bwm.event import Event, fact_key
from bwm.order import LEASE_S, TRANSITIONS, IllegalStep, Retry, State, Step, after_failure, next_repeat, step
from bwm.plan import AlertChange, Changes
from bwm.severity import Severity

NOW = 1_700_000_000
PHONE = Target("phone", Severity.INFO)


def an_event(name: str, kind: str = "trigger.seen") -> Event:
    return Event(fact_key(name), kind, NOW, "regtest", "because", vault="cold", txid="ab" * 32)


def tell(database: Database, event: Event, severity: Severity = Severity.EMERGENCY, case: str = "one") -> None:
    changes = Changes(events=(event,), alerts=(AlertChange(case, event, severity),))
    commit(database, changes, [PHONE], NOW)


def only_order() -> schema.Order:
    [order] = schema.Order.select()
    return order


def test_an_event_is_written_once_and_told_once_however_often_it_is_committed(database):
    for _ in range(3):
        tell(database, an_event("theft"))
    assert schema.Event.select().count() == 1
    assert schema.Alert.select().count() == 1
    assert only_order().state == State.PENDING


def test_a_claim_is_exclusive_until_its_lease_lapses_and_the_repeat_is_marked(database):
    tell(database, an_event("theft"))
    first = outbox.claim("phone", NOW)
    assert (first.attempt, first.may_repeat) == (1, False)
    assert outbox.claim("phone", NOW + 1) is None
    assert outbox.lapse(NOW + LEASE_S - 1) == 0
    assert outbox.lapse(NOW + LEASE_S + 1) == 1
    second = outbox.claim("phone", NOW + LEASE_S + 1)
    assert (second.attempt, second.may_repeat) == (2, True)


def test_who_was_paused_past_the_lease_can_no_longer_report(database):
    tell(database, an_event("theft"))
    slow = outbox.claim("phone", NOW)
    outbox.lapse(NOW + LEASE_S + 1)
    quick = outbox.claim("phone", NOW + LEASE_S + 1)
    outbox.succeeded(slow, NOW + LEASE_S + 2)
    assert only_order().state == State.IN_FLIGHT
    outbox.succeeded(quick, NOW + LEASE_S + 3)
    assert only_order().state == State.DONE


def test_a_delivery_whose_outcome_was_never_written_down_falls_due_by_itself(database):
    tell(database, an_event("theft"))
    outbox.claim("phone", NOW)
    assert outbox.next_due_on("phone", NOW + LEASE_S) is None
    assert outbox.next_due_on("phone", NOW + LEASE_S + 1) == NOW + LEASE_S + 1


def test_a_clock_that_was_set_back_holds_up_neither_a_lease_nor_a_retry_nor_a_repeat(database):
    for name in ("flying", "failed", "told"):
        tell(database, an_event(name), case=name)
    ahead = NOW + 86400
    outbox.claim("phone", ahead)
    outbox.failed(outbox.claim("phone", ahead), Retry(ahead + 5), "connection refused", ahead)
    outbox.succeeded(outbox.claim("phone", ahead), ahead)

    outbox.bring_forward(NOW)
    outbox.lapse(NOW)

    assert sorted(order.due_at - NOW for order in schema.Order.select()) == [0, 60, 300]
    assert next_repeat("emergency", ahead, NOW) == NOW + 900


def test_a_failure_waits_and_keeps_its_words(database):
    tell(database, an_event("theft"))
    outbox.failed(outbox.claim("phone", NOW), Retry(NOW + 7), "connection refused", NOW)
    assert outbox.claim("phone", NOW + 6) is None
    assert only_order().last_error == "connection refused"
    assert outbox.claim("phone", NOW + 7).attempt == 2


def test_an_alert_is_repeated_until_acknowledged_and_then_no_more(database):
    tell(database, an_event("theft"))
    outbox.succeeded(outbox.claim("phone", NOW), NOW)
    assert outbox.claim("phone", NOW + 59) is None
    repeat = outbox.claim("phone", NOW + 60)
    outbox.succeeded(repeat, NOW + 60)
    alert = alerts.find(repeat.alert_id)
    assert answers.acknowledge(alert.id, "alice", NOW + 61) is Outcome.DONE
    assert answers.acknowledge(alert.id, "mallory", NOW + 62) is Outcome.ALREADY
    assert alerts.find(alert.id).acknowledged_by == "alice"
    assert outbox.next_due_on("phone", NOW + 61) is None
    assert alerts.count_open() == 0


def test_a_failure_after_the_acknowledgement_is_not_tried_again(database):
    tell(database, an_event("theft"))
    claim = outbox.claim("phone", NOW)
    answers.acknowledge(claim.alert_id, "alice", NOW)
    outbox.failed(claim, Retry(NOW + 5), "timed out", NOW)
    assert only_order().state == State.CLOSED


def test_news_of_a_case_updates_its_alert_and_is_told_even_after_the_acknowledgement(database):
    tell(database, an_event("theft"))
    claim = outbox.claim("phone", NOW)
    tell(database, an_event("mined", "trigger.confirmed"))
    outbox.succeeded(claim, NOW)
    update = outbox.claim("phone", NOW)
    assert (update.alert_id, update.revision) == (claim.alert_id, 1)
    outbox.succeeded(update, NOW)
    answers.acknowledge(claim.alert_id, "alice", NOW)
    tell(database, an_event("gone", "trigger.reorged"))
    assert outbox.claim("phone", NOW).revision == 2


def test_an_alert_that_turns_graver_than_what_was_acknowledged_is_repeated_again(database):
    tell(database, an_event("payment", "funds.received"), Severity.INFO)
    [alert] = alerts.listed()
    answers.acknowledge(alert.id, "alice", NOW)
    tell(database, an_event("theft"), Severity.EMERGENCY)
    [alert] = alerts.listed()
    assert (alert.state, alert.acknowledged_by) == ("open", None)
    outbox.succeeded(outbox.claim("phone", NOW), NOW)
    assert outbox.claim("phone", NOW + 60)


def test_two_alerts_whose_ids_begin_alike_are_both_opened(database):
    """Ten characters are 50 bits: to find two payments that share them takes a few minutes."""
    for number, end in enumerate(("0", "f")):
        event = Event("ab" * 15 + "a" + end, "funds.received", NOW, "regtest", "because", vault="cold")
        tell(database, event, Severity.INFO, case=str(number))
    assert sorted(len(alert.id) for alert in alerts.listed()) == [10, 26]
    assert alerts.find(alerts.listed()[0].id).id == alerts.listed()[0].id


def test_what_is_open_is_told_on_a_channel_that_never_had_it_and_only_once(database):
    tell(database, an_event("theft"))
    tell(database, an_event("payment", "funds.received"), Severity.INFO, "payment")
    renamed = Target("telephone", Severity.INFO)
    for _ in range(2):
        alerts.order_missing([PHONE, renamed], NOW)
    first = outbox.claim("telephone", NOW)
    assert first.alert_id == outbox.claim("phone", NOW).alert_id
    outbox.succeeded(first, NOW)
    alerts.order_missing([PHONE, renamed], NOW)
    assert outbox.claim("telephone", NOW) is None


def test_nothing_waits_for_a_channel_that_was_removed(database):
    tell(database, an_event("theft"))
    stand_down.close_channel("phone")
    assert outbox.claim("phone", NOW + 10**6) is None
    assert only_order().state == State.CLOSED


def test_the_gravest_alert_goes_first(database):
    tell(database, an_event("a"), Severity.INFO, "a")
    tell(database, an_event("b"), Severity.EMERGENCY, "b")
    tell(database, an_event("c"), Severity.WARNING, "c")
    told = [schema.Alert.get_by_id(outbox.claim("phone", NOW).alert_id).severity for _ in range(3)]
    assert told == ["emergency", "warning", "info"]


def test_a_channel_hears_only_what_is_grave_enough(database):
    change = AlertChange("x", an_event("x"), Severity.INFO)
    quiet = Target("siren", Severity.CRITICAL)
    commit(database, Changes(events=(change.event,), alerts=(change,)), [PHONE, quiet], NOW)
    assert only_order().target == "phone"


def test_a_failed_commit_writes_nothing(database):
    bad = AlertChange("x", an_event("x"), "deafening")
    with pytest.raises(Exception, match="severity"):
        commit(database, Changes(events=(bad.event,), alerts=(bad,)), [PHONE], NOW)
    assert schema.Event.select().count() == 0


@given(st.sampled_from(State), st.sampled_from(Step))
def test_a_step_that_is_not_in_the_table_raises(state, by):
    if (state, by) in TRANSITIONS:
        assert step(state, by) is TRANSITIONS[state, by]
    else:
        with pytest.raises(IllegalStep):
            step(state, by)


@given(st.integers(1, 10_000), st.floats(0, 1), st.none() | st.integers(0, 10**6))
def test_a_retry_comes_within_five_minutes_whatever_the_receiver_asks(attempts, chance, wait_s):
    for error in (DeliverLater("busy", wait_s), DeliveryRefused("no"), DeliveryUncertain("cut off")):
        retry = after_failure(error, attempts, NOW, chance)
        assert NOW < retry.at <= NOW + 300
        assert retry.uncertain == isinstance(error, DeliveryUncertain)


def test_an_emergency_is_repeated_more_and_more_rarely_and_never_stops():
    at, repeats = NOW, []
    while at < NOW + 30 * 86400:
        at = next_repeat("emergency", NOW, at)
        repeats.append(at - NOW)
    assert repeats[:5] == [60, 300, 900, 1800, 2700]
    gaps = [after - before for before, after in itertools.pairwise(repeats)]
    assert max(gaps) == 86400
    assert sorted(gaps[3:]) == gaps[3:]
    assert next_repeat("info", NOW, NOW) is None
