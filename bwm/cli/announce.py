"""The commands about spends that the owner says will come."""

from typing import TextIO

import click

from bwm.chain.network import network as network_of
from bwm.cli import output
from bwm.cli.session import Session, pass_session
from bwm.cli.words import reading
from bwm.clock import SystemClock, rfc3339
from bwm.daemon.announcing import SHORTEST_S, USUAL_FEE, announced, drafted
from bwm.daemon.targets import targets_of
from bwm.db import announcements, vaults
from bwm.db.commit import commit
from bwm.errors import UsageError
from bwm.plan_policies import plan_announcement
from bwm.policy.announced_text import LONGEST_S, read_text, text_of
from bwm.policy.announcement import State
from bwm.toml import parse_duration


@click.command()
@click.argument("vault", required=False)
@click.option("--txid", help="The transaction that will come.")
@click.option("--to", "places", multiple=True, metavar="ADDRESS:SATS", help="Where it pays, and how much at most.")
@click.option("--max-fee", default=USUAL_FEE, show_default=True, metavar="SATS", help="The most that it may cost.")
@click.option("--within", default="2h", show_default=True, metavar="TIME", help="How long the announcement holds.")
@click.option("--print-message", is_flag=True, help="Print the text to be signed, and announce nothing.")
@click.option("--message", type=click.File(encoding="utf-8"), metavar="FILE", help="The text that was signed.")
@click.option(
    "--signature", type=click.File(encoding="utf-8"), metavar="FILE", help="Its signature, as a wallet prints it."
)
@pass_session
def announce(
    session: Session,
    vault: str | None,
    txid: str | None,
    places: tuple[str, ...],
    max_fee: int,
    within: str,
    print_message: bool,
    message: TextIO | None,
    signature: TextIO | None,
) -> None:
    """Say that a spend will come, so that it is told quietly.

    One transaction uses it up. A spend that does not keep to it is told as loudly as any. Coins may go to the
    destinations, each up to its limit, and back to the vault's own addresses; the rest is fee.

    \b
    Examples:
      $ bwm announce cold --txid 4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b
      $ bwm announce cold --to bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq:250000 --within 30m
      $ bwm announce cold --to bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq:250000 --print-message
      $ bwm announce --message announcement.txt --signature signature.txt
    """
    config = session.config()
    network = network_of(config.network)
    now = SystemClock().now()
    if message:
        with reading(message.name):
            said = read_text(message.read(), network)
    else:
        said = drafted(_required(vault), txid, places, max_fee, _seconds(within), network, now)
    with reading(signature.name if signature else ""):
        proof = signature.read() if signature else None
    with session.database(config) as database:
        vaults.find(said.announcement.vault)
        if print_message:
            click.echo(text_of(said, config.network))
            return
        number = announced(config, database, said, proof, now)
    click.echo(f"Announced {number} for vault {said.announcement.vault}, until {rfc3339(said.announcement.ends_at)}.")


def _required(vault: str | None) -> str:
    if vault is None:
        raise UsageError("Give the vault that the spend takes from. `bwm list-vaults` lists them.")
    return vault


def _seconds(within: str) -> int:
    try:
        seconds = parse_duration(within)
    except ValueError as error:
        raise UsageError(f"--within: {error}") from None
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise UsageError("--within takes from one minute to 30 days.")
    return seconds


@click.command("list-announcements")
@output.json_option
@pass_session
def list_announcements(session: Session, as_json: bool) -> None:
    """List the announced spends, and what became of them.

    \b
    Examples:
      $ bwm list-announcements
      $ bwm list-announcements --json
    """
    with session.database(session.config()):
        rows = announcements.described()
    if as_json:
        output.document(rows)
        return
    output.table(
        ("number", "vault", "state", "until", "spend", "used by", "signed by"),
        (
            (
                row["id"],
                row["vault"],
                row["state"],
                row["ends_at"],
                row["txid"] or ", ".join(f"{place['address']}:{place['sats']}" for place in row["to"]),
                row["met_by"],
                row["signed_by"],
            )
            for row in rows
        ),
        if_empty="No spend was announced.",
    )


@click.command("cancel-announcement")
@click.argument("number", type=int)
@pass_session
def cancel_announcement(session: Session, number: int) -> None:
    """Take an announcement back: the spend is told as loudly as any.

    \b
    Example:
      $ bwm cancel-announcement 3
    """
    config = session.config()
    with session.database(config) as database, database.transaction():
        now = SystemClock().now()
        one = announcements.get(number)
        if one.state is not State.OPEN:
            raise UsageError(f"Announcement {number} is {one.state} already; nothing was changed.")
        changes = plan_announcement(one, number, "announcement.cancelled", None, config.network, now)
        commit(database, changes, targets_of(config), now)
    click.echo(f"Cancelled announcement {number}.")
