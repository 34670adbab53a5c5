"""The commands about transactions that were signed in advance."""

from typing import Any, TextIO

import click

from bwm.chain.network import network as network_of
from bwm.cli import output
from bwm.cli.confirm import confirm, yes_option
from bwm.cli.session import Session, pass_session
from bwm.cli.words import reading
from bwm.clock import SystemClock
from bwm.config import Config
from bwm.daemon.connect import connect
from bwm.daemon.keep_response import Text, Wish, deadline, forget, keep, keep_locks, read_raw, set_armed
from bwm.daemon.lock import is_held
from bwm.daemon.open_response import open_steps, sealer_of
from bwm.daemon.policy_desk import PolicyDesk, judged
from bwm.daemon.send_response import try_out
from bwm.daemon.targets import targets_of
from bwm.db import armed_locks, journal, responses
from bwm.db.broadcasts import order_by_hand, refuse_begun
from bwm.db.commit import commit
from bwm.db.responses import StoredResponse
from bwm.errors import BwmError, UsageError
from bwm.plan_response import plan_done
from bwm.response.answers import MEANING
from bwm.response.deadline import in_words


@click.command("add-response")
@click.argument("vault", required=False)
@click.argument("name", required=False)
@click.option(
    "--tx",
    "files",
    type=click.File(encoding="ascii"),
    multiple=True,
    required=True,
    metavar="FILE",
    help="The signed transaction in hexadecimal, or a PSBT; - is stdin. Again for each step of the ladder.",
)
@click.option(
    "--child",
    "children",
    type=click.File(encoding="ascii"),
    multiple=True,
    metavar="FILE",
    help="The child that pays for the --tx of the same place.",
)
@click.option(
    "--parent",
    "parents",
    type=click.File(encoding="ascii"),
    multiple=True,
    metavar="FILE",
    help="The trigger's transaction, to check against; it is not kept.",
)
@click.option("--delay", metavar="BLOCKS|DURATION", help="How long the thief must wait after the trigger.")
@click.option("--until", metavar="HEIGHT|DATE", help="Until when the thief must wait.")
@click.option("--budget", type=click.IntRange(1), metavar="SATS", help="Never pay a higher fee.")
@click.option("--guardian", metavar="NAME", help="The guardian that it locks, in place of VAULT and NAME.")
@pass_session
def add_response(
    session: Session,
    vault: str | None,
    name: str | None,
    files: tuple[TextIO, ...],
    children: tuple[TextIO, ...],
    parents: tuple[TextIO, ...],
    delay: str | None,
    until: str | None,
    budget: int | None,
    guardian: str | None,
) -> None:
    """Keep transactions that move a vault to safety, or watch over a lock.

    Several --tx are a ladder: of the same coins, each with another fee. They may pay only to what the configuration
    allows, are stored sealed, and are never shown again. Nothing is sent before you arm the response, or say
    `bwm broadcast`. The delay is read from the scripts where they show it.

    With --guardian the transaction is a lock: bwm keeps its nonce, coin and feerate, never the transaction, and says
    when it would be void.

    \b
    Examples:
      $ bwm add-response cold to-safety --tx sweep-5.hex --tx sweep-50.hex --tx sweep-500.hex --delay 144
      $ bwm add-response cold to-safety --tx sweep.psbt --parent unvault.hex --budget 100000
      $ bwm add-response --guardian family --tx lock-2.hex --tx lock-2-dear.hex
    """
    if guardian is not None:
        if vault or name or children or parents or delay or until or budget:
            raise UsageError("With --guardian give only --tx: a lock has no vault, deadline or budget of its own.")
        _add_locks(session, guardian, files)
        return
    if vault is None or name is None:
        raise UsageError("Give the VAULT and a NAME for the response; or --guardian for a lock.")
    lock = deadline(delay, until)
    steps, paying, shown = (_texts(each) for each in (files, children, parents))
    _add_response(session, Wish(vault, name, steps, paying, shown, lock, budget))


