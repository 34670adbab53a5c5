"""The past, read in the background for vaults and guardians that were added late."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bwm import health
from bwm.chain.block import BlockRef
from bwm.daemon.finder import Finder
from bwm.daemon.progress import Progress
from bwm.daemon.watchlist import WatchList
from bwm.daemon.writer import Writer
from bwm.db import backlog, cursor
from bwm.db.database import Database
from bwm.errors import BlockUnavailable, NodeBusy, NodeForbidden, NodeRefused
from bwm.node.bitcoind import Bitcoind
from bwm.plan import Changes, plan_block
from bwm.watch.pool import BlockPool

log = structlog.get_logger()

_READ_AT_ONCE = 100  # blocks between two notes of how far it is; a crash has as many read again
_SCANNED_AT_ONCE = (
    1000  # blocks whose filters the node searches in one go: a tenth of a second, some on a small machine
)
_MOST_SCRIPTS = 10_000  # for which the filters are searched
_PATIENCE_S = 5  # for a search, which may have to wait for one of somebody else's


@dataclass(slots=True)
class _Stretch:
    """Blocks on which one note is made when all are read."""

    first: int
    last: int
    todo: deque[int]  # heights
    scripts: set[bytes] | None  # that the filters were searched for; None: every block is read
    is_lowest: bool = True  # nobody waits for a block below it


class BacklogReader:
    """Reads a block at a time, so that what happens now never waits.

    Stretches are read by turns for who has the most to wait for, whom others join on the way, and for who has the
    least: somebody who has the whole chain read holds up nobody whose past is short.
    """

    def __init__(
        self, database: Database, node: Bitcoind, finder: Finder, writer: Writer, watch_list: WatchList
    ) -> None:
        self._database = database
        self._node = node
        self._finder = finder
        self._writer = writer
        self._watch_list = watch_list
        self._stretch: _Stretch | None = None
        self._progress: Progress | None = None
        self._nearly_done_next = True

    def forget(self) -> None:
        """Begin the stretch in hand anew: others may have joined, or its blocks are not those that were searched."""
        self._stretch = None

    def note_read(self) -> None:
        """Write down how far the stretch in hand was read, before others join: who comes every second must not have it
        begun anew for ever. Call inside a transaction, and ``forget`` after it.
        """
        stretch = self._stretch
        if stretch is None or (stretch.scripts is not None and self._fresh_scripts(stretch) != set()):
            return
        read_up_to = stretch.todo[0] if stretch.todo else stretch.last + 1
        if read_up_to > stretch.first:
            backlog.advance(stretch.first, read_up_to)

    def read_some(self, at: BlockRef, breathe: Callable[[], object] = lambda: None) -> bool:
        """Read a block, or find out which to read; False when nobody waits.

        It goes on to where the chain was read meanwhile, ``at``: a coin that is found in the past may have been spent
        in a block that was read while nobody knew the coin. ``breathe`` is called now and then.
        """
        if self._stretch is None or self._stretch.last > at.height:  # the chain is shorter since a reorg
            self._stretch = self._next_stretch(at, breathe)
            return self._stretch is not None
        stretch = self._stretch
        if stretch.todo:
            block = BlockRef(stretch.todo[0], self._node.block_hash(stretch.todo[0]))
            if cursor.hash_at(block.height) not in (None, block.hash):
                return True  # of another branch: who follows the chain goes there, or the node comes back
            self._read(block, at, stretch)
            stretch.todo.popleft()  # not before: a node that was away must be asked for the same block again
        elif not self._search_again(stretch, at, breathe):
            with self._database.transaction():
                backlog.advance(stretch.first, stretch.last + 1)
            self._stretch = None
        return True

    def _next_stretch(self, at: BlockRef, breathe: Callable[[], object]) -> _Stretch | None:
        with self._database.transaction():
            if done := backlog.finish(at.height):
                log.info("backlog.done", owners=done, until_height=at.height)
        is_lowest = not self._nearly_done_next
        bounds = backlog.next_stretch(_SCANNED_AT_ONCE, nearly_done=self._nearly_done_next)
        if bounds is None:
            self._progress = None
            return None
        self._nearly_done_next = is_lowest
        first, last = bounds[0], min(bounds[1], at.height)
        if self._progress is None:
            self._progress = Progress("backlog", first, at.height, self._writer.now())
        scripts = backlog.scripts(first, _MOST_SCRIPTS)
        named = None if scripts is None else self._named(scripts, first, last, at, breathe)
        if scripts is None or named is None:
            last = min(last, first + _READ_AT_ONCE - 1)
            return _Stretch(first, last, deque(range(first, last + 1)), None, is_lowest)
        if is_lowest:
            self._progress.reached(last, self._writer.now())
        return _Stretch(first, last, named, set(scripts), is_lowest)

    def _search_again(self, stretch: _Stretch, at: BlockRef, breathe: Callable[[], object]) -> bool:
        """What was read may have taught us more scripts of a descriptor. True when there are more blocks to read."""
        if stretch.scripts is None:
            return False
        fresh = self._fresh_scripts(stretch)
        if fresh is None:
            stretch.todo, stretch.scripts = deque(range(stretch.first, stretch.last + 1)), None
            return True
        if not fresh:
            return False
        named = self._named(sorted(fresh), stretch.first, stretch.last, at, breathe)
        stretch.todo = deque(range(stretch.first, stretch.last + 1)) if named is None else named
        stretch.scripts |= fresh
        return True

    def _fresh_scripts(self, stretch: _Stretch) -> set[bytes] | None:
        """Those that the filters were not searched for yet; None: there are too many now to search for any."""
        found = backlog.scripts(stretch.first, _MOST_SCRIPTS)
        return None if found is None else set(found) - (stretch.scripts or set())

    def _named(
        self, scripts: list[bytes], first: int, last: int, at: BlockRef, breathe: Callable[[], object]
    ) -> deque[int] | None:
        """The heights at which the node's filters name the scripts; None when they cannot be asked now.

        The node searches the chain that it has in that moment: only where that is ours, before and after, is it known
        that no other branch was searched, whose blocks name other heights.
        """
        seconds = 0

        def wait_a_little(_: float) -> None:
            nonlocal seconds
            breathe()
            seconds += 1
            if seconds > _PATIENCE_S:
                raise NodeBusy("the node's block filters are not searched in time")

        try:
            if (self._node.block_filter_height() or -1) < last or self._node.tip() != at:
                return None
            hashes = self._node.scan_blocks(scripts, first, last, wait_a_little) if scripts else []
            headers = [self._node.block_header(block_hash) for block_hash in hashes]
            if self._node.tip() != at:
                return None
        except (NodeForbidden, NodeRefused, NodeBusy):
            return None
        return deque(sorted(header.height for header in headers if header))

    def _read(self, block: BlockRef, at: BlockRef, stretch: _Stretch) -> None:
        try:
            raw = self._node.block(block.hash)
        except BlockUnavailable:
            self._pass_over(block.height)
            return
        pool = BlockPool(raw, txids=self._watch_list.has_txids)
        finding = self._finder.find(pool, block.hash, only=backlog.ReadFor(stretch.first))
        if not finding.is_empty:
            facts = self._writer.facts((), finding)
            changes = plan_block(block, finding.found, facts, self._writer.now(), at.height, move_cursor=False)
            self._writer.write(changes, finding)
        if self._progress and stretch.is_lowest:
            self._progress.reached(block.height, self._writer.now())

    def _pass_over(self, height: int) -> None:
        """The node has deleted this block and all below its lowest: the owner must not believe them read."""
        last = max(height, (self._node.info().prune_height or 0) - 1)
        log.warning("backlog.unavailable", first_height=height, last_height=last)
        notice = health.gap(height, last, self._writer.network, self._writer.now())
        first = self._stretch.first if self._stretch else height
        with self._database.transaction():
            self._writer.write(Changes().telling([notice]))
            backlog.advance(first, height)
            backlog.pass_over(height, last)
        self._stretch = None
