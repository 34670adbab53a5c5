"""Orders of decisions in the outbox: claimed by lease, looked at once more, and closed with what came of them."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bwm.db import blindness, check_ins, journal, protection, raw, schema
from bwm.errors import UsageError
from bwm.event import Event, fact_key
from bwm.order import LEASE_S, State, Step, step
from bwm.plan import case_of
from bwm.policy.guard import Guard, GuardFacts
from bwm.response.broadcast import TRANSITIONS, Look
from bwm.watch.sighting import AWAY

APPROVED, VETOED = "policy.approved", "policy.vetoed"
RESPOND = "respond"

_CLAIMABLE = (str(State.PENDING), str(State.UNCERTAIN))
_UNSENT = [str(state) for state, look in TRANSITIONS if look is Look.CALLED_OFF]
"""Where a response stands that can be called off, unless it was sent before."""


@dataclass(frozen=True, slots=True)
class Due:
    """An order that has fallen due."""

    order_id: int
    action: str
    target: str
    arguments: Mapping[str, Any]
    guard: Guard
    decision_id: int
    step: int
    policy: str
    version: str
    event: Event | None  # that the decision is about; None: a person decided by hand
    vault: str | None
    attempts: int  # so far
    state: State


def due(actions: Collection[str], now: int, busy: Collection[str] = (), at_most: int = 8) -> list[Due]:
    """Orders of these actions that are due, the oldest first, but for targets that are at work.

    Of more than ``at_most`` those that fell due first: what waits for a person, and is put off again and again, must
    not hide what came later and waits for nobody.
    """
    # Asked every second, and nearly always for nothing: to make the query below takes a hundred times as long as this.
    if not raw.rows("SELECT 1 FROM outbox WHERE decision_id IS NOT NULL AND due_at <= ? LIMIT 1", now):
        return []
    table = schema.Order
    wanted = table.action.in_(list(actions)) & table.state.in_(_CLAIMABLE) & (table.due_at <= now)
    if busy:
        wanted &= table.target.not_in(list(busy))
    rows: Any = table.select(table, schema.Decision).join(schema.Decision).where(wanted)
    first = list(rows.order_by(table.due_at, table.id).limit(at_most))
    return [read(row) for row in sorted(first, key=lambda row: int(row.id))]


def any_silent(now: int) -> bool:
    """Whether somebody took an order of a decision and did not report in time: see ``outbox.lapse``."""
    sql = """
        SELECT 1 FROM outbox
        WHERE state = ? AND decision_id IS NOT NULL AND (lease_until < ? OR lease_until > ?) LIMIT 1
    """
    return bool(raw.rows(sql, str(State.IN_FLIGHT), now, now + LEASE_S))


def to_come(about: Event) -> list[tuple[str, int, int, Guard]]:
    """Responses to an event that wait for their time: name, when (unix seconds), decision, and their guard.

    To a spend: to whatever is known of that transaction and vault.
    """
    table = schema.Order
    wanted = (table.action == RESPOND) & table.state.in_(_CLAIMABLE) & table.due_at.is_null(False)
    if about.vault is None or about.txid is None:
        wanted &= schema.Event.key == about.key
    else:
        wanted &= (schema.Event.vault == about.vault) & (schema.Event.txid == about.txid)
    rows: Any = table.select(table, schema.Decision).join(schema.Decision).join(schema.Event).where(wanted)
    return [
        (row.target, row.due_at, row.decision_id, Guard.from_json(row.guard))
        for row in rows.order_by(table.due_at, table.id)
    ]


def read(row: Any) -> Due:
    """An order as it stands, from its row joined with its decision."""
    decision = row.decision
    return Due(
        order_id=row.id,
        action=row.action,
        target=row.target,
        arguments=json.loads(row.arguments),
        guard=Guard.from_json(row.guard),
        decision_id=decision.id,
        step=row.step,
        policy=decision.policy,
        version=decision.version,
        event=journal.get(decision.event_id) if decision.event_id is not None else None,
        vault=decision.vault,
        attempts=row.attempts,
        state=State(row.state),
    )


def guard_facts(decision_id: int, guard: Guard, network: str, now: int) -> GuardFacts:
    """How things stand for an order of a decision in the moment of a deed, as far as the database knows.

    Of what may call it off only what its guard names is looked up: this is asked every second of each that waits.
    """
    decision: Any = schema.Decision.get_by_id(decision_id)
    event = journal.get(decision.event_id) if decision.event_id is not None else None
    return GuardFacts(
        now=now,
        true=frozenset(word for word in guard.unless if _is_true(word, decision.vault, event)),
        approved_by=_said(APPROVED, [decision_id], network),
        vetoed_by=_said(VETOED, [decision_id, *_alike(decision, event)], network),
    )


def _is_true(word: str, vault: str | None, event: Event | None) -> bool:
    """Whether what a word of UNLESS says holds now, for the vault and the event that the decision is about."""
    match word:
        case "blind":
            return blindness.is_blind()
        case "locked" | "unlocked":
            states = protection.states_of(vault) if vault else ()
            return bool(states) and ("locked" in states) is (word == "locked")
    return event is not None and _is_true_of(word, event)


def _is_true_of(word: str, event: Event) -> bool:
    match word:
        case "acknowledged":
            alert: Any = schema.Alert.get_or_none(schema.Alert.case == case_of(event))
            return alert is not None and bool(alert.is_answered)
        case "checked_in":
            return "check_in" in event.detail and check_ins.count().number > event.detail["check_in"]
        case "announced":
            return any("announced" in one.detail for one in _of_spend(event))
        case "vanished":
            steps = {(one.trigger_kind, one.trigger_key): one.kind.partition(".")[2] for one in _of_spend(event)}
            return bool(steps) and set(steps.values()) <= set(map(str, AWAY))
    return False


def _of_spend(event: Event) -> list[Event]:
    return journal.of_spend(event.vault, event.txid) if event.txid else []


def _alike(decision: Any, event: Event | None) -> list[int]:
    """What the same policy decided about the same spend: whoever said no to that, meant this too, a block later."""
    if event is None or event.txid is None:
        return []
    sql = """
        SELECT decision.id FROM decision JOIN event ON event.seq = decision.event_id
        WHERE policy = ? AND decision.vault = ? AND txid = ?
    """
    return [number for (number,) in raw.rows(sql, decision.policy, decision.vault, event.txid)]


def _said(kind: str, decision_ids: Iterable[int], network: str) -> str | None:
    """By whom, of any of these decisions."""
    for decision_id in decision_ids:
        said = raw.rows("SELECT detail FROM event WHERE key = ?", fact_key(network, kind, decision_id))
        if said:
            return str(json.loads(said[0][0])["by"])
    return None


def answer(decision_id: int, yes: bool, by: str, network: str, now: int) -> Event:
    """The event by which a person approves a decision's orders, or vetoes them. Raises UsageError."""
    kind = APPROVED if yes else VETOED
    row: Any = schema.Decision.get_or_none(schema.Decision.id == decision_id)
    if row is None:
        raise UsageError(f"There is no decision {decision_id}. `bwm events --kind policy.decided` lists them.")
    about = journal.get(row.event_id) if row.event_id is not None else None
    return Event(
        key=fact_key(network, kind, decision_id),
        kind=kind,
        at=now,
        network=network,
        reason=f"{by} {'approved' if yes else 'vetoed'} decision {decision_id} of policy {row.policy!r}",
        vault=row.vault,
        txid=about.txid if about else None,
        detail={"decision": decision_id, "by": by},
    )


