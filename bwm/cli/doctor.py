"""The command that checks everything."""

import sys
from collections.abc import Iterator
from dataclasses import asdict

import click

from bwm.cli import checks, output
from bwm.cli.checks import FAIL, OK, WARN, Check
from bwm.cli.checks_beside import beside
from bwm.cli.session import Session, pass_session, refuse_stranger
from bwm.clock import SystemClock
from bwm.config import Config
from bwm.daemon.connect import connect
from bwm.errors import BwmError, ConfigError, NodeError, UsageError

_COLOURS = {OK: "green", WARN: "yellow", FAIL: "red"}


@click.command()
@output.json_option
@pass_session
def doctor(session: Session, as_json: bool) -> None:
    """Check everything, and say how to mend what is wrong.

    Nothing is changed and no message is sent. Exit code 1 when a check fails; warnings do not count.

    \b
    Examples:
      $ bwm doctor
      $ bwm doctor --json | jq '.[] | select(.verdict != "ok")'
    """
    results = list(_all(session))
    if as_json:
        output.document([asdict(result) for result in results])
    else:
        for result in results:
            _show(result)
    if any(result.verdict == FAIL for result in results):
        sys.exit(1)


def _all(session: Session) -> Iterator[Check]:
    try:
        config = session.config()
    except ConfigError as error:
        yield Check("configuration", FAIL, str(error))
        return
    yield from checks.configuration(config)
    try:
        refuse_stranger(config)
    except UsageError as error:
        yield Check("state folder", FAIL, str(error))
        is_ours = False
    else:
        yield from checks.state_folder(config.state_dir)
        is_ours = True
    yield from _of_node(config)
    yield from checks.channels(config)
    yield from beside(config)
    if is_ours:
        yield from _of_database(session, config)
        yield checks.daemon(config)


def _of_node(config: Config) -> Iterator[Check]:
    try:
        node = connect(config)
        info = node.info()
        yield from checks.node_state(config, node, info, SystemClock().now())
        yield from checks.relay(node)
        yield checks.rights(node)
        yield from checks.feed(config, node)
    except NodeError as error:
        yield checks.unreachable(error)


def _of_database(session: Session, config: Config) -> Iterator[Check]:
    if not config.state_dir.exists():
        return  # nothing was ever started, and to look must not make a database
    try:
        with session.database(config):
            yield checks.database(config, SystemClock().now())
            yield from checks.deliveries(config, SystemClock().now())
            yield from checks.responses(config)
    except BwmError as error:
        yield Check("database", FAIL, str(error))


def _show(result: Check) -> None:
    verdict = click.style(f"{result.verdict:<4}", fg=_COLOURS[result.verdict])
    click.echo(f"{verdict}  {result.name}: {output.printable(result.words)}")
    for step in result.mend:
        click.echo(f"        {step}")
