"""A node that answers from the ledger, as long as its own troubles let it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random

from bwm.chain.address import address_of_script
from bwm.chain.block import BlockRef
from bwm.chain.network import Network
from bwm.chain.tx import Output
from bwm.errors import (
    NodeBusy,
    NodeDown,
    NodeRefused,
    NodeUnauthorized,
    NodeWarmingUp,
    WrongNetwork,
)
from bwm.node.answers import (
    Coin,
    FoundCoin,
    FoundTransaction,
    HeaderInfo,
    MempoolRules,
    MempoolVerdict,
    NodeInfo,
    UtxoScan,
)
from bwm.node.bitcoind import Bitcoind
from tests.simulation.ledger import Ledger, LedgerCoin
from tests.simulation.mortal import Reaper, VirtualClock
from tests.simulation.relay import refusal
from tests.simulation.wire import SimBlock, SimTx, txid_of_coin

_NOT_FOUND, _OUT_OF_RANGE, _UNDECODABLE, _OVER_LIMIT = -5, -8, -22, -25
_TIMEOUT_S = 10.0


@dataclass(slots=True)
class Weather:
    """What is wrong with the node right now."""

    is_down: bool = False
    is_hung: bool = False
    is_syncing: bool = False
    is_foreign: bool = False  # another network's node answers at its address
    flaky: float = 0.0  # the chance that one call fails
    damaged: float = 0.0  # the chance that a block cannot be had, or comes damaged
    meddling: float = 0.0  # the chance that the world moves on just before an answer
    floor: int = 1000  # sat/kvB: the mempool takes nothing cheaper
    estimate: int | None = 3000  # sat/kvB that the node thinks is enough; None: it cannot tell


class SimNode(Bitcoind):
    """The methods of Bitcoind, answered from memory."""

    def __init__(
        self, ledger: Ledger, foreign: Ledger, network: Network, clock: VirtualClock, reaper: Reaper, random: Random
    ) -> None:
        self._own = ledger
        self._foreign = foreign
        self._network = network
        self._clock = clock
        self._reaper = reaper
        self._random = random
        self.weather = Weather()
        self.with_txindex = False
        self.has_filters = False
        self.meddle: Callable[[], None] = lambda: None
        self.in_transaction: Callable[[], bool] = lambda: False
        self.asked_in_transaction = False
        self.scanned: frozenset[bytes] = frozenset()  # the coins that the last scan of the UTXO set found
        self.signed: dict[bytes, SimTx] = {}  # by their bytes: what owners signed and did not publish
        self.on_send: Callable[[SimTx], None] = lambda tx: None  # hears of each before the node looks at it
        self.failures = 0
        self.damages = 0

    @property
    def _ledger(self) -> Ledger:
        return self._foreign if self.weather.is_foreign else self._own

    def _ask(self) -> None:
        """Every call begins here."""
        self._reaper.point()
        self.asked_in_transaction |= self.in_transaction()
        weather = self.weather
        if weather.is_hung:
            self._clock.advance(_TIMEOUT_S)
        if weather.is_down or weather.is_hung:
            raise NodeDown("the node does not answer")
        if self._random.random() < weather.flaky:
            self.failures += 1
            raise self._random.choice((NodeDown, NodeBusy, NodeWarmingUp, NodeUnauthorized))(
                "the node has a bad moment"
            )
        if self._random.random() < weather.meddling:
            self.meddle()

    # The chain

    def info(self) -> NodeInfo:
        self._ask()
        tip, now = self._ledger.tip, int(self._clock.true)
        return NodeInfo(
            chain=self._network.chain,
            height=tip.height,
            hash=tip.hash,
            headers=tip.height,
            initial_block_download=self.weather.is_syncing,
            pruned=False,
            prune_height=None,
            median_time=now,
            tip_time=now,
            warnings=(),
            version=290000,
            subversion="/simulated/",
        )

    def tip(self) -> BlockRef:
        self._ask()
        return _ref(self._ledger.tip)

    def block_hash(self, height: int) -> str:
        self._ask()
        if height > self._ledger.height:
            raise NodeRefused("getblockhash", _OUT_OF_RANGE, "Block height out of range")
        return self._ledger.chain[height]

    def block_hashes(self, first: int, last: int) -> list[str]:
        return [self.block_hash(height) for height in range(first, last + 1)]

    def block_header(self, block_hash: str) -> HeaderInfo | None:
        self._ask()
        block = self._ledger.blocks.get(block_hash)
        if block is None or (self.weather.is_syncing and not self._ledger.is_active(block)):
            return None  # a node that fetches the chain anew has only what it fetched
        return HeaderInfo(block.height, block.hash, block.previous, self._confirmations(block), block.time)

    def _confirmations(self, block: SimBlock) -> int:
        return self._ledger.height - block.height + 1 if self._ledger.is_active(block) else -1

    def block(self, block_hash: str) -> bytes:
        self._ask()
        block = self._ledger.blocks.get(block_hash)
        if block is None:
            raise NodeRefused("getblock", _NOT_FOUND, "Block not found")
        if self._random.random() < self.weather.damaged:
            self.damages += 1
            return self._damage(block.raw)
        return block.raw

    def _damage(self, raw: bytes) -> bytes:
        return raw[:-1] if self._random.random() < 0.5 else bytes([raw[0] ^ 1]) + raw[1:]

    # Transactions

    def transaction(self, txid: str, block_hash: str | None = None) -> FoundTransaction | None:
        self._ask()
        if tx := self._ledger.mempool.get(txid):
            return FoundTransaction(tx.raw, None, None, 0)
        place = self._ledger.place(txid)
        if place is None or not (self.with_txindex or block_hash == place.hash):
            return None
        return FoundTransaction(self._ledger.txs[txid].raw, place.hash, None, self._confirmations(place))

    def transactions(self, txids: Iterable[str]) -> dict[str, FoundTransaction]:
        return {txid: found for txid in txids if (found := self.transaction(txid))}

    def has_txindex(self) -> bool:
        self._ask()
        return self.with_txindex

    def raw_transactions(self, txids: Iterable[str]) -> dict[str, bytes]:
        found = {}
        for txid in txids:
            self._ask()
            if tx := self._known(txid):
                found[txid] = tx.raw
        return found

    def _known(self, txid: str) -> SimTx | None:
        if self.with_txindex and txid in self._ledger.places:
            return self._ledger.txs[txid]
        return self._ledger.mempool.get(txid)

    def prevouts(self, block_hash: str, txid: str) -> tuple[Output, ...]:
        self._ask()
        block = self._ledger.blocks[block_hash]
        [tx] = [tx for tx in block.txs if tx.txid == txid]
        spent = [(self._ledger.txs[txid_of_coin(coin)], int.from_bytes(coin[32:], "little")) for coin in tx.spends]
        return tuple(Output(maker.pays[vout].sats, maker.pays[vout].script) for maker, vout in spent)

    def coins_spent(self, block_hash: str) -> dict[bytes, Coin]:
        self._ask()
        block = self._ledger.blocks.get(block_hash)
        if block is None:
            raise NodeRefused("getblock", _NOT_FOUND, "Block not found")
        return {coin: self._spent_coin(block, coin) for tx in block.txs for coin in tx.spends}

    def _spent_coin(self, block: SimBlock, coin: bytes) -> Coin:
        """As it stood in the chain that ``block`` is of."""
        maker = self._ledger.txs[txid_of_coin(coin)]
        pay = maker.pays[int.from_bytes(coin[32:], "little")]
        while maker.txid not in {tx.txid for tx in block.txs}:
            block = self._ledger.blocks[block.previous]
        return Coin(pay.sats, pay.script, block.height)

    def mempool_txids(self) -> tuple[list[str], int]:
        self._ask()
        return list(self._ledger.mempool), self._ledger.moment

    def mempool_is_loaded(self) -> bool:
        self._ask()
        return True

    # Coins

    def coins(self, outpoints: Iterable[bytes], include_mempool: bool) -> dict[bytes, Coin]:
        self._ask()
        found = {}
        for outpoint in outpoints:
            pay = self._ledger.pay_of(outpoint)
            held = self._ledger.coins.get(outpoint)
            if not include_mempool:
                pay = held.pay if held else None
            elif outpoint in self._ledger.spent_in_mempool:
                pay = None
            if pay:
                found[outpoint] = Coin(pay.sats, pay.script, held.height if held else None)
        return found

    def spent_in_mempool(self, outpoints: Iterable[bytes]) -> dict[bytes, str]:
        self._ask()
        spent = self._ledger.spent_in_mempool
        return {outpoint: spent[outpoint] for outpoint in outpoints if outpoint in spent}

    def is_signed(self, raw: bytes, coins: Mapping[bytes, Output]) -> bool:
        self._ask()
        return raw in self.signed or any(tx.raw == raw for tx in self._ledger.txs.values())

    # What is handed over

    def relay_floor(self) -> int:
        self._ask()
        return self.weather.floor

    def mempool_rules(self) -> MempoolRules:
        return MempoolRules(self.relay_floor(), enforces_truc=True)

    def estimated_feerate(self, within_blocks: int) -> int | None:
        self._ask()
        return self.weather.estimate

    def test_mempool_accept(
        self, transactions: Sequence[bytes], max_feerate_sats_per_kvb: int = 0
    ) -> list[MempoolVerdict]:
        self._ask()
        return [self._verdict(self.signed[raw]) for raw in transactions]

    def _verdict(self, tx: SimTx) -> MempoolVerdict:
        if tx.txid in self._ledger.mempool:
            return MempoolVerdict(tx.txid, allowed=False, reason="txn-already-in-mempool", vsize=None, fee_sats=None)
        if no := refusal(self._ledger, tx, self.weather.floor):
            words = no.when_tested or no.words
            return MempoolVerdict(tx.txid, allowed=False, reason=words, vsize=None, fee_sats=None)
        return MempoolVerdict(tx.txid, allowed=True, reason=None, vsize=tx.vsize, fee_sats=self._ledger.fee_of(tx))

    def send_raw_transaction(self, raw: bytes, max_feerate_sats_per_kvb: int = 0, max_burn_sats: int = 0) -> str:
        self._ask()
        tx = self.signed.get(raw)
        if tx is None:
            raise NodeRefused("sendrawtransaction", _UNDECODABLE, "TX decode failed")
        self.on_send(tx)
        if no := refusal(self._ledger, tx, self.weather.floor):
            raise NodeRefused("sendrawtransaction", no.code, no.words)
        feerate = self._ledger.fee_of(tx) * 1000 // tx.vsize
        if 0 < max_feerate_sats_per_kvb < feerate:
            raise NodeRefused("sendrawtransaction", _OVER_LIMIT, "Fee exceeds maximum configured by user")
        self._ledger.accept(tx)
        self._reaper.point()
        if self._random.random() < self.weather.flaky:
            self.failures += 1
            raise NodeDown("the node took it, and its answer was lost")
        return tx.txid

    # Scripts and descriptors

    def derive(self, descriptor: str, first: int, last: int) -> list[list[str]]:
        self._ask()
        return [[address_at(descriptor, index, self._network) for index in range(first, last + 1)]]

    def scan_utxos(
        self,
        scripts: Iterable[bytes] = (),
        ranges: Mapping[str, int] | None = None,
        on_progress: Callable[[float], None] = lambda percent: None,
    ) -> UtxoScan:
        self._ask()
        wanted, tip = set(scripts), self._ledger.tip
        found = [(coin, held) for coin, held in self._ledger.coins.items() if held.pay.script in wanted]
        self.scanned = frozenset(coin for coin, _ in found)
        return UtxoScan(tip.height, tip.hash, tuple(FoundCoin(coin, _coin(held)) for coin, held in found))

    def block_filter_height(self) -> int | None:
        self._ask()
        return self._ledger.height if self.has_filters else None

    def scan_blocks(
        self,
        scripts: Iterable[bytes],
        first: int,
        last: int,
        on_progress: Callable[[float], None] = lambda percent: None,
    ) -> list[str]:
        self._ask()
        wanted = set(scripts)
        blocks = [self._ledger.active(height) for height in range(first, min(last, self._ledger.height) + 1)]
        return [block.hash for block in blocks if any(self._touches(tx, wanted) for tx in block.txs)]

    def _touches(self, tx: SimTx, scripts: set[bytes]) -> bool:
        spent = (self._ledger.txs[txid_of_coin(coin)].pays[int.from_bytes(coin[32:], "little")] for coin in tx.spends)
        return any(pay.script in scripts for pay in (*spent, *tx.pays))

    # The node among others

    def check_network(self, network: Network) -> None:
        self._ask()
        if self.weather.is_foreign:
            raise WrongNetwork("the node is on another network")


def script_at(descriptor: str, index: int) -> bytes:
    """The script that a descriptor of the simulation has at an index."""
    return b"\x00\x14" + sha256(f"{descriptor}/{index}".encode()).digest()[:20]


def address_at(descriptor: str, index: int, network: Network) -> str:
    address = address_of_script(script_at(descriptor, index), network)
    assert address is not None
    return address


def _ref(block: SimBlock) -> BlockRef:
    return BlockRef(block.height, block.hash)


def _coin(held: LedgerCoin) -> Coin:
    return Coin(held.pay.sats, held.pay.script, held.height)
