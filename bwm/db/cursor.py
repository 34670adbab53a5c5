"""The chain as bwm has processed it."""

from bwm.chain.block import BlockRef
from bwm.chain.cursor import RING_DEPTH, SPARSE_STEP
from bwm.db import raw


def at() -> BlockRef | None:
    """The last block that was processed, or None before the first start."""
    highest = raw.rows("SELECT height, hash FROM block ORDER BY height DESC LIMIT 1")
    return BlockRef(*highest[0]) if highest else None


def hash_at(height: int) -> str | None:
    """The hash of the block that was processed at a height; None where none is known any more, or not yet."""
    found = raw.rows("SELECT hash FROM block WHERE height = ?", height)
    return str(found[0][0]) if found else None


def ancestors() -> list[BlockRef]:
    """Every processed block that is still known, the newest first: to find where the node's chain left ours."""
    return [BlockRef(*row) for row in raw.rows("SELECT height, hash FROM block ORDER BY height DESC")]


def move(to: BlockRef, *passed: BlockRef) -> None:
    """Stand at ``to``: forget what is above, keep it and enough below. Call inside a transaction.

    ``passed``: the blocks just below it that were processed besides since the cursor was moved, the lowest first.
    """
    blocks = (*passed, to)
    raw.run("DELETE FROM block WHERE height >= ?", blocks[0].height)
    raw.run_many("INSERT INTO block (height, hash) VALUES (?, ?)", [(block.height, block.hash) for block in blocks])
    raw.run("DELETE FROM block WHERE height <= ? AND height % ? <> 0", to.height - RING_DEPTH, SPARSE_STEP)
