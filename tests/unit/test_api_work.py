"""How much work one request to the API may make: little, whatever there is of others'."""

from dataclasses import replace

import pytest

from bwm.api.v1.operations import OPERATIONS
from bwm.api.v1.operations.alerts import seen_alerts
from bwm.api.v1.operations.events import events_after
from bwm.db import alerts, journal, schema
from bwm.db.tokens import Holder

ALICE = Holder("1", "alice", frozenset({"read"}), ("alice-*",))
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
