"""Transactions to be searched, a block's or the mempool's: most are never looked at closely. Pure.

The sieve gives the keys of all; only those that hold a wanted key become ``Tx``.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable
from itertools import chain
from operator import itemgetter
from typing import Protocol

from bwm.chain.block import keys_of_block, transaction_bytes
from bwm.chain.outpoint import txid_text
from bwm.chain.sieve import BlockKeys, txid_keys, wanted
from bwm.chain.tx import Tx, parse_tx, txid_and_keys
from bwm.errors import Damaged
from bwm.watch.index import KeyFilter


class Pool(Protocol):
    """Some transactions, in the order of the chain where they have one."""

    def keys(self) -> Iterable[bytes]:
        """Every key under which one of them may be watched."""

    def candidates(self, index: KeyFilter) -> list[bytes]:
        """Those of the keys that the index says may be watched, each once, in the order of their bytes."""

    def touching(self, keys: Collection[bytes]) -> list[Tx]:
        """Those that hold one of the keys, parsed, in order."""

    def holding(self, text: bytes) -> list[Tx]:
        """Those in which the text stands, wherever, parsed, in order."""


class BlockPool:
    """The transactions of one block. With ``txids`` their ids are keys too, which costs as much again.

    All but the making of it raises Damaged for bytes that are no block.
    """

    def __init__(self, raw: bytes, *, txids: bool) -> None:
        self._raw = raw
        self._with_txids = txids
        self._txids: list[bytes] | None = None  # once they were asked for

    def keys(self) -> Iterable[bytes]:
        block = keys_of_block(self._raw)
        return block.keys + self._ids(block)

    def candidates(self, index: KeyFilter) -> list[bytes]:
        block = keys_of_block(self._raw, index.wanted, with_places=self._with_txids)
        return index.candidates(chain(block.keys, self._ids(block)))

    def touching(self, keys: Collection[bytes]) -> list[Tx]:
        if not keys:
            return []
        some = wanted(keys)
        block = keys_of_block(self._raw, some)
        numbers = {bisect_right(block.starts, at, key=itemgetter(1)) - 1 for at in range(len(block.keys))}
        numbers |= {number for number, txid in enumerate(self._ids(block)) if txid in some.keys}
        return self._parsed(block, sorted(numbers))

    def holding(self, text: bytes) -> list[Tx]:
        at = self._raw.find(text)
        if at < 0:
            return []
        block, numbers = keys_of_block(self._raw, wanted(())), []
        while at >= 0:
            number = bisect_right(block.starts, at, key=itemgetter(0)) - 1
            numbers.append(number)
            at = self._raw.find(text, block.starts[number + 1][0]) if number + 1 < len(block.starts) else -1
        return self._parsed(block, numbers)

    def _ids(self, block: BlockKeys) -> list[bytes]:
        if self._txids is None:
            self._txids = txid_keys(self._raw, block) if self._with_txids else []
        return self._txids

    def _parsed(self, block: BlockKeys, numbers: Iterable[int]) -> list[Tx]:
        return [parse_tx(transaction_bytes(self._raw, block, number)) for number in numbers if number >= 0]


class TxPool:
    """Loose transactions, as the mempool has them."""

    def __init__(self, raws: Iterable[bytes], *, pass_over_damaged: bool = False) -> None:
        """Raises Damaged for bytes that are no transaction, or passes them over."""
        self._txs: dict[bytes, tuple[bytes, list[bytes]]] = {}  # by txid: the bytes, and the other keys
        for raw in raws:
            try:
                txid, keys = txid_and_keys(raw)
            except Damaged:
                if not pass_over_damaged:
                    raise
            else:
                self._txs[txid] = raw, keys

    def txids(self) -> list[str]:
        """As people read them."""
        return [txid_text(txid) for txid in self._txs]

    def keys(self) -> Iterable[bytes]:
        return chain(self._txs, *(keys for _, keys in self._txs.values()))

    def candidates(self, index: KeyFilter) -> list[bytes]:
        return index.candidates(self.keys())

    def touching(self, keys: Collection[bytes]) -> list[Tx]:
        some = set(keys)
        return [parse_tx(raw) for txid, (raw, own) in self._txs.items() if txid in some or not some.isdisjoint(own)]

    def holding(self, text: bytes) -> list[Tx]:
        return [parse_tx(raw) for raw, _ in self._txs.values() if text in raw]
