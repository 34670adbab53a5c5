"""How much work one request to the API may make: little, whatever there is of others'."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from bwm.answer import code
from bwm.api.v1.operation import Call
from bwm.api.v1.operations import OPERATIONS
from bwm.api.v1.operations.alerts import seen_alerts, seen_ids
from bwm.api.v1.operations.events import events_after
from bwm.db import alerts, answers, journal, outbox, schema
from bwm.db.tokens import Holder

ALICE = Holder("1", "alice", frozenset({"read"}), ("alice-*",))
EVERYBODY = Holder("2", "all", frozenset({"read"}), ("*",))
KEY = bytes(32)
MANY = 1200


@pytest.fixture
def of_others(database):
    """Many alerts, of which one is Alice's."""
    with database.transaction():
        for n in range(1, MANY + 1):
            vault = "alice-1" if n == 700 else f"bob-{n}"
            schema.Event.create(key=f"{n}", kind="trigger.seen", at=n, network="regtest", vault=vault, reason="")
            fields = {"case": f"{n}", "event": n, "last_event": n, "severity": "high", "state": "open"}
            schema.Alert.create(id=f"{n:010}", created_at=n, since=n, **fields)


def test_who_may_see_little_has_not_each_alert_of_others_looked_up_by_itself(database, of_others):
    asked = []
    schema.proxy.connection().set_trace_callback(asked.append)
    try:
        seen = [alert.id for alert in seen_alerts(ALICE, alerts.listed(hidden=False))]
    finally:
        schema.proxy.connection().set_trace_callback(None)
    assert seen == [f"{700:010}"]
    assert len(asked) < 10


def test_a_page_of_alerts_reads_no_more_of_them_than_it_shows(database, of_others, monkeypatch):
    made = []
    make = schema.Alert.__init__
    monkeypatch.setattr(
        schema.Alert, "__init__", lambda self, *a, **known: made.append(self) or make(self, *a, **known)
    )
    [show] = [one for one in OPERATIONS if one.name == "list-alerts"]
    call = Call(EVERYBODY, {}, {"limit": 2, "after": f"{3:010}"}, {})
    page = show.carry_out(SimpleNamespace(), call).content
    assert [item["id"] for item in page["items"]] == [f"{4:010}", f"{5:010}"]
    assert page["next"] == f"{5:010}"
    assert len(made) < 10


def test_alerts_are_paged_as_they_may_be_shown(database, of_others):
    alert = schema.Alert
    alert.update(hidden_from="alice").where(alert.id == f"{2:010}").execute()
    alert.update(hidden_from="alice", state="acknowledged").where(alert.id == f"{3:010}").execute()
    alert.update(created_at=4, event=4).where(alert.id.in_([f"{5:010}", f"{6:010}"])).execute()
    everything = list(seen_ids(EVERYBODY, None, None))
    assert everything == [f"{n:010}" for n in range(1, MANY + 1) if n != 2]
    for n in (0, 2, 3, 4, MANY - 2):
        assert list(seen_ids(EVERYBODY, everything[n], None)) == everything[n + 1 :]
    assert list(seen_ids(EVERYBODY, None, "acknowledged")) == [f"{3:010}"]
    assert list(seen_ids(EVERYBODY, "unknown", "acknowledged")) == [f"{3:010}"]
    assert list(seen_ids(ALICE, None, "open")) == [f"{700:010}"]


def test_the_code_of_what_is_open_is_looked_for_before_those_of_what_is_over(database, of_others, monkeypatch):
    with database.transaction():
        schema.Alert.update(state="resolved").where(schema.Alert.id != f"{700:010}").execute()
        for n in range(690, 710):
            outbox.order_delivery(f"{n:010}", "phone", n)
        schema.Order.update(attempts=1).execute()
    asked = []
    monkeypatch.setattr(answers, "code", lambda *facts: asked.append(facts) or code(*facts))
    proof = answers.prove(code(KEY, f"{700:010}", "phone", 0, 0), KEY)
    assert (proof.alert_id, proof.is_spent) == (f"{700:010}", False)
    assert len(asked) == 1


def test_who_may_see_little_has_only_that_read_of_the_journal(database, of_others, monkeypatch):
    read = []
    monkeypatch.setattr(journal, "_event", lambda row: read.append(row.seq) or row)
    assert [event.seq for event in events_after(ALICE, 0, 50)] == [700]
    assert read == [700]
    assert events_after(ALICE, 700, 50) == []
    assert [event.seq for event in events_after(replace(ALICE, owners=("*",)), 3, 2)] == [4, 5]


@pytest.mark.parametrize(
    ("descriptor", "branches"),
    [
        ("wpkh(xpub/0/*)", 1),
        ("wpkh(xpub/<0;1>/*)", 2),
        ("wsh(multi(2,xpub/<0;1>/*,xpub/<2;3>/*))", 2),
        ("wpkh(xpub/<" + ";".join(map(str, range(400))) + ">/*)", 400),
    ],
)
def test_x13_every_branch_of_a_descriptor_is_counted(descriptor, branches):
    [add] = [one for one in OPERATIONS if one.name == "add-vault"]
    assert add.cost({"descriptors": [descriptor]}) == 2000 * branches
