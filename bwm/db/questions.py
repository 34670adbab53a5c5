"""What the programs of policies were asked, and how each question stands: read for the next time they are asked."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bwm.db import orders, schema, sightings
from bwm.db.orders import Due
from bwm.event import Event
from bwm.policy.decision import ASK
from bwm.watch.sighting import Status

_ANSWERED = "plugin.answered"
_IN_FLIGHT = (Status.SEEN, Status.CONFIRMED, Status.REORGED)


@dataclass(frozen=True, slots=True)
class Question:
    """An event that a policy's program was asked about, by an order."""

    order: Due
    event: Event
    in_flight: bool  # its transaction is in the mempool or the chain, and not final
    asked_to_save: bool  # what the program said of it, at any time


def of_policy(policy: str, since: int, at_most: int = 200) -> list[Question]:
    """The latest questions of a policy since then (unix seconds), whichever program it asked, in their order."""
    table = schema.Order
    wanted = (table.action == ASK) & (schema.Decision.policy == policy) & (schema.Decision.decided_at >= since)
    rows: Any = table.select(table, schema.Decision).join(schema.Decision).where(wanted)
    latest = reversed(list(rows.order_by(table.id.desc()).limit(at_most)))
    found = [(order, order.event) for row in latest if (order := orders.read(row)).event]
    standing, saved = _standing(event for _, event in found if event), _saved(event for _, event in found if event)
    return [
        Question(order, event, _place(event) in standing, order.order_id in saved) for order, event in found if event
    ]


def _place(event: Event) -> tuple[object, ...]:
    return event.vault, event.trigger_kind, event.trigger_key, event.txid


def _standing(events: Iterable[Event]) -> set[tuple[object, ...]]:
    found = sightings.by_txids(sorted({event.txid for event in events if event.txid}))
    return {
        (one.trigger.vault, one.trigger.kind, one.trigger.key, one.txid) for one in found if one.status in _IN_FLIGHT
    }


def _saved(events: Iterable[Event]) -> set[int]:
    """The orders to which a program answered that the vault is to be saved."""
    txids = sorted({event.txid for event in events if event.txid})
    table = schema.Event
    rows: Any = table.select(table.detail).where((table.kind == _ANSWERED) & table.txid.in_(txids)) if txids else ()
    details = [json.loads(row.detail) for row in rows]
    return {int(detail["order"]) for detail in details if detail.get("revault")}
