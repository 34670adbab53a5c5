"""What the node says, as values. Hashes and txids in display order, amounts in sat, times in unix seconds."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """The node's own view of itself and its chain."""

    chain: str  # as the node calls it: main, test, testnet4, signet, regtest
    height: int  # of the tip
    hash: str  # of the tip
    headers: int  # height of the best header known; above the tip's while blocks are being fetched
    initial_block_download: bool
    pruned: bool
    prune_height: int | None  # the lowest block still held; None when nothing is missing
    median_time: int  # of the last 11 blocks (BIP 113)
    tip_time: int  # as the miner wrote it into the tip's header
    warnings: tuple[str, ...]
    version: int  # 290500 is 29.5
    subversion: str  # as told to peers: "/Satoshi:29.5.0/Knots:20260508/"


@dataclass(frozen=True, slots=True)
class HeaderInfo:
    """A block header that the node has."""

    height: int
    hash: str
    previous: str | None  # None for the genesis block
    confirmations: int  # -1: not in the active chain
    time: int
    median_time: int = 0  # of it and the ten blocks before (BIP 113)


@dataclass(frozen=True, slots=True)
class FoundTransaction:
    """A transaction that the node has, and where."""

    raw: bytes
    block_hash: str | None  # None: in the mempool only
    in_active_chain: bool | None  # None when the node does not say, as for the mempool
    confirmations: int


@dataclass(frozen=True, slots=True)
class Coin:
    """An unspent output."""

    sats: int
    script: bytes
    height: int | None  # None: its transaction is in the mempool only


@dataclass(frozen=True, slots=True)
class FoundCoin:
    """An unspent output found by its script, with its place."""

    outpoint: bytes  # outpoint key: txid little-endian, index little-endian
    coin: Coin


@dataclass(frozen=True, slots=True)
class UtxoScan:
    """All confirmed coins of some scripts, as of one block."""

    height: int
    hash: str
    coins: tuple[FoundCoin, ...]


@dataclass(frozen=True, slots=True)
class MempoolVerdict:
    """Whether the mempool would take a transaction."""

    txid: str
    allowed: bool
    reason: str | None  # the node's words when it would not
    vsize: int | None  # vbytes; None when it would not
    fee_sats: int | None


@dataclass(frozen=True, slots=True)
class NetworkInfo:
    """The node among its peers."""

    version: int
    subversion: str
    active: bool
    connections: int
    relays: bool  # False with blocksonly: it takes no transactions from others


@dataclass(frozen=True, slots=True)
class Notification:
    """A notifier that the node runs. ``hwm`` is what was asked for; see ``effective_hwm``."""

    topic: str  # rawtx, rawblock, hashtx, hashblock, sequence
    address: str  # as written in bitcoin.conf: tcp://127.0.0.1:28332
    hwm: int


@dataclass(frozen=True, slots=True)
class MempoolRules:
    """What the mempool asks of transactions now. Feerates in sat/kvB."""

    floor: int  # below it nothing is taken; rises when the mempool is full
    enforces_truc: bool  # so a parent of version 3 below the floor comes in with a child that pays (BIP 431)


@dataclass(frozen=True, slots=True)
class PackageVerdict:
    """What became of a parent and its child that were handed over together."""

    accepted: bool
    reason: str | None  # the node's words where it was not


def sats_of(amount: Decimal | int) -> int:
    """The node's amount, in BTC with eight places, in sat. Exact, because it is no float."""
    return int(amount * 100_000_000)
