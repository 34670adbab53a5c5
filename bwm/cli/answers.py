"""The commands that answer alerts: acknowledged, taken back, put off, kept back; and the seal of a duress code."""

import getpass
import os
import secrets
import sys
from typing import Any

import click

from bwm.answer import sealed
from bwm.cli import output
from bwm.cli.session import Session, pass_session
from bwm.cli.words import kinds_that_exist, line_of_stdin, no_empty_word
from bwm.clock import SystemClock, rfc3339
from bwm.daemon.answering import Answered, Answering
from bwm.db import alerts, answers, silences
from bwm.db.answers import Outcome
from bwm.db.schema import Alert
from bwm.errors import BwmError, UsageError
from bwm.hold import Silence
from bwm.order import LONGEST_SNOOZE_S
from bwm.toml import parse_duration

_LONGEST_SILENCE_S = 7 * 86400
_SHORTEST_WORD = 6  # characters


@click.command()
@click.argument("ids", nargs=-1, metavar="[ALERT|CODE]...")
@click.option("--all", "every", is_flag=True, help="All open alerts.")
@click.option("--by", metavar="NAME", help="Who has read them; without: this user.")
@click.option("--revision", type=click.IntRange(0), help="Of one alert: the state that you have read.")
@pass_session
def ack(session: Session, ids: tuple[str, ...], every: bool, by: str | None, revision: int | None) -> None:
    """Acknowledge alerts: they are not repeated any more.

    An alert is named by the code in its message, or by the beginning of its id. What is newer than what was told is
    still told, once; and an alert that has become graver since stays open.

    \b
    Examples:
      $ bwm ack k7qf-3m2p
      $ bwm ack mzxw6ytboi
      $ bwm ack --all --by alice
    """
    if bool(ids) == every:
        raise UsageError("Give codes or ids of alerts, or --all. `bwm alerts` lists them.")
    if revision is not None and len(ids) != 1:
        raise UsageError("--revision belongs to one alert: name it.")
    config = session.config()
    who = by or _this_user()
    with session.database(config) as database:
        answering = Answering(config, database, SystemClock())
        if every:
            named = [alert.id for alert in alerts.listed(alerts.OPEN, hidden=False)]
            answered = [answering.by_id(alert_id, who) for alert_id in named]
        elif revision is not None:
            answered = [answering.by_id(alerts.find(ids[0]).id, who, revision)]
        else:
            answered = [answering.answer(text, who) for text in ids]
        words = [_outcome(one) for one in answered]
    for said in words:
        click.echo(said)
    if not answered:
        output.note("No alert is open.")
    if any(one.outcome is Outcome.GRAVER for one in answered):
        sys.exit(BwmError.exit_code)


def _outcome(answered: Answered) -> str:
    alert: Any = Alert.get_by_id(answered.alert_id)
    match answered.outcome:
        case Outcome.DONE:
            return f"Acknowledged {alert.id}."
        case Outcome.ALREADY:
            return f"Acknowledged {alert.id} already, by {alert.acknowledged_by} at {rfc3339(alert.acknowledged_at)}."
        case Outcome.GRAVER:
            return (
                f"{alert.id} has become graver than what was told of it, and stays open: it is {alert.severity} now. "
                f"Read it (bwm alerts), then: bwm ack {alert.id} --revision {alert.revision}"
            )


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ALERT...")
@click.option("--by", metavar="NAME", help="Who takes it back; without: this user.")
@pass_session
def unack(session: Session, ids: tuple[str, ...], by: str | None) -> None:
    """Take an acknowledgement back: everybody is told again.

    The codes of earlier messages are void from then on. A snooze is ended in the same way.

    \b
    Example:
      $ bwm unack mzxw6ytboi
    """
    with session.database(session.config()) as database, database.transaction():
        for alert in [alerts.find(text) for text in ids]:
            if not answers.unacknowledge(alert.id, by or _this_user(), SystemClock().now()):
                raise UsageError(f"Alert {alert.id} is {alert.state}: there is no acknowledgement to take back.")
            click.echo(f"{alert.id} is open again.")


