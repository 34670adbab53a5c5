"""Alerts: one case each, opened once and kept up to date, and who is told of them. For their answers see answers.py."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import fn

from bwm.db import outbox, raw, schema, stand_down
from bwm.errors import UsageError
from bwm.event import alert_id
from bwm.hold import QuietHours
from bwm.order import Place, Rung, place_on_ladder
from bwm.plan import AlertChange
from bwm.severity import Severity

OPEN, ACKNOWLEDGED, RESOLVED = "open", "acknowledged", "resolved"


@dataclass(frozen=True, slots=True)
class Target:
    """A channel that alerts of at least some severity go to, and where it stands on the configured ladder."""

    channel: str
    min_severity: Severity
    people: tuple[str, ...] = ()  # whom it reaches
    ladder: tuple[Rung, ...] = ()  # the configured one, the same for every channel
    quiet: tuple[QuietHours, ...] = ()  # the same: in which what can wait is kept back


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
        alert = _open(change, seq, now) if known is None else _update(known, change, seq, now)
        for target, place in _placed(alert, targets):
            outbox.order_delivery(alert.id, target.channel, now, place)


def _placed(alert: Any, targets: Sequence[Target]) -> list[tuple[Target, Place]]:
    """Who is told of an alert, and when. Where nobody would hear it first, all do whom it may reach."""
    severity = Severity(alert.severity)
    allowed = [target for target in targets if alert.hidden_from not in target.people]
    reached = {person for target in allowed for person in target.people}
    people = json.loads(alert.people)
    if reached.isdisjoint(people):
        people = []
    own = tuple(Rung(tuple(names), after_s) for names, after_s in json.loads(alert.escalation))
    places = []
    for target in allowed:
        ladder = () if alert.hidden_from else own or target.ladder
        places.append(place_on_ladder(target.people, severity, people, ladder))
    if not any(place and place.rung == 0 for place in places):
        places = [Place(0, 0)] * len(allowed)
    return [
        (target, place)
        for target, place in zip(allowed, places, strict=True)
        if place and severity.rank >= target.min_severity.rank
    ]


def order_missing(targets: Iterable[Target], now: int) -> None:
    """Have what is open told on channels that never had it: they are new, or were renamed while it waited there.

    Call inside a transaction.
    """
    targets = tuple(targets)
    ordered = outbox.ordered()
    for alert in listed(OPEN):
        if alert.severity != Severity.INFO:
            for target, place in _placed(alert, targets):
                if (alert.id, target.channel) not in ordered:
                    outbox.order_delivery(alert.id, target.channel, now, place)


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
        hidden_from=change.hidden_from,
        **_wishes(change),
    )


def _wishes(change: AlertChange) -> dict[str, object]:
    """What a policy wants of the alert's deliveries."""
    return {
        "people": json.dumps(change.people),
        "repeat_every_s": change.repeat_every_s,
        "escalation": json.dumps([[rung.people, rung.after_s] for rung in change.escalation]),
    }


def _free_id(key: str) -> str:
    """Ten characters; all of them where that is taken: who pays us may choose two txids whose alerts begin alike."""
    short = alert_id(key)
    return alert_id(key, 26) if raw.rows("SELECT 1 FROM alert WHERE id = ?", short) else short


def _update(alert: Any, change: AlertChange, seq: int, now: int) -> Any:
    alert.last_event_id = seq
    alert.revision += 1
    if change.severity.rank > Severity(alert.severity).rank:
        alert.severity, alert.event_id = str(change.severity), seq
        alert.acknowledged_at, alert.acknowledged_by, alert.under_duress = None, None, 0  # what was answered was less
        alert.state, alert.since, alert.since_revision, alert.snoozed_s = OPEN, now, alert.revision, 0
        alert.people, alert.repeat_every_s, alert.escalation = _wishes(change).values()
        stand_down.unmute(alert.id)
    settled = change.resolves is not None and change.resolves.rank >= Severity(alert.severity).rank
    if settled and alert.state == OPEN:
        alert.state = RESOLVED
        stand_down.close_ladder(alert.id)
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


