"""The command that shows the journal."""

import time
from collections.abc import Iterator

import click

from bwm.cli import output
from bwm.cli.session import Session, pass_session
from bwm.clock import SystemClock, from_rfc3339, rfc3339
from bwm.db import journal
from bwm.errors import UsageError
from bwm.event import Event
from bwm.toml import parse_duration

_LOOK_EVERY_S = 0.5
_PAGE = 1000  # events read at once


@click.command()
@click.option("--follow", is_flag=True, help="Stay, and show what comes.")
@click.option("--since", metavar="TIME", help="From a time on: 2h, 2026-01-31 or 2026-01-31T12:00:00Z.")
@click.option("--vault", metavar="NAME", help="Of one vault or guardian.")
@click.option("--kind", metavar="KIND", help="Of one kind, like trigger.seen, or family, like trigger.")
@output.json_option
@pass_session
def events(
    session: Session, follow: bool, since: str | None, vault: str | None, kind: str | None, as_json: bool
) -> None:
    """Show the journal, and follow it.

    With --json, one object a line.

    \b
    Examples:
      $ bwm events --since 24h
      $ bwm events --vault cold --follow
      $ bwm events --kind trigger --json | jq .txid
    """
    since_at = None if since is None else moment(since, SystemClock().now())
    with session.database(session.config()):
        is_empty = True
        for event in _read(follow, since_at, vault, kind):
            is_empty = False
            if as_json:
                output.line(event.as_json())
            else:
                click.echo(in_words(event))
    if is_empty and not as_json:
        output.note("No event fits." if since or vault or kind else "The journal is empty: nothing has happened yet.")


def _read(follow: bool, since: int | None, vault: str | None, kind: str | None) -> Iterator[Event]:
    seen = 0
    while True:
        page = journal.read(after_seq=seen, since=since, vault=vault, kind=kind, limit=_PAGE)
        yield from page
        if page:
            seen = page[-1].seq or seen
        elif follow:
            time.sleep(_LOOK_EVERY_S)
        else:
            return


def in_words(event: Event) -> str:
    """One line for a person."""
    owner = event.vault or event.guardian or "-"
    return output.printable(f"{rfc3339(event.at)}  {event.seq:>5}  {event.kind:<22}  {owner:<16}  {event.reason}")


def moment(text: str, now: int) -> int:
    """Unix seconds of a time, or of so long ago. Raises UsageError."""
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        return from_rfc3339(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time: write it like 2h, 2026-01-31 or 2026-01-31T12:00:00Z.") from None
