"""The question before something is gone, and the option that answers it for a script."""

import sys

import click

from bwm.errors import BwmError, UsageError

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def confirm(question: str, yes: bool) -> None:
    """Go on only with a person's yes, else raise BwmError. A script is not asked: it said what it wants."""
    if not yes and somebody_is_there() and not click.confirm(question, err=True):
        raise BwmError("Nothing was changed.")


def confirm_surely(question: str, yes: bool) -> None:
    """The same for what is too much to be done without a word. Raises UsageError where nobody can be asked."""
    if not yes and not somebody_is_there():
        raise UsageError("Nobody can be asked here, so nothing was changed. Give --yes.")
    confirm(question, yes)


def somebody_is_there() -> bool:
    """Whether a person can answer."""
    return sys.stdin.isatty()
