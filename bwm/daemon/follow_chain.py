"""The active chain, block by block from the cursor; and back, when the node's chain leaves ours."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import structlog

from bwm import health
from bwm.chain.block import BlockRef, header_of
from bwm.chain.cursor import Forward, Rewind, Stay, next_step
from bwm.chain.outpoint import outpoint_key
from bwm.daemon import fetch
from bwm.daemon.finder import Finder
from bwm.daemon.given_back import given_back
from bwm.daemon.progress import Progress
from bwm.daemon.watchlist import WatchList
from bwm.daemon.writer import Writer
from bwm.db import cursor, sightings, watches
from bwm.errors import BlockUnavailable, Damaged
from bwm.node.bitcoind import Bitcoind
from bwm.plan import Changes, CursorMove, plan_block, plan_rewind, plan_tick
from bwm.watch.pool import BlockPool, TxPool
from bwm.watch.watch import Watch

log = structlog.get_logger()

_DEEPEST_REORG = 100  # blocks: what is mined matures after as many (consensus), as deeper ones are not to be expected

_NOTED_AT_START = 144  # blocks, about a day: no reorg in bitcoin's history went half as far


class ChainFollower:
    """Moves the cursor. Every step is one commit, so a crash between two costs nothing."""

    def __init__(
        self,
        node: Bitcoind,
        watch_list: WatchList,
        finder: Finder,
        writer: Writer,
        take_up_newcomers: Callable[[], None],
        on_rewind: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_rewind``: blocks that were processed left the chain; what was planned for their heights is void."""
        self._node = node
        self._on_rewind = on_rewind
        self._take_up_newcomers = take_up_newcomers
        self._watch_list = watch_list
        self._finder = finder
        self._writer = writer
        self._waits_until: int | None = None
        self._waits_as_of: tuple[int, int] | None = None

    def start(self) -> None:
        """On the first start of all, stand at the node's tip: what came before is read only for a vault that asks.

        The blocks below are noted, so that a reorg that goes back behind the start still finds its fork.
        """
        if cursor.at() is None:
            for block in reversed(self._last_blocks()):
                self._writer.write(Changes(cursor=CursorMove(block)))

    def _last_blocks(self) -> list[BlockRef]:
        """The node's tip and the blocks below it."""
        blocks = [self._node.tip()]
        while len(blocks) <= _NOTED_AT_START and (header := self._node.block_header(blocks[-1].hash)):
            if header.previous is None:
                break
            blocks.append(BlockRef(header.height - 1, header.previous))
        return blocks

    def advance(self, go_on: Callable[[], bool] = lambda: True, *, is_syncing: bool = False) -> BlockRef:
        """Go with the node to its tip, or until ``go_on`` says no. Returns where we stand.

        A node that ``is_syncing`` has not said its last word: blocks that it lacks may come, and none is final.
        """
        while go_on():
            at = self.at()
            tip = self._node.tip()
            if is_syncing and tip.height < at.height:
                break
            fork = self._fork(at, tip)
            if fork is None:
                self._start_over(at, tip)
                continue
            match next_step(at, tip, fork):
                case Stay():
                    break
                case Rewind(to):
                    self._rewind(at, to, given_back(self._node, at, to.height, go_on))
                case Forward():
                    self._read_up_to(tip, go_on, is_syncing)
        return self.at()

    def tick(self) -> None:
        """Time went by: what waits for a delay may be due."""
        self._writer.write(plan_tick(self._writer.facts(()), self._writer.now()))

    def at(self) -> BlockRef:
        """Where we stand."""
        self._writer.note_passed()
        at = cursor.at()
        assert at is not None, "start() comes first"
        return at

    def _fork(self, at: BlockRef, tip: BlockRef) -> BlockRef | None:
        """The last block that our chain and the node's share; None when the node knows none of ours."""
        if at == tip or self._is_active(at):
            return at
        left = at
        for ancestor in cursor.ancestors():
            if self._is_active(ancestor):
                return self._last_shared(left, ancestor)
            left = ancestor
        return None

    def _last_shared(self, left: BlockRef, shared: BlockRef) -> BlockRef:
        """The last shared block of the stretch from ``shared`` to ``left``, which left the chain.

        Far below the tip we keep few of the blocks that we read; the node keeps the headers between them.
        """
        while left.height - shared.height > 1:
            header = self._node.block_header(left.hash)
            if header is None or header.previous is None:
                return shared  # of another node: what lies between is not known to be shared
            left = BlockRef(left.height - 1, header.previous)
            if self._is_active(left):
                return left
        return shared

    def _start_over(self, at: BlockRef, tip: BlockRef) -> None:
        """The node has another chain altogether: read it from where the first of our vaults was watched."""
        known_from = cursor.ancestors()[-1].height
        born = watches.first_height()
        height = max(0, min(known_from, tip.height, known_from if born is None else born) - 1)
        self._rewind(at, BlockRef(height, self._node.block_hash(height)), (), shares=False)

    def is_ahead(self, block: BlockRef) -> bool:
        """Whether a block of the node's chain was not read yet."""
        return block.height > self.at().height and self._is_active(block)

    def shares_up_to(self, block: BlockRef) -> int:
        """The height up to which the node's chain is that which ended in ``block``, and that which we have read."""
        return min(self._shared_height(block), self._shared_height(self.at()))

    def given_back_since(self, block: BlockRef, breathe: Callable[[], object]) -> tuple[Watch, ...]:
        """Coins that are unspent again, if the chain that ended in ``block`` is not the node's any more."""
        return given_back(self._node, block, self._shared_height(block), breathe)

    def _shared_height(self, block: BlockRef) -> int:
        at = block
        while header := self._node.block_header(at.hash):
            if header.confirmations >= 0 or header.previous is None:
                return at.height
            at = BlockRef(at.height - 1, header.previous)
        return block.height  # of another node: nothing is known of where the two part

    def _is_active(self, block: BlockRef) -> bool:
        header = self._node.block_header(block.hash)
        return header is not None and header.confirmations >= 0

    def _rewind(self, at: BlockRef, to: BlockRef, coins: tuple[Watch, ...], *, shares: bool = True) -> None:
        """Go back to ``to``, which both chains share, unless there is no such block. ``coins``: given back by that."""
        depth = at.height - to.height
        log.warning("chain.reorg", depth=depth, to_height=to.height)
        now = self._writer.now()
        changes = replace(plan_rewind(to, self._writer.facts(sightings.above(to.height)), now), watches=coins)
        if depth > _DEEPEST_REORG or not shares:
            shared = to.height if shares else None
            notice = health.chain_replaced(at.height, at.hash, shared, to.height + 1, self._writer.network, now)
            changes = changes.telling([notice])
        self._writer.write(changes)
        self._on_rewind()
        self._watch_list.follow(sightings.contested_coins())  # what was mined may lose against a rival now

    def _read_up_to(self, tip: BlockRef, go_on: Callable[[], bool], is_syncing: bool) -> None:
        """Read blocks until the tip, or until one does not build on ours: then the node's chain changed."""
        try:
            self._read_on(self.at(), tip, go_on, is_syncing)
        except BlockUnavailable:
            if not self._pass_over_pruned(self.at()):
                raise

    def _pass_over_pruned(self, at: BlockRef) -> bool:
        """Go to the first block that the node still has, and say what was not read; False when none was deleted."""
        last = (self._node.info().prune_height or 0) - 1
        if last <= at.height:
            return False
        to = BlockRef(last, self._node.block_hash(last))
        log.error("chain.gap", first_height=at.height + 1, last_height=last)
        self._find_mined(last)
        notice = health.gap(at.height + 1, last, self._writer.network, self._writer.now())
        self._writer.write(Changes(cursor=CursorMove(to)).telling([notice]))
        return True

    def _find_mined(self, last: int) -> None:
        """Transactions that we saw unmined, and that blocks up to ``last`` hold: their unspent outputs tell it."""
        waiting = sightings.transactions({sighting.txid for sighting in sightings.contested()})
        for tx in waiting.values():
            outputs = [outpoint_key(tx.txid, vout) for vout in range(len(tx.outputs))]
            coin = next(iter(self._node.coins(outputs, include_mempool=False).values()), None)
            if coin is None or coin.height is None or coin.height > last:
                continue
            block = BlockRef(coin.height, self._node.block_hash(coin.height))
            finding = self._finder.find(TxPool([tx.raw]), block.hash)
            facts = self._writer.facts((), finding, rivals=True)
            now = self._writer.now()
            self._writer.write(plan_block(block, finding.found, facts, now, last, move_cursor=False), finding)

    def _read_on(self, at: BlockRef, tip: BlockRef, go_on: Callable[[], bool], is_syncing: bool) -> None:
        progress = Progress("chain", at.height + 1, tip.height, self._writer.now())
        with closing(fetch.blocks(self._node, at.height + 1, tip)) as blocks:
            for block_hash, raw in blocks:
                self._take_up_newcomers()
                header = header_of(raw)
                if header.hash != block_hash:
                    raise Damaged(f"the node sent another block than {block_hash}: check its disk and memory")
                if header.previous != at.hash:
                    return
                at = BlockRef(at.height + 1, block_hash)
                self._read(at, raw, is_tip=at == tip, is_syncing=is_syncing)
                progress.reached(at.height, self._writer.now())
                if not go_on():
                    return

    def _read(self, block: BlockRef, raw: bytes, *, is_tip: bool, is_syncing: bool) -> None:
        finding = self._finder.find(BlockPool(raw, txids=self._watch_list.has_txids), block.hash)
        if finding.is_empty and not self._is_waited_for(block.height):
            self._writer.pass_over(block)
        else:
            facts = self._writer.facts(sightings.unburied(), finding, rivals=not finding.is_empty)
            if is_syncing:
                facts = facts.with_nothing_final()
            self._writer.write(plan_block(block, finding.found, facts, self._writer.now()), finding)
        if is_tip or finding.found:
            log.info("block.connected", height=block.height, hash=block.hash, suspects=len(finding.found))

    def _is_waited_for(self, height: int) -> bool:
        """Whether the block at this height can change something that it does not touch."""
        as_of = self._watch_list.generation, self._writer.steps
        if as_of != self._waits_as_of:
            self._waits_until, self._waits_as_of = sightings.waits_until(), as_of
        return self._waits_until is not None and self._waits_until <= height
