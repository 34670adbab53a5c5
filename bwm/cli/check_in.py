"""The command by which the owner says that all is well."""

import click

from bwm.cli.session import Session, pass_session
from bwm.clock import SystemClock
from bwm.daemon.checking_in import checked_in


@click.command("check-in")
@pass_session
def check_in(session: Session) -> None:
    """Say that you are well: the dead-man switch begins anew.

    Needs a section [deadman] in the configuration. What was told of a check-in that is overdue is over with it, and
    orders with unless = "checked_in" are called off. An acknowledgement of an alert is no check-in.

    \b
    Examples:
      $ bwm check-in
      $ bwm status --json | jq .check_in
    """
    config = session.config()
    with session.database(config) as database:
        standing = checked_in(config, database, "the command line", SystemClock().now())
    click.echo(f"Checked in. The next check-in is due until {standing['due_at']}.")