def _add_response(session: Session, wish: Wish) -> None:
    config = session.config()
    with session.database(config) as database:
        added, notes = keep(config, database, connect(config), wish, SystemClock().now())
    for note in notes:
        output.note(f"Note: {note}.")
    click.echo(f"Added {added.name}: {added.judgement.verdict}. {_capital(added.judgement.reason)}.")
    click.echo(f"Signed with: {', '.join(dict.fromkeys(step.flags for step in added.steps)) or 'no signature'}.")
    if added.lock is None:
        output.note("No deadline is known: give --delay or --until, so that the fee rises in time.")
    else:
        click.echo(f"The thief must wait: {in_words(added.lock)}.")
    click.echo(f"It is not armed. To let policies send it: bwm arm {added.name}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _texts(files: tuple[TextIO, ...]) -> list[Text]:
    return [Text(file.name, _text(file)) for file in files]


def _text(file: TextIO) -> str:
    with reading(file.name):
        return file.read()


def _add_locks(session: Session, guardian: str, files: tuple[TextIO, ...]) -> None:
    raws = [read_raw(one) for one in _texts(files)]
    config = session.config()
    with session.database(config) as database:
        added = keep_locks(database, connect(config), guardian, raws, SystemClock().now())
    for name, readiness in added:
        click.echo(f"Added {name}: {readiness.verdict}. {readiness.reason}")


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
        locks = armed_locks.described(armed_locks.judged())
        kept = responses.described(responses.every())
        held = responses.is_held()
    if as_json:
        output.document([*kept, *locks])
        return
    output.table(
        ("response", "of", "sat/vB", "armed", "state", "why", "checked"),
        (*(_response_row(one) for one in kept), *(_lock_row(lock) for lock in locks)),
        if_empty="Nothing was signed in advance yet. Add it: bwm add-response VAULT NAME --tx FILE",
    )
    if held:
        output.note("Everything is on hold: nothing is sent. `bwm hold --off` lifts it.")


def _response_row(one: dict[str, Any]) -> tuple[Any, ...]:
    rates = [step["feerate"] for step in one["steps"]]
    shown = " ".join("?" if rate is None else f"{rate:g}" for rate in rates)
    armed = "yes" if one["armed"] else "no"
    return one["name"], f"vault {one['vault']}", shown, armed, one["verdict"], one["reason"], one["checked_at"]


def _lock_row(lock: dict[str, Any]) -> tuple[Any, ...]:
    of = f"guardian {lock['guardian']}, nonce {lock['nonce']}"
    return lock["name"], of, f"{lock['feerate']:g}", "-", lock["verdict"], lock["reason"], lock["checked_at"]


@click.command("remove-response")
@click.argument("name")
@yes_option
@pass_session
def remove_response(session: Session, name: str, yes: bool) -> None:
    """Forget what was signed in advance.

    Of a response the transactions are gone then, so it asks first when a person is there to answer.

    \b
    Examples:
      $ bwm remove-response cold/to-safety
      $ bwm remove-response lock-1
    """
    config = session.config()
    with session.database(config) as database:
        if "/" in name:
            responses.find(name)
            confirm(f"Forget the transactions of response {name}?", yes)
            forget(config, database, name, SystemClock().now())
        else:
            with database.transaction():
                armed_locks.remove(name)
    click.echo(f"Removed {name}.")


@click.command("arm")
@click.argument("name", metavar="VAULT/NAME")
@pass_session
def arm(session: Session, name: str) -> None:
    """Let policies send a response without asking.

    \b
    Example:
      $ bwm arm cold/to-safety
    """
    _set_armed(session, name, armed=True)


@click.command("disarm")
@click.argument("name", metavar="VAULT/NAME")
@pass_session
def disarm(session: Session, name: str) -> None:
    """Keep policies from sending a response.

    \b
    Example:
      $ bwm disarm cold/to-safety
    """
    _set_armed(session, name, armed=False)


def _set_armed(session: Session, name: str, *, armed: bool) -> None:
    word = "armed" if armed else "disarmed"
    config = session.config()
    with session.database(config) as database:
        response, changed = set_armed(config, database, name, SystemClock().now(), armed=armed)
    click.echo(f"{_capital(word)} {name}." if changed else f"{name} was {word} already.")
    if armed and response.judgement.verdict in ("void", "weak"):
        output.note(f"But it is {response.judgement.verdict}: {response.judgement.reason}.")


@click.command("hold")
@click.option("--off", is_flag=True, help="Go on.")
@pass_session
def hold(session: Session, off: bool) -> None:
    """Hold all responses: nothing is sent until you lift it.

    \b
    Examples:
      $ bwm hold
      $ bwm hold --off
    """
    config = session.config()
    kind, reason = (
        ("response.hold_off", "the operator lifted the hold: responses are sent again")
        if off
        else ("response.hold_on", "the operator holds all responses: nothing is sent until `bwm hold --off`")
    )
    with session.database(config) as database, database.transaction():
        changed = responses.hold(on=not off)
        if changed:
            now = SystemClock().now()
            done = plan_done(kind, config.network, now, journal.last_seq(), reason)
            desk = PolicyDesk(config.policies, config.network)
            commit(database, judged(desk, database, done, now), targets_of(config), now)
    click.echo(_capital(reason) + "." if changed else "It was so already.")


@click.command("broadcast")
@click.argument("name", metavar="VAULT/NAME")
@click.option("--dry-run", is_flag=True, help="Ask the node what it would say, and send nothing.")
@pass_session
def broadcast(session: Session, name: str, dry_run: bool) -> None:
    """Send a response now, whether it is armed or not.

    It asks for the vault's name. The daemon then sends it, follows it and raises its fee until it is buried.

    \b
    Examples:
      $ bwm broadcast cold/to-safety --dry-run
      $ bwm broadcast cold/to-safety
    """
    config = session.config()
    with session.database(config) as database:
        response = responses.find(name)
        if dry_run:
            _try_out(config, response)
            return
        if responses.is_held():
            raise UsageError("Everything is on hold: nothing is sent. Lift it first: bwm hold --off")
        refuse_begun(response.id, name)
        typed = click.prompt(
            f"This moves all coins of the response. Type the vault's name ({response.vault})", err=True
        )
        if typed != response.vault:
            raise UsageError(f"That is not the vault's name, {response.vault}. Nothing was decided or sent.")
        with database.transaction():
            order_by_hand(response.name, response.vault, config.network, SystemClock().now())
    click.echo(f"Decided: {name} is sent and followed until it is buried. See: bwm events --kind response")
    if not is_held(config.state_dir):
        output.note("The daemon does not run: nothing is sent before it does. Start it with `bwm run`.")


def _try_out(config: Config, response: StoredResponse) -> None:
    node = connect(config)
    node.check_network(network_of(config.network))
    steps = open_steps(sealer_of(config), config.network, response)
    if not steps:
        raise BwmError(f"The transactions of {response.name} cannot be opened: the key that sealed them is missing.")
    for step in steps:
        said = try_out(node, step)
        words = f"{MEANING[said.answer].words} ({said.words})" if said.words else MEANING[said.answer].words
        click.echo(f"step {step.stored.position + 1}: {said.answer}. {_capital(words)}.")
    click.echo("Nothing was sent.")
