"""The commands about guardians: which there are, what they watch over, how they stand."""

from typing import Any

import click

from bwm.chain.address import script_of_address
from bwm.chain.network import network as network_of
from bwm.cli import output
from bwm.cli.confirm import confirm, yes_option
from bwm.cli.events import in_words
from bwm.cli.guardian_answer import answer, sight, take_stock
from bwm.cli.session import Session, pass_session
from bwm.cli.words import no_empty_word
from bwm.clock import SystemClock
from bwm.daemon.connect import connect
from bwm.daemon.keep_guardian import forget, keep
from bwm.daemon.register_guardian import Wish
from bwm.db import guardians, journal, protection
from bwm.errors import UsageError
from bwm.toml import parse_duration

_LATEST = 10  # events that show-guardian shows

vaults_option = click.option("--vault", "vaults", multiple=True, metavar="NAME", help="A vault that it protects.")
tags_option = click.option(
    "--tag", "tags", multiple=True, callback=no_empty_word, metavar="WORD", help="It protects vaults with this tag."
)


def seconds(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """A duration as an option gives it."""
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command("add-guardian")
@click.argument("name")
@click.argument("address")
@vaults_option
@tags_option
@click.option("--accept-locked", is_flag=True, help="Also take one that is locked, and begin with that.")
@click.option("--assume-locked", is_flag=True, help="Begin locked, as its history cannot be read.")
@click.option("--accept-high-nonce", is_flag=True, help="Also take one with a nonce above 65535.")
@click.option(
    "--unlock-confirmations",
    type=click.IntRange(0, 1000),
    default=6,
    show_default=True,
    metavar="BLOCKS",
    help="How deep an unlock must be to count.",
)
@click.option(
    "--unlock-delay",
    "unlock_delay_s",
    callback=seconds,
    default="0s",
    show_default=True,
    metavar="DURATION",
    help="How long an unlock must have been mined, besides.",
)
@pass_session
def add_guardian(
    session: Session, /, name: str, address: str, vaults: tuple[str, ...], tags: tuple[str, ...], **wishes: Any
) -> None:
    """Watch a Guardian Address for locks and unlocks.

    The node is asked for the address's coins and past signals, which takes some minutes on the main network. A lock
    counts as soon as it is seen, an unlock only when it is deep enough. While a guardian is locked, a spend from a
    vault that it protects is an emergency.

    \b
    Examples:
      $ bwm add-guardian family bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq --vault cold --tag savings
      $ bwm add-guardian family bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq --unlock-delay 1d
    """
    config = session.config()
    wish = Wish(name, address.strip(), **wishes)
    with session.database(config) as database:
        guardians.refuse_taken(name, script_of_address(wish.address, network_of(config.network)))
        with output.progress("Looking for coins and signals") as on_progress:
            prepared = keep(config, database, connect(config), wish, (vaults, tags), SystemClock().now(), on_progress)
    for remark in prepared.remarks:
        output.note(remark)
    state = prepared.guardian.state
    click.echo(f"Added guardian {name}: {state.state}. {state.reason}")


@click.command("edit-guardian")
@click.argument("name")
@vaults_option
@tags_option
@click.option("--no-vaults", is_flag=True, help="Protect no vault by name.")
@click.option("--no-tags", is_flag=True, help="Protect no vault by tag.")
@pass_session
def edit_guardian(
    session: Session, name: str, vaults: tuple[str, ...], tags: tuple[str, ...], no_vaults: bool, no_tags: bool
) -> None:
    """Change which vaults a guardian protects.

    What is given replaces what was there: all vaults, or all tags.

    \b
    Example:
      $ bwm edit-guardian family --vault cold --vault savings
    """
    if not (vaults or tags or no_vaults or no_tags):
        raise UsageError("Say what to change: --vault, --tag, --no-vaults or --no-tags.")
    with session.database(session.config()) as database, database.transaction():
        row = guardians.find(name)
        kept_vaults, kept_tags = protection.of(row)
        protection.protect(
            row.id,
            vaults if vaults or no_vaults else kept_vaults,
            tags if tags or no_tags else kept_tags,
        )
    click.echo(f"Changed guardian {name}.")


@click.command("list-guardians")
@output.json_option
@pass_session
def list_guardians(session: Session, as_json: bool) -> None:
    """List the guardians with their lock states.

    \b
    Examples:
      $ bwm list-guardians
      $ bwm list-guardians --json
    """
    config = session.config()
    with session.database(config):
        now = SystemClock().now()
        described = guardians.described(now)
        hidden = sight(config, now)["not_covered"] if described else []
    if hidden:
        output.note(f"bwm does not see now, so this is what it last knew: {'; '.join(hidden)}")
    if as_json:
        output.document(described)
        return
    output.table(
        ("guardian", "state", "nonce", "since", "pending unlock", "address"),
        (
            (
                guardian["name"],
                guardian["state"],
                guardian["nonce"],
                guardian["since"],
                _pending(guardian),
                guardian["address"],
            )
            for guardian in described
        ),
        if_empty="There is no guardian yet. Add one: bwm add-guardian NAME ADDRESS",
    )


@click.command("show-guardian")
@click.argument("name")
@output.json_option
@pass_session
def show_guardian(session: Session, name: str, as_json: bool) -> None:
    """Say whether a guardian is locked, and why.

    Also what would change that, which vaults it protects, whether its locks that were signed in advance would work
    today, and its latest events.

    \b
    Example:
      $ bwm show-guardian family
    """
    config = session.config()
    with session.database(config):
        stock = take_stock(config, name, SystemClock().now())
        events = journal.latest(name, _LATEST)
    if as_json:
        output.document(stock | {"events": [event.as_json() for event in events]})
        return
    headline, facts = answer(stock)
    click.echo(f"{headline}\n")
    output.facts(facts)
    click.echo()
    for event in events:
        click.echo(in_words(event))


@click.command("remove-guardian")
@click.argument("name")
@click.option("--retire-locked", is_flag=True, help="Remove it though it is locked, and tell everybody.")
@yes_option
@pass_session
def remove_guardian(session: Session, name: str, retire_locked: bool, yes: bool) -> None:
    """Stop watching a guardian; its history stays.

    A locked guardian is not removed: unlock it first. If its key is lost for good, --retire-locked removes it all the
    same, and that is told on every channel. Asks first when a person is there to answer.

    \b
    Examples:
      $ bwm remove-guardian family
      $ bwm remove-guardian family --retire-locked
    """
    config = session.config()
    with session.database(config) as database:
        guardians.find(name)
        confirm(f"Stop watching guardian {name}?", yes)
        forget(config, database, name, SystemClock().now(), retire_locked=retire_locked)
    click.echo(f"Removed guardian {name}.")


def _pending(guardian: dict[str, Any]) -> str | None:
    unlock = guardian["pending_unlock"]
    return f"nonce {unlock['nonce']}, {unlock['confirmations']} confirmations" if unlock else None
