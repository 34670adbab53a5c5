"""A Guardian Address looked up before it is watched: its coins, its history as far as the node can show it, its state.

Nothing is written here.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bwm.chain.address import script_of_address
from bwm.chain.block import BlockRef
from bwm.chain.network import Network
from bwm.chain.outpoint import outpoint_key
from bwm.chain.tx import Tx, parse_tx
from bwm.daemon.resolve import spent_scripts
from bwm.db.guardians import NewGuardian
from bwm.db.vaults import NewKey, NewTrigger
from bwm.errors import BlockUnavailable, UsageError
from bwm.guardian.grammar import SIGNAL_TEXT
from bwm.guardian.registration import assumed_lock, refusal_of_script, refusal_to_add
from bwm.guardian.signal import read_signals
from bwm.guardian.state import Signal, next_marks, observed, state_of
from bwm.node.bitcoind import Bitcoind
from bwm.watch.pool import BlockPool
from bwm.watch.watch import What

FIRST_HEIGHTS = {"main": 914_021}
"""Guardian signals have no meaning before this height (the proposal's activation); elsewhere from the genesis."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A guardian as a person asks for it."""

    name: str
    address: str
    unlock_confirmations: int = 6  # blocks
    unlock_delay_s: int = 0
    accept_locked: bool = False
    accept_high_nonce: bool = False
    assume_locked: bool = False  # where its history cannot be read


@dataclass(frozen=True, slots=True)
class Prepared:
    """A guardian ready to be written, and what its owner should know about it."""

    guardian: NewGuardian
    remarks: tuple[str, ...]


def look_up(
    wish: Wish,
    network: Network,
    node: Bitcoind,
    now: int,
    on_progress: Callable[[float], None] = lambda percent: None,
) -> Prepared:
    """What the node knows of a Guardian Address. Raises UsageError where it must not be taken on, and NodeError."""
    script = script_of_address(wish.address, network)
    if refusal := refusal_of_script(script):
        raise UsageError(f"{wish.address} cannot be a guardian: {refusal}.")
    scan = node.scan_utxos([script], on_progress=on_progress)
    tip = BlockRef(scan.height, scan.hash)
    history = _History(node, script)
    remarks = history.read(network, tip, {coin.coin.height for coin in scan.coins})
    if history.unread and not wish.assume_locked:
        raise UsageError(
            f"Guardian {wish.name!r} was not added: {_blocks(history.unread)} may hold its signals, and the node has "
            "pruned what is in there. Use a node that has it, or --assume-locked: then the guardian counts as locked "
            "until an unlock is final."
        )
    signals = [*history.signals(now), *_unmined(node, script, [coin.outpoint for coin in scan.coins], now)]
    if wish.assume_locked:
        signals.append(assumed_lock(signals, now))
    rule = (tip.height, now, wish.unlock_confirmations, wish.unlock_delay_s)
    final = {(one.txid, one.payload): _dated(one, node, wish) for one in next_marks(signals, *rule)}
    signals = [final.get((one.txid, one.payload), one) for one in signals]
    state = state_of(signals, *rule)
    if refusal := refusal_to_add(
        state,
        len(scan.coins),
        accept_locked=wish.accept_locked or wish.assume_locked,
        accept_high_nonce=wish.accept_high_nonce,
    ):
        raise UsageError(f"Guardian {wish.name!r} was not added: {refusal}.")
    coins = tuple(NewKey(What.COIN, coin.outpoint, coin.coin.sats) for coin in scan.coins)
    guardian = NewGuardian(
        name=wish.name,
        address=wish.address,
        script=script,
        trigger=NewTrigger("guardian", wish.address, (NewKey(What.SCRIPT, script), *coins)),
        unlock_confirmations=wish.unlock_confirmations,
        unlock_delay_s=wish.unlock_delay_s,
        state=state,
        signals=tuple(signals),
        registered=tip,
        read_from=_youngest_unlock(signals),
    )
    return Prepared(guardian, tuple(remarks))


class _History:
    """The guardian's transactions in the chain, as far as the node can find and show them."""

    def __init__(self, node: Bitcoind, script: bytes) -> None:
        self._node = node
        self._script = script
        self._found: list[tuple[Tx, BlockRef]] = []
        self.unread: list[int] = []  # heights

    def read(self, network: Network, tip: BlockRef, coin_heights: set[int | None]) -> list[str]:
        """All of them with compact block filters, else those that made coins. Returns what its owner should know."""
        if self._node.block_filter_height() is not None:
            first = min(FIRST_HEIGHTS.get(network.name, 0), tip.height)
            blocks = [self._ref(one) for one in self._node.scan_blocks([self._script], first, tip.height)]
            remarks = []
        else:
            heights = sorted(height for height in coin_heights if height)
            blocks = [BlockRef(height, self._node.block_hash(height)) for height in heights]
            remarks = [
                "The node has no compact block filters (blockfilterindex=1), so only signals whose change is still "
                "unspent were read. A lock that is older and was never undone is not known to bwm."
            ]
        for block in blocks:
            self._read(block)
        return remarks + [f"{_blocks(self.unread)} could not be read."] * bool(self.unread)

    def _ref(self, block_hash: str) -> BlockRef:
        header = self._node.block_header(block_hash)
        if header is None:
            raise BlockUnavailable(f"the node no longer knows block {block_hash}: try again")
        return BlockRef(header.height, block_hash)

    def _read(self, block: BlockRef) -> None:
        """Keep what may speak for the guardian: what has a signal's text in it, or pays the address."""
        try:
            pool = BlockPool(self._node.block(block.hash), txids=False)
        except BlockUnavailable:
            self.unread.append(block.height)
            return
        suspects = {tx.txid: tx for tx in [*pool.touching([self._script]), *pool.holding(SIGNAL_TEXT)]}
        self._found += [(tx, block) for tx in suspects.values()]

    def signals(self, now: int) -> Iterable[Signal]:
        """What the guardian signed in them. Seen, as far as anybody can tell, when their blocks were made."""
        for tx, block in self._found:
            reading = read_signals(tx, self._script, spent_scripts(self._node, tx, block.hash))
            header = self._node.block_header(block.hash)
            seen_at = header.time if header else now
            for signal in observed(reading, seen_at):
                yield signal.in_block(block.height, seen_at)


def _unmined(node: Bitcoind, script: bytes, coins: Sequence[bytes], now: int) -> Iterable[Signal]:
    """What waits in the mempool, also where it spends the change of another that waits."""
    met: set[str] = set()
    while fresh := set(node.spent_in_mempool(coins).values()) - met:
        met |= fresh
        txs = [parse_tx(raw) for raw in node.raw_transactions(fresh).values()]
        for tx in txs:
            yield from observed(read_signals(tx, script, spent_scripts(node, tx, None)), now)
        coins = [
            outpoint_key(tx.txid, n) for tx in txs for n, output in enumerate(tx.outputs) if output.script == script
        ]


def _dated(unlock: Signal, node: Bitcoind, wish: Wish) -> Signal:
    """A final unlock with the time when it became so, by the clock of the block that buried it."""
    if unlock.height is None:
        return unlock
    header = node.block_header(node.block_hash(unlock.height + max(1, wish.unlock_confirmations) - 1))
    buried_at = header.time if header else 0
    return replace(unlock, final_at=max(buried_at, (unlock.confirmed_at or 0) + wish.unlock_delay_s))


def _youngest_unlock(signals: Iterable[Signal]) -> int | None:
    """The height of the first unlock that is not final: the daemon reads it again, so as to notice a reorg."""
    waiting = (one for one in signals if not one.payload.lock and one.final_at is None)
    return min((one.height for one in waiting if one.height is not None), default=None)


def _blocks(heights: Sequence[int]) -> str:
    named = ", ".join(map(str, heights[:5]))
    more = f" and {len(heights) - 5} more" if len(heights) > 5 else ""
    return f"{'Block' if len(heights) == 1 else 'Blocks'} {named}{more}"
