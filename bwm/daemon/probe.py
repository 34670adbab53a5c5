"""The watched coins, looked for among the unspent ones: what no block and no message told us shows here.

A level beside the edges. In a healthy run it finds nothing, because the spend was read; after a gap of pruned blocks
or a restored backup it is all that is left.
"""

from bwm.chain.block import BlockRef
from bwm.chain.outpoint import txid_text
from bwm.clock import Clock
from bwm.daemon.writer import Writer
from bwm.db import sightings, watches
from bwm.node.bitcoind import Bitcoind
from bwm.plan import plan_gone_coins
from bwm.watch.sighting import MINED
from bwm.watch.watch import Watch

_EVERY_S = 15.0
_AT_ONCE = 2000  # coins a look: some 30 ms of the node's time; a longer list is gone through part by part


class CoinProbe:
    """Goes round and round the list."""

    def __init__(self, node: Bitcoind, writer: Writer, clock: Clock) -> None:
        self._node = node
        self._writer = writer
        self._clock = clock
        self._due = 0.0
        self._after = b""  # the key that the next look begins behind
        self._explained: set[tuple[int, bytes]] = set()

    def look(self, at: BlockRef) -> None:
        """Compare some of the coins with the node's, which must stand at ``at`` before and after."""
        if self._clock.monotonic() < self._due:
            return
        part, after = self._next_part()
        missing = self._missing(part)
        if self._node.tip() != at:
            return
        self._due = self._clock.monotonic() + _EVERY_S
        self._after = after
        gone = [watch for watch in missing if not self._is_explained(watch)]
        if gone:
            self._writer.write(plan_gone_coins(gone, self._writer.facts_of_vaults(gone), self._writer.now()))
        self._explained.update((watch.trigger.id, watch.key) for watch in missing)

    def _next_part(self) -> tuple[list[Watch], bytes]:
        """The coins to look at now, with all who watch each of them; and the key that the next look begins behind."""
        part = watches.known_coins(self._after, _AT_ONCE)
        if len(part) < _AT_ONCE:
            return part, b""
        last = part[-1].key  # others may watch it too, beyond what was read
        whole = [watch for watch in part if watch.key != last]
        return (whole, whole[-1].key) if whole else (part, last)

    def _missing(self, part: list[Watch]) -> list[Watch]:
        """Those that the node has neither in its chain nor in its mempool, nor spent there."""
        keys = {watch.key for watch in part if (watch.trigger.id, watch.key) not in self._explained}
        for include_mempool in (False, True):
            keys -= self._node.coins(keys, include_mempool).keys()
        keys -= self._node.spent_in_mempool(keys).keys() if keys else set()
        return [watch for watch in part if watch.key in keys]

    def _is_explained(self, watch: Watch) -> bool:
        """Whether we saw it spent, or what made it is known not to be in the chain."""
        made_by = sightings.by_txids([txid_text(watch.key[:32])])
        if any(sighting.status not in MINED for sighting in made_by):
            return True
        sighted = sightings.of_trigger(watch.trigger.id)
        spends = sightings.transactions({sighting.txid for sighting in sighted})
        return any(item.spends == watch.key for tx in spends.values() for item in tx.inputs)
