"""The commands about alerts."""

import getpass
import os
from typing import Any

import click

from bwm.cli import output
from bwm.cli.session import Session, pass_session
from bwm.clock import SystemClock, rfc3339
from bwm.db import alerts as table
from bwm.db import journal, outbox
from bwm.errors import UsageError
from bwm.wording import tell


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
        described = [_described(alert) for alert in table.listed(state)]
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


@click.command()
@click.argument("ids", nargs=-1, metavar="[ALERT]...")
@click.option("--all", "every", is_flag=True, help="All open alerts.")
@click.option("--by", metavar="NAME", help="Who has read them; without: this user.")
@pass_session
def ack(session: Session, ids: tuple[str, ...], every: bool, by: str | None) -> None:
    """Acknowledge alerts: they are not repeated any more.

    An alert is named by the beginning of its id, as far as it is the only one. News of it is still told, once.

    \b
    Examples:
      $ bwm ack mzxw6ytboi
      $ bwm ack --all --by alice
    """
    if bool(ids) == every:
        raise UsageError("Give the ids of alerts, or --all. `bwm alerts` lists them.")
    who = by or os.environ.get("SUDO_USER") or getpass.getuser()
    with session.database(session.config()) as database, database.transaction():
        meant = table.listed(table.OPEN) if every else [table.find(text) for text in ids]
        for alert in meant:
            table.acknowledge(alert.id, who, SystemClock().now())
    for alert in meant:
        click.echo(f"Acknowledged {alert.id}.")
    if not meant:
        output.note("No alert is open.")


def _described(alert: Any) -> dict[str, Any]:
    """An alert as it is printed."""
    about, latest = journal.get(alert.event_id), journal.get(alert.last_event_id)
    text = tell(about, latest, alert.created_at, alert.id)
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
        "created_at": rfc3339(alert.created_at),
        "acknowledged_at": _time(alert.acknowledged_at),
        "acknowledged_by": alert.acknowledged_by,
        "deliveries": [_delivery(order) for order in outbox.of_alert(alert.id)],
    }


def _delivery(order: Any) -> dict[str, Any]:
    return {
        "channel": order.target,
        "state": "delivered" if order.state == "done" else order.state,
        "attempts": order.attempts,
        "last_error": order.last_error,
        "delivered_at": _time(order.done_at),
    }


def _time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
