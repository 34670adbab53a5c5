"""What is true in the simulation: a tree of blocks, the branch that is active, its coins, and a mempool."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.simulation.wire import Pay, SimBlock, SimTx, coinbase, txid_of_coin
from tests.simulation.wire import block as make_block

GENESIS_PREVIOUS = "00" * 32
REWARD = 5_000_000_000  # sat


@dataclass(frozen=True, slots=True)
class LedgerCoin:
    """An unspent output of the active chain."""

    pay: Pay
    height: int


class Ledger:
    """One node's view. ``tell`` hears of each change as it happens, as the node's feed would.

    ``moment`` counts the changes, so that the order of things can be asked for without a clock.
    """

    def __init__(self, miner_script: bytes, time: int, salt: int = 0) -> None:
        self._miner_script = miner_script
        self._salt = salt
        self.tell: Callable[[str, str], None] = lambda what, name: None
        self.moment = 0
        self.txs: dict[str, SimTx] = {}  # every transaction that was ever in the mempool or in an active block
        self.blocks: dict[str, SimBlock] = {}
        self.chain: list[str] = []
        self.activated: dict[str, int] = {}  # the moment when a block last joined the active chain
        self.disconnected: set[str] = set()  # blocks that ever left it by a reorg
        self.unheld: set[str] = set()  # transactions that were once in neither mempool nor chain, after they had been
        self.highest = 0  # the greatest height ever reached
        self.coins: dict[bytes, LedgerCoin] = {}
        self.places: dict[str, str] = {}  # the active block that holds a transaction
        self.spent_in_chain: dict[bytes, str] = {}  # coins spent in the active chain, and by whom
        self.mempool: dict[str, SimTx] = {}  # parents before their children
        self.spent_in_mempool: dict[bytes, str] = {}
        self._connect(make_block(0, GENESIS_PREVIOUS, time, [self._coinbase(0)]))

    # What is asked

    @property
    def tip(self) -> SimBlock:
        return self.blocks[self.chain[-1]]

    @property
    def height(self) -> int:
        return len(self.chain) - 1

    def active(self, height: int) -> SimBlock:
        return self.blocks[self.chain[height]]

    def is_active(self, block: SimBlock) -> bool:
        return block.height < len(self.chain) and self.chain[block.height] == block.hash

    def branch(self, block_hash: str) -> Iterator[SimBlock]:
        """The blocks from a block down to the genesis."""
        while block_hash != GENESIS_PREVIOUS:
            block = self.blocks[block_hash]
            yield block
            block_hash = block.previous

    def place(self, txid: str) -> SimBlock | None:
        """The active block that holds a transaction."""
        return self.blocks[self.places[txid]] if txid in self.places else None

    def pay_of(self, coin: bytes) -> Pay | None:
        """The output behind a coin that can be spent now, confirmed or not."""
        if coin in self.coins:
            return self.coins[coin].pay
        parent = self.mempool.get(txid_of_coin(coin))
        vout = int.from_bytes(coin[32:], "little")
        return parent.pays[vout] if parent and vout < len(parent.pays) else None

    def spendable(self) -> list[tuple[bytes, Pay]]:
        """Every coin that no transaction of chain or mempool spends."""
        confirmed = [(coin, held.pay) for coin, held in self.coins.items()]
        unmined = [(tx.coin(vout), pay) for tx in self.mempool.values() for vout, pay in enumerate(tx.pays)]
        return [(coin, pay) for coin, pay in [*confirmed, *unmined] if coin not in self.spent_in_mempool]

    def fee_of(self, tx: SimTx) -> int:
        """Sat that it leaves to the miner; of coins that are or once were there."""
        spent = (self.txs[txid_of_coin(coin)].pays[int.from_bytes(coin[32:], "little")] for coin in tx.spends)
        return sum(pay.sats for pay in spent) - sum(pay.sats for pay in tx.pays)

    # The mempool

    def rivals_of(self, tx: SimTx) -> list[SimTx]:
        """What must leave the mempool for it: what spends its coins there, with all that depends on that."""
        direct = {by for coin in tx.spends if (by := self.spent_in_mempool.get(coin))}
        return [self.mempool[txid] for txid in self._with_children(direct)]

    def accept(self, tx: SimTx) -> bool:
        """A transaction reaches the node. It displaces what it conflicts with; False when its coins are not there."""
        if tx.txid in self.mempool or tx.txid in self.places:
            return False
        rivals = self._with_children({by for coin in tx.spends if (by := self.spent_in_mempool.get(coin))})
        if any(txid_of_coin(coin) in rivals or self.pay_of(coin) is None for coin in tx.spends):
            return False
        beaten = [self.mempool[rival] for rival in rivals]
        for rival in rivals:
            self._drop(rival)
        self._note_unheld(beaten)
        self._hold(tx)
        self._changed("tx", tx.txid)
        self._changed("added", tx.txid)
        return True

    def evict(self, txid: str, *, quietly: bool = False) -> list[SimTx]:
        """A transaction leaves the mempool with all that depends on it. Quietly: the feed does not say so."""
        gone = [self.mempool[each] for each in self._with_children({txid})]
        for tx in gone:
            self._drop(tx.txid, quietly=quietly)
        self._note_unheld(gone)
        return gone

    def _with_children(self, txids: set[str]) -> list[str]:
        """Those and their descendants in the mempool; parents first."""
        family: dict[str, None] = {txid: None for txid in self.mempool if txid in txids}
        for txid, tx in self.mempool.items():
            if any(txid_of_coin(coin) in family for coin in tx.spends):
                family[txid] = None
        return list(family)

    def _hold(self, tx: SimTx) -> None:
        self.txs[tx.txid] = tx
        self.mempool[tx.txid] = tx
        self.spent_in_mempool.update(dict.fromkeys(tx.spends, tx.txid))

    def _drop(self, txid: str, *, quietly: bool = False) -> None:
        for coin in self.mempool.pop(txid).spends:
            del self.spent_in_mempool[coin]
        if not quietly:
            self._changed("removed", txid)

    def _note_unheld(self, txs: Iterable[SimTx]) -> None:
        self.unheld.update(tx.txid for tx in txs if tx.txid not in self.mempool and tx.txid not in self.places)

    # The chain

    def mine(self, txs: Iterable[SimTx], time: int) -> SimBlock:
        """A block on the tip. What does not fit (its coins are not there) is left out."""
        block = self._make(self.tip, txs, time, self.coins)
        self._connect(block)
        self._clear_mempool_of(block)
        self._changed("connected", block.hash)
        return block

    def reorg(self, depth: int, branch: list[list[SimTx]], time: int, *, keep: Callable[[SimTx], bool]) -> None:
        """Replace ``depth`` blocks by a branch of the given contents. ``keep``: what returns to the mempool."""
        left = [self._disconnect() for _ in range(depth)]
        for txs in branch:
            self._connect(self._make(self.tip, txs, time, self.coins))
        self._after_reorg(left, keep, self.chain[-len(branch) :])

    def switch(self, to: SimBlock, *, keep: Callable[[SimTx], bool]) -> None:
        """Make a known block the tip, as by invalidateblock, reconsiderblock or a longer branch."""
        way = []
        for block in self.branch(to.hash):
            if self.is_active(block):
                break
            way.append(block)
        fork = to.height - len(way)
        left = [self._disconnect() for _ in range(self.height - fork)]
        for block in reversed(way):
            self._connect(block)
        self._after_reorg(left, keep, [block.hash for block in reversed(way)])

    def shrink(self, height: int) -> list[SimBlock]:
        """The node lost its data above a height: as if it were new and still fetching the chain."""
        lost = []
        while self.height > height:
            lost.append(self._disconnect(by_reorg=False))
        forgotten = list(self.mempool.values())
        self.mempool.clear()
        self.spent_in_mempool.clear()
        self._note_unheld(forgotten)
        return lost[::-1]

    def fetch(self, block: SimBlock) -> None:
        """A node without its data gets the next block back, and says nothing."""
        self._connect(block)

    def _make(self, on: SimBlock, txs: Iterable[SimTx], time: int, coins: dict[bytes, LedgerCoin]) -> SimBlock:
        """A block of those transactions that are valid in this order."""
        made: set[bytes] = set()
        used: set[bytes] = set()
        chosen = []
        for tx in txs:
            fits = all((coin in coins or coin in made) and coin not in used for coin in tx.spends)
            fits = fits and tx.locked_until <= on.height
            if fits and tx.txid not in self.places and tx not in chosen:
                chosen.append(tx)
                made.update(tx.coins)
                used.update(tx.spends)
        return make_block(on.height + 1, on.hash, time, [self._coinbase(on.height + 1), *chosen])

    def _coinbase(self, height: int) -> SimTx:
        self._salt += 1
        return coinbase(height, self._salt, [Pay(REWARD, self._miner_script)])

    def _connect(self, block: SimBlock) -> None:
        self.blocks[block.hash] = block
        self.chain.append(block.hash)
        self.moment += 1
        self.activated[block.hash] = self.moment
        self.highest = max(self.highest, block.height)
        for tx in block.txs:
            self.txs[tx.txid] = tx
            self.places[tx.txid] = block.hash
            for coin in tx.spends:
                del self.coins[coin]
                self.spent_in_chain[coin] = tx.txid
            for vout, pay in enumerate(tx.pays):
                self.coins[tx.coin(vout)] = LedgerCoin(pay, block.height)

    def _disconnect(self, *, by_reorg: bool = True) -> SimBlock:
        block = self.blocks[self.chain.pop()]
        self.moment += 1
        if by_reorg:
            self.disconnected.add(block.hash)
        for tx in reversed(block.txs):
            del self.places[tx.txid]
            for coin in tx.coins:
                del self.coins[coin]
            for coin in tx.spends:
                del self.spent_in_chain[coin]
                maker = self.txs[txid_of_coin(coin)]
                height = self.blocks[self.places[maker.txid]].height
                pay = maker.pays[int.from_bytes(coin[32:], "little")]
                self.coins[coin] = LedgerCoin(pay, height)
        return block

    def _clear_mempool_of(self, block: SimBlock) -> None:
        for tx in block.txs:
            if tx.txid in self.mempool:
                self._drop(tx.txid, quietly=True)
        beaten = {by for tx in block.txs for coin in tx.spends if (by := self.spent_in_mempool.get(coin))}
        gone = [self.mempool[txid] for txid in self._with_children(beaten)]
        for tx in gone:
            self._drop(tx.txid)
        self._note_unheld(gone)

    def _after_reorg(self, left: list[SimBlock], keep: Callable[[SimTx], bool], joined: list[str]) -> None:
        """Fill the mempool anew, as far as coins are there, and let the feed say what happened."""
        for block in left:
            self._changed("disconnected", block.hash)
        before = list(self.mempool.values())
        again = [tx for block in reversed(left) for tx in block.txs if not tx.is_coinbase and keep(tx)]
        self.mempool.clear()
        self.spent_in_mempool.clear()
        for tx in [*again, *before]:
            free = all(self.pay_of(coin) and coin not in self.spent_in_mempool for coin in tx.spends)
            free = free and tx.locked_until <= self.height
            if free and tx.txid not in self.places and tx.txid not in self.mempool:
                self._hold(tx)
                self._changed("tx", tx.txid)
        for tx in before:
            if tx.txid not in self.mempool and tx.txid not in self.places:
                self._changed("removed", tx.txid)
        self._note_unheld([*again, *before, *(tx for block in left for tx in block.txs)])
        for block_hash in joined:
            self._changed("connected", block_hash)

    def _changed(self, what: str, name: str) -> None:
        self.moment += 1
        self.tell(what, name)
