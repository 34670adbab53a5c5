"""The commands about who may call the API."""

import click

from bwm.cli import output
from bwm.cli.session import Session, pass_session
from bwm.cli.words import no_empty_word
from bwm.clock import SystemClock, rfc3339
from bwm.db import tokens


@click.command("add-token")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(list(tokens.SCOPES)),
    help="What it is for; may be repeated.",
)
@click.option(
    "--vault",
    "owners",
    multiple=True,
    default=tokens.EVERYTHING,
    callback=no_empty_word,
    metavar="PATTERN",
    help="Only vaults and guardians of these names, like family-*; without: all.",
)
@pass_session
def add_token(session: Session, name: str, scopes: tuple[str, ...], owners: tuple[str, ...]) -> None:
    """Let a program call the API.

    The token is printed once, alone on standard output, and cannot be shown again: bwm keeps only its hash. What a
    token may not see is for it as if it were not there.

    \b
    Examples:
      $ bwm add-token dashboard --scope read > dashboard.token
      $ bwm add-token alice --scope read --scope ack --vault "alice-*"
    """
    with session.database(session.config()) as database, database.transaction():
        token = tokens.add(name, scopes, owners, SystemClock().now())
    click.echo(token)
    output.note(f"That is the token {name}. Keep it: it is not shown again.")


@click.command("list-tokens")
@output.json_option
@pass_session
def list_tokens(session: Session, as_json: bool) -> None:
    """List the tokens, without their secrets.

    \b
    Example:
      $ bwm list-tokens
    """
    with session.database(session.config()):
        found = [
            {
                "name": holder.name,
                "scopes": sorted(holder.scopes),
                "vaults": list(holder.owners),
                "created_at": rfc3339(created_at),
            }
            for holder, created_at in tokens.listed()
        ]
    if as_json:
        output.document(found)
        return
    columns = ("name", "scopes", "vaults", "created_at")
    output.table(
        ("token", "scopes", "vaults", "since"),
        ([each[c] if isinstance(each[c], str) else " ".join(each[c]) for c in columns] for each in found),
        if_empty="There is no token: no program may call the API. Add one: bwm add-token NAME --scope read",
    )


@click.command("revoke-token")
@click.argument("name")
@pass_session
def revoke_token(session: Session, name: str) -> None:
    """Have a token open nothing any more.

    It holds from the next request on, also while the daemon runs.

    \b
    Example:
      $ bwm revoke-token dashboard
    """
    with session.database(session.config()) as database, database.transaction():
        tokens.revoke(name)
    click.echo(f"Revoked token {name}.")
