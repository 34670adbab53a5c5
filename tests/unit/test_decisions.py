"""Decisions are written with the events that they are about, with their orders, all or none, and once."""

import json
from dataclasses import replace

import peewee
import pytest

from bwm.db import decisions, orders, schema
from bwm.db.commit import commit
from bwm.event import Event, fact_key
from bwm.plan import Changes
from bwm.policy.decision import Decision, Wish
from bwm.policy.guard import Guard

NOW = 1_700_000_000
THEFT = Event(fact_key("theft"), "trigger.seen", NOW, "regtest", "because", vault="cold", txid="ab" * 32)
SWEEP = Wish(1, "respond", "sweep", {"step": 3}, Guard(("acknowledged",), NOW + 600), 1200)


def decided(*wishes: Wish) -> Changes:
    return Changes(
        (THEFT,), decisions=(Decision("theft", "1a", THEFT, "more than 1 BTC", "cold", {"sats": 5}, wishes),)
    )


def test_a_decision_is_written_once_with_its_event_its_orders_and_an_event_that_tells_of_it(database):
    for _ in range(3):
        commit(database, decided(SWEEP), [], NOW)
    [decision], [order] = schema.Decision.select(), schema.Order.select()
    assert (decision.policy, decision.vault, json.loads(decision.facts)) == ("theft", "cold", {"sats": 5})
    assert (order.action, order.target, order.decision_id, order.step) == ("respond", "sweep", decision.id, 1)
    assert (order.due_at, order.alert, json.loads(order.arguments)) == (NOW + 1200, None, {"step": 3})
    assert Guard.from_json(order.guard) == SWEEP.guard
    [theft, told] = schema.Event.select().order_by(schema.Event.seq)
    assert (theft.kind, told.kind, told.reason) == ("trigger.seen", "policy.decided", "more than 1 BTC")
    assert json.loads(told.detail)["orders"] == [
        {"step": 1, "action": "respond", "target": "sweep", "due_at": NOW + 1200}
    ]


def test_an_order_that_cannot_be_written_takes_the_whole_step_back(database):
    with pytest.raises(peewee.IntegrityError):
        commit(database, decided(SWEEP, SWEEP), [], NOW)
    assert [table.select().count() for table in (schema.Event, schema.Decision, schema.Order)] == [0, 0, 0]


def test_what_a_person_decides_by_hand_has_no_event_before_it(database):
    hand = Decision("operator", "", None, "alice said so", "cold", wishes=(SWEEP,))
    commit(database, Changes(decisions=(hand, hand)), [], NOW)
    assert schema.Decision.select().count() == 2
    assert [row.kind for row in schema.Event.select()] == ["policy.decided"] * 2


def test_a_response_that_waits_is_known_to_whoever_tells_of_its_transaction(database):
    commit(database, decided(SWEEP), [], NOW)
    [decision] = schema.Decision.select()
    later = replace(THEFT, key=fact_key("later"), kind="trigger.confirmed")
    coming = [("sweep", NOW + 1200, decision.id, SWEEP.guard)]
    assert orders.to_come(THEFT) == orders.to_come(later) == coming
    assert orders.to_come(replace(later, txid="cd" * 32)) == []
    assert orders.to_come(replace(later, vault="warm")) == []
    assert orders.to_come(replace(later, vault=None, txid=None)) == []
    [due] = orders.due(["respond"], NOW + 1200)
    assert orders.claim(due, NOW + 1200)
    assert orders.to_come(THEFT) == []


def test_a_policy_has_acted_when_it_gave_orders_and_not_when_it_asked_its_program(database):
    commit(database, decided(Wish(0, "plugin", "/bin/plugin")), [], NOW)
    assert decisions.acted_since(NOW) == {}
    said = replace(THEFT, key=fact_key("said"), kind="plugin.answered")
    commit(database, Changes((said,), decisions=(Decision("theft", "1a", said, "", wishes=(SWEEP,)),)), [], NOW + 1)
    assert decisions.acted_since(NOW) == {"theft": (NOW + 1,)}
