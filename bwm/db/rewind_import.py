"""What another watchtower knew, taken over: whom it watched for, and whom it has told already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bwm.chain.block import BlockRef
from bwm.db import rewind, settings, vaults
from bwm.db.schema import RewindDevice, RewindPush, RewindVault
from bwm.policy.rewind import next_message
from bwm.severity import Severity


@dataclass(frozen=True, slots=True)
class Told:
    """What a device was told before, and what it answered. Times are unix seconds."""

    device: rewind.Device
    vault_number: int
    acknowledged: bool
    first_at: int | None
    last_at: int | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Imported:
    """One vault of the other watchtower. ``seen``: those of its txids that were in the mempool or the chain."""

    wallet_id: str
    txids: tuple[str, ...]
    seen: tuple[str, ...]
    unknown: bool  # some of its txids were never looked for
    commitment: str | None
    devices: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """What was new."""

    vaults: int
    txids: int
    devices: int


def take_over(
    network: str, imported: Sequence[Imported], at: BlockRef, read_from: int | None, severity: Severity, now: int
) -> Count:
    """Write what is not known yet. Call inside a transaction; doing it twice changes nothing.

    ``read_from``: the first block that the other watchtower has not looked at; None: nobody knows.
    """
    count = [0, 0, 0]
    for one in imported:
        row, is_new = rewind.ensure_vault(network, one.wallet_id, severity, at.height, now)
        fresh = rewind.add_new_triggers(row.vault_id, one.txids, now)
        if one.commitment and rewind.commitment_owner(network, one.commitment) is None:
            RewindVault.update(commitment=one.commitment).where(RewindVault.id == row.id).execute()
        if fresh:
            first = at.height + 1 if read_from is None else min(read_from, at.height + 1)
            vaults.order_reading(first, known=at, vault_id=row.vault_id)
        unchecked = int(bool(fresh) and (one.unknown or read_from is None))
        if is_new:
            RewindVault.update(unchecked=unchecked, incident=int(bool(one.seen))).where(
                RewindVault.id == row.id
            ).execute()
        devices = sum(_put_device(row.id, one, told, now) for told in one.devices)
        count = [count[0] + is_new, count[1] + len(fresh), count[2] + devices]
    if any(count):
        settings.next_generation(stays=True)
    return Count(*count)


def _put_device(rewind_vault_id: int, one: Imported, told: Told, now: int) -> bool:
    """False when it is there already: what it was told since counts more than what is in the old database."""
    hashed = rewind.hash_of(told.device.token)
    known = (RewindDevice.rewind_vault == rewind_vault_id) & (RewindDevice.token_hash == hashed)
    if RewindDevice.select().where(known).exists():
        return False
    device: Any = RewindDevice.create(
        rewind_vault=rewind_vault_id,
        token_hash=hashed,
        token=told.device.sealed,
        wallet_uuid=told.device.wallet_uuid,
        wallet_name=told.device.wallet_name,
        vault_number=told.vault_number,
        watchtower_id=told.device.watchtower_id,
        locale=told.device.locale,
        acknowledged_incident=1 if told.acknowledged and one.seen else None,
        acknowledged_ahead_at=now if told.acknowledged and not one.seen else None,
        created_at=now,
    )
    if not told.attempts or told.first_at is None:
        return True
    last_at = told.first_at if told.last_at is None else told.last_at
    for number, txid in enumerate(one.seen):
        RewindPush.create(
            device=device.id,
            txid=txid,
            detected_at=told.first_at,
            first_at=told.first_at,
            last_at=last_at,
            accepted=told.attempts if number == 0 else 0,  # it counted both together
            due_at=None if told.acknowledged else next_message(told.first_at, last_at),
        )
    return True
