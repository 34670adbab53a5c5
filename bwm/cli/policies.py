"""The commands about policies."""

import getpass
import os
from pathlib import Path
from typing import Any

import click

from bwm.chain.network import network as network_of
from bwm.check_in import CHECKED_IN, MISSED, OVERDUE, SEVERITY
from bwm.cli import output
from bwm.cli.checks_beside import faults_of
from bwm.cli.events import moment
from bwm.cli.session import Session, pass_session
from bwm.clock import SystemClock
from bwm.config import Config
from bwm.daemon.policy_desk import PolicyDesk
from bwm.daemon.replay import Compared, Outcome, replay_blocks, replay_journal
from bwm.daemon.targets import targets_of
from bwm.db import orders, responses
from bwm.db.commit import commit
from bwm.errors import BwmError, UsageError
from bwm.plan import plan_operation
from bwm.policy.explain import explain, unheard
from bwm.policy.kinds import named_by
from bwm.policy.read import read_policies
from bwm.policy.rule import DeedStep, Policy
from bwm.severity import Severity
from bwm.toml import read_toml


@click.command("check-policies")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@output.json_option
@pass_session
def check_policies(session: Session, file: Path | None, as_json: bool) -> None:
    """Say in plain words what the policies do, and what is wrong with them.

    Without a FILE those of the configuration; a FILE holds [[policy]] sections and nothing else. Exit 1 when a program
    that they name cannot be run.

    \b
    Examples:
      $ bwm check-policies
      $ bwm check-policies new-policies.toml
    """
    config = session.config()
    policies = _policies_in(file, config) if file else config.policies
    known = _responses(session, config)
    doubts = {policy.name: _doubts(policy, config, known) for policy in policies}
    faults = {policy.name: faults_of(policy) for policy in policies}
    silent = unheard(policies)
    if as_json:
        output.document(
            {
                "policies": [
                    {
                        "name": policy.name,
                        "version": policy.version,
                        "text": explain(policy),
                        "faults": faults[policy.name],
                        "doubts": doubts[policy.name],
                    }
                    for policy in policies
                ],
                "unheard": silent,
            }
        )
    else:
        for policy in policies:
            lines = [*(f"  WRONG: {words}" for words in faults[policy.name])]
            lines += [f"  DOUBTFUL: {words}" for words in doubts[policy.name]]
            click.echo("\n".join([explain(policy), *lines, ""]))
        click.echo("bwm by itself alerts of every spend, payment and lock, and of every trouble of its own.")
        if silent:
            click.echo("Nobody is told of these, which stay in the journal (`bwm events`):")
        for family, kinds in silent.items():
            click.echo(f"  {family}: {', '.join(kinds)}")
    if any(faults.values()):
        raise BwmError("A program that a policy needs cannot be run; see above.")


def _policies_in(file: Path, config: Config) -> tuple[Policy, ...]:
    """Raises ConfigError."""
    top = read_toml(file)
    people = {person for channel in config.channels for person in channel.people}
    names = [webhook.name for webhook in config.webhooks]
    policies = read_policies(top, network_of(config.network), people, names)
    top.finish()
    return policies


def _responses(session: Session, config: Config) -> dict[str, bool] | None:
    """The responses there are by their whole names, and whether they are armed; None without a database to read."""
    path = config.database_url.removeprefix("sqlite:///")
    if config.database_url.startswith("sqlite:") and not os.access(path, os.R_OK):
        return None
    with session.database(config):
        return {one.name: one.armed for one in responses.every()}


def _doubts(policy: Policy, config: Config, known: dict[str, bool] | None) -> list[str]:
    """What may not be meant."""
    doubts = []
    for step in policy.alerts:
        loudest = step.severity
        deaf = [channel for channel in config.channels if loudest and channel.min_severity.rank > loudest.rank]
        for person in step.people:
            theirs = [channel for channel in config.channels if person in channel.people]
            if all(channel in deaf for channel in theirs):
                doubts.append(f"no channel of {person} takes an alert that is only {loudest}")
    for _, deed in policy.deeds:
        if deed.action == "respond":
            doubts += _doubts_of_response(deed, known)
    return doubts + _doubts_of_silence(policy, config)


def _doubts_of_silence(policy: Policy, config: Config) -> list[str]:
    """Of what is done because nobody has checked in."""
    kinds = {kind for pattern in policy.on for kind in named_by(pattern)}
    doubts = []
    if kinds <= {CHECKED_IN, *SEVERITY} and config.check_in is None:
        doubts.append("no check-ins are wanted, so that none is missed: add [deadman] with a period")
    for _, deed in policy.deeds if kinds & {OVERDUE, MISSED} else ():
        if "checked_in" not in deed.unless:
            doubts.append(f'a check-in does not call off {deed.action} {deed.target}: see unless = "checked_in"')
    return doubts


def _doubts_of_response(deed: DeedStep, known: dict[str, bool] | None) -> list[str]:
    doubts = []
    if not deed.after_s and deed.approval_s is None:
        doubts.append("a response is sent at once: nobody can stop it (see after, unless and approval)")
    if known is None:
        return doubts
    names = [name for name in known if deed.target in (name, name.partition("/")[2])]
    if not names:
        doubts.append(f"no vault has a response {deed.target!r} yet: `bwm add-response` adds one")
    return doubts + [f"{name} is not armed: `bwm arm {name}`" for name in sorted(names) if not known[name]]


