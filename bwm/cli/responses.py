"""The commands about transactions that were signed in advance."""

from typing import TextIO

import click

from bwm.cli import output
from bwm.cli.session import Session, pass_session
from bwm.clock import SystemClock
from bwm.daemon.armed_locks import judge, read_lock
from bwm.daemon.connect import connect
from bwm.db import armed_locks, guardians
from bwm.errors import UsageError


@click.command("add-response")
@click.option("--guardian", required=True, metavar="NAME", help="The guardian that it locks.")
@click.option(
    "--tx",
    "files",
    type=click.File(encoding="ascii"),
    multiple=True,
    required=True,
    metavar="FILE",
    help="The signed transaction in hexadecimal; - is stdin.",
)
@pass_session
def add_response(session: Session, guardian: str, files: tuple[TextIO, ...]) -> None:
    """Have a lock that was signed in advance checked every day.

    bwm keeps its nonce, its coin and its feerate, never the transaction: whoever has that can lock. It is said when
    the lock would be void: its coin is spent, its fee too low, or its nonce passed.

    \b
    Example:
      $ bwm add-response --guardian family --tx lock-2.hex --tx lock-2-dear.hex
    """
    raws = [_read(file) for file in files]
    config = session.config()
    with session.database(config) as database:
        now = SystemClock().now()
        facts = guardians.facts(guardian, now)
        node = connect(config)
        locks = [read_lock(node, raw, facts) for raw in raws]
        found = list(zip(locks, judge(node, [(guardian, lock) for lock in locks], now), strict=True))
        for _, readiness in found:
            if readiness.verdict in ("void", "used"):
                raise UsageError(f"This would not lock: {readiness.reason}. Nothing was added.")
        with database.transaction():
            guardian_id = guardians.find(guardian).id
            names = [armed_locks.add(guardian_id, lock, readiness, now) for lock, readiness in found]
    for name, (_, readiness) in zip(names, found, strict=True):
        click.echo(f"Added {name}: {readiness.verdict}. {readiness.reason}")


def _read(file: TextIO) -> bytes:
    try:
        return bytes.fromhex(file.read().strip())
    except ValueError:  # also what is not ASCII
        raise UsageError(f"{file.name} holds no transaction in hexadecimal; nothing was added.") from None


@click.command("list-responses")
@output.json_option
@pass_session
def list_responses(session: Session, as_json: bool) -> None:
    """List what was signed in advance, and whether it would work.

    \b
    Examples:
      $ bwm list-responses
      $ bwm list-responses --json
    """
    with session.database(session.config()):
        described = armed_locks.described(armed_locks.judged())
    if as_json:
        output.document(described)
        return
    output.table(
        ("response", "guardian", "nonce", "sat/vB", "state", "why", "checked"),
        (
            (
                lock["name"],
                lock["guardian"],
                lock["nonce"],
                f"{lock['feerate']:g}",
                lock["verdict"],
                lock["reason"],
                lock["checked_at"],
            )
            for lock in described
        ),
    )


@click.command("remove-response")
@click.argument("name")
@pass_session
def remove_response(session: Session, name: str) -> None:
    """Forget what was signed in advance.

    \b
    Example:
      $ bwm remove-response lock-1
    """
    with session.database(session.config()) as database, database.transaction():
        armed_locks.remove(name)
    click.echo(f"Removed {name}.")