@click.command()
@click.argument("alert_id", metavar="ALERT")
@click.argument("for_how_long", metavar="DURATION")
@click.option("--by", metavar="NAME", help="Who puts it off; without: this user.")
@pass_session
def snooze(session: Session, alert_id: str, for_how_long: str, by: str | None) -> None:
    """Put an alert off: it comes back by itself.

    Nothing of it but news is told until then; then everything begins anew, escalation included. At most 7 days.

    \b
    Examples:
      $ bwm snooze mzxw6ytboi 2h
      $ bwm unack mzxw6ytboi            end it now
    """
    for_s = _duration(for_how_long, LONGEST_SNOOZE_S)
    now = SystemClock().now()
    with session.database(session.config()) as database, database.transaction():
        alert = alerts.find(alert_id)
        if not answers.snooze(alert.id, by or _this_user(), now, for_s):
            raise UsageError(f"Alert {alert.id} is {alert.state}: only what is open can be put off.")
    click.echo(f"{alert.id} comes back at {rfc3339(now + for_s)}.")


@click.command()
@click.argument("for_how_long", metavar="[DURATION]", required=False)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    callback=kinds_that_exist,
    help="Kinds of events, like node.*; without: all that can wait.",
)
@click.option(
    "--vault",
    "owners",
    multiple=True,
    callback=no_empty_word,
    help="Only of vaults or guardians with such names, like cold-*.",
)
@click.option("--reason", default="", help="Why, for who asks later.")
@click.option("--end", "number", type=int, metavar="NUMBER", help="End a silence; what it kept back is told.")
@output.json_option
@pass_session
def silence(
    session: Session,
    for_how_long: str | None,
    kinds: tuple[str, ...],
    owners: tuple[str, ...],
    reason: str,
    number: int | None,
    as_json: bool,
) -> None:
    """Keep back what can wait, for maintenance or for peace.

    What is kept back is told when the silence ends. A theft is never kept back: nothing that touches a vault's coins
    or a lock is. Without a duration, the silences that hold are listed.

    \b
    Examples:
      $ bwm silence 2h --kind 'node.*' --reason "new disk"
      $ bwm silence
      $ bwm silence --end 3
    """
    now = SystemClock().now()
    with session.database(session.config()) as database:
        if number is not None:
            with database.transaction():
                silences.end(number, now)
            click.echo(f"Ended silence {number}.")
        elif for_how_long is not None:
            until = now + _duration(for_how_long, _LONGEST_SILENCE_S)
            with database.transaction():
                made = silences.begin(Silence(now, until, kinds or ("*",), owners), reason, _this_user())
            click.echo(f"Silence {made} holds until {rfc3339(until)}. A theft is told all the same.")
        else:
            _show_silences([_described(row) for row in silences.listed(now)], as_json)


def _described(row: Any) -> dict[str, Any]:
    held = silences.noun(row)
    return {
        "number": row.id,
        "until": rfc3339(row.ends_at),
        "since": rfc3339(row.began_at),
        "kinds": list(held.kinds),
        "vaults": list(held.owners),
        "by": row.made_by,
        "reason": row.reason,
    }


def _show_silences(described: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        output.document(described)
        return
    output.table(
        ("silence", "until", "kinds", "vaults", "by", "reason"),
        (
            (
                one["number"],
                one["until"],
                ", ".join(one["kinds"]),
                ", ".join(one["vaults"]) or "all",
                one["by"],
                one["reason"],
            )
            for one in described
        ),
        if_empty="No silence holds.",
    )


@click.command("seal-code")
def seal_code() -> None:
    """Seal a duress code for the configuration.

    Typed in the place of a code, it acknowledges for whoever looks on, and tells everybody else that you were forced.
    It is asked for, or read from standard input, and never an argument.

    \b
    Example:
      $ bwm seal-code > /etc/bwm/duress-owner
    """
    if sys.stdin.isatty():
        word = click.prompt("Duress code (not shown)", hide_input=True, confirmation_prompt=True, err=True)
    else:
        word = line_of_stdin()
    if len(word) < _SHORTEST_WORD:
        raise UsageError(f"Take at least {_SHORTEST_WORD} characters: nobody must hit it by chance.")
    click.echo(sealed(word, secrets.token_bytes(16)))


def _duration(text: str, most_s: int) -> int:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{error}.") from None
    if not 60 <= seconds <= most_s:
        raise UsageError(f"{text} is not between a minute and {most_s // 86400} days.")
    return seconds


def _this_user() -> str:
    return os.environ.get("SUDO_USER") or getpass.getuser()
