"""The commands about vaults."""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TextIO

import click

from bwm.chain.network import Network
from bwm.chain.network import network as network_of
from bwm.cli import output
from bwm.cli.confirm import confirm, yes_option
from bwm.cli.events import in_words
from bwm.cli.import_file import read_vaults
from bwm.cli.session import Session, pass_session
from bwm.cli.words import no_empty_word
from bwm.clock import SystemClock
from bwm.daemon.connect import connect
from bwm.daemon.lock import is_held
from bwm.daemon.registration import Wish, check_name, height_of_birthday, prepare, wish_of
from bwm.db import journal, new_vaults, vaults
from bwm.errors import UsageError
from bwm.severity import Severity

_TOLD_ONE_BY_ONE = 20  # of vaults added together
_LATEST = 10  # events that show-vault shows

severity_option = click.option(
    "--severity", type=click.Choice([str(severity) for severity in Severity]), help="Of a spend."
)
final_depth_option = click.option(
    "--final-depth", type=click.IntRange(1, 10_000), metavar="BLOCKS", help="When a transaction counts as final."
)
tags_option = partial(click.option, "--tag", "tags", multiple=True, callback=no_empty_word, metavar="WORD")


@click.command("add-vault")
@click.argument("name", required=False)
@click.option("--txid", "txids", multiple=True, metavar="TXID", help="A transaction that must not appear.")
@click.option("--outpoint", "outpoints", multiple=True, metavar="TXID:VOUT", help="A coin that must not move.")
@click.option("--address", "addresses", multiple=True, metavar="ADDRESS", help="All coins of an address.")
@click.option("--descriptor", "descriptors", multiple=True, metavar="TEXT", help="All coins of a wallet.")
@click.option("--birthday", metavar="HEIGHT|DATE", help="Also read the chain from there on.")
@severity_option
@final_depth_option
@tags_option(help="A word to find it by in policies.")
@click.option("--from-file", type=click.File(encoding="utf-8"), metavar="FILE", help="Many vaults; - is stdin.")
@pass_session
def add_vault(
    session: Session,
    name: str | None,
    txids: tuple[str, ...],
    outpoints: tuple[str, ...],
    addresses: tuple[str, ...],
    descriptors: tuple[str, ...],
    birthday: str | None,
    severity: str | None,
    final_depth: int | None,
    tags: tuple[str, ...],
    from_file: TextIO | None,
) -> None:
    """Watch transactions, coins, addresses or descriptors under one name.

    Options may be repeated. A running daemon takes a new vault up within a second. The node is asked for the coins
    of addresses and descriptors, which takes some minutes on the main network.

    With --from-file, JSON or CSV, many vaults are added together, all or none of them. JSON: a list of objects with
    name, txids, outpoints, addresses, descriptors, birthday, severity, final_depth, tags. CSV: a head line with name,
    txid, outpoint, address, descriptor, birthday, severity, final_depth, tags; rows of one name are one vault.

    \b
    Examples:
      $ bwm add-vault cold --address bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq
      $ bwm add-vault rewind --txid 4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b
      $ bwm add-vault savings --descriptor "wpkh([d34db33f/84h/0h/0h]xpub.../<0;1>/*)#checksum" --birthday 2024-05-01
      $ bwm add-vault --from-file vaults.csv
    """
    if (name is None) == (from_file is None):
        raise UsageError("Give the vault's NAME, or --from-file with many vaults.")
    config = session.config()
    usual = wish_of(
        config.final_depth,
        name=name or "",
        txids=txids,
        outpoints=outpoints,
        addresses=addresses,
        descriptors=descriptors,
        birthday=birthday,
        severity=severity,
        final_depth=final_depth,
        tags=tags,
    )
    if from_file is None:
        _register(session, (usual,))
        return
    with _without_collector():
        _register(session, _read(from_file, network_of(config.network), usual))


