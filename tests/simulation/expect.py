"""What bwm must know, computed from the ledger alone: another road to the same place."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from tests.simulation.ledger import Ledger
from tests.simulation.node import script_at
from tests.simulation.people import Watched
from tests.simulation.tower import GAP_LIMIT
from tests.simulation.wire import SimBlock, SimTx, txid_of_coin


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a transaction stands: the statuses that say so, and the blocks that it may be said of."""

    statuses: frozenset[str]
    blocks: frozenset[str] = frozenset()


def standing(ledger: Ledger, tx: SimTx) -> Standing:
    """How bwm should see a transaction that it has sighted."""
    if place := ledger.place(tx.txid):
        return Standing(frozenset({"confirmed", "final"}), frozenset({place.hash}))
    if tx.txid in ledger.mempool:
        return Standing(frozenset({"seen", "reorged"}))
    winners = {ledger.spent_in_chain[coin] for coin in tx.spends if coin in ledger.spent_in_chain}
    if winners:
        return Standing(frozenset({"conflicted"}), frozenset(ledger.places[winner] for winner in winners))
    if any(coin in ledger.spent_in_mempool for coin in tx.spends):
        return Standing(frozenset({"replaced"}))
    return Standing(frozenset({"evicted"}))


class Expectation:
    """Which transactions concern one trigger: walks the chain once, then the mempool."""

    def __init__(self, ledger: Ledger, watched: Watched, sighted: Collection[str]) -> None:
        """``sighted``: what bwm has sighted for it, from which alone it may know a watched transaction's coins."""
        self._ledger = ledger
        self._watched = watched
        self._coins = set(watched.coins)
        self._reach = self._first_reach()
        if watched.kind == "txid" and watched.key in sighted:
            self._coins.update(ledger.txs[watched.key].spends)

    def families(self, chain: Iterable[SimBlock], mempool: Iterable[SimTx]) -> dict[str, str]:
        """The transactions that must be sighted, each with the family of its events."""
        found: dict[str, str] = {}
        for block in chain:
            if block.height >= self._watched.first or block.hash not in self._watched.chain:
                self._search(block.txs, found)
        self._search(mempool, found)
        return found

    def _search(self, txs: Iterable[SimTx], found: dict[str, str]) -> None:
        """Until a pass teaches nothing new."""
        txs = tuple(txs)
        while True:
            before = len(self._coins), self._reach
            for tx in txs:
                if family := self._family(tx):
                    found[tx.txid] = family
            if (len(self._coins), self._reach) == before:
                return

    def _family(self, tx: SimTx) -> str | None:
        watched = self._watched
        spends = tx.txid == watched.key or not self._coins.isdisjoint(tx.spends)
        paid = [vout for vout, pay in enumerate(tx.pays) if self._is_ours(pay.script)]
        if tx.txid == watched.key:
            self._coins.update(tx.spends)
        self._coins.update(tx.coin(vout) for vout in paid)
        if not (spends or paid):
            return None
        return "guardian" if watched.is_guardian else "trigger" if spends else "funds"

    def _is_ours(self, script: bytes) -> bool:
        if script not in self._watched.scripts:
            return False
        if self._watched.wallet is None:
            return True
        index = _index(self._watched.wallet, script)
        if index > self._reach:
            return False
        self._reach = max(self._reach, index + GAP_LIMIT)
        return True

    def _first_reach(self) -> int:
        """How far a wallet was watched when it was registered."""
        if (wallet := self._watched.wallet) is None:
            return 0
        made = [(self._ledger.txs[txid_of_coin(coin)], int.from_bytes(coin[32:], "little")) for coin in self._coins]
        return max((_index(wallet, tx.pays[vout].script) for tx, vout in made), default=-1) + GAP_LIMIT


def _index(wallet: str, script: bytes) -> int:
    return next(index for index in range(1000) if script_at(wallet, index) == script)


def may_concern(ledger: Ledger, watched: Watched, tx: SimTx) -> bool:
    """Whether a transaction truly touches a trigger, whenever and however bwm came to know it."""
    if watched.kind == "txid":
        original = ledger.txs.get(watched.key)
        return tx.txid == watched.key or (original is not None and not set(original.spends).isdisjoint(tx.spends))
    if watched.kind == "outpoint":
        return not watched.coins.isdisjoint(tx.spends)
    return any(pay.script in watched.scripts for pay in tx.pays) or spends_from(ledger, watched.scripts, tx)


def spends_from(ledger: Ledger, scripts: Collection[bytes], tx: SimTx) -> bool:
    """Whether a transaction spends an output of one of these scripts."""
    made = ((ledger.txs[txid_of_coin(coin)], int.from_bytes(coin[32:], "little")) for coin in tx.spends)
    return any(maker.pays[vout].script in scripts for maker, vout in made)
