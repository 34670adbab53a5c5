"""Decisions beside the events that call for them: none abandoned, none made twice, none without its order."""

from collections import Counter
from collections.abc import Iterator

from tests.simulation.facts import Facts, Violation

_HISTORY = ("script", "descriptor")  # what is final when such a trigger is registered is old news, and decides nothing


def every_spend_is_decided_on_once(facts: Facts) -> Iterator[Violation]:
    """An event of a spend, its decision, the decision's order, and the event that tells of it, are written together."""
    decided = Counter(
        row.event for row in facts.rows("SELECT event_id AS event FROM decision WHERE policy = 'watchful'")
    )
    told = sum(event.kind == "policy.decided" for event in facts.events)
    orders = Counter(
        row.decision for row in facts.rows("SELECT decision_id AS decision FROM outbox WHERE action = 'hook'")
    )
    decisions = facts.rows("SELECT id, policy FROM decision")
    for event in facts.events:
        is_spend = event.kind.startswith("trigger.") and event.vault is not None
        may_be_old = event.trigger_kind in _HISTORY and event.block is not None
        if decided[event.seq] > is_spend or (is_spend and not may_be_old and not decided[event.seq]):
            yield Violation("decision", f"{event.kind} of {event.vault} was decided on {decided[event.seq]} times")
    if told != len(decisions) or any(orders[one.id] != (one.policy == "watchful") for one in decisions):
        yield Violation("decision", f"{len(decisions)} decisions, {told} of them told, {orders.total()} orders")
