"""Spends that the owner said will come."""

import json
from collections.abc import Collection, Iterable
from typing import Any

from bwm.clock import rfc3339
from bwm.db import raw, schema
from bwm.errors import UsageError
from bwm.policy.announcement import Announcement, Destination, State

_REMEMBERED_S = 30 * 86_400  # one that is over can still be named as the reason why a spend is loud


def add(one: Announcement, nonce: str, signed_by: str | None, now: int) -> int:
    """Write a new one; its number. Raises UsageError when its text was used before. Call inside a transaction."""
    vault = schema.Vault.get(schema.Vault.name == one.vault)
    if schema.Announcement.get_or_none(schema.Announcement.nonce == nonce):
        raise UsageError("This announcement was made before; nothing was announced. Sign a new one.")
    row = schema.Announcement.create(
        vault=vault.id,
        txid=one.txid,
        destinations=json.dumps([[place.address, place.script.hex(), place.most] for place in one.destinations]),
        max_fee=one.max_fee,
        begins_at=one.begins_at,
        ends_at=one.ends_at,
        state=str(one.state),
        nonce=nonce,
        signed_by=signed_by,
        created_at=now,
    )
    return int(row.id)


def of_vaults(vaults: Collection[str], txids: Collection[str], now: int) -> tuple[Announcement, ...]:
    """Those that may say something about these transactions of these vaults, the newest first.

    Asked part by part: a step may touch as many of them as a mempool has.
    """
    table = schema.Announcement
    lately = (table.state == str(State.OPEN)) | (table.ends_at > now - _REMEMBERED_S)
    found: dict[int, Announcement] = {}
    if vaults and raw.rows("SELECT 1 FROM announcement LIMIT 1"):
        of_vaults = (one for names in raw.parts(vaults) for one in _read(schema.Vault.name.in_(names) & lately))
        by_txids = (one for names in raw.parts(txids) for one in _read(table.met_by.in_(names)) if one.vault in vaults)
        found = {one.id: one for one in (*of_vaults, *by_txids)}
    return tuple(found[number] for number in sorted(found, reverse=True))


def count_lately(vault: str, now: int) -> int:
    """How many of a vault may say something about whatever spends from it."""
    table = schema.Announcement
    lately = (table.state == str(State.OPEN)) | (table.ends_at > now - _REMEMBERED_S)
    return int(table.select().join(schema.Vault).where((schema.Vault.name == vault) & lately).count())


def over(now: int) -> tuple[Announcement, ...]:
    """Those that wait for a spend that did not come in time."""
    if not raw.rows("SELECT 1 FROM announcement WHERE state = ? AND ends_at < ? LIMIT 1", str(State.OPEN), now):
        return ()
    return _read((schema.Announcement.state == str(State.OPEN)) & (schema.Announcement.ends_at < now))


def get(number: int) -> Announcement:
    """One of them. Raises UsageError when there is none."""
    found = _read(schema.Announcement.id == number)
    if not found:
        raise UsageError(f"There is no announcement {number}. `bwm list-announcements` lists them.")
    return found[0]


def put(moved: Iterable[Announcement]) -> None:
    """Write where announcements stand now. Call inside a transaction."""
    table = schema.Announcement
    for one in moved:
        table.update(state=str(one.state), met_by=one.met_by).where(table.id == one.id).execute()


def described() -> list[dict[str, Any]]:
    """All of them as they are printed, oldest first."""
    rows: Any = schema.Announcement.select(schema.Announcement, schema.Vault.name).join(schema.Vault)
    return [
        {
            "id": row.id,
            "vault": row.vault.name,
            "txid": row.txid,
            "to": [{"address": address, "sats": sats} for address, _, sats in json.loads(row.destinations)],
            "max_fee": row.max_fee,
            "begins_at": rfc3339(row.begins_at),
            "ends_at": rfc3339(row.ends_at),
            "state": row.state,
            "met_by": row.met_by,
            "signed_by": row.signed_by,
        }
        for row in rows.order_by(schema.Announcement.id)
    ]


def _read(wanted: Any) -> tuple[Announcement, ...]:
    rows: Any = schema.Announcement.select(schema.Announcement, schema.Vault.name).join(schema.Vault).where(wanted)
    return tuple(
        Announcement(
            id=row.id,
            vault=row.vault.name,
            begins_at=row.begins_at,
            ends_at=row.ends_at,
            txid=row.txid,
            destinations=tuple(
                Destination(address, bytes.fromhex(script), most)
                for address, script, most in json.loads(row.destinations)
            ),
            max_fee=row.max_fee,
            state=State(row.state),
            met_by=row.met_by,
        )
        for row in rows.order_by(schema.Announcement.id.desc())
    )
