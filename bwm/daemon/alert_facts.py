"""Alerts as they are shown to programs: on the command line and over HTTP."""

from typing import Any

from bwm.clock import rfc3339
from bwm.db import journal, outbox
from bwm.db.alerts import OPEN
from bwm.drill import SEEN, as_told
from bwm.wording import Telling, tell


def described(alert: Any) -> dict[str, Any]:
    """An alert as it is printed."""
    about, latest = journal.get(alert.event_id), journal.get(alert.last_event_id)
    telling = Telling(alert.id, alert.created_at, is_drill=about.kind == SEEN)
    text = tell(as_told(about), as_told(latest), telling)
    return {
        "id": alert.id,
        "event": about.seq,
        "kind": about.kind,
        "vault": about.vault,
        "guardian": about.guardian,
        "severity": alert.severity,
        "title": text.title,
        "body": text.body,
        "state": alert.state,
        "revision": alert.revision,
        "created_at": rfc3339(alert.created_at),
        "acknowledged_at": _time(alert.acknowledged_at),
        "acknowledged_by": alert.acknowledged_by,
        "snoozed_until": _time(alert.since) if alert.snoozed_s and alert.state == OPEN else None,
        "deliveries": [_delivery(order) for order in outbox.of_alert(alert.id)],
    }


def _delivery(order: Any) -> dict[str, Any]:
    return {
        "channel": order.target,
        "state": "delivered" if order.state == "done" else order.state,
        "attempts": order.attempts,
        "last_error": order.last_error,
        "delivered_at": _time(order.done_at),
        "due_at": _time(order.due_at),
        "rung": order.rung,
        "held": bool(order.held),
    }


def _time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