@contextmanager
def _without_collector() -> Iterator[None]:
    """A million triggers are millions of objects without circles: to look for circles took a quarter of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _read(file: TextIO, network: Network, usual: Wish) -> tuple[Wish, ...]:
    if usual.txids or usual.outpoints or usual.addresses or usual.descriptors:
        raise UsageError("With --from-file, write what is watched into the file.")
    try:
        return read_vaults(file.read(), network, usual)
    except UnicodeDecodeError:
        raise UsageError(f"{file.name} is not UTF-8 text; nothing was added.") from None


def _register(session: Session, wishes: tuple[Wish, ...]) -> None:
    config = session.config()
    network = network_of(config.network)
    with session.database(config) as database:
        vaults.refuse_taken(*(wish.name for wish in wishes))
        node = connect(config)
        node.check_network(network)
        with output.progress("Looking for coins") as on_progress:
            prepared = prepare(wishes, network, node, config.gap_limit, on_progress)
        with output.progress("Writing them down") as on_progress:
            new_vaults.add(database, prepared.vaults, SystemClock().now(), on_progress)
    for remark in prepared.remarks[:_TOLD_ONE_BY_ONE]:
        output.note(remark)
    if more := len(prepared.remarks[_TOLD_ONE_BY_ONE:]):
        output.note(f"So it is with {_count(more, 'other vault')}.")
    for vault in prepared.vaults[:_TOLD_ONE_BY_ONE]:
        click.echo(f"Added vault {vault.name}: {_count(len(vault.triggers), 'trigger')}.")
    if rest := prepared.vaults[_TOLD_ONE_BY_ONE:]:
        triggers = sum(len(vault.triggers) for vault in rest)
        click.echo(f"Added {_count(len(rest), 'other vault')}: {_count(triggers, 'trigger')}.")
    if not config.channels:
        output.note(output.NO_CHANNEL)


@click.command("edit-vault")
@click.argument("name")
@click.option("--rename", metavar="NAME", help="A new name.")
@severity_option
@final_depth_option
@tags_option(help="Tags in place of those it has.")
@click.option("--no-tags", is_flag=True, help="Take all its tags away.")
@pass_session
def edit_vault(
    session: Session,
    name: str,
    rename: str | None,
    severity: str | None,
    final_depth: int | None,
    tags: tuple[str, ...],
    no_tags: bool,
) -> None:
    """Change a vault's name, severity, depth or tags.

    What a vault watches is not changed: add another vault, or remove this one.

    \b
    Example:
      $ bwm edit-vault cold --severity critical --final-depth 3
    """
    if not (rename or severity or final_depth or tags or no_tags):
        raise UsageError("Say what to change: --rename, --severity, --final-depth, --tag or --no-tags.")
    if rename:
        check_name(rename)
    with session.database(session.config()) as database, database.transaction():
        vaults.edit(
            name,
            severity=Severity(severity) if severity else None,
            final_depth=final_depth,
            tags=tags if tags or no_tags else None,
            new_name=rename,
        )
    click.echo(f"Changed vault {rename or name}.")


@click.command("list-vaults")
@output.json_option
@pass_session
def list_vaults(session: Session, as_json: bool) -> None:
    """List the vaults with their triggers.

    \b
    Examples:
      $ bwm list-vaults
      $ bwm list-vaults --json
    """
    with session.database(session.config()):
        described = vaults.described()
    if as_json:
        output.document(described)
        return
    output.table(
        ("vault", "severity", "final depth", "covered from", "tags", "triggers"),
        (
            (
                vault["name"],
                vault["severity"],
                vault["final_depth"],
                vault["covered_from"],
                " ".join(vault["tags"]),
                _triggers_in_short(vault["triggers"]),
            )
            for vault in described
        ),
        if_empty="There is no vault yet. Add one: bwm add-vault NAME",
    )


@click.command("show-vault")
@click.argument("name")
@output.json_option
@pass_session
def show_vault(session: Session, name: str, as_json: bool) -> None:
    """Show one vault and its latest events.

    \b
    Example:
      $ bwm show-vault cold
    """
    with session.database(session.config()):
        vaults.find(name)
        [vault] = vaults.described([name])
        events = journal.latest(name, _LATEST)
    if as_json:
        output.document(vault | {"events": [event.as_json() for event in events]})
        return
    shown = ("severity", "final_depth", "birthday", "covered_from")
    pairs = [(key.replace("_", " "), vault[key]) for key in shown]
    output.facts([("name", name), *pairs, ("tags", " ".join(vault["tags"]))])
    for trigger in vault["triggers"]:
        by = f" by {trigger['txid']}" if trigger["txid"] else ""
        click.echo(output.printable(f"{trigger['kind']} {trigger['key']}: {trigger['status']}{by}"))
    for event in events:
        click.echo(in_words(event))


@click.command("remove-vault")
@click.argument("name")
@yes_option
@pass_session
def remove_vault(session: Session, name: str, yes: bool) -> None:
    """Stop watching a vault; its history stays.

    Asks first when a person is there to answer.

    \b
    Example:
      $ bwm remove-vault old-wallet
    """
    with session.database(session.config()) as database:
        vaults.find(name)
        confirm(f"Stop watching vault {name}?", yes)
        with database.transaction():
            vaults.remove(name)
    click.echo(f"Removed vault {name}.")


@click.command()
@click.argument("name")
@click.option("--from", "first", required=True, metavar="HEIGHT|DATE", help="Where to begin.")
@pass_session
def rescan(session: Session, name: str, first: str) -> None:
    """Read the chain again for a vault.

    The daemon does it beside its other work; `bwm status` shows how far it is. What is found in the past is told
    like anything else.

    \b
    Examples:
      $ bwm rescan cold --from 840000
      $ bwm rescan cold --from 2024-04-20
    """
    config = session.config()
    with session.database(config) as database:
        vaults.find(name)
        node = connect(config)
        height = height_of_birthday(first, node, node.tip()) or 0
        with database.transaction():
            vaults.rescan(name, height)
    when = "" if is_held(config.state_dir) else ", as soon as the daemon runs"
    click.echo(f"The chain is read again for vault {name}, from block {height} on{when}.")


def _triggers_in_short(triggers: list[dict[str, Any]]) -> str:
    kinds = Counter(f"{trigger['kind']} {trigger['status']}" for trigger in triggers)
    return ", ".join(kind if number == 1 else f"{number} {kind}" for kind, number in kinds.items())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
