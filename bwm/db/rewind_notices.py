"""What a telephone is shown of what befell its wallets' vaults, and what it has acknowledged of that."""

from dataclasses import dataclass
from typing import Any

from bwm.db.rewind import hash_of
from bwm.db.schema import RewindDevice, RewindPush, RewindVault
from bwm.policy import rewind
from bwm.policy.rewind import Acknowledgement, Incident


@dataclass(frozen=True, slots=True)
class Notice:
    """One item of a wallet's list of alerts."""

    wallet_id: str
    wallet_uuid: str
    wallet_name: str
    vault_number: int
    watchtower_id: str
    txid: str
    attempts: int
    detected_at: int
    network: str


def incident_of(row: Any) -> Incident:
    """How a vault stands, of its row."""
    return Incident(row.incident, row.gone_since)


def acknowledgement_of(row: Any) -> Acknowledgement:
    """What a device has answered, of its row."""
    return Acknowledgement(row.acknowledged_incident, row.acknowledged_ahead_at)


def acknowledge(network: str, token: str, wallet_id: str, now: int) -> bool:
    """A device has seen the alert of a vault, or will not need it. False when there is no such pair.

    Call inside a transaction.
    """
    device: Any = (
        RewindDevice.select(RewindDevice, RewindVault)
        .join(RewindVault)
        .where((RewindVault.network == network) & (RewindVault.wallet_id == wallet_id))
        .where(RewindDevice.token_hash == hash_of(token))
        .first()
    )
    if device is None:
        return False
    answered = rewind.acknowledge(incident_of(device.rewind_vault), acknowledgement_of(device), now)
    put_acknowledgement(device.id, answered)
    if rewind.is_silenced(answered, incident_of(device.rewind_vault)):
        RewindPush.update(due_at=None).where(RewindPush.device == device.id).execute()
    return True


def put_acknowledgement(device_id: int, answered: Acknowledgement) -> None:
    """Write what a device has answered. Call inside a transaction."""
    RewindDevice.update(acknowledged_incident=answered.incident, acknowledged_ahead_at=answered.ahead_at).where(
        RewindDevice.id == device_id
    ).execute()


def notices(network: str, token: str) -> list[Notice]:
    """What a device has not acknowledged of what is seen now, the oldest first."""
    rows: Any = (
        RewindPush.select(RewindPush, RewindDevice, RewindVault)
        .join(RewindDevice)
        .join(RewindVault)
        .where((RewindDevice.token_hash == hash_of(token)) & (RewindVault.network == network))
        .order_by(RewindPush.detected_at, RewindPush.id)
    )
    open_rows = [
        row
        for row in rows
        if not rewind.is_silenced(acknowledgement_of(row.device), incident_of(row.device.rewind_vault))
    ]
    attempts: dict[int, int] = {}
    for row in open_rows:
        attempts[row.device_id] = attempts.get(row.device_id, 0) + row.accepted
    return [notice_of(row, attempts[row.device_id]) for row in open_rows]


def notice_of(push: Any, attempts: int) -> Notice:
    """What is said of one trigger, of its row joined with device and vault; ``attempts``: of the device so far."""
    device, vault = push.device, push.device.rewind_vault
    return Notice(
        wallet_id=vault.wallet_id,
        wallet_uuid=device.wallet_uuid,
        wallet_name=device.wallet_name,
        vault_number=device.vault_number,
        watchtower_id=device.watchtower_id,
        txid=push.txid,
        attempts=attempts,
        detected_at=push.detected_at,
        network=vault.network,
    )