@click.command()
@click.option(
    "--from", "first", required=True, metavar="TIME", help="2h, 2026-01-31 or 2026-01-31T12:00:00Z; a height."
)
@click.option("--to", "last", metavar="TIME", help="The same; without: until now, or the tip.")
@click.option("--policies", "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Try these.")
@click.option("--blocks", is_flag=True, help="Read blocks of the node again, from a height to a height.")
@output.json_option
@pass_session
def replay(session: Session, first: str, last: str | None, file: Path | None, blocks: bool, as_json: bool) -> None:
    """Show what the policies would have done with the past. Sends nothing.

    Recorded events are compared with what was decided then; with --policies, the policies of the file with those of
    the configuration. With --json, one object a line.

    \b
    Examples:
      $ bwm replay --from 30d
      $ bwm replay --from 2026-01-01 --to 2026-02-01 --policies new-policies.toml
      $ bwm replay --blocks --from 900000 --to 900100
    """
    config = session.config()
    tried = _policies_in(file, config) if file else config.policies
    with session.database(config):
        if blocks:
            compared = _of_blocks(config, first, last, tried, config.policies if file else ())
        else:
            now = SystemClock().now()
            since, until = moment(first, now), now if last is None else moment(last, now)
            _refuse_backwards(since, until)
            compared = replay_journal(config, since, until, tried, config.policies if file else None)
    differing = [one for one in compared if one.differs]
    for one in compared if as_json else differing:
        output.line(_as_json(one)) if as_json else click.echo(_text(one))
    output.note(f"{len(compared)} events, {len(differing)} with another decision. Nothing was sent.")


def _of_blocks(
    config: Config, first: str, last: str | None, tried: tuple[Policy, ...], against: tuple[Policy, ...]
) -> list[Compared]:
    from bwm.daemon.connect import connect

    tip = connect(config).tip().height
    try:
        lowest, highest = int(first), tip if last is None else int(last)
    except ValueError:
        raise UsageError("With --blocks, --from and --to are heights of blocks.") from None
    if lowest < 0 or max(lowest, highest) > tip:
        raise UsageError(f"--from and --to are heights of blocks that there are: from 0 to the node's tip, {tip}.")
    _refuse_backwards(lowest, highest)
    with output.progress("Reading blocks") as on_progress:
        return replay_blocks(config, lowest, highest, tried, against, on_progress)


def _refuse_backwards(first: int, last: int) -> None:
    if first > last:
        raise UsageError("--from lies after --to, so there is nothing between them: exchange the two.")


def _as_json(one: Compared) -> dict[str, Any]:
    return {
        "event": one.event.as_json(),
        "differs": one.differs,
        "before": [_plain(outcome) for outcome in one.before],
        "after": [_plain(outcome) for outcome in one.after],
    }


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {"policy": outcome.policy, "reason": outcome.reason, "orders": list(outcome.deeds)}


def _text(one: Compared) -> str:
    name = one.event.vault or one.event.guardian or "-"
    lines = [f"{one.event.kind} {name} {one.event.txid or ''}".rstrip()]
    lines += [f"  - {_line(outcome)}" for outcome in one.before if outcome not in one.after]
    lines += [f"  + {_line(outcome)}" for outcome in one.after if outcome not in one.before]
    return "\n".join(lines)


def _line(outcome: Outcome) -> str:
    return outcome.reason + (f" -> {', '.join(outcome.deeds)}" if outcome.deeds else "")


@click.command()
@click.argument("decision", type=int)
@click.option("--by", metavar="NAME", help="Who says so; without: this user.")
@pass_session
def approve(session: Session, decision: int, by: str | None) -> None:
    """Say yes to what a policy wants to do and may not without a person.

    The number stands in the event policy.decided.

    \b
    Example:
      $ bwm approve 12
    """
    _answer(session, decision, by, yes=True)


@click.command()
@click.argument("decision", type=int)
@click.option("--by", metavar="NAME", help="Who says so; without: this user.")
@pass_session
def veto(session: Session, decision: int, by: str | None) -> None:
    """Say no to what a policy wants to do and has not done yet.

    \b
    Example:
      $ bwm veto 12 --by alice
    """
    _answer(session, decision, by, yes=False)


def _answer(session: Session, decision: int, by: str | None, *, yes: bool) -> None:
    config = session.config()
    who = by or os.environ.get("SUDO_USER") or getpass.getuser()
    with session.database(config) as database, database.transaction():
        now = SystemClock().now()
        event = orders.answer(decision, yes=yes, by=who, network=config.network, now=now)
        waiting = orders.waiting(decision)
        if not waiting:
            raise UsageError(f"Nothing of decision {decision} is waiting any more; nothing was changed.")
        changes = plan_operation(event, Severity.WARNING if yes else None)
        commit(database, PolicyDesk((), config.network).judge(changes, now), targets_of(config), now)
    click.echo(f"{'Approved' if yes else 'Vetoed'}: {', '.join(waiting)}.")
