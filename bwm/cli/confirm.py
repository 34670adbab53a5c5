"""The question before something is gone, and the option that answers it for a script."""

import sys

import click

from bwm.errors import UsageError

yes_option = click.option("--yes", is_flag=True, help="Do not ask. A script needs it, for nobody answers there.")


def confirm(question: str, yes: bool) -> None:
    """Go on only with a person's yes, or with ``--yes``. Raises UsageError where nobody answers."""
    if yes:
        return
    try:
        click.confirm(question, abort=True, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)
        raise UsageError("Nobody said yes: nothing was changed. Where nobody can be asked, give --yes.") from None