def waiting(decision_id: int) -> list[str]:
    """What of a decision is not carried out yet, in words; of responses also what is held and was never sent."""
    table, followed = schema.Order, schema.Broadcast
    held = followed.select(followed.order).where(followed.position.is_null() & followed.state.in_(_UNSENT))
    waits = table.state.in_([*_CLAIMABLE, str(State.IN_FLIGHT)]) | table.id.in_(held)
    rows = table.select().where((table.decision == decision_id) & waits).order_by(table.step)
    return [f"{row.action} {row.target}" for row in rows]


def claim(order: Due, now: int) -> int | None:
    """Take it for LEASE_S seconds; the number of this attempt, or None when another was quicker."""
    attempt = order.attempts + 1
    taken = _move(order, order.state, order.attempts, Step.CLAIM, attempts=attempt, lease_until=now + LEASE_S)
    return attempt if taken else None


def wait_too_long(actions: Collection[str], now: int, slack_s: int = 0) -> bool:
    """Whether orders wait longer than their delay and ``slack_s``: the clock has been set back since."""
    return bool(raw.rows(f"SELECT 1 FROM outbox WHERE {_too_late(actions)} LIMIT 1", *actions, now + slack_s))  # noqa: S608


def begin_delays_anew(actions: Collection[str], now: int, slack_s: int = 0) -> None:
    """Have those wait for their delay from now on, and not until the clock is where it once was. In a transaction."""
    sql = f"UPDATE outbox SET due_at = ? + after_s WHERE {_too_late(actions)}"  # noqa: S608 (words of ours)
    raw.run(sql, now, *actions, now + slack_s)


