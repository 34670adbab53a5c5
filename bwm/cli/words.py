"""Texts that people hand over: checks of those that options take, which click calls before the command, and files."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from bwm.errors import UsageError
from bwm.policy.kinds import named_by, nearest


def no_empty_word(context: click.Context, option: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    """The words themselves. An empty one comes from a variable that a script forgot to set. Raises BadParameter."""
    if not all(word.strip() for word in words):
        raise click.BadParameter("it is empty: give a text, or leave the option away.", context, option)
    return words


def kinds_that_exist(context: click.Context, option: click.Parameter, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns themselves, each of which names a kind of event. Raises BadParameter."""
    for pattern in patterns:
        if not named_by(pattern):
            near = nearest(pattern)
            hint = f" Did you mean {near}?" if near else ""
            words = f"{pattern!r} names no kind of event.{hint} The README lists all; trigger.* is a family."
            raise click.BadParameter(words, context, option)
    return patterns


def unit_of(network: str) -> str:
    """The service that systemd knows the daemon of a network by."""
    return "bwm" if network == "main" else f"bwm@{network}"


@contextmanager
def reading(name: object) -> Iterator[None]:
    """Text is read inside from a file of this name. Raises UsageError where it is none."""
    try:
        yield
    except UnicodeDecodeError:
        raise UsageError(f"{name} is no text; nothing was changed.") from None


def line_of_stdin() -> str:
    """One line, without the blanks around it. Raises UsageError where it is no text."""
    with reading("Standard input"):
        return sys.stdin.buffer.readline().decode().strip()
