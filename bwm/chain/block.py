"""A block: its place in the chain, its header, and what its transactions touch."""

from dataclasses import dataclass

from bwm.chain.hashing import sha256d
from bwm.chain.outpoint import txid_text
from bwm.chain.sieve import BlockKeys, Marked, Wanted, compact_size, sieve
from bwm.errors import Damaged

HEADER_SIZE = 80


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block by height and hash (display order, as the node prints it)."""

    height: int
    hash: str


@dataclass(frozen=True, slots=True)
class Header:
    """What the first 80 bytes of a block say."""

    hash: str  # as people read it
    previous: str  # hash of the block it builds on
    time: int  # unix seconds, by the miner's clock: up to two hours ahead, and not always rising


def header_of(raw: bytes) -> Header:
    """The header of a serialised block. Raises Damaged if there are not even 80 bytes."""
    if len(raw) < HEADER_SIZE:
        raise Damaged(f"a block begins with a header of {HEADER_SIZE} bytes, here are only {len(raw)}")
    return Header(
        hash=txid_text(sha256d(raw[:HEADER_SIZE])),
        previous=txid_text(raw[4:36]),
        time=int.from_bytes(raw[68:72], "little"),
    )


def keys_of_block(raw: bytes, only: Wanted | Marked | None = None, *, with_places: bool = True) -> BlockKeys:
    """Every outpoint that the block spends and every script it pays to: all that a watch can be found by.

    ``only``: those of them that are, or may be, among these. ``with_places``: and where each transaction lies.

    Raises Damaged unless the bytes are a header and whole transactions, to the last byte. The merkle root is
    not compared: to hash everything twice over would triple the time, and who cannot trust the node that sent
    the block cannot trust its hash either. The caller compares the header's hash with the one asked for.
    """
    try:
        count, position = compact_size(raw, HEADER_SIZE)
    except IndexError:
        raise Damaged("a block ends before its first transaction") from None
    if count == 0:
        raise Damaged("a block has no transactions")
    return sieve(raw, position, count, only, with_places=with_places)


def transaction_bytes(raw: bytes, block: BlockKeys, number: int) -> bytes:
    """The serialised transaction of that number (0 is the coinbase) of the block that the keys are of."""
    begin, _ = block.starts[number]
    end = block.starts[number + 1][0] if number + 1 < len(block.starts) else len(raw)
    return raw[begin:end]