def end_too_soon(actions: Collection[str], now: int) -> bool:
    """Whether orders fall due before their delay is over: it was begun anew while the clock was behind."""
    return bool(raw.rows(f"SELECT 1 FROM outbox WHERE {_too_soon(actions)} LIMIT 1", *actions, now))  # noqa: S608


def keep_first_delays(actions: Collection[str], now: int) -> None:
    """Have those wait for their delay from the decision on, as the clock is right again. Call inside a transaction."""
    decided = "(SELECT decided_at FROM decision WHERE decision.id = decision_id)"
    raw.run(f"UPDATE outbox SET due_at = {decided} + after_s WHERE {_too_soon(actions)}", *actions, now)  # noqa: S608


def _too_soon(actions: Collection[str]) -> str:
    return f"""action IN ({_marks(actions)}) AND state IN ('pending', 'uncertain') AND EXISTS (
        SELECT 1 FROM decision WHERE decision.id = decision_id AND decided_at <= ? AND due_at < decided_at + after_s
    )"""  # noqa: S608 (marks)


def put_off(actions: Collection[str], since: int, now: int, by_s: int) -> None:
    """The clock was set forward: what was not over at ``since`` (unix seconds) is not over now. In a transaction.

    Neither a delay nor the time for a person's yes; but of what was decided after that, both are right as they are.
    That is told apart where ``since`` was less than ``by_s`` ago.
    """
    sql = f"""
        SELECT outbox.id, guard FROM outbox JOIN decision ON decision.id = decision_id
        WHERE action IN ({_marks(actions)}) AND state IN ('pending', 'uncertain') AND decided_at <= ?
    """  # noqa: S608 (marks)
    for order_id, text in raw.rows(sql, *actions, now - by_s):
        guard = Guard.from_json(text)
        if guard.approve_by is not None and guard.approve_by >= since:
            later = replace(guard, approve_by=guard.approve_by + by_s)
            raw.run("UPDATE outbox SET guard = ? WHERE id = ?", later.as_json(), order_id)
        raw.run("UPDATE outbox SET due_at = due_at + ? WHERE id = ? AND due_at > ?", by_s, order_id, since)


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" for _ in values)


def _too_late(actions: Collection[str]) -> str:
    return f"action IN ({_marks(actions)}) AND state IN ('pending', 'uncertain') AND due_at - after_s > ?"


def postpone(order: Due, until: int) -> None:
    """Look at it again at ``until`` (unix seconds)."""
    table = schema.Order
    table.update(due_at=until).where((table.id == order.order_id) & (table.state == str(order.state))).execute()


def drop(order: Due, words: str) -> bool:
    """It is not to be carried out. False when another was quicker."""
    return _move(order, order.state, order.attempts, Step.CLOSE, due_at=None, last_error=words)


def succeeded(order: Due, attempt: int, now: int) -> bool:
    """It is done. False when the lease was lost meanwhile."""
    done = {"due_at": None, "lease_until": None, "last_error": None, "done_at": now}
    return _move(order, State.IN_FLIGHT, attempt, Step.SUCCEED, **done)


def failed(order: Due, attempt: int, words: str, retry_at: int | None) -> bool:
    """It failed; tried again at ``retry_at``, or never (None). False when the lease was lost meanwhile."""
    by = Step.CLOSE if retry_at is None else Step.RETRY
    kept = {"due_at": retry_at, "lease_until": None, "last_error": words[:500]}
    return _move(order, State.IN_FLIGHT, attempt, by, **kept)


def _move(order: Due, at: State, seen: int, by: Step, **values: Any) -> bool:
    """Take a step, if the order is still where we saw it, with as many attempts as were ``seen``."""
    table = schema.Order
    still = (table.id == order.order_id) & (table.state == str(at)) & (table.attempts == seen)
    return bool(table.update(state=str(step(at, by)), **values).where(still).execute())
