"""The journal: every fact once, in the order in which it was learned."""

import json
from collections.abc import Collection, Iterable
from typing import Any

from peewee import fn

from bwm.chain.block import BlockRef
from bwm.db import raw, schema
from bwm.event import Event


def append(events: Iterable[Event]) -> dict[str, int]:
    """Write events; a key already there is passed over. Their numbers by key, of the new ones only.

    Call inside a transaction.
    """
    new = {}
    for event in events:
        row = _row(event)
        if schema.Event.insert(**row).on_conflict_ignore().as_rowcount().execute():
            [[new[event.key]]] = raw.rows("SELECT seq FROM event WHERE key = ?", event.key)
    return new


def read(
    after_seq: int = 0,
    since: int | None = None,
    vault: str | None = None,
    kind: str | None = None,
    limit: int | None = None,
) -> list[Event]:
    """Events in order. ``since``: unix seconds; ``vault``: of that vault or guardian; ``kind``: a kind or a family.

    What must not be seen by whoever forces somebody is left out, until somebody else has acknowledged it.
    """
    table = schema.Event
    wanted = _wanted(after_seq, vault, kind)
    if since is not None:
        wanted &= table.at >= since
    return [_event(row) for row in table.select().where(wanted).order_by(table.seq).limit(limit)]


def owners(
    after_seq: int, limit: int, vault: str | None = None, kind: str | None = None
) -> list[tuple[int, str | None, str | None]]:
    """The numbers of the same events, each with its vault and guardian: all that is read of what others may not see."""
    table = schema.Event
    rows: Any = table.select(table.seq, table.vault, table.guardian).where(_wanted(after_seq, vault, kind))
    return list(rows.order_by(table.seq).limit(limit).tuples())


def of_seqs(seqs: Collection[int]) -> list[Event]:
    """Events by their numbers, in order."""
    table = schema.Event
    return [_event(row) for row in table.select().where(table.seq.in_(list(seqs))).order_by(table.seq)]


def _wanted(after_seq: int, vault: str | None, kind: str | None) -> Any:
    table = schema.Event
    wanted = table.seq > after_seq
    if secret := _hidden():
        wanted &= table.seq.not_in(secret)
    if vault is not None:
        wanted &= (table.vault == vault) | (table.guardian == vault)
    if kind is not None:
        wanted &= (table.kind == kind) | table.kind.startswith(f"{kind}.")
    return wanted


def _hidden() -> list[int]:
    """Open alerts that are kept from somebody are few, and mostly none."""
    alert = schema.Alert
    rows: Any = alert.select(alert.event).where(alert.hidden_from.is_null(False) & (alert.state == "open"))
    return [int(row.event_id) for row in rows]


def latest(owner: str, at_most: int) -> list[Event]:
    """The latest events of one vault or guardian, in order."""
    table = schema.Event
    rows = table.select().where(_wanted(0, owner, None)).order_by(table.seq.desc()).limit(at_most)
    return [_event(row) for row in reversed(list(rows))]


def lately(since: int, owners: Collection[str] | None = None, at_most: int = 20_000) -> tuple[Event, ...]:
    """The latest events from ``since`` on (unix seconds), the oldest first; of these vaults and guardians, or all."""
    table = schema.Event
    wanted = table.at >= since
    if owners is not None:
        wanted &= table.vault.in_(list(owners)) | table.guardian.in_(list(owners))
    rows = table.select().where(wanted).order_by(table.seq.desc()).limit(at_most)
    return tuple(_event(row) for row in reversed(list(rows)))


def between(since: int, until: int) -> list[Event]:
    """The events of a time (unix seconds, both ends included), in order."""
    table = schema.Event
    return [_event(row) for row in table.select().where(table.at.between(since, until)).order_by(table.seq)]


def of_spend(vault: str | None, txid: str) -> list[Event]:
    """What the journal says of one transaction taking from one vault, in order."""
    table = schema.Event
    wanted = (table.txid == txid) & (table.vault == vault) & table.kind.startswith("trigger.")
    return [_event(row) for row in table.select().where(wanted).order_by(table.seq)]


def last_seq() -> int:
    """The number of the latest event; 0 when there is none."""
    return int(schema.Event.select(fn.MAX(schema.Event.seq)).scalar() or 0)


def get(seq: int) -> Event:
    """One event by its number."""
    return _event(schema.Event.get_by_id(seq))


def _row(event: Event) -> dict[str, object]:
    return {
        "key": event.key,
        "kind": event.kind,
        "at": event.at,
        "network": event.network,
        "vault": event.vault,
        "guardian": event.guardian,
        "trigger_kind": event.trigger_kind,
        "trigger_key": event.trigger_key,
        "txid": event.txid,
        "height": event.block.height if event.block else None,
        "block_hash": event.block.hash if event.block else None,
        "sats": event.sats,
        "detail": json.dumps(dict(event.detail)),
        "reason": event.reason,
    }


def _event(row: schema.Event) -> Event:
    return Event(
        key=row.key,
        kind=row.kind,
        at=row.at,
        network=row.network,
        reason=row.reason,
        vault=row.vault,
        guardian=row.guardian,
        trigger_kind=row.trigger_kind,
        trigger_key=row.trigger_key,
        txid=row.txid,
        block=None if row.height is None else BlockRef(row.height, row.block_hash or ""),
        sats=row.sats,
        detail=json.loads(row.detail),
        seq=row.seq,
    )
