"""The command that takes over the users of another RewindBitcoin watchtower."""

from pathlib import Path

import click

from bwm.cli import output
from bwm.cli.session import Session, pass_session
from bwm.clock import SystemClock
from bwm.config import Config
from bwm.config_api import REWIND_NETWORKS, usual_networks
from bwm.daemon.open_response import sealer_of
from bwm.daemon.rewind import peer_database
from bwm.daemon.rewind.peer_database import PeerData, PeerDevice
from bwm.db import cursor, rewind_import
from bwm.db.database import Database
from bwm.db.rewind import Device, hash_of, place_of
from bwm.db.rewind_import import Imported, Told
from bwm.errors import BwmError, UsageError
from bwm.seal import Sealer
from bwm.severity import Severity

_AGAIN = 4  # blocks below its last one that the other watchtower would look at again


@click.command("import-rewind")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would be taken over.")
@pass_session
def import_rewind(session: Session, folder: Path, dry_run: bool) -> None:
    """Take over the wallets of another RewindBitcoin watchtower.

    FOLDER holds its databases, like watchtower.bitcoin.sqlite; stop it first. They are only read. A wallet registers a
    vault once for one address of a watchtower, and never again: without this, vaults that were registered before are
    watched by nobody. Who was told or has acknowledged is not told again. Doing it twice changes nothing.

    \b
    Examples:
      $ bwm import-rewind /var/lib/watchtower/db --dry-run
      $ bwm import-rewind /var/lib/watchtower/db
    """
    config = session.config()
    served = config.api.rewind_networks if config.api else usual_networks(config.network)
    found = [network for network in REWIND_NETWORKS if peer_database.file_of(folder, network).exists()]
    if not found:
        raise UsageError(f"{folder} holds no database of a watchtower, like watchtower.bitcoin.sqlite.")
    for network in found:
        if network not in served:
            output.note(f"{network}: left alone, this bwm watches {config.network}.")
    data = {
        network: peer_database.read(peer_database.file_of(folder, network)) for network in found if network in served
    }
    with session.database(config) as database:
        for network, peer in data.items():
            _take_over(config, database, network, peer, dry_run)


def _take_over(config: Config, database: Database, network: str, peer: PeerData, dry_run: bool) -> None:
    txids = sum(len(vault.txids) for vault in peer.vaults.values())
    click.echo(f"{network}: {len(peer.vaults)} vaults, {txids} transactions, {len(peer.devices)} devices.")
    for words, number in sorted(peer.oddities.items()):
        output.note(f"{network}: {number} times {words}.")
    if dry_run:
        click.echo(f"{network}: nothing was changed.")
        return
    at = cursor.at()
    if at is None:
        raise BwmError("bwm has not seen its node yet. Start the daemon once, until `bwm status` shows a block.")
    read_from = None if peer.height is None else max(0, peer.height + 1 - _AGAIN)
    with_commitments = config.api is not None and config.api.commitments
    sealer = sealer_of(config, make=True)
    assert sealer is not None, "it was made if there was none"
    imported = _imported(peer, sealer, with_commitments=with_commitments)
    with database.transaction():
        now = SystemClock().now()
        count = rewind_import.take_over(network, imported, at, read_from, Severity.EMERGENCY, now)
    click.echo(f"{network}: new are {count.vaults} vaults, {count.txids} transactions, {count.devices} devices.")


def _imported(peer: PeerData, sealer: Sealer, *, with_commitments: bool) -> list[Imported]:
    devices: dict[str, list[Told]] = {}
    for device in peer.devices:
        devices.setdefault(device.wallet_id, []).append(_told(device, sealer))
    return [
        Imported(
            wallet_id=vault.wallet_id,
            txids=tuple(vault.txids),
            seen=tuple(vault.seen),
            unknown="unchecked" in vault.txids.values(),
            commitment=vault.commitment if with_commitments else None,
            devices=tuple(devices.get(vault.wallet_id, ())),
        )
        for vault in peer.vaults.values()
    ]


def _told(one: PeerDevice, sealer: Sealer) -> Told:
    sealed = sealer.seal(one.token.encode(), place_of(hash_of(one.token)))
    device = Device(one.token, sealed, one.wallet_uuid, one.wallet_name, one.watchtower_id, one.locale)
    return Told(device, one.vault_number, one.acknowledged, one.first_at, one.last_at, one.attempts)
