"""Transactions that may speak for a guardian and could not be read at first: the node lost them, or a coin they spend.

They are on disk until they are read, so that neither a crash nor a moment's silence of the node loses a lock.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

import structlog

from bwm.chain.tx import Output, Tx
from bwm.daemon.finder import Finder
from bwm.daemon.writer import Writer
from bwm.db import guardians, sightings, unresolved, watches
from bwm.errors import NodeForbidden
from bwm.node.bitcoind import Bitcoind
from bwm.plan import Changes, plan_mempool
from bwm.plan_guardian import Unresolved
from bwm.watch.pool import TxPool
from bwm.watch.scan import Found

log = structlog.get_logger()

_KEPT_S = 14 * 86_400  # how long a node keeps a transaction in its mempool, by default


class SecondReading:
    """Reads them again with every look at the mempool."""

    def __init__(self, node: Bitcoind, finder: Finder, writer: Writer) -> None:
        self._node = node
        self._finder = finder
        self._writer = writer

    def keep(self, raws: Sequence[bytes]) -> bool:
        """The feed showed these, the node has them no more: mined or replaced. True when a guardian may have signed."""
        txs = [tx for tx, _ in self._signed_by_guardians(raws)]
        known = {sighting.txid for sighting in sightings.by_txids([tx.txid for tx in txs])}
        lost = tuple(Unresolved(tx, self._writer.now()) for tx in txs if tx.txid not in known)
        self._writer.write(Changes(waiting=lost))
        return bool(lost)

    def read(self, present: Collection[str], meet: Callable[[Sequence[str]], object]) -> None:
        """Read all that waits. ``present``: the mempool; the chain has been read to its tip."""
        waiting = unresolved.waiting()
        if not waiting:
            return
        meet([one.tx.txid for one in waiting if one.tx.txid in present])
        for one in waiting:
            if one.tx.txid not in present:
                self._read_lost(one)

    def _read_lost(self, one: Unresolved) -> None:
        """In neither mempool nor chain. What the guardian's own coin proves it to have signed may still lock."""
        changes = Changes()
        found: Found = [] if sightings.by_txids([one.tx.txid]) else self._signed_by_guardians([one.tx.raw])
        finding = replace(self._finder.find(TxPool([one.tx.raw])), found=found)
        if found and self._is_signed(found):
            log.warning("guardian.lost_signal", txid=one.tx.txid)
            facts = self._writer.facts((), finding)
            changes = plan_mempool(found, facts, self._writer.now(), vouched=False)
        elif finding.unresolved and self._writer.now() - one.first_seen_at < _KEPT_S:
            return
        self._writer.write(replace(changes, waiting=(), settled=(one.tx.txid,)), finding)

    def _signed_by_guardians(self, raws: Iterable[bytes]) -> Found:
        """Those with a signal that spend a coin of a guardian, as far as coins are known."""
        finding = self._finder.find(TxPool(list(raws)))
        spends = [
            (tx, tuple(match for match in matches if match.trigger.guardian and match.spent))
            for tx, matches in finding.found
            if tx.txid in finding.resolved
        ]
        return [(tx, matches) for tx, matches in spends if matches]

    def _is_signed(self, found: Found) -> bool:
        """Whether the node finds the signatures valid. Where it may not be asked, its feed is taken at its word."""
        try:
            return all(self._node.is_signed(tx.raw, self._coins(tx)) for tx, _ in found)
        except NodeForbidden:
            return True

    def _coins(self, tx: Tx) -> dict[bytes, Output]:
        """The guardians' coins among those that a transaction spends, as far as their amounts are known."""
        scripts = {trigger.id: script for script, each in guardians.triggers().items() for trigger in each}
        return {
            watch.key: Output(watch.sats, scripts[watch.trigger.id])
            for watch in watches.by_keys([item.spends for item in tx.inputs])
            if watch.trigger.id in scripts and watch.sats is not None
        }
