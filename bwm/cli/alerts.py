"""The command that lists alerts."""

from typing import Any

import click

from bwm.cli import output
from bwm.cli.session import Session, pass_session
from bwm.clock import rfc3339
from bwm.db import alerts as table
from bwm.db import journal, outbox
from bwm.wording import Telling, tell


@click.command()
@click.option("--state", type=click.Choice(["open", "acknowledged", "resolved"]), help="Only those.")
@output.json_option
@pass_session
def alerts(session: Session, state: str | None, as_json: bool) -> None:
    """List alerts with their deliveries.

    With --json, one object a line.

    \b
    Examples:
      $ bwm alerts --state open
      $ bwm alerts --json
    """
    with session.database(session.config()):
        described = [_described(alert) for alert in table.listed(state, hidden=False)]
    if as_json:
        for alert in described:
            output.line(alert)
        return
    output.table(
        ("alert", "state", "severity", "since", "what", "told"),
        (
            (
                alert["id"],
                alert["state"],
                alert["severity"],
                alert["created_at"],
                alert["title"],
                ", ".join(f"{each['channel']}: {each['state']}" for each in alert["deliveries"]) or "nobody",
            )
            for alert in described
        ),
    )


def _described(alert: Any) -> dict[str, Any]:
    """An alert as it is printed."""
    about, latest = journal.get(alert.event_id), journal.get(alert.last_event_id)
    text = tell(about, latest, Telling(alert.id, alert.created_at))
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
        "snoozed_until": _time(alert.since) if alert.snoozed_s and alert.state == table.OPEN else None,
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
