"""A response that was decided on, from the decision until it is buried: a table.

::

    waiting    not sent: its trigger, its time lock, or a person is waited for
    sent       in the node's mempool
    outbid     another transaction in the mempool spends its coins
    evicted    neither in the mempool nor in a block; its coins are unspent
    refused    the node does not take it; tried again at every block
    conflicted a block holds another spend of its coins
    confirmed  in a block
    buried     as deep as its vault demands: the end
    lost       its rival is as deep: the end
    called_off by its guard, or by a person: the end
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from bwm.chain.block import BlockRef


class State(StrEnum):
    """Where a broadcast stands."""

    WAITING = "waiting"
    SENT = "sent"
    OUTBID = "outbid"
    EVICTED = "evicted"
    REFUSED = "refused"
    CONFLICTED = "conflicted"
    CONFIRMED = "confirmed"
    BURIED = "buried"
    LOST = "lost"
    CALLED_OFF = "called_off"


class Look(StrEnum):
    """What was found."""

    HINDERED = "it may or can not be sent now"
    IN_MEMPOOL = "in the mempool"
    STUCK = "in the mempool, and the node takes no dearer step in its place"
    GONE = "neither in the mempool nor in a block"
    RIVAL_IN_MEMPOOL = "another spends its coins in the mempool"
    REFUSED = "the node does not take it"
    IN_BLOCK = "in a block"
    BURIED = "deep enough"
    DISCONNECTED = "its block was disconnected"
    RIVAL_IN_BLOCK = "a block holds another spend of its coins"
    RIVAL_BURIED = "that spend is deep enough"
    RIVAL_DISCONNECTED = "the block of that spend was disconnected"
    CALLED_OFF = "nobody wants it any more"


STUCK = "stuck"
"""The cause of a broadcast that stands in the mempool and should be raised, which the node does not let be."""

_OPEN = (State.WAITING, State.SENT, State.OUTBID, State.EVICTED, State.REFUSED)
_UNSENT = (State.WAITING, State.OUTBID, State.EVICTED, State.REFUSED)

LIVE = (*_OPEN, State.CONFLICTED, State.CONFIRMED)
"""Followed at every look."""

TRANSITIONS: Mapping[tuple[State, Look], State] = {
    **{(state, Look.HINDERED): State.WAITING for state in _UNSENT},
    **{(state, Look.IN_MEMPOOL): State.SENT for state in _OPEN},
    (State.SENT, Look.STUCK): State.SENT,
    (State.SENT, Look.GONE): State.EVICTED,
    (State.OUTBID, Look.GONE): State.EVICTED,
    **{(state, Look.RIVAL_IN_MEMPOOL): State.OUTBID for state in _OPEN},
    **{(state, Look.REFUSED): State.REFUSED for state in _UNSENT},
    **{(state, Look.IN_BLOCK): State.CONFIRMED for state in _OPEN},
    (State.CONFIRMED, Look.BURIED): State.BURIED,
    (State.CONFIRMED, Look.DISCONNECTED): State.EVICTED,
    **{(state, Look.RIVAL_IN_BLOCK): State.CONFLICTED for state in _OPEN},
    (State.CONFLICTED, Look.RIVAL_BURIED): State.LOST,
    (State.CONFLICTED, Look.RIVAL_DISCONNECTED): State.EVICTED,
    **{(state, Look.CALLED_OFF): State.CALLED_OFF for state in (*_UNSENT,)},
}


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One response on its way. ``revision`` counts its changes, from 0."""

    id: int
    state: State
    cause: str  # a word for what it waits for or was refused for: with the state, what is told once
    reason: str  # in words
    position: int | None = None  # of the ladder's step that was sent last
    sent_height: int | None = None  # of the tip when it was sent
    block: BlockRef | None = None  # that holds it, or its rival
    rival: str | None = None  # txid
    revision: int = 0


def moved(
    broadcast: Broadcast,
    look: Look,
    cause: str,
    reason: str,
    *,
    position: int | None = None,
    height: int | None = None,
    block: BlockRef | None = None,
    rival: str | None = None,
) -> Broadcast | None:
    """The broadcast after a look, or None when the look tells nothing new.

    ``position`` and ``height``: the step that was sent now, at which tip. ``block``: of it or of its ``rival``.
    """
    state = TRANSITIONS.get((broadcast.state, look))
    if state is None:
        return None
    position = broadcast.position if position is None else position
    if (state, cause, position) == (broadcast.state, broadcast.cause, broadcast.position):
        return None
    keeps_block = look in (Look.BURIED, Look.RIVAL_BURIED)
    return replace(
        broadcast,
        state=state,
        cause=cause,
        reason=reason,
        position=position,
        sent_height=broadcast.sent_height if height is None else height,
        block=broadcast.block if keeps_block else block,
        rival=broadcast.rival if keeps_block else rival,
        revision=broadcast.revision + 1,
    )
