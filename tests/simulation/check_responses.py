"""Decisions to send a response beside what came of them: none abandoned, none on nobody's word, none told falsely."""

import json
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace

from tests.simulation.facts import Facts, Violation
from tests.simulation.operator import Kept
from tests.simulation.relay import refusal
from tests.simulation.rules import ASKED, AT_ONCE, DELAY_S, MOST, UNLESS, WITHIN_S
from tests.simulation.wire import SimTx

_ORDERS = """
    SELECT o.id, o.state, o.due_at, o.last_error, d.id AS decision, d.policy, d.vault, d.decided_at, e.kind, e.txid
    FROM outbox o JOIN decision d ON o.decision_id = d.id LEFT JOIN event e ON d.event_id = e.seq
    WHERE o.action = 'respond'
"""
_BROADCASTS = """
    SELECT b.*, d.id AS decision, d.policy, d.decided_at, v.name AS vault, v.final_depth, e.txid AS trigger
    FROM broadcast b JOIN outbox o ON b.order_id = o.id JOIN decision d ON o.decision_id = d.id
    LEFT JOIN event e ON d.event_id = e.seq
    JOIN response r ON b.response_id = r.id JOIN vault v ON r.vault_id = v.id
"""
_OVER = ("buried", "lost", "called_off")
_A_WHILE_S = 60  # that a due order may wait in the outbox
_KINDS = ("trigger.seen", "trigger.confirmed")


def policies_order_what_they_say(facts: Facts) -> Iterator[Violation]:
    """Each order is of a policy for this vault and this event, in its time, and none gives more than its limit."""
    acted: dict[int, int] = {}
    for order in facts.rows(_ORDERS):
        if order.policy == "operator":
            continue
        if not order.vault.startswith(f"{order.policy}-") or order.kind not in _KINDS:
            yield Violation("decision", f"policy {order.policy} ordered a response for {order.vault} on {order.kind}")
        if order.policy == AT_ONCE:
            acted[order.decision] = order.decided_at
    times = sorted(acted.values())
    for first, last in zip(times, times[MOST:], strict=False):
        if last - first < WITHIN_S:
            yield Violation("decision", f"policy {AT_ONCE} acted more than {MOST} times within {last - first} s")


def orders_are_taken(facts: Facts) -> Iterator[Violation]:
    """An order that is due is on its way, or was called off for a reason, or waits for a person's yes."""
    followed = Counter(row.order_id for row in facts.rows("SELECT order_id FROM broadcast"))
    broadcasts = facts.rows(_BROADCASTS)
    names = {row.vault for row in broadcasts}
    unsent = {row.vault for row in broadcasts if row.state not in _OVER and row.position is None}
    operator, now = facts.operator, facts.tower.clock.now()
    for order in facts.rows(_ORDERS):
        name = f"the order of {order.policy} for {order.vault}"
        asked = order.policy == ASKED and order.decision not in operator.approved | operator.vetoed
        if order.state == "pending" and order.vault in unsent:
            continue  # an earlier decision about the same response may be called off yet: then this one stands
        if order.state in ("pending", "uncertain"):
            latest = now + DELAY_S.get(order.policy, 0) + _A_WHILE_S
            if order.due_at is None or order.due_at > latest or (order.due_at < now - _A_WHILE_S and not asked):
                yield Violation("abandoned", f"{name} is due at {order.due_at}, and it is {now}: nobody took it")
        elif order.state == "closed":
            yield from _called_off(facts, order, name)
        elif not followed[order.id] and order.vault not in names and _has_response(facts, order.vault):
            yield Violation("abandoned", f"{name} was taken, and nothing is followed")


def _has_response(facts: Facts, vault: str) -> bool:
    kept = facts.operator.kept.get(vault)
    return kept is not None and facts.operator.is_there(kept)


def _called_off(facts: Facts, row: SimpleNamespace, name: str) -> Iterator[Violation]:
    """Only a person, the vanished reason of it, or the missing response is a reason."""
    may = (
        row.decision in facts.operator.called_off
        or (row.policy == ASKED and row.decision not in facts.operator.approved)
        or row.policy == UNLESS
        or not _has_response(facts, row.vault)
    )
    if not may:
        yield Violation("abandoned", f"{name} was called off without a reason")


