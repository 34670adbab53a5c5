"""The daemon's command."""

import click

from bwm.cli.session import Session, pass_session
from bwm.daemon.run import run as run_daemon


@click.command()
@pass_session
def run(session: Session) -> None:
    """Run the daemon until it is told to stop.

    It logs to standard error. It ends by SIGTERM, by Ctrl-C or with its terminal (SIGHUP: it does not read its
    configuration anew), and by itself with exit code 1 when a part of it fails: let systemd start it again, nothing
    is lost.

    \b
    Example:
      $ bwm run
    """
    config = session.config()
    if config.api is None:
        run_daemon(config)
    else:
        from bwm.api import loops  # a server, and what it needs, only for those who want it

        run_daemon(config, make_loops=loops)
