"""The command that lists alerts."""

import click

from bwm.cli import output
from bwm.cli.session import Session, pass_session
from bwm.daemon.alert_facts import described
from bwm.db import alerts as table


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
        found = [described(alert) for alert in table.listed(state, hidden=False)]
    if as_json:
        for alert in found:
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
            for alert in found
        ),
        if_empty=f"No alert is {state}." if state else "There is no alert.",
    )
