"""What RewindBitcoin wallets registered: their vaults become vaults of ours, their telephones devices of those."""

from base64 import b32encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from bwm.chain.outpoint import txid_key
from bwm.db import cursor, raw, settings, vaults
from bwm.db.schema import RewindDevice, RewindPush, RewindVault, Vault
from bwm.errors import BwmError, UsageError
from bwm.policy import rewind
from bwm.policy.rewind import Acknowledgement, Incident
from bwm.severity import Severity

TAG = "rewind"


class TooMuch(UsageError):
    """More than one device, or this tower, may have watched."""


class CommitmentTaken(UsageError):
    """The commitment belongs to another vault."""


class NotReady(BwmError):
    """The daemon has not yet seen any block: nobody can be told from where on he is watched."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One vault as a wallet asks for it, checked."""

    wallet_id: str
    number: int
    txids: tuple[str, ...]  # lower case, each once
    commitment: str | None = None  # txid


@dataclass(frozen=True, slots=True)
class Device:
    """Who asks, and what is to be said to him. ``token`` is a secret, of which ``sealed`` is stored."""

    token: str
    sealed: bytes
    wallet_uuid: str
    wallet_name: str
    watchtower_id: str
    locale: str

    def __repr__(self) -> str:
        return f"Device({hash_of(self.token)[:8]})"


@dataclass(frozen=True, slots=True)
class Quota:
    """How much is taken from whom."""

    triggers_of_device: int
    triggers: int


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


def hash_of(token: str) -> str:
    """What a push token is looked up by."""
    return sha256(token.encode()).hexdigest()


def place_of(token_hash: str) -> str:
    """What the token of this hash is sealed as."""
    return f"device {token_hash}"


def register(
    network: str, device: Device, registrations: Sequence[Registration], quota: Quota, severity: Severity, now: int
) -> None:
    """Write the vaults of one request. What is known already is merged. Call inside a transaction.

    Raises TooMuch, CommitmentTaken or NotReady, and then the transaction must not be committed.
    """
    at = cursor.at()
    if at is None:
        raise NotReady("bwm has not reached its node yet; try again in a moment")
    added = False
    for one in registrations:
        row, _ = ensure_vault(network, one.wallet_id, severity, at.height, now)
        if one.commitment:
            _commit_to(row, one.commitment)
        if add_new_triggers(row.vault_id, one.txids, now):
            vaults.order_reading(at.height + 1, known=at, vault_id=row.vault_id)
            RewindVault.update(unchecked=RewindVault.unchecked + 1).where(RewindVault.id == row.id).execute()
            added = True
        _put_device(row.id, device, one.number, now)
    if added:
        _refuse_too_much(device, quota)
        settings.next_generation(only_added=True)


def ensure_vault(network: str, wallet_id: str, severity: Severity, height: int, now: int) -> tuple[Any, bool]:
    """The row of a wallet's vault, and whether it was made just now. Call inside a transaction."""
    row: Any = RewindVault.get_or_none((RewindVault.network == network) & (RewindVault.wallet_id == wallet_id))
    if row is not None:
        return row, False
    vault = Vault.create(
        name=_name(network, wallet_id),
        severity=str(severity),
        final_depth=6,
        covered_from=height,
        created_height=height,
        tags=f'["{TAG}", "{network}"]',
        created_at=now,
    )
    return RewindVault.create(network=network, wallet_id=wallet_id, vault=vault.id, created_at=now), True


def _name(network: str, wallet_id: str) -> str:
    """A name of ours that is the same for the same vault, and tells nothing."""
    digest = sha256(f"{network}/{wallet_id}".encode()).digest()
    return f"{TAG}-{b32encode(digest)[:20].decode().lower()}"


def add_new_triggers(vault_id: int, wanted: Sequence[str], now: int) -> list[str]:
    """Watch those of the txids that are not watched for the vault; which these are. Call inside a transaction."""
    known = {key for (key,) in raw.rows("SELECT key FROM trigger WHERE vault_id = ? AND kind = 'txid'", vault_id)}
    txids = [txid for txid in wanted if txid not in known]
    raw.run_many(
        "INSERT INTO trigger (vault_id, kind, key, created_at) VALUES (?, 'txid', ?, ?)",
        ((vault_id, txid, now) for txid in txids),
    )
    raw.run_many(
        """INSERT INTO watch (key, what, trigger_id)
        SELECT ?, 'txid', id FROM trigger WHERE vault_id = ? AND kind = 'txid' AND key = ?""",
        ((txid_key(txid), vault_id, txid) for txid in txids),
    )
    return txids


def _commit_to(row: Any, commitment: str) -> None:
    if commitment_owner(row.network, commitment) not in (None, row.wallet_id):
        raise CommitmentTaken("The commitment is that of another vault.")
    if row.commitment is None:
        RewindVault.update(commitment=commitment).where(RewindVault.id == row.id).execute()


def commitment_owner(network: str, commitment: str) -> str | None:
    """The wallet's id of the vault that a commitment belongs to."""
    row = RewindVault.get_or_none((RewindVault.network == network) & (RewindVault.commitment == commitment))
    return None if row is None else str(row.wallet_id)


def _put_device(rewind_vault_id: int, device: Device, number: int, now: int) -> None:
    """Add the device, or what it calls things now. One that the push service did not know is tried again."""
    named = {
        "wallet_uuid": device.wallet_uuid,
        "wallet_name": device.wallet_name,
        "vault_number": number,
        "watchtower_id": device.watchtower_id,
        "locale": device.locale,
    }
    place = (RewindDevice.rewind_vault == rewind_vault_id) & (RewindDevice.token_hash == hash_of(device.token))
    known = RewindDevice.get_or_none(place)
    if known is not None:
        RewindDevice.update(**named, retired_at=None).where(RewindDevice.id == known.id).execute()
        if known.retired_at is None:
            return
        RewindPush.update(due_at=now).where(RewindPush.device == known.id).execute()
    else:
        hashed = hash_of(device.token)
        fixed = {"rewind_vault": rewind_vault_id, "token_hash": hashed, "token": device.sealed, "created_at": now}
        RewindDevice.create(**fixed, **named)
    RewindVault.update(stale=1).where(RewindVault.id == rewind_vault_id).execute()


def _refuse_too_much(device: Device, quota: Quota) -> None:
    of_device = """
        SELECT COUNT(*) FROM rewind_device JOIN rewind_vault ON rewind_vault.id = rewind_device.rewind_vault_id
        JOIN trigger ON trigger.vault_id = rewind_vault.vault_id WHERE token_hash = ?
    """
    if raw.rows(of_device, hash_of(device.token))[0][0] > quota.triggers_of_device:
        raise TooMuch(f"One device may have {quota.triggers_of_device:,} transactions watched, and no more.")
    [[highest]] = raw.rows("SELECT COALESCE(MAX(id), 0) FROM trigger")  # to count a million rows takes too long
    if highest > quota.triggers and vaults.count_triggers() > quota.triggers:
        raise TooMuch("This watchtower is full: it takes no more transactions.")


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


def has_any() -> bool:
    """Whether a wallet ever registered anything."""
    return bool(raw.rows("SELECT EXISTS (SELECT 1 FROM rewind_device)")[0][0])
