"""Blocks searched for what became of a response: its own transactions, or others that spend its coins."""

from collections.abc import Collection
from dataclasses import dataclass

from bwm.chain.block import BlockRef, header_of, keys_of_block, transaction_bytes
from bwm.chain.tx import Tx, parse_tx
from bwm.errors import BlockUnavailable
from bwm.node.bitcoind import Bitcoind


@dataclass(frozen=True, slots=True)
class Spender:
    """A mined transaction that spends one of the coins."""

    txid: str
    block: BlockRef


def still_shared(node: Bitcoind, at: BlockRef) -> BlockRef:
    """The last block up to ``at`` that the node's active chain holds."""
    while at.height > 0:
        header = node.block_header(at.hash)
        if header is None:  # the node never saw our block: it is another node, or began anew
            height = min(at.height - 1, node.tip().height)
            at = BlockRef(height, node.block_hash(height))
        elif header.confirmations < 0:
            at = BlockRef(header.height - 1, header.previous or "")
        else:
            return at
    return BlockRef(0, node.block_hash(0))


def search(node: Bitcoind, coins: Collection[bytes], after: BlockRef, tip: BlockRef) -> tuple[Spender | None, BlockRef]:
    """The first spender of the coins above ``after``, and the block up to which was searched.

    A block that does not follow on the one before belongs to another chain, which the node took up meanwhile: there the
    search ends, and the next one begins where the two part.
    """
    at = after
    for height in range(after.height + 1, tip.height + 1):
        block_hash = node.block_hash(height)
        try:
            raw = node.block(block_hash)
        except BlockUnavailable:  # pruned: whether the coins are unspent is asked besides
            at = BlockRef(height, block_hash)
            continue
        if header_of(raw).previous != at.hash:
            break
        at = BlockRef(height, block_hash)
        if any(coin in raw for coin in coins) and (tx := _spender(raw, coins)):
            return Spender(tx.txid, at), at
    return None, at


def _spender(raw: bytes, coins: Collection[bytes]) -> Tx | None:
    keys = keys_of_block(raw)
    for number in range(len(keys.starts)):
        part = transaction_bytes(raw, keys, number)
        if any(coin in part for coin in coins):
            tx = parse_tx(part)
            if any(item.spends in coins for item in tx.inputs):
                return tx
    return None
