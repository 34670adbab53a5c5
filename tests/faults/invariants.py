"""What must hold after every fault, read from the database, the channels and the node."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from regtest.daemon import Bwm
from regtest.node import RegtestNode, wait_until

_FAMILIES = ("trigger.", "funds.")
_DELIVERY_STATES = {"pending", "in_flight", "uncertain", "done", "closed"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How often a promise was broken; zeros are what the faults are survived by."""

    misses: int  # thefts without exactly one first event
    losses: int  # alerts that some channel neither took nor will be sent again
    duplicates: int  # deliveries of one state of an alert beyond the first, not marked as a repeat


def settle(bwm: Bwm, node: RegtestNode, timeout_s: float = 60) -> None:
    """Wait until bwm stands at the node's tip and every delivery that is due was tried."""

    def is_quiet() -> bool:
        tip = bwm.rows("SELECT hash FROM block ORDER BY height DESC LIMIT 1")
        waiting = bwm.rows("SELECT id FROM outbox WHERE state IN ('pending', 'in_flight', 'uncertain')")
        return bool(tip) and tip[0]["hash"] == node.tip and not waiting

    wait_until(is_quiet, "bwm at the node's tip with nothing left to tell", timeout_s, every_s=0.1)


def verdict(bwm: Bwm, thefts: Iterable[str]) -> Verdict:
    """Count broken promises about delivery and detection."""
    return Verdict(
        misses=sum(_first_events(bwm, theft) != 1 for theft in thefts),
        losses=_losses(bwm),
        duplicates=_duplicates(bwm),
    )


def assert_invariants(bwm: Bwm, node: RegtestNode, thefts: Iterable[str] = ()) -> Verdict:
    """I1 no miss, I2 delivery, I3 one life a sighting, I9 atomic; ``thefts`` are txids that must have been seen."""
    _assert_one_event_a_step(bwm)
    _assert_cursor(bwm, node)
    _assert_alerts(bwm)
    found = verdict(bwm, thefts)
    assert found == Verdict(0, 0, 0), f"{found}: {bwm.delivered()}"
    return found


def state(bwm: Bwm) -> dict[str, list[Any]]:
    """All that bwm holds true of the chain and owes to people, without times and row numbers: equal for equal runs."""

    def rows(query: str) -> list[Any]:
        return sorted((tuple(row.values()) for row in bwm.rows(query)), key=repr)

    owner = "JOIN trigger t ON t.id = s.trigger_id JOIN vault v ON v.id = t.vault_id"
    return {
        "cursor": rows("SELECT height, hash FROM block"),
        "sightings": rows(
            f"SELECT v.name, t.kind, t.key, s.txid, s.family, s.status, s.sats, s.height FROM sighting s {owner}"
        ),
        "watches": rows("SELECT DISTINCT hex(key), what, sats FROM watch"),
        "alerts": rows(
            "SELECT a.'case', a.severity, a.state FROM alert a JOIN event e ON e.seq = a.event_id "
            "WHERE e.vault IS NOT NULL"
        ),
        "told": rows(
            "SELECT a.'case', o.target, o.state FROM outbox o JOIN alert a ON a.id = o.alert_id "
            "JOIN event e ON e.seq = a.event_id WHERE e.vault IS NOT NULL"
        ),
        "events": rows(
            "SELECT DISTINCT vault, kind, txid, height, block_hash, sats FROM event WHERE kind = 'trigger.confirmed'"
        ),
    }


def _first_events(bwm: Bwm, txid: str) -> int:
    """How many events begin the story of this transaction, for the one vault that it robs."""
    kinds = [event["kind"] for event in bwm.events(txid=txid) if event["kind"].startswith("trigger.")]
    return bool(kinds) + max(0, kinds.count("trigger.seen") - sum(kind in _BEFORE_SEEN for kind in kinds) - 1)


_BEFORE_SEEN = ("trigger.replaced", "trigger.evicted", "trigger.conflicted", "trigger.reorged")


def _assert_one_event_a_step(bwm: Bwm) -> None:
    """A sighting of revision n has told n + 1 steps, no step twice in a row."""
    stories: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for event in bwm.events():
        if event["vault"] and event["txid"] and event["kind"].startswith(_FAMILIES):
            place = (event["vault"], event["trigger_kind"], event["trigger_key"], event["txid"])
            stories[place].append(event["kind"])
    query = (
        "SELECT v.name, t.kind, t.key, s.txid, s.revision FROM sighting s "
        "JOIN trigger t ON t.id = s.trigger_id JOIN vault v ON v.id = t.vault_id"
    )
    revisions = {tuple(row.values())[:4]: row["revision"] for row in bwm.rows(query)}
    assert {place: len(story) - 1 for place, story in stories.items()} == revisions
    for place, story in stories.items():
        assert all(one != next_one for one, next_one in pairwise(story)), (place, story)


def _assert_cursor(bwm: Bwm, node: RegtestNode) -> None:
    """Nothing is known of blocks beyond the cursor, and what the cursor stands on is the node's chain."""
    [at] = bwm.rows("SELECT height, hash FROM block ORDER BY height DESC LIMIT 1")
    beyond = bwm.rows("SELECT txid FROM sighting WHERE height > ?", at["height"])
    assert beyond == []
    if at["height"] <= node.height:
        assert node.block_hash(at["height"]) == at["hash"]


def _assert_alerts(bwm: Bwm) -> None:
    for alert in bwm.rows("SELECT id, state FROM alert"):
        orders = bwm.rows("SELECT * FROM outbox WHERE alert_id = ?", alert["id"])
        assert orders, f"nobody is told of alert {alert['id']}"
        assert {order["state"] for order in orders} <= _DELIVERY_STATES
        if alert["state"] == "open":
            assert "closed" not in {order["state"] for order in orders}


def _losses(bwm: Bwm) -> int:
    """Deliveries that are called done and never reached the file, or wait for nothing."""
    told = {line["id"] for line in bwm.delivered()}
    lost = 0
    for order in bwm.rows("SELECT * FROM outbox"):
        waits_for_nothing = order["state"] in ("pending", "uncertain") and order["due_at"] is None
        unheard = order["state"] == "done" and order["target"] == "log" and order["alert_id"] not in told
        lost += waits_for_nothing or unheard
    return lost


def _duplicates(bwm: Bwm) -> int:
    """Lines of the file that look like a first delivery and are not."""
    lines = Counter((line["id"], line["attempt"], line["event"]) for line in bwm.delivered())
    marked = Counter((line["id"], line["attempt"], line["event"]) for line in bwm.delivered() if line["may_repeat"])
    return sum(count - 1 - marked[key] for key, count in lines.items() if count - 1 > marked[key])
