"""Checks of the texts that options take, which click calls before the command."""

import click

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
