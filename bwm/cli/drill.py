"""The command that tries everything from end to end."""

import sys
import time
from typing import Any

import click

from bwm.cli import output
from bwm.cli.session import Session, pass_session
from bwm.clock import SystemClock
from bwm.daemon import drill as drills
from bwm.daemon.lock import is_held
from bwm.errors import BwmError, UsageError
from bwm.toml import parse_duration

_CHANNELS_S = 30.0  # for the first attempts: each has a limit of its own below that
_LOOK_EVERY_S = 0.2


@click.command()
@click.option("--vault", metavar="NAME", help="Whose theft is played; without: of the first vault that can be.")
@click.option("--wait", "wait", default="10m", show_default=True, metavar="DURATION", help="For the acknowledgement.")
@click.option("--last", is_flag=True, help="Hold none: report on the latest.")
@output.json_option
@pass_session
def drill(session: Session, vault: str | None, wait: str, last: bool, as_json: bool) -> None:
    """Try everything from end to end, with a theft that did not happen.

    A transaction that was never sent goes through matcher, policies and channels; every message is marked as a drill.
    Acknowledge it like an alert. What a policy would do besides is said and not done. Exit code 1 when something is
    broken, or nobody acknowledged.

    \b
    Examples:
      $ bwm drill
      $ bwm drill --vault cold --wait 1h
      $ bwm drill --last --json
    """
    config = session.config()
    wait_s = _seconds(wait)
    clock = SystemClock()
    with session.database(config) as database:
        if last:
            alert_id = drills.latest()
            if alert_id is None:
                raise UsageError("No drill was held yet. Hold one: bwm drill")
        else:
            if not is_held(config.state_dir):
                raise BwmError("The daemon does not run, so nobody would be told. Start it, then try again.")
            alert_id = drills.hold(config, database, clock, drills.rehearsal(config, database, clock), vault)
            _wait(lambda: drills.all_tried(alert_id), _CHANNELS_S)
            output.note(f"Drill {alert_id} was told. Acknowledge it by the message's code, or: bwm ack {alert_id}")
            _wait(lambda: drills.is_over(alert_id), wait_s)
        report = drills.report(config, alert_id, clock.now())
    if as_json:
        output.document(report)
    else:
        _show(report)
    if report["broken"] or report["stages"][-1]["verdict"] != drills.OK:
        sys.exit(BwmError.exit_code)


def _seconds(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{error}.") from None


def _wait(is_done: Any, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while not is_done() and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)


def _show(report: dict[str, Any]) -> None:
    click.echo(f"Drill of vault {output.printable(report['vault'])}: alert {report['alert']}, {report['held_at']}")
    output.table(
        ("stage", "", "after", "what"),
        (
            (
                stage["stage"],
                stage["verdict"],
                "" if stage["seconds"] is None else f"{stage['seconds']:g} s",
                stage["words"],
            )
            for stage in report["stages"]
        ),
    )
    if report["broken"]:
        click.echo("Broken:")
    for words in report["broken"]:
        click.echo(f"- {output.printable(words)}")
