"""One (trigger, transaction) and its life on the chain, as a table.

::

    seen       in the node's mempool
    confirmed  in a block of the active chain
    final      as deep as its vault demands
    reorged    its block was disconnected; it may be in the mempool again
    replaced   out of the mempool: another transaction there spends its coins
    evicted    out of the mempool, its coins unspent: it may come back at any time
    conflicted a block holds another spend of its coins
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from bwm.chain.block import BlockRef
from bwm.watch.watch import Family, Match, Trigger


class Status(StrEnum):
    """Where a sighting stands; each change is one event."""

    SEEN = "seen"
    CONFIRMED = "confirmed"
    FINAL = "final"
    REORGED = "reorged"
    REPLACED = "replaced"
    EVICTED = "evicted"
    CONFLICTED = "conflicted"


class Look(StrEnum):
    """What one look at the chain and the mempool says of a transaction."""

    IN_MEMPOOL = "in the mempool"
    IN_BLOCK = "in a block"
    BURIED = "deep enough"
    DISCONNECTED = "its block was disconnected"
    REPLACED = "another spends its coins in the mempool"
    GONE = "neither in the mempool nor in the chain"
    RIVAL_CONFIRMED = "another spends its coins in a block"
    RIVAL_DISCONNECTED = "the block of its rival was disconnected"


AWAY = (Status.REPLACED, Status.EVICTED, Status.CONFLICTED)
"""Neither in the mempool nor in the chain."""

_UNMINED = (Status.SEEN, Status.REORGED)

TRANSITIONS: Mapping[tuple[Status, Look], Status] = {
    **{(status, Look.IN_MEMPOOL): Status.SEEN for status in AWAY},
    **{(status, Look.IN_BLOCK): Status.CONFIRMED for status in (*_UNMINED, *AWAY)},
    (Status.CONFIRMED, Look.BURIED): Status.FINAL,
    (Status.CONFIRMED, Look.DISCONNECTED): Status.REORGED,
    (Status.FINAL, Look.DISCONNECTED): Status.REORGED,
    **{(status, Look.REPLACED): Status.REPLACED for status in (*_UNMINED, Status.EVICTED)},
    **{(status, Look.GONE): Status.EVICTED for status in (*_UNMINED, Status.REPLACED)},
    **{(status, Look.RIVAL_CONFIRMED): Status.CONFLICTED for status in (*_UNMINED, Status.REPLACED, Status.EVICTED)},
    (Status.CONFLICTED, Look.RIVAL_DISCONNECTED): Status.EVICTED,
}

LIVE = _UNMINED
"""May leave the mempool without a word: looked for at every reconcile."""

CONTESTED = (*_UNMINED, Status.REPLACED, Status.EVICTED)
"""Not mined and not yet beaten: a block that spends their coins decides."""

MINED = (Status.CONFIRMED, Status.FINAL, Status.CONFLICTED)
"""Hold a block, which a reorg may take away."""

Place = tuple[int, str]
"""What makes a sighting one: the trigger and the transaction."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One (trigger, transaction). ``revision`` counts its changes, from 0."""

    trigger: Trigger
    txid: str
    family: Family
    status: Status
    sats: int | None
    reason: str
    first_seen_at: int  # unix seconds
    block: BlockRef | None = None  # where it is mined; when conflicted, where its rival is
    revision: int = 0
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """The trigger and the transaction."""
        return self.trigger.id, self.txid


def first_sighting(match: Match, block: BlockRef | None, now: int) -> Sighting:
    """A transaction is met for the first time: in the mempool (no block) or already mined."""
    status = Status.CONFIRMED if block else Status.SEEN
    return Sighting(
        match.trigger,
        match.txid,
        match.family,
        status,
        match.sats,
        match.reason,
        now,
        block,
        detail=match.detail,
    )


def moved(sighting: Sighting, look: Look, block: BlockRef | None = None, by: str | None = None) -> Sighting | None:
    """The sighting after a look, or None when the look tells nothing new.

    ``block`` is the block of an IN_BLOCK or RIVAL_CONFIRMED look, ``by`` the rival's txid.
    """
    status = TRANSITIONS.get((sighting.status, look))
    if status is None:
        return None
    detail = {name: value for name, value in sighting.detail.items() if name != "by"}
    if by:
        detail["by"] = by
    if look is Look.BURIED:
        block = sighting.block
    return replace(sighting, status=status, block=block, revision=sighting.revision + 1, detail=detail)
