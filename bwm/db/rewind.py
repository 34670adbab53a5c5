"""What RewindBitcoin wallets registered: their vaults become vaults of ours, their telephones devices of those."""

from base64 import b32encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from bwm.chain.block import BlockRef
from bwm.chain.outpoint import txid_key
from bwm.db import cursor, raw, settings, vaults
from bwm.db.schema import RewindVault, Vault
from bwm.errors import BwmError, UsageError
from bwm.severity import Severity

TAG = "rewind"


MOST_OF_TXID = 200
"""Vaults that may wait for one transaction: all of them are told in one step when it comes, and others wait."""

MOST_OF_VAULT = 200
"""Devices of one vault, for the same reason."""


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
    wanted = {one.wallet_id: one for one in _merged(registrations)}
    known = _known(network, list(wanted))
    fresh = [one for one in wanted.values() if one.wallet_id not in known]
    _add_vaults(network, fresh, severity, at, now)
    rows = known | _known(network, [one.wallet_id for one in fresh])
    watches_more = bool(
        _add_triggers([(rows[one.wallet_id].vault_id, txid) for one in fresh for txid in one.txids], now)
    )
    for one in wanted.values():
        row = rows[one.wallet_id]
        if one.commitment:
            _commit_to(network, row, one.commitment)
        if one.wallet_id in known and add_new_triggers(row.vault_id, one.txids, now):
            vaults.order_reading(at.height + 1, known=at, vault_id=row.vault_id)
            raw.run("UPDATE rewind_vault SET unchecked = unchecked + 1 WHERE id = ?", row.id)
            watches_more = True
    numbers = {rows[one.wallet_id].id: one.number for one in wanted.values()}
    if _put_devices(numbers, device, now, bool(known)) or watches_more:
        _refuse_too_much(device, quota)
        _refuse_crowds([txid for one in wanted.values() for txid in one.txids], list(numbers))
    if watches_more:
        settings.next_generation(stays=True)


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    vault_id: int
    wallet_id: str
    commitment: str | None


def _merged(registrations: Sequence[Registration]) -> list[Registration]:
    """A vault that stands there twice is one."""
    found: dict[str, Registration] = {}
    for one in registrations:
        before = found.get(one.wallet_id)
        txids = one.txids if before is None else tuple(dict.fromkeys((*before.txids, *one.txids)))
        found[one.wallet_id] = replace(one, txids=txids)
    return list(found.values())


def _known(network: str, wallet_ids: Sequence[str]) -> dict[str, _Row]:
    found: dict[str, _Row] = {}
    for part in raw.parts(wallet_ids):
        marks = ", ".join("?" * len(part))
        sql = f"""
            SELECT id, vault_id, wallet_id, commitment FROM rewind_vault WHERE network = ? AND wallet_id IN ({marks})
        """  # noqa: S608 (only marks)
        found |= {row[2]: _Row(*row) for row in raw.rows(sql, network, *part)}
    return found


def _add_vaults(network: str, fresh: Sequence[Registration], severity: Severity, at: BlockRef, now: int) -> None:
    """Many at once, by hand: hundreds of wallets may register in a second, and one may bring hundreds of vaults."""
    tags = f'["{TAG}", "{network}"]'
    names = {one.wallet_id: _name(network, one.wallet_id) for one in fresh}
    raw.run_many(
        """INSERT INTO vault (name, severity, final_depth, covered_from, created_height, tags, created_at)
        VALUES (?, ?, 6, ?, ?, ?, ?)""",
        [(name, str(severity), at.height, at.height, tags, now) for name in names.values()],
    )
    raw.run_many(
        """INSERT INTO rewind_vault (network, wallet_id, vault_id, incident, unchecked, stale, created_at)
        VALUES (?, ?, (SELECT id FROM vault WHERE name = ?), 0, 1, 0, ?)""",
        [(network, wallet_id, name, now) for wallet_id, name in names.items()],
    )
    raw.run_many(
        """INSERT INTO backlog (vault_id, next_height, known_height, known_hash)
        VALUES ((SELECT id FROM vault WHERE name = ?), ?, ?, ?)""",
        [(names[one.wallet_id], at.height + 1, at.height, at.hash) for one in fresh if one.txids],
    )


def _add_triggers(pairs: Sequence[tuple[int, str]], now: int) -> int:
    """Vaults, each with a txid that is not watched for it; how many these are."""
    raw.run_many(
        "INSERT INTO trigger (vault_id, kind, key, created_at) VALUES (?, 'txid', ?, ?)",
        ((vault_id, txid, now) for vault_id, txid in pairs),
    )
    raw.run_many(
        """INSERT INTO watch (key, what, trigger_id)
        SELECT ?, 'txid', id FROM trigger WHERE vault_id = ? AND kind = 'txid' AND key = ?""",
        ((txid_key(txid), vault_id, txid) for vault_id, txid in pairs),
    )
    return len(pairs)


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
    _add_triggers([(vault_id, txid) for txid in txids], now)
    return txids


