"""The chain as bwm has processed it, and what to read next."""

from dataclasses import dataclass

from bwm.chain.block import BlockRef

RING_DEPTH = 2016
"""Blocks kept one by one below the tip, so that the fork of any plausible reorg is found exactly."""

SPARSE_STEP = 144
"""Below the ring one block in so many is kept, for a node that was swapped or lay off for weeks."""


@dataclass(frozen=True, slots=True)
class Stay:
    """Nothing new."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Read the block at this height next."""

    height: int


@dataclass(frozen=True, slots=True)
class Rewind:
    """Our chain left the node's: go back to the last block that both share."""

    to: BlockRef


def next_step(at: BlockRef, tip: BlockRef, fork: BlockRef) -> Stay | Forward | Rewind:
    """What to do next. ``fork`` is the last block that our chain (which ends at ``at``) and the node's share."""
    if fork != at:
        return Rewind(fork)
    return Stay() if at == tip else Forward(at.height + 1)
