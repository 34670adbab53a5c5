"""The command that shows how things stand, whether or not the daemon runs."""

import time
from typing import Any

import click

from bwm.cli import output
from bwm.cli.session import Session, pass_session
from bwm.clock import SystemClock
from bwm.daemon.status import status as take_stock

_WATCH_EVERY_S = 2
_NAMED = 5  # vaults that are not watched now; the others are counted


@click.command()
@click.option("--watch", is_flag=True, help="Stay, and show it anew every two seconds.")
@output.json_option
@pass_session
def status(session: Session, watch: bool, as_json: bool) -> None:
    """Show what is watched and whether bwm can see.

    It works whether or not the daemon runs. With --watch and --json, one object a line.

    \b
    Examples:
      $ bwm status
      $ bwm status --watch
      $ bwm status --json | jq .covered
    """
    config = session.config()
    with session.database(config):
        while True:
            facts = take_stock(config, SystemClock().now())
            if not as_json:
                _show(facts, clear=watch)
            elif watch:
                output.line(facts)
            else:
                output.document(facts)
            if not watch:
                return
            time.sleep(_WATCH_EVERY_S)


def _show(facts: dict[str, Any], clear: bool) -> None:
    if clear:
        click.clear()
    at = facts["cursor"]
    output.facts(
        [
            ("bwm", f"{facts['version']} on {facts['network']}, {'running' if facts['running'] else 'NOT RUNNING'}"),
            ("node", _node_in_words(facts["node"])),
            ("feed", " ".join(facts["feed"]["topics"]) if facts["feed"]["connected"] else "not connected"),
            ("at block", at["height"] if at else None),
            ("covered", "yes" if facts["covered"] else f"NO{_blind_in_words(facts)}"),
            ("watched", f"{_count(facts['triggers'], 'trigger')}, {_count(facts['vaults'], 'vault')}"),
            ("open alerts", facts["open_alerts"]),
            *([("check-in", _check_in_in_words(facts["check_in"]))] if facts["check_in"] else []),
        ]
    )
    for gap in facts["not_covered"]:
        click.echo(f"- {output.printable(gap)}")
    for channel in facts["channels"]:
        state = "FAILING, see `bwm doctor`" if not channel["healthy"] else "ok" if channel["proved"] else "NOT PROVED"
        click.echo(f"channel {channel['name']}: {state}; last delivered: {channel['last_delivered_at'] or 'never'}")
    if not facts["channels"]:
        output.note(output.NO_CHANNEL)


def _blind_in_words(facts: dict[str, Any]) -> str:
    """Since when nothing is seen, and of whom: who is blind is so for every vault."""
    if facts["blind_since"] is None:
        return ""
    names = list(facts["unwatched_s"])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    of_whom = f"; not watched: {', '.join(names[:_NAMED])}{more}" if names else ""
    return output.printable(f", blind since {facts['blind_since']}{of_whom}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _check_in_in_words(check_in: dict[str, Any]) -> str:
    if check_in["due_at"] is None:
        return "none is due before the daemon's next start"
    state = "due" if not check_in["overdue"] else f"{str(check_in['stage']).upper()}, was due"
    return f"{state} until {check_in['due_at']}; last: {check_in['last'] or 'never'}"


def _node_in_words(node: dict[str, Any]) -> str:
    if not node["reachable"]:
        return f"NOT REACHABLE: {node['error']}"
    return f"block {node['height']}, {node['tip_age_s'] // 60} min old{', still syncing' if node['syncing'] else ''}"