def _commit_to(network: str, row: _Row, commitment: str) -> None:
    if commitment_owner(network, commitment) not in (None, row.wallet_id):
        raise CommitmentTaken("The commitment is that of another vault.")
    if row.commitment is None:
        RewindVault.update(commitment=commitment).where(RewindVault.id == row.id).execute()


def commitment_owner(network: str, commitment: str) -> str | None:
    """The wallet's id of the vault that a commitment belongs to."""
    row = RewindVault.get_or_none((RewindVault.network == network) & (RewindVault.commitment == commitment))
    return None if row is None else str(row.wallet_id)


def _put_devices(numbers: Mapping[int, int], device: Device, now: int, any_known: bool) -> bool:
    """Add the device to vaults, or what it calls things now. One that the push service did not know is tried again.

    Returns whether it is new to any of them.

    ``numbers``: what it calls each vault, by the vault's row. ``any_known``: not all of the vaults are new.
    """
    hashed = hash_of(device.token)
    sql = "SELECT rewind_vault_id, id, retired_at FROM rewind_device WHERE token_hash = ?"
    devices = raw.rows(sql, hashed) if any_known else ()
    known = {row[0]: (row[1], row[2]) for row in devices if row[0] in numbers}
    named = (device.wallet_uuid, device.wallet_name, device.watchtower_id, device.locale)
    raw.run_many(
        """INSERT INTO rewind_device (rewind_vault_id, token_hash, token, wallet_uuid, wallet_name, watchtower_id,
        locale, vault_number, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        ((row, hashed, device.sealed, *named, number, now) for row, number in numbers.items() if row not in known),
    )
    raw.run_many(
        """UPDATE rewind_device SET wallet_uuid = ?, wallet_name = ?, watchtower_id = ?, locale = ?, vault_number = ?,
        retired_at = NULL WHERE id = ?""",
        ((*named, numbers[row], device_id) for row, (device_id, _) in known.items()),
    )
    back = [(row, device_id) for row, (device_id, retired_at) in known.items() if retired_at is not None]
    raw.run_many("UPDATE rewind_push SET due_at = ? WHERE device_id = ?", ((now, device_id) for _, device_id in back))
    if not any_known:
        return True  # nothing of new vaults has been seen
    concerned = [(row,) for row in numbers if row not in known] + [(row,) for row, _ in back]
    sighted = "EXISTS (SELECT 1 FROM trigger JOIN sighting ON sighting.trigger_id = trigger.id WHERE trigger.vault_id"
    raw.run_many(
        f"UPDATE rewind_vault SET stale = 1 WHERE id = ? AND {sighted} = rewind_vault.vault_id)",  # noqa: S608 (ours)
        concerned,
    )
    return len(known) < len(numbers)


def _refuse_too_much(device: Device, quota: Quota) -> None:
    """A vault without a transaction counts as one, and so does each device of a vault: they take room as well."""
    of_device = """
        SELECT COUNT(*) FROM rewind_device JOIN rewind_vault ON rewind_vault.id = rewind_device.rewind_vault_id
        LEFT JOIN trigger ON trigger.vault_id = rewind_vault.vault_id WHERE token_hash = ?
    """
    if raw.rows(of_device, hash_of(device.token))[0][0] > quota.triggers_of_device:
        raise TooMuch(f"One device may have {quota.triggers_of_device:,} transactions watched, and no more.")
    for table in ("trigger", "rewind_device"):
        [[highest]] = raw.rows(f"SELECT COALESCE(MAX(id), 0) FROM {table}")  # noqa: S608 (to count a million takes long)
        if highest > quota.triggers and _count(table) > quota.triggers:
            raise TooMuch("This watchtower is full: it takes no more transactions.")


def _refuse_crowds(txids: Sequence[str], rewind_vaults: Sequence[int]) -> None:
    crowds = (
        ("SELECT key FROM watch WHERE what = 'txid' AND key IN", [*map(txid_key, txids)], "key", MOST_OF_TXID),
        (
            "SELECT rewind_vault_id FROM rewind_device WHERE rewind_vault_id IN",
            rewind_vaults,
            "rewind_vault_id",
            MOST_OF_VAULT,
        ),
    )
    for sql, names, name, most in crowds:
        for part in raw.parts(names):
            grouped = f"{sql} ({', '.join('?' * len(part))}) GROUP BY {name} HAVING COUNT(*) > ?"
            if raw.rows(grouped, *part, most):
                raise TooMuch("So many wait for one of these already that no more can be told with them.")


def _count(table: str) -> int:
    return int(raw.rows(f"SELECT COUNT(*) FROM {table}")[0][0])  # noqa: S608 (words of ours)


def has_any() -> bool:
    """Whether a wallet ever registered anything."""
    return bool(raw.rows("SELECT EXISTS (SELECT 1 FROM rewind_device)")[0][0])