def was_told(case: str, but_on: Collection[str]) -> bool:
    """Whether a channel has told how grave an alert is now, or a person has answered that.

    ``but_on``: channels that count only where the alert goes to no others.
    """
    alert: Any = schema.Alert.get_or_none(schema.Alert.case == case)
    if alert is None:
        return False
    orders: Any = outbox.of_alert(alert.id)
    counted = [order for order in orders if order.target not in but_on] or orders
    told = [order.told_revision for order in counted]
    return any(revision is not None and revision >= alert.since_revision for revision in told)


def open_drills() -> list[Any]:
    """Alerts of drills that wait for an answer."""
    event = schema.Event.kind == "drill.seen"
    query = schema.Alert.select().join(schema.Event, on=(schema.Alert.event == schema.Event.seq))
    return list(query.where(event & (schema.Alert.state == OPEN)))


def resolve(alert_id: str) -> None:
    """The matter is over without an answer: nothing of it is repeated. Call inside a transaction."""
    revision = schema.Alert.get_by_id(alert_id).revision
    schema.Alert.update(state=RESOLVED).where((schema.Alert.id == alert_id) & (schema.Alert.state == OPEN)).execute()
    stand_down.close_deliveries(alert_id, revision)


def count_open() -> int:
    """Alerts that wait for a person."""
    shown = (schema.Alert.state == OPEN) & schema.Alert.hidden_from.is_null()
    return int(schema.Alert.select(fn.COUNT(schema.Alert.id)).where(shown).scalar())


def listed(state: str | None = None, *, hidden: bool = True, of_id: str | None = None) -> list[schema.Alert]:
    """Alerts, oldest first; all of them, those in one state, or the one of an id (whole).

    Not ``hidden``: as they may be shown to anybody.
    """
    query = schema.Alert.select().order_by(schema.Alert.created_at, schema.Alert.event)
    if of_id is not None:
        query = query.where(schema.Alert.id == of_id)
    if not hidden:
        query = query.where(schema.Alert.hidden_from.is_null() | (schema.Alert.state != OPEN))
    return list(query.where(schema.Alert.state == state) if state else query)


def behind(after: str | None, state: str | None, at_most: int) -> list[tuple[str, str | None, str | None]]:
    """The ids of the next alerts behind the one of an id, oldest first, as far as they may be shown to anybody; each
    with the names of the vault and of the guardian that it is about.

    By hand: there may be tens of thousands, and who asks may be shown hardly any of them.
    """
    wanted, values = ["(hidden_from IS NULL OR state <> ?)"], [OPEN]
    if state is not None:
        wanted.append("state = ?")
        values.append(state)
    if place := raw.rows("SELECT created_at, event_id, id FROM alert WHERE id = ?", after or ""):
        wanted.append("(created_at, event_id, alert.id) > (?, ?, ?)")
        values += place[0]
    sql = f"""
        SELECT alert.id, event.vault, event.guardian FROM alert JOIN event ON event.seq = event_id
        WHERE {" AND ".join(wanted)}
        ORDER BY created_at, event_id, alert.id LIMIT ?
    """  # noqa: S608 (words of ours)
    return [(found, vault, guardian) for found, vault, guardian in raw.rows(sql, *values, at_most)]


def of_ids(ids: Iterable[str]) -> list[schema.Alert]:
    """Alerts by their ids, as far as there are any."""
    return list(schema.Alert.select().where(schema.Alert.id.in_(list(ids))))


def with_owners(found: Iterable[Any]) -> Iterator[tuple[Any, str | None, str | None]]:
    """Alerts, each with the names of the vault and of the guardian that it is about."""
    for part in raw.parts(found):
        sql = f"""
            SELECT alert.id, event.vault, event.guardian FROM alert JOIN event ON event.seq = alert.event_id
            WHERE alert.id IN ({", ".join("?" * len(part))})
        """  # noqa: S608 (question marks)
        owners = {row[0]: row[1:] for row in raw.rows(sql, *(alert.id for alert in part))}
        yield from ((alert, *owners[alert.id]) for alert in part)
