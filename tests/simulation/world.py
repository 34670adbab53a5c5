"""Everybody but the daemon: owners, thieves, miners. They make real transactions, at random."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.simulation.ledger import Ledger
from tests.simulation.mortal import VirtualClock
from tests.simulation.node import script_at
from tests.simulation.tower import GAP_LIMIT
from tests.simulation.wire import Pay, SimBlock, SimTx, transaction

MINER = b"\x00\x14" + b"\x11" * 20
OWNED = [b"\x00\x14" + bytes([number]) * 20 for number in range(0x21, 0x27)]
GUARDIANS = [b"\x00\x14" + bytes([number]) * 20 for number in range(0x41, 0x43)]
WALLETS = ("simulated(one/*)", "simulated(two/*)")
_FIRST_BLOCKS = 12
_DEEPEST = 12


@dataclass(frozen=True, slots=True)
class Says:
    """What a transaction of a guardian says; nothing at all when both are empty."""

    locks: tuple[int, ...] = ()
    unlocks: tuple[int, ...] = ()


def op_return(lock: bool, nonce: int) -> bytes:
    words = b"guardv1.Lock=%s#%d" % (b"true" if lock else b"false", nonce)
    return b"\x6a" + bytes([len(words)]) + words


class World:
    """What can happen to coins. Each method does one thing, if it can be done now."""

    def __init__(self, ledger: Ledger, clock: VirtualClock, random: Random) -> None:
        self.ledger = ledger
        self.clock = clock
        self.random = random
        self.presigned: list[SimTx] = []  # kept by their owners, not yet published
        self.limbo: list[SimTx] = []  # left the mempool unmined and may come back
        self.forged: list[SimTx] = []  # shown by the feed, never held by the node
        self.spared: set[bytes] = set()  # coins that move for a reason only: see ladders.py
        self.says: dict[str, Says] = {}  # of guardians' transactions, by txid
        self.lost: list[SimBlock] = []  # what a node without its data must fetch again
        self._nonce = 0
        self._salt = 0
        for _ in range(_FIRST_BLOCKS):
            self.mine()

    # Transactions

    def deposit(self) -> None:
        """Somebody pays an owner."""
        if coin := self._choose(lambda pay: pay.script == MINER and pay.sats > 10_000):
            script = self.random.choice([*OWNED, *OWNED, self._fresh_script(), self.random.choice(GUARDIANS)])
            self._publish([coin], [script] * self.random.choice((1, 1, 1, 2)))

    def spend(self) -> None:
        """Coins of an owner move: out, or to another script of an owner."""
        if coins := self._owned_coins():
            target = self.random.choice((MINER, MINER, self.random.choice(OWNED), self._fresh_script()))
            self._publish(coins, [target])

    def signal(self) -> None:
        """A guardian's coin moves: with a lock, an unlock, both, or without a word."""
        coin = self._choose(lambda pay: pay.script in GUARDIANS)
        if coin is None:
            return
        locks, unlocks = self.random.choice([((1,), ()), ((1,), ()), ((), (1,)), ((), (1,)), ((1,), (2,)), ((), ())])
        self._nonce += self.random.choice((0, 1, 1, 2))
        says = Says(tuple(self._nonce + n - 1 for n in locks), tuple(self._nonce + n - 1 for n in unlocks))
        words = [op_return(True, nonce) for nonce in says.locks] + [op_return(False, nonce) for nonce in says.unlocks]
        pay = self.ledger.pay_of(coin)
        assert pay is not None
        tx = self._make([coin], [*words, pay.script], signed=True)
        self.says[tx.txid] = says
        self.ledger.accept(tx)

    def forge_signal(self) -> None:
        """Somebody pays a guardian with a lock in the same transaction, which the guardian did not sign."""
        if coin := self._choose(lambda pay: pay.script == MINER and pay.sats > 10_000):
            self.ledger.accept(self._make([coin], [op_return(True, 4_000_000), self.random.choice(GUARDIANS)]))

    def presign(self) -> None:
        """An owner, or a thief with the key, signs a transaction and keeps it."""
        if coins := self._owned_coins():
            self.presigned.append(self._make(coins, [MINER]))

    def publish_presigned(self) -> None:
        """A transaction that was signed before, or another one of the same coins, is published."""
        if self.presigned:
            tx = self.random.choice(self.presigned)
            if self.random.random() < 0.3:
                tx = self._make(list(tx.spends), [MINER])
            if all(coin not in self.ledger.spent_in_mempool for coin in tx.spends):
                self.ledger.accept(tx)

    def replace(self) -> None:
        """A transaction of the mempool is replaced, by one that touches the same coins or only some of them."""
        if self.ledger.mempool:
            tx = self.random.choice(list(self.ledger.mempool.values()))
            rival = self._rival(tx)
            self.limbo.append(tx)
            self.ledger.accept(rival)

    def evict(self) -> None:
        """A transaction leaves the mempool for no reason that can be seen."""
        if self.ledger.mempool:
            self.limbo += self.ledger.evict(self.random.choice(list(self.ledger.mempool)))

    def come_back(self) -> None:
        """What left the mempool is published again, if its coins are still there and free."""
        if self.limbo:
            tx = self.limbo.pop(self.random.randrange(len(self.limbo)))
            if all(coin not in self.ledger.spent_in_mempool for coin in tx.spends):
                self.ledger.accept(tx)

    def forge(self) -> SimTx | None:
        """A spend that nobody published: only somebody at the feed's address shows it."""
        coins = self._owned_coins()
        if not coins:
            return None
        self.forged.append(self._make(coins, [MINER]))
        return self.forged[-1]

    # Blocks

    def mine(self) -> None:
        """A block with some of the mempool; sometimes with what the node never saw, or with a rival of what it saw."""
        share = self.random.choice((0.0, 0.5, 0.8, 1.0, 1.0))
        txs = [tx for tx in self.ledger.mempool.values() if self.random.random() < share]
        if self.ledger.mempool and self.random.random() < 0.15:
            beaten = self.random.choice(list(self.ledger.mempool.values()))
            txs.insert(0, self._rival(beaten))
            self.limbo.append(beaten)
        if self.random.random() < 0.15:
            txs = [*self._unseen_chain(), *txs]
        if self.random.random() < 0.1 and (coins := self._owned_coins(confirmed=True)):
            txs.insert(0, self._make(coins, [MINER]))
        self.ledger.mine(txs, int(self.clock.true))

    def _unseen_chain(self) -> list[SimTx]:
        """A payment to an owner, and the theft of it, for one block."""
        coin = self._choose(lambda pay: pay.script == MINER and pay.sats > 10_000)
        if coin is None or coin not in self.ledger.coins:
            return []
        paid = self._make([coin], [self.random.choice([*OWNED, self._fresh_script()])])
        return [paid, self._make([paid.coin(0)], [MINER])]

    def mine_many(self) -> None:
        """Some blocks at once."""
        for _ in range(self.random.randrange(3, 9)):
            self.mine()

    def mine_empty(self) -> None:
        """A block with nothing in it."""
        self.ledger.mine([], int(self.clock.true))

    def reorg(self) -> None:
        """Some blocks are replaced by more others, which hold some of the same transactions, and rivals of some."""
        depth = min(self.random.choice((1, 1, 1, 2, 2, 3, 4, 6, 8, _DEEPEST)), self.ledger.height - 2)
        left = [self.ledger.active(self.ledger.height - depth + 1 + n) for n in range(depth)]
        txs = [tx for block in left for tx in block.txs if not tx.is_coinbase]
        txs += self.ledger.mempool.values()
        longer = depth + self.random.choice((1, 1, 2))
        branch: list[list[SimTx]] = [[] for _ in range(longer)]
        at = 0
        for tx in txs:
            at = self.random.randrange(at, longer)
            fate = self.random.random()
            if fate < 0.6:
                branch[at].append(tx)
            elif fate < 0.75:
                branch[at].append(self._rival(tx))
        share = self.random.choice((0.0, 0.7, 1.0, 1.0))
        self.ledger.reorg(depth, branch, int(self.clock.true), keep=lambda tx: self.random.random() < share)
        self._remember(txs)

    def switch(self) -> None:
        """The node goes to a branch that it knows: back to one that it left, or down (invalidateblock)."""
        recent = [block for block in self.ledger.blocks.values() if block.height > self.ledger.height - 8]
        to = self.random.choice(recent)
        if to.height < self.ledger.height - 2 or self.ledger.tip is to or to.height < 3:
            return
        txs = [tx for block in recent for tx in block.txs if not tx.is_coinbase]
        share = self.random.choice((0.0, 1.0, 1.0))
        self.ledger.switch(to, keep=lambda tx: self.random.random() < share)
        self._remember(txs)

    def lose_mempool(self) -> None:
        """As at a restart: some of the mempool is gone, and comes back over some time or not at all."""
        for txid in list(self.ledger.mempool):
            if self.random.random() < 0.7:
                self.limbo += self.ledger.evict(txid, quietly=True) if txid in self.ledger.mempool else []

    # Groundwork

    def _remember(self, txs: list[SimTx]) -> None:
        """What a reorg left nowhere may come back."""
        known = self.ledger.mempool.keys() | self.ledger.places.keys()
        self.limbo += [tx for tx in txs if tx.txid not in known]
        del self.limbo[:-30]

    def _choose(self, wanted: Callable[[Pay], bool]) -> bytes | None:
        coins = [coin for coin, pay in self.ledger.spendable() if wanted(pay)]
        return self.random.choice(coins) if coins else None

    def _owned_coins(self, *, confirmed: bool = False) -> list[bytes]:
        """One or two coins of owners."""
        coins = [
            coin
            for coin, pay in self.ledger.spendable()
            if pay.script != MINER and pay.script not in GUARDIANS and pay.script[:1] != b"\x6a"
            if coin not in self.spared and (not confirmed or coin in self.ledger.coins)
        ]
        return self.random.sample(coins, min(len(coins), self.random.choice((1, 1, 2))))

    def _fresh_script(self) -> bytes:
        """A script of a wallet that its gap limit reaches, whatever is mined in the end."""
        wallet = self.random.choice(WALLETS)
        paid = {held.pay.script for held in self.ledger.coins.values()}
        used = [index for index in range(30) if script_at(wallet, index) in paid]
        return script_at(wallet, self.random.randrange(max(used, default=-1) + GAP_LIMIT + 1))

    def _publish(self, coins: list[bytes], scripts: list[bytes]) -> None:
        self.ledger.accept(self._make(coins, scripts))

    def _rival(self, tx: SimTx) -> SimTx:
        """Another transaction of the first coin of one, or of all its coins; paying elsewhere."""
        coins = list(tx.spends) if self.random.random() < 0.5 else [self.random.choice(tx.spends)]
        return self._make(coins, [self.random.choice((MINER, self.random.choice(OWNED)))])

    def _make(self, coins: list[bytes], scripts: list[bytes], *, signed: bool = False) -> SimTx:
        """A transaction that shares its coins' value among scripts; each is another one (its locktime is a number)."""
        self._salt += 1
        total = sum(pay.sats for coin in coins if (pay := self.ledger.pay_of(coin))) or 20_000
        payees = [script for script in scripts if script[:1] != b"\x6a"]
        share = total // (len(payees) + 1)
        pays = [Pay(0 if script[:1] == b"\x6a" else share, script) for script in scripts]
        if scripts[0] != MINER:
            pays.append(Pay(share, MINER))
        return transaction(coins, pays, witness=signed or self.random.random() < 0.8, locktime=self._salt)
