"""The node's mempool: what enters it, by the feed's hint or by asking, and what leaves it unmined."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from bwm.chain.block import BlockRef
from bwm.chain.tx import Tx
from bwm.daemon.finder import Finder
from bwm.daemon.read_again import SecondReading
from bwm.daemon.search_blocks import search
from bwm.daemon.writer import Writer
from bwm.db import guardians, sightings
from bwm.node.bitcoind import Bitcoind
from bwm.plan import Absence, plan_absences, plan_mempool
from bwm.watch.pool import TxPool
from bwm.watch.sighting import LIVE, Sighting, Status
from bwm.watch.watch import Family, Watch, What

_AT_ONCE = 500  # transactions fetched and searched together
_SEARCHED = 12  # blocks, for the rival of a transaction that the feed told of too late


class MempoolFollower:
    """Knows which transactions it has looked at, so that a look at the mempool costs only what is new in it."""

    def __init__(self, node: Bitcoind, finder: Finder, writer: Writer) -> None:
        self._node = node
        self._finder = finder
        self._writer = writer
        self._second_reading = SecondReading(node, finder, writer)
        self._known: set[str] = set()
        self._missed_once: set[str] = set()

    def forget(self, txids: Collection[str] | None = None) -> None:
        """Look again: the watch list grew. At every transaction, or at these if they are all that is new."""
        if txids is None:
            self._known.clear()
        else:
            self._known.difference_update(txids)

    def hear(self, raws: Iterable[bytes]) -> bool:
        """The feed showed these bytes. They are a hint: only what the node has in its mempool counts.

        True when the next look should not be waited for: a guardian may have signed what is not there any more.
        """
        pool = TxPool(raws, pass_over_damaged=True)  # the feed has no authentication
        finding = self._finder.find(pool)
        suspects = {tx.txid: tx.raw for tx in (*(tx for tx, _ in finding.found), *finding.unresolved)}
        self._known.update(txid for txid in pool.txids() if txid not in suspects)
        if not suspects:
            return False
        met = self.meet(list(suspects))
        return self._second_reading.keep([raw for txid, raw in suspects.items() if txid not in met])

    def follows(self, txids: Sequence[str]) -> bool:
        """Whether one of these transactions is sighted and not mined yet."""
        return any(sighting.status in LIVE for sighting in sightings.by_txids(txids))

    def meet(self, txids: Sequence[str]) -> set[str]:
        """Look closely at transactions, as far as the node has them in its mempool. Returns the ids of those."""
        met: set[str] = set()
        for start in range(0, len(txids), _AT_ONCE):
            part = self._node.raw_transactions(txids[start : start + _AT_ONCE])
            met |= part.keys() - self._search(list(part.values()))
        return met

    def _search(self, raws: list[bytes]) -> set[str]:
        """Returns the ids of those that left the mempool before they were looked at, and may come back."""
        finding = self._finder.find(TxPool(raws))
        suspects = {tx.txid for tx in (*(tx for tx, matches in finding.found if matches), *finding.unresolved)}
        gone = suspects - self._unmined(sorted(suspects)) if suspects else set()
        unmined = [(tx, matches) for tx, matches in finding.found if matches and tx.txid not in gone]
        unresolved = tuple(tx for tx in finding.unresolved if tx.txid not in gone)
        finding = replace(finding, found=unmined, unresolved=unresolved)
        if finding.is_empty and not finding.resolved:
            return gone
        learned: list[Watch] = []
        for part in finding.parts():
            changes = plan_mempool(part.found, self._writer.facts((), part), self._writer.now())
            self._writer.write(changes, part)
            learned += changes.watches
        if finding.extended:
            self.forget()  # what pays the new scripts may have been looked at before
        coins = [watch.key for watch in learned if watch.what is What.COIN]
        spenders = set(self._node.spent_in_mempool(coins).values()) if coins else set()
        if later := spenders - {tx.txid for tx, _ in finding.found}:
            self.meet(sorted(later))  # they were looked at before their parents were known
        return gone

    def _unmined(self, txids: Sequence[str]) -> set[str]:
        """A node with txindex also answers for mined transactions: those wait for their block.

        Asked for all at once: a crowd of them must not keep the loop for as many answers of a slow node.
        """
        return {txid for txid, found in self._node.transactions(txids).items() if found.block_hash is None}

    def look(self, at: BlockRef, breathe: Callable[[], bool] = lambda: True) -> bool:
        """Compare with the node's whole mempool, as of the block where we stand. False when the chain moved on.

        ``breathe`` is called now and then: a first look at a full mempool takes a while. It says whether to go on.
        """
        if self._node.tip() != at:
            return False
        txids, _ = self._node.mempool_txids()
        if self._node.tip() != at:
            return False
        present = set(txids)
        self._known &= present
        self._forget_spenders()
        fresh = [txid for txid in txids if txid not in self._known]
        for start in range(0, len(fresh), _AT_ONCE):
            part = fresh[start : start + _AT_ONCE]
            self._known |= self.meet(part)  # what was gone when it was asked for may be back with the next look
            if not breathe() or self._node.tip() != at:  # a block does not wait until a full mempool was looked at
                return False
        self._miss(present, at)
        self._second_reading.read(present, self.meet)
        return True

    def _forget_spenders(self) -> None:
        """What spends a coin that a block taught us may have been looked at before that block was read."""
        taught = self._writer.taught
        if any(watch.what is What.SCRIPT for watch in taught):
            self.forget()
        coins = {watch.key for watch in taught if watch.what is What.COIN}
        if coins:
            self._known -= set(self._node.spent_in_mempool(coins).values())
        taught.clear()

    def _miss(self, present: set[str], at: BlockRef) -> None:
        """Sighted transactions that are gone. A rival proves it; without one the next look must agree.

        A node that has just started fills its mempool over some seconds: until then everything seems gone. Where we may
        not know, two looks must do.
        """
        contested = sightings.contested()
        missing = [sighting for sighting in contested if sighting.txid not in present]
        signals = guardians.unmined_signals() - present - {sighting.txid for sighting in contested}
        txs = sightings.transactions({sighting.txid for sighting in missing})
        coins = {item.spends for tx in txs.values() for item in tx.inputs}
        spenders = self._node.spent_in_mempool(coins) if coins else {}
        absences, missed = [], set()
        for sighting in missing:
            rivals = [spenders[i.spends] for i in txs[sighting.txid].inputs if i.spends in spenders]
            if sighting.txid in rivals:
                continue  # it spends its coins itself: it came after the list of txids was made
            missed.add(sighting.txid)
            if rivals or sighting.txid in self._missed_once:
                absences.append(Absence(sighting, rivals[0] if rivals else None))
        gone = signals & self._missed_once
        self._missed_once = missed | signals
        if (gone or not all(absence.rival for absence in absences)) and not self._node.mempool_is_loaded():
            absences, gone = [absence for absence in absences if absence.rival], set()
        absences = [one if one.rival else self._find_rival(one, txs[one.sighting.txid], at) for one in absences]
        if absences or gone:
            facts = self._writer.facts(absence.sighting for absence in absences)
            self._writer.write(plan_absences(absences, facts, self._writer.now(), frozenset(gone)))

    def _find_rival(self, absence: Absence, tx: Tx, at: BlockRef) -> Absence:
        """The same, with its rival where a block holds one that was read before the transaction was heard of: sighted
        at whatever depth, or in the last blocks.

        Only a guardian's own signed transactions are sighted though the node no longer has them. Nobody else can have
        us read blocks by transactions that come and go.
        """
        coins = {item.spends for item in tx.inputs}
        is_signed = absence.sighting.family is Family.GUARDIAN and absence.sighting.detail.get("spent")
        if not is_signed or len(self._node.coins(coins, include_mempool=False)) == len(coins):
            return absence
        if known := _mined_spender(absence.sighting, coins):
            return replace(absence, rival=known.txid, block=known.block)
        height = max(0, at.height - _SEARCHED)
        found, _ = search(self._node, coins, BlockRef(height, self._node.block_hash(height)), at)
        if found is None or found.txid == tx.txid:
            return absence
        return replace(absence, rival=found.txid, block=found.block)


def _mined_spender(sighting: Sighting, coins: Collection[bytes]) -> Sighting | None:
    """What the trigger was sighted in besides, that spends one of the coins and is in the chain."""
    others = sightings.of_trigger(sighting.trigger.id)
    mined = {
        one.txid: one for one in others if one.status in (Status.CONFIRMED, Status.FINAL) and one.txid != sighting.txid
    }
    txs = sightings.transactions(mined).items()
    return next((mined[txid] for txid, tx in txs if any(item.spends in coins for item in tx.inputs)), None)
