"""Sightings, and the bytes of the transactions that were sighted."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from peewee import EXCLUDED, fn

from bwm.chain.block import BlockRef
from bwm.chain.tx import Tx, parse_tx
from bwm.db import raw, schema
from bwm.plan import Past
from bwm.watch.sighting import CONTESTED, MINED, Sighting, Status
from bwm.watch.watch import Family, Trigger

_STEPS = [f"{family}.{step}" for family in Family for step in (*Status, "received")]  # the events of sightings


def by_txids(txids: Sequence[str]) -> list[Sighting]:
    """The sightings of some transactions."""
    return _read(schema.Sighting.txid.in_(list(txids))) if txids else []


def past(txids: Sequence[str]) -> dict[Past, int]:
    """How many events the journal holds of each sighting of these transactions, for owners that were removed too."""
    table = schema.Event
    owner = fn.COALESCE(table.vault, table.guardian)
    names = (owner, table.trigger_kind, table.trigger_key, table.txid)
    wanted = table.txid.in_(list(txids)) & table.kind.in_(_STEPS)
    query: Any = table.select(*names, fn.COUNT(table.seq)).where(wanted).group_by(*names)
    return {(name, kind, key, txid): count for name, kind, key, txid, count in query.tuples()} if txids else {}


def payments_since(at: int, trigger_ids: Collection[int]) -> dict[int, int]:
    """How many payments to these triggers were sighted from ``at`` on (unix seconds), by the trigger's id."""
    table = schema.Sighting
    wanted = table.trigger.in_(list(trigger_ids)) & (table.first_seen_at >= at) & (table.family == str(Family.FUNDS))
    query: Any = table.select(table.trigger, fn.COUNT(table.id)).where(wanted).group_by(table.trigger)
    return dict(query.tuples()) if trigger_ids else {}


def contested() -> list[Sighting]:
    """Those whose coins a block may give to a rival."""
    return _read(schema.Sighting.status.in_([str(status) for status in CONTESTED]))


def unburied() -> list[Sighting]:
    """Those that wait to be deep enough."""
    return _read(schema.Sighting.status == str(Status.CONFIRMED))


def waits_until() -> int | None:
    """The height from which on a block can change something that it does not touch; None while none can.

    What may change are a sighting, final once it is buried deep enough, and an unlock of a guardian. How deep is enough
    for a guardian's is not known here: while one of them is not final, any block can. The answer holds until something
    is written or the watch list changes.
    """
    sql = """
        SELECT CASE
            WHEN EXISTS (SELECT 1 FROM unresolved) THEN 0
            WHEN EXISTS (SELECT 1 FROM signal WHERE is_lock = 0 AND counted = 1 AND vanished = 0 AND final_at IS NULL)
            THEN 0
            ELSE (SELECT MIN(height + COALESCE(final_depth, 0)) - 1
                FROM sighting JOIN trigger ON trigger.id = trigger_id LEFT JOIN vault ON vault.id = vault_id
                WHERE status = ?)
        END
    """
    [[height]] = raw.rows(sql, str(Status.CONFIRMED))
    return None if height is None else int(height)


def above(height: int) -> list[Sighting]:
    """Those that hold a block above ``height``."""
    mined = schema.Sighting.status.in_([str(status) for status in MINED])
    return _read(mined & (schema.Sighting.height > height))


def of_trigger(trigger_id: int) -> list[Sighting]:
    """Those of one trigger."""
    return _read(schema.Sighting.trigger == trigger_id)


def of_vault(vault: str) -> list[Sighting]:
    """Those of one vault."""
    return _read(schema.Vault.name == vault)


def contested_coins() -> dict[bytes, tuple[Sighting, ...]]:
    """The same, by each outpoint that their transactions spend."""
    waiting = contested()
    txs = transactions({sighting.txid for sighting in waiting})
    by_coin: dict[bytes, tuple[Sighting, ...]] = {}
    for sighting in waiting:
        for item in txs[sighting.txid].inputs:
            by_coin[item.spends] = (*by_coin.get(item.spends, ()), sighting)
    return by_coin


def _read(wanted: Any) -> list[Sighting]:
    query: Any = (
        schema.Sighting.select(
            schema.Sighting,
            schema.Trigger.kind,
            schema.Trigger.key.alias("trigger_key"),
            schema.Vault.name.alias("vault"),
            schema.Guardian.name.alias("guardian"),
        )
        .join(schema.Trigger)
        .join(schema.Vault, "LEFT JOIN")
        .switch(schema.Trigger)
        .join(schema.Guardian, "LEFT JOIN")
        .where(wanted)
        .order_by(schema.Sighting.id)
    )
    return [_sighting(row) for row in query.dicts()]


def _sighting(row: dict[str, Any]) -> Sighting:
    return Sighting(
        trigger=Trigger(row["trigger"], row["kind"], row["trigger_key"], row["vault"], row["guardian"]),
        txid=row["txid"],
        family=Family(row["family"]),
        status=Status(row["status"]),
        sats=row["sats"],
        reason=row["reason"],
        first_seen_at=row["first_seen_at"],
        block=None if row["height"] is None else BlockRef(row["height"], row["block_hash"]),
        revision=row["revision"],
        detail=json.loads(row["detail"]),
    )


_CHANGING: tuple[Any, ...] = (
    schema.Sighting.family,
    schema.Sighting.status,
    schema.Sighting.sats,
    schema.Sighting.height,
    schema.Sighting.block_hash,
    schema.Sighting.revision,
    schema.Sighting.reason,
    schema.Sighting.detail,
)


def put(sightings: Iterable[Sighting]) -> None:
    """Write sightings, new or changed. Call inside a transaction."""
    table = schema.Sighting
    for sighting in sightings:
        row = {
            "trigger": sighting.trigger.id,
            "txid": sighting.txid,
            "family": str(sighting.family),
            "status": str(sighting.status),
            "sats": sighting.sats,
            "height": sighting.block.height if sighting.block else None,
            "block_hash": sighting.block.hash if sighting.block else None,
            "revision": sighting.revision,
            "reason": sighting.reason,
            "detail": json.dumps(dict(sighting.detail)),
            "first_seen_at": sighting.first_seen_at,
        }
        table.insert(**row).on_conflict(
            conflict_target=[table.trigger, table.txid],
            update={column: getattr(EXCLUDED, column.column_name) for column in _CHANGING},
        ).execute()


def keep_transactions(txs: Iterable[Tx]) -> None:
    """Keep the bytes of transactions. Call inside a transaction."""
    for tx in txs:
        schema.Transaction.insert(txid=tx.txid, data=tx.raw).on_conflict_ignore().execute()


def transactions(txids: Iterable[str]) -> dict[str, Tx]:
    """The kept transactions among some, by txid. There may be as many as a mempool has."""
    parts = raw.parts(txids)
    rows = (row for part in parts for row in schema.Transaction.select().where(schema.Transaction.txid.in_(part)))
    return {row.txid: parse_tx(bytes(row.data)) for row in rows}