def responses_are_followed(facts: Facts) -> Iterator[Violation]:
    """Each stands where its transactions stand; what nothing hinders is in the mempool, the chain, or lost."""
    told: dict[str, list[str]] = {}
    for event in facts.events:
        if event.kind.startswith("response."):
            told.setdefault(json.loads(event.detail).get("case", ""), []).append(event.kind)
    for row in facts.rows(_BROADCASTS):
        kept = facts.operator.kept[row.vault]
        name = f"{kept.name} ({row.state}, {row.cause})"
        events = told.get(f"response/{kept.name}/{row.id}", [])
        if len(events) != row.revision + 1:
            yield Violation("journal", f"{name} has changed {row.revision} times, and {events} were told")
        if row.policy in DELAY_S and 0 <= row.created_at - row.decided_at < DELAY_S[row.policy]:
            yield Violation("unauthorised", f"{name} was taken {row.created_at - row.decided_at} s after its decision")
        if row.state == "called_off":
            yield from _called_off(facts, row, name)
        elif row.height is not None:
            yield from _in_block(facts, row, kept, name)
        else:
            yield from _unmined(facts, row, kept, name)


def _in_block(facts: Facts, row: SimpleNamespace, kept: Kept, name: str) -> Iterator[Violation]:
    """A block is said to hold one of its steps, or a rival."""
    ledger = facts.ledger
    block = ledger.blocks.get(row.block_hash)
    ours = row.state in ("confirmed", "buried")
    if block is None or not any(_concerns(tx, kept, ours=ours) for tx in block.txs):
        yield Violation("false", f"{name} is said to be in a block that does not hold what it says")
        return
    depth = ledger.height - block.height + 1
    if row.state in _OVER:
        if ledger.highest - block.height + 1 < row.final_depth:
            yield Violation("false", f"{name} is over, and never was deep enough")
    elif not ledger.is_active(block):
        yield Violation("abandoned", f"{name}: its block left the chain, and nobody noticed")
    elif depth >= row.final_depth:
        yield Violation("state", f"{name} is {depth} blocks deep, and not over")


def _concerns(tx: SimTx, kept: Kept, *, ours: bool) -> bool:
    return tx in kept.ladder.steps if ours else kept.ladder.contested in tx.spends and tx not in kept.ladder.steps


def _unmined(facts: Facts, row: SimpleNamespace, kept: Kept, name: str) -> Iterator[Violation]:
    ledger, ladder = facts.ledger, kept.ladder
    if ladder.contested in ledger.spent_in_chain:
        if row.position is not None or not _is_hindered(facts, row, kept):
            yield Violation("abandoned", f"{name}: a block holds a spend of its coin, and nobody noticed")
        return
    if any(step.txid in ledger.mempool for step in ladder.steps):
        if row.state != "sent":
            yield Violation("state", f"{name} is in the mempool")
        return
    if row.state == "sent":
        yield Violation("abandoned", f"{name} is not in the mempool")
    elif not _is_hindered(facts, row, kept):
        steps = [step for step, fee in zip(ladder.steps, ladder.fees, strict=True) if fee <= kept.limit]
        if any(refusal(ledger, step, facts.tower.node.weather.floor) is None for step in steps):
            yield Violation("abandoned", f"{name}: nothing hinders it, and it is not sent: {row.reason}")


def _is_hindered(facts: Facts, row: SimpleNamespace, kept: Kept) -> bool:
    """By a person, by its budget, by its trigger's absence, or because bwm cannot see."""
    operator, ledger = facts.operator, facts.ledger
    if operator.is_holding or _cannot_see(facts) or min(kept.ladder.fees) > kept.limit:
        return True
    if row.policy == "operator":
        return False
    if not kept.armed:
        return True
    moves = {sighting.txid for sighting in facts.sightings if sighting.owner == kept.vault} | {row.trigger}
    own = {step.txid for step in kept.ladder.steps}
    return (moves - own).isdisjoint(ledger.mempool.keys() | ledger.places.keys())


def _cannot_see(facts: Facts) -> bool:
    return any(facts.rows("SELECT 1 FROM blindness WHERE ended_at IS NULL"))
