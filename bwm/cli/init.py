"""The command that makes the configuration."""

import json
import os
import secrets
from pathlib import Path

import click

from bwm.chain.network import Network
from bwm.chain.network import network as network_of
from bwm.cli import output
from bwm.cli.config_file import own_name, write_private
from bwm.cli.session import Session, pass_session
from bwm.config import SYSTEM_FILE, Config, default_state_dir, user_file
from bwm.config_node import NodeConfig
from bwm.daemon.connect import connect
from bwm.errors import NodeError, UsageError
from bwm.node.advice import feed_findings, feed_lines, user_lines
from bwm.node.credentials import why_unreadable
from bwm.node.find import FoundNode, find_nodes

_USER = "bwm"
_PASSWORD_FILE = "node-password"  # noqa: S105 - a file's name

_TEMPLATE = """\
# The configuration of bwm. `bwm doctor` checks it.

network   = {network}            # main, test, testnet4, signet, regtest
state_dir = {state_dir}          # the database and the lock

[node]
rpc = {rpc}
{credentials}
# Where the node publishes is asked from the node. To set it:
# zmq_rawtx = "tcp://127.0.0.1:28432"         # also zmq_hashblock, zmq_sequence, zmq_rawblock

[defaults]
final_depth = 6                  # blocks; a vault may set its own
reconcile_every = "15s"          # how often the node is asked what the feed may have missed

# Ways to people: `bwm add-channel NAME` writes such a section, and keeps the URL in a file of its own.
# [[channel]]
# name = "phone"
# kind = "apprise"
# url_file = "channels/phone"
# people = ["owner"]
# min_severity = "warning"       # info, warning, high, critical, emergency
"""


@click.command()
@click.option("--force", is_flag=True, help="Write over a configuration that is there.")
@click.option("--own-user", is_flag=True, help="Give bwm a user of its own on the node in place of the cookie.")
@pass_session
def init(session: Session, force: bool, own_user: bool) -> None:
    """Find the node and write the configuration.

    The node is looked for in its usual places. Where its cookie cannot be read, or with --own-user, bwm gets a user of
    its own. Lines that bitcoin.conf lacks are printed; nothing of the node is changed.

    \b
    Examples:
      $ bwm init
      $ sudo -u bwm bwm --config /etc/bwm/bwm.toml init
      $ bwm --config /etc/bwm/signet.toml --network signet init
    """
    file = session.config_file or (SYSTEM_FILE if os.geteuid() == 0 else user_file())
    if file.exists() and not force:
        raise UsageError(f"{file} is there already and was not touched. Edit it, or write over it with --force.")
    network = network_of(session.network or "main")
    found = _find(network)
    lines: list[str] = []
    if own_user or found is None or why_unreadable(found.cookie):
        password_file = own_name(file, _PASSWORD_FILE)
        credentials = f'user = "{_USER}"\npassword_file = {_quoted(password_file)}'
        lines += _make_user(file.parent / password_file)
        lines += feed_lines()
    else:
        credentials = f"cookie_file = {_quoted(found.cookie)}"
        lines += _feed_lines(network, found)
    write_private(file, _text(network, credentials))
    click.echo(f"Wrote {file}.")
    if lines:
        place = "" if network.name == "main" else f", into its section [{network.chain}]"
        click.echo(f"\nAdd to bitcoin.conf{place}, then restart the node:\n")
        click.echo("\n".join(lines))
    output.note("\nThen: bwm add-channel phone, bwm add-vault NAME, bwm doctor")


def _find(network: Network) -> FoundNode | None:
    """The likeliest node, with a word to the person about each."""
    found = find_nodes(network)
    for node in found:
        output.note(f"Found {node.cookie.parent}: {node.problem or 'its cookie can be read'}.")
    if not found:
        output.note("No node was found in the usual places. Correct [node] rpc if it is on another machine.")
    return found[0] if found else None


def _make_user(password_file: Path) -> tuple[str, ...]:
    """A password in a file that bwm reads; the lines for bitcoin.conf hold a digest of it only."""
    password = secrets.token_urlsafe(32)
    write_private(password_file, f"{password}\n")
    return user_lines(_USER, password, secrets.token_hex(16), may_broadcast=True)


def _feed_lines(network: Network, found: FoundNode) -> list[str]:
    """What the node's feed lacks; all of it when the node does not answer."""
    config = Config(
        network=network.name,
        state_dir=Path(),
        database_url="",
        node=NodeConfig(rpc=found.rpc, cookie_file=found.cookie),
    )
    try:
        node = connect(config)
        node.check_network(network)
        findings = feed_findings(node.zmq_notifications(), {}, node.rpc.host)
    except NodeError as error:
        output.note(f"The node does not answer now: {error}")
        return list(feed_lines())
    return list(dict.fromkeys(line for finding in findings for line in finding.mend))


def _text(network: Network, credentials: str) -> str:
    return _TEMPLATE.format(
        network=_quoted(network.name),
        state_dir=_quoted(default_state_dir(network.name)),
        rpc=_quoted(f"http://127.0.0.1:{network.rpc_port}"),
        credentials=credentials,
    )


def _quoted(value: object) -> str:
    """A TOML string; JSON's escapes are TOML's too."""
    return json.dumps(str(value), ensure_ascii=False)
