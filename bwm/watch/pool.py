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
from bwm.chain.sieve import txid_keys
from bwm.chain.tx import Tx, parse_tx, txid_and_keys
from bwm.errors import Damaged


class Pool(Protocol):
    """Some transactions, in the order of the chain where they have one."""

    def keys(self) -> Iterable[bytes]:
        """Every key under which one of them may be watched."""

    def touching(self, keys: Collection[bytes]) -> list[Tx]:
        """Those that hold one of the keys, parsed, in order."""

    def holding(self, text: bytes) -> list[Tx]:
        """Those in which the text stands, wherever, parsed, in order."""


class BlockPool:
    """The transactions of one block. With ``txids`` their ids are keys too, which costs as much again."""

    def __init__(self, raw: bytes, *, txids: bool) -> None:
        """Raises Damaged for bytes that are no block."""
        self._raw = raw
        self._block = keys_of_block(raw)
        self._txids = txid_keys(raw, self._block) if txids else []

    def keys(self) -> Iterable[bytes]:
        return self._block.keys + self._txids if self._txids else self._block.keys

    def touching(self, keys: Collection[bytes]) -> list[Tx]:
        wanted = set(keys)
        places = [at for at, key in enumerate(self._block.keys) if key in wanted]
        numbers = {bisect_right(self._block.starts, at, key=itemgetter(1)) - 1 for at in places}
        numbers |= {number for number, txid in enumerate(self._txids) if txid in wanted}
        return self._parsed(sorted(numbers))

    def holding(self, text: bytes) -> list[Tx]:
        numbers = []
        at = self._raw.find(text)
        while at >= 0:
            number = bisect_right(self._block.starts, at, key=itemgetter(0)) - 1
            numbers.append(number)
            at = self._raw.find(text, self._block.starts[number + 1][0]) if number + 1 < len(self._block.starts) else -1
        return self._parsed(numbers)

    def _parsed(self, numbers: Iterable[int]) -> list[Tx]:
        return [parse_tx(transaction_bytes(self._raw, self._block, number)) for number in numbers if number >= 0]


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

    def touching(self, keys: Collection[bytes]) -> list[Tx]:
        wanted = set(keys)
        return [parse_tx(raw) for txid, (raw, own) in self._txs.items() if txid in wanted or not wanted.isdisjoint(own)]

    def holding(self, text: bytes) -> list[Tx]:
        return [parse_tx(raw) for raw, _ in self._txs.values() if text in raw]
