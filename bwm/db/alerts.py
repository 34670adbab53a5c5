"""Alerts: one case each, opened once and kept up to date; and their acknowledgement."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from peewee import fn

from bwm.db import outbox, schema
from bwm.errors import UsageError
from bwm.event import alert_id
from bwm.plan import AlertChange
from bwm.severity import Severity

OPEN, ACKNOWLEDGED, RESOLVED = "open", "acknowledged", "resolved"


@dataclass(frozen=True, slots=True)
class Target:
    """A channel that alerts of at least some severity go to."""

    channel: str
    min_severity: Severity


def put(changes: Iterable[AlertChange], seqs: Mapping[str, int], targets: Iterable[Target], now: int) -> None:
    """Open or update alerts, and order their deliveries. ``seqs``: the numbers of the events that are new.

    A change whose event was in the journal before is passed over. Call inside a transaction.
    """
    targets = tuple(targets)
    for change in changes:
        seq = seqs.get(change.event.key)
        if seq is None:
            continue
        known = schema.Alert.get_or_none(schema.Alert.case == change.case)
        alert = _open(change, seq, now) if known is None else _update(known, change, seq)
        severity = Severity(alert.severity)
        for target in targets:
            if severity.rank >= target.min_severity.rank:
                outbox.order_delivery(alert.id, target.channel, now)


def order_missing(targets: Iterable[Target], now: int) -> None:
    """Have what is open told on channels that never had it: they are new, or were renamed while it waited there.

    Call inside a transaction.
    """
    targets = tuple(targets)
    ordered = outbox.ordered()
    for alert in listed(OPEN):
        severity = Severity(alert.severity)
        for target in targets if severity is not Severity.INFO else ():
            if severity.rank >= target.min_severity.rank and (alert.id, target.channel) not in ordered:
                outbox.order_delivery(alert.id, target.channel, now)


def _open(change: AlertChange, seq: int, now: int) -> schema.Alert:
    return schema.Alert.create(
        id=_free_id(change.event.key),
        case=change.case,
        event=seq,
        last_event=seq,
        severity=str(change.severity),
        state=RESOLVED if change.resolves else OPEN,  # what is settled when it is told waits for nobody
        created_at=now,
        since=now,
        people=json.dumps(change.people),
        repeat_every_s=change.repeat_every_s,
        escalation=json.dumps([[rung.people, rung.after_s] for rung in change.escalation]),
    )


def _free_id(key: str) -> str:
    """Ten characters; all of them where that is taken: who pays us may choose two txids whose alerts begin alike."""
    short = alert_id(key)
    return alert_id(key, 26) if schema.Alert.get_or_none(schema.Alert.id == short) else short


def _update(alert: Any, change: AlertChange, seq: int) -> Any:
    alert.last_event_id = seq
    if change.severity.rank > Severity(alert.severity).rank:
        alert.severity, alert.event_id = str(change.severity), seq
        alert.state, alert.acknowledged_at, alert.acknowledged_by = OPEN, None, None  # what was answered was less
        alert.state = OPEN  # graver than what was settled or acknowledged
    alert.revision += 1
    settled = change.resolves is not None and change.resolves.rank >= Severity(alert.severity).rank
    if settled and alert.state == OPEN:
        alert.state = RESOLVED
    alert.save()
    return alert


def find(text: str) -> schema.Alert:
    """The alert whose id is ``text``, or begins with it. Raises UsageError when there is none or more than one."""
    alike = schema.Alert.select().where(schema.Alert.id.startswith(text.lower())).order_by(schema.Alert.id)
    rows = list(alike.limit(2)) if text else []
    if not rows:
        raise UsageError(f"There is no alert {text!r}. `bwm alerts` lists them.")
    if len(rows) > 1 and rows[0].id != text.lower():
        raise UsageError(f"More than one alert begins with {text!r}. Give more of its id; `bwm alerts` lists them.")
    return rows[0]


def acknowledge(alert_id: str, by: str, now: int) -> bool:
    """A person has read the alert: nothing about it is repeated. False when it was acknowledged before.

    Call inside a transaction. Later news of the same case is still told, once.
    """
    changed = (
        schema.Alert.update(state=ACKNOWLEDGED, acknowledged_at=now, acknowledged_by=by)
        .where((schema.Alert.id == alert_id) & (schema.Alert.state != ACKNOWLEDGED))
        .execute()
    )
    if changed:
        outbox.close_deliveries(alert_id)
    return bool(changed)


def count_open() -> int:
    """Alerts that wait for a person."""
    return int(schema.Alert.select(fn.COUNT(schema.Alert.id)).where(schema.Alert.state == OPEN).scalar())


def listed(state: str | None = None) -> list[schema.Alert]:
    """Alerts, oldest first; all of them or those in one state."""
    query = schema.Alert.select().order_by(schema.Alert.created_at, schema.Alert.event)
    return list(query.where(schema.Alert.state == state) if state else query)
