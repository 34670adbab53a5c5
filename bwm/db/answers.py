"""What people answer to alerts: acknowledged, taken back, put off; and the codes that prove who has read what."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from peewee import fn

from bwm.answer import code, is_same
from bwm.db import journal, outbox, schema, stand_down
from bwm.db.alerts import ACKNOWLEDGED, OPEN
from bwm.event import Event, fact_key

GUESSES = 10
GUESSES_OF_TOKENS = 50
GUESSES_SPAN_S = 600
"""So many wrong codes in so many seconds are looked at, of the machine or of one token, and of all tokens together;
what is typed after that is refused unseen."""

REFUSED = "alert.code_refused"


class Outcome(StrEnum):
    """What became of an answer."""

    DONE = "done"
    ALREADY = "already"  # it was acknowledged before
    GRAVER = "graver"  # it is worse by now than what this person has read: it stays open


def acknowledge(alert_id: str, by: str, now: int, seen: int | None = None, channel: str | None = None) -> Outcome:
    """A person has read the alert as it was at revision ``seen``; None: as it was last told on any channel.

    Nothing about it is repeated; what is newer than ``seen`` is still told, once. Call inside a transaction.
    """
    alert: Any = schema.Alert.get_by_id(alert_id)
    seen = _told(alert_id) if seen is None else seen
    if alert.is_answered:
        return Outcome.ALREADY
    if seen < alert.since_revision:
        return Outcome.GRAVER
    _answer(alert, state=ACKNOWLEDGED, acknowledged_at=now, acknowledged_by=by, under_duress=0, snoozed_s=0)
    stand_down.close_deliveries(alert_id, seen)
    _note(alert, "alert.acknowledged", by, now, revision=seen, channel=channel)
    return Outcome.DONE


def _told(alert_id: str) -> int:
    """The revision that some channel told; 0 when none did: who names the alert knows at least that there is one."""
    told = schema.Order.select(fn.MAX(schema.Order.told_revision)).where(schema.Order.alert == alert_id).scalar()
    return int(told or 0)


def unacknowledge(alert_id: str, by: str, now: int) -> bool:
    """An answer is taken back: everybody is told again, as of a new alert. False when there was none.

    Call inside a transaction.
    """
    alert: Any = schema.Alert.get_by_id(alert_id)
    if alert.state != ACKNOWLEDGED and not alert.snoozed_s:
        return False
    _take_up(alert, now, snoozed_s=0)
    _note(alert, "alert.unacknowledged", by, now)
    return True


def snooze(alert_id: str, by: str, now: int, for_s: int) -> bool:
    """An alert is put off: nothing of it but news is told until then, and then everything begins anew.

    False when it is not open. Call inside a transaction.
    """
    alert: Any = schema.Alert.get_by_id(alert_id)
    if alert.state != OPEN:
        return False
    _take_up(alert, now + for_s, snoozed_s=for_s)
    schema.Order.update(told_revision=alert.revision).where(
        (schema.Order.alert == alert_id) & schema.Order.told_revision.is_null() & (schema.Order.rung == 0)
    ).execute()
    _note(alert, "alert.snoozed", by, now, seconds=for_s)
    return True


def _take_up(alert: Any, at: int, *, snoozed_s: int) -> None:
    _answer(
        alert,
        state=OPEN,
        acknowledged_at=None,
        acknowledged_by=None,
        under_duress=0,
        since=at,
        snoozed_s=snoozed_s,
        round=alert.round if snoozed_s else alert.round + 1,
    )
    stand_down.begin_again(alert.id, at, forgets_what_was_told=not snoozed_s)


def acknowledge_under_duress(alert_id: str, by: str, now: int, channels: Collection[str]) -> None:
    """A person was forced to acknowledge: it looks so to everybody who watches ``channels``; the others are told on.

    Call inside a transaction.
    """
    alert: Any = schema.Alert.get_by_id(alert_id)
    if alert.state != ACKNOWLEDGED:
        _answer(alert, state=ACKNOWLEDGED, acknowledged_at=now, acknowledged_by=by, under_duress=1)
        _note(alert, "alert.acknowledged", by, now, revision=alert.revision, channel=None)
    stand_down.mute(alert_id, channels)


def _answer(alert: Any, **changes: object) -> None:
    schema.Alert.update(changes).where(schema.Alert.id == alert.id).execute()


def _note(alert: Any, kind: str, by: str, now: int, **detail: object) -> None:
    about = journal.get(alert.event_id)
    event = Event(
        key=fact_key(about.network, kind, alert.id, alert.round, journal.last_seq()),
        kind=kind,
        at=now,
        network=about.network,
        reason=f"alert {alert.id} was {kind.partition('.')[2]} by {by}",
        vault=about.vault,
        guardian=about.guardian,
        txid=about.txid,
        detail={"alert": alert.id, "by": by, **detail},
    )
    journal.append([event])


@dataclass(frozen=True, slots=True)
class Proof:
    """What a code proves: its message was read on this channel, which told this state of the alert."""

    alert_id: str
    channel: str
    revision: int
    is_spent: bool  # it was answered before, or taken up again since


def prove(typed: str, key: bytes) -> Proof | None:
    """Which message holds this code (as ``answer.tidy`` writes it); None when none that still matters does."""
    for alert_id, channel, turn, revision, is_spent in _messages():
        if is_same(code(key, alert_id, channel, turn, revision), typed):
            return Proof(alert_id, channel, revision, is_spent)
    return None


def _messages() -> Iterator[tuple[str, str, int, int, bool]]:
    """Every message that may have been sent, of open alerts first."""
    table = schema.Order
    rows: Any = (
        table.select(table, schema.Alert)
        .join(schema.Alert)
        .where((table.action == outbox.ALERT) & (table.attempts > 0))
        .order_by((schema.Alert.state == OPEN).desc(), schema.Alert.created_at.desc())
    )
    for order in rows:
        alert = order.alert
        is_open = not alert.is_answered
        for turn in range(alert.round, -1, -1):
            for revision in range(alert.revision, -1, -1):
                yield alert.id, order.target, turn, revision, not (is_open and turn == alert.round)


@dataclass(frozen=True, slots=True)
class Guesses:
    """The wrong codes of late: of whoever types now, and of all tokens together. ``token`` None: at the machine."""

    token: str | None
    own: int
    of_tokens: int

    @property
    def are_spent(self) -> bool:
        """Whether no more is looked at. Others' guesses count against nobody who has typed all codes rightly."""
        if self.own >= GUESSES:
            return True
        return self.token is not None and self.own > 0 and self.of_tokens >= GUESSES_OF_TOKENS


def guesses(token: str | None, now: int) -> Guesses:
    """What was guessed lately. ``token``: the name of the one that types; None: somebody at the machine."""
    event = schema.Event
    lately = (event.kind == REFUSED) & (event.at > now - GUESSES_SPAN_S) & (event.at <= now)
    rows: Any = event.select(event.detail).where(lately)
    typed_by = [json.loads(row.detail).get("token") for row in rows]
    return Guesses(token, typed_by.count(token), len(typed_by) - typed_by.count(None))
