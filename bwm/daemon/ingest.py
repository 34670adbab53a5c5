"""Facts come in: the feed rings, the node is asked, the database is written. One thread does all of it.

The feed is subscribed to first, then everything is caught up from the cursor; and again after every start,
reconnect, gap, disconnected block, and every few seconds whatever the feed says.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from bwm.chain.network import Network
from bwm.clock import Clock
from bwm.daemon.armed_locks import ArmedLockWatch
from bwm.daemon.by_heart import ByHeart
from bwm.daemon.drill import DrillWatch
from bwm.daemon.feed_queue import FeedQueue
from bwm.daemon.follow_chain import ChainFollower
from bwm.daemon.follow_mempool import MempoolFollower
from bwm.daemon.loop import Loop
from bwm.daemon.probe import CoinProbe
from bwm.daemon.read_backlog import BacklogReader
from bwm.daemon.watch_check_in import CheckInWatch
from bwm.daemon.watch_health import HealthWatch
from bwm.daemon.watch_host import HostWatch
from bwm.daemon.watch_proofs import ProofWatch
from bwm.daemon.watchlist import WatchList
from bwm.db import backlog, cursor, guardians, watches
from bwm.db.database import Database
from bwm.errors import (
    BlockUnavailable,
    BwmError,
    Damaged,
    DatabaseUnwritable,
    NodeError,
    WatchListChanged,
    WrongNetwork,
)
from bwm.node.bitcoind import Bitcoind
from bwm.node.frames import (
    BlockBell,
    BlockGone,
    Connected,
    Disconnected,
    FeedMessage,
    Gap,
    MempoolAdded,
    MempoolRemoved,
    RawTx,
)

log = structlog.get_logger()

_IDLE_S = 1.0  # how long the queue may keep us from looking at timers
_NEWCOMERS_EVERY_S = 1.0
_ASK_AGAIN_S = 1.0  # after a failure of the node
_LOOK_AGAIN_S = 0.3  # when a block came while we looked
_MOST_TRIES = 3  # to look at what the feed showed
_UNREAD_BYTES = 16_000_000  # of transactions that are kept for it
_FEED_PATIENCE_S = 10.0  # a publisher that is away for less is not worth a word


@dataclass(frozen=True, slots=True)
class Parts:
    """What the loop drives."""

    database: Database
    node: Bitcoind
    network: Network
    watch_list: WatchList
    chain: ChainFollower
    mempool: MempoolFollower
    backlog: BacklogReader
    armed_locks: ArmedLockWatch
    probe: CoinProbe
    health: HealthWatch
    host: HostWatch
    drills: DrillWatch
    proofs: ProofWatch
    check_in: CheckInWatch
    by_heart: ByHeart | None  # where the database is on a server


class Ingest(Loop):
    """The loop. ``put`` may be called from any thread."""

    def __init__(
        self,
        database: Database,
        make_parts: Callable[["Ingest"], Parts],
        clock: Clock,
        reconcile_every_s: float,
    ) -> None:
        super().__init__("ingest")
        self.ready = threading.Event()
        self.last_turn = clock.monotonic()
        self._database = database
        self._make_parts = make_parts
        self._clock = clock
        self._reconcile_every_s = reconcile_every_s
        self.endpoints: Mapping[str, str] = {}  # of the feed, by topic; whoever starts it says so here
        self._connected: set[str] = set()
        self._topics: tuple[str, ...] = ()
        self._feed_patience = clock.monotonic() + _FEED_PATIENCE_S
        self._watch_list: WatchList | None = None  # until the parts are made
        self._queue = FeedQueue(self._is_urgent)
        self._unread: dict[bytes, None] = {}  # transactions that the feed showed and nobody has looked at yet
        self._tries = 0  # how often they were looked at in vain
        self._unsaid: list[FeedMessage] | None = None  # since the database is away, what nobody has been told of yet
        self._due = 0.0  # when to reconcile next, on the monotonic clock
        self._newcomers_due = 0.0
        self._has_backlog = True  # until a look says otherwise
        self._somebody_waits = False  # to be taken up once the chain was read as far as he was looked up
        self._is_syncing = False

    def put(self, message: FeedMessage) -> None:
        """The feed rang."""
        self._queue.put(message)

    def _work(self) -> None:
        with self._database.connection():
            self.begin()
            while self._goes_on:
                if rest_s := self.turn(self._listen()):
                    self._rest(rest_s)

    def begin(self) -> None:
        """Make the parts, in the thread that will drive them and inside its connection."""
        self._parts = self._make_parts(self)
        self._watch_list = self._parts.watch_list

    def take_up_newcomers(self) -> None:
        """A vault added a moment ago is watched from here on; what came before it, the backlog reads.

        Who was looked up as of a block that was not read yet waits until it is: should it leave the chain before, the
        coins that it spent must be found, and nobody else remembers it.
        """
        parts = self._parts
        if cursor.at() is None or (parts.watch_list.is_current() and not self._somebody_waits):
            return
        at = parts.chain.at()
        is_changed = parts.watch_list.refresh()
        if is_changed:
            parts.mempool.forget(parts.watch_list.fresh_txids)
        try:
            newcomers = backlog.newcomers()
            arrived = [block for block in newcomers if not parts.chain.is_ahead(block)]
            self._somebody_waits = len(arrived) < len(newcomers)
            if not arrived and not is_changed:
                return
            shared = {block: parts.chain.shares_up_to(block) for block in arrived}
            coins = [coin for block in shared for coin in parts.chain.given_back_since(block, self._breathe)]
            with parts.database.transaction():
                if not parts.watch_list.is_current():
                    return  # another one came in between: what was not loaded must not be taken up
                parts.backlog.note_read()
                for block, height in shared.items():
                    guardians.displace(block, height)
                watches.add(coins)
                backlog.take_up(at.height, shared)
            parts.watch_list.learn(coins)
            parts.backlog.forget()
        except (NodeError, DatabaseUnwritable):
            parts.watch_list.expire()
            raise
        self._has_backlog = True
        self._due = 0.0

    def turn(self, messages: list[FeedMessage]) -> float:
        """One round of work, with what the feed said since the last one. Returns how long to rest (seconds)."""
        self.last_turn = self._clock.monotonic()
        rest_s = 0.0
        try:
            with self._database.passing_trouble():
                self._carry_on(messages)
        except (NodeError, Damaged, DatabaseUnwritable) as error:
            self._parts.health.begin(_condition(error), str(error))
            self._keep_suspects()
            self._due = 0.0
            rest_s = _ASK_AGAIN_S
            if isinstance(error, DatabaseUnwritable):
                rest_s = self._go_on_without_database(messages)
        except WatchListChanged:
            self._keep_suspects()
            self._due = 0.0
        else:
            self._unsaid = None
        self._look_at_health()
        return rest_s

    def _go_on_without_database(self, messages: list[FeedMessage]) -> float:
        """Tell what it would have been asked and told: when it is back, all that happened is looked at again.

        At first only the line may have been cut, and the database, or another bwm that took over meanwhile, may know
        all of it already. So nothing is told before a second turn was in vain. Returns how long to rest (seconds).
        """
        by_heart = self._parts.by_heart
        if by_heart is None:
            return _ASK_AGAIN_S
        if self._unsaid is None:
            self._unsaid = messages
            return 0.0
        try:
            by_heart.hear([*self._unsaid, *messages])
        except NodeError as error:
            self._parts.health.begin(_condition(error), str(error))
        self._unsaid = []
        return _ASK_AGAIN_S

    def _look_at_health(self) -> None:
        try:
            with self._database.passing_trouble():
                self._parts.health.look()
                self._parts.proofs.look()
                self._parts.drills.look()
                self._parts.check_in.look()
        except DatabaseUnwritable as error:
            self._parts.health.begin("database", str(error))

    def _topics_heard(self) -> tuple[str, ...]:
        """What the feed lets us hear right now."""
        return tuple(sorted(topic for topic, endpoint in self.endpoints.items() if endpoint in self._connected))

    def _note_feed(self, messages: list[FeedMessage]) -> None:
        """Which publishers answer. Without them all is seen as well, only some seconds later."""
        for message in messages:
            if isinstance(message, Connected):
                self._connected.add(message.endpoint)
            elif isinstance(message, Disconnected):
                self._connected.discard(message.endpoint)
                self._feed_patience = self._clock.monotonic() + _FEED_PATIENCE_S
                self._due = 0.0
        self._topics = self._topics_heard()
        self._parts.health.hear(self._topics)
        if len(self._topics) == len(self.endpoints):
            self._parts.health.end("feed")
        elif self._clock.monotonic() > self._feed_patience:
            silent = sorted(set(self.endpoints) - set(self._topics))
            self._parts.health.begin("feed", f"no connection for {', '.join(silent)}")

    def _is_urgent(self, message: FeedMessage) -> bool:
        """Whether the loop must turn for it at once. In the feed's thread: a guess, and only time depends on it."""
        match message:
            case RawTx():
                return self._watch_list is None or self._watch_list.may_concern(message.raw)
            case MempoolAdded():
                return "rawtx" not in self._topics  # else its bytes come as well
            case MempoolRemoved():
                return False
        return True

    def _listen(self) -> list[FeedMessage]:
        """What the feed said since the last turn; waits a moment when it said nothing and nothing else is due."""
        timeout = min(_IDLE_S, max(0.0, self._due - self._clock.monotonic()))
        if timeout == 0.0 or (self._has_backlog and self.ready.is_set()):
            return self.heard()
        return self._queue.take(timeout)

    def heard(self) -> list[FeedMessage]:
        """What the feed said and nobody has read yet. Never waits."""
        return self._queue.take()

    def _carry_on(self, messages: list[FeedMessage]) -> None:
        parts = self._parts
        self._take_in(messages)
        self._note_feed(messages)
        if self._clock.monotonic() >= self._newcomers_due:
            self._newcomers_due = self._clock.monotonic() + _NEWCOMERS_EVERY_S
            self.take_up_newcomers()
        if self._call_for_a_look(messages):
            self._due = 0.0
        is_due = self._clock.monotonic() >= self._due
        if is_due:
            self._reconcile()
        self._hear()
        if is_due:
            return  # everything else that the messages could say is known now
        if "rawtx" not in self._topics:  # then `sequence` at least names what entered the mempool
            parts.mempool.meet([message.txid for message in messages if isinstance(message, MempoolAdded)])
        if any(isinstance(message, BlockBell) for message in messages):
            self._check_node()
            self._advance()
            if not self._look_at_mempool():
                self._due = min(self._due, self._clock.monotonic() + _LOOK_AGAIN_S)
        elif self.ready.is_set() and self._has_backlog:
            self._has_backlog = parts.backlog.read_some(parts.chain.at(), self._breathe)

    def _take_in(self, messages: list[FeedMessage]) -> None:
        self._unread.update((message.raw, None) for message in messages if isinstance(message, RawTx))

    def _hear(self) -> None:
        if not self._unread:
            return
        self._tries += 1
        if self._parts.mempool.hear(list(self._unread)):
            self._due = 0.0
        self._unread.clear()
        self._tries = 0

    def _keep_suspects(self) -> None:
        """What the node could not be asked about may have left its mempool when it can: a lock counts all the same.

        But what cannot be looked at again and again must not keep us from all else.
        """
        suspects = self._unread if self._tries < _MOST_TRIES else {}
        self._unread, size, self._tries = {}, 0, self._tries if suspects else 0
        for raw in suspects:
            if size + len(raw) <= _UNREAD_BYTES and self._parts.watch_list.may_concern(raw):
                size += len(raw)
                self._unread[raw] = None

    def _call_for_a_look(self, messages: list[FeedMessage]) -> bool:
        """Whether something was missed, or a transaction that we follow left the mempool."""
        if any(isinstance(message, Gap | Connected | BlockGone) for message in messages):
            return True
        removed = [message.txid for message in messages if isinstance(message, MempoolRemoved)]
        return self._parts.mempool.follows(removed)

    def _reconcile(self) -> None:
        """Everything that the node knows and we do not. Idempotent."""
        parts = self._parts
        parts.health.prove_writable()
        parts.health.end("database")
        self._check_node()
        parts.chain.start()
        self.take_up_newcomers()
        self._advance()
        looked = self._look_at_mempool()
        if looked and not self._is_syncing and not self._has_backlog:
            parts.probe.look(parts.chain.at())
        parts.chain.tick()
        parts.armed_locks.check()
        every_s = self._reconcile_every_s if "rawtx" in self._topics else min(2.0, self._reconcile_every_s)
        self._due = self._clock.monotonic() + (every_s if looked else _LOOK_AGAIN_S)

    def _check_node(self) -> None:
        """Before we follow it: it may have been restarted, or be another one, since the last look."""
        self._parts.node.check_network(self._parts.network)
        self._parts.health.end("network")
        info = self._parts.node.info()
        self._parts.host.look(info)
        self._parts.check_in.hear(info.median_time)
        self._is_syncing = info.initial_block_download
        if self._is_syncing:
            self._parts.health.begin("syncing", f"block {info.height} of {info.headers}")
        else:
            self._parts.health.end("syncing")

    def _advance(self) -> None:
        self._parts.chain.advance(self._breathe, is_syncing=self._is_syncing)
        self._parts.health.end("chain")
        self._parts.health.end("node")

    def _breathe(self) -> bool:
        """Between two blocks of a long catch-up: what the mempool shows now does not wait. False when to stop."""
        self.last_turn = self._clock.monotonic()
        self._look_at_health()
        messages = self.heard()
        self._take_in(messages)
        self._note_feed(messages)
        self._hear()
        if any(not isinstance(message, RawTx) for message in messages):
            self._due = 0.0
        return not self._stopping.is_set()

    def _look_at_mempool(self) -> bool:
        """False when the chain moved on meanwhile, so that the look must be repeated soon."""
        if self._is_syncing:
            return True  # no conclusions from the mempool of a node that has not caught up
        looked = self._parts.mempool.look(self._parts.chain.at(), self._breathe)
        if looked:
            self._parts.health.looked()
            self.ready.set()
        return looked


def _condition(error: BwmError) -> str:
    """What an error that stops the work shows to be in trouble."""
    match error:
        case WrongNetwork():
            return "network"
        case BlockUnavailable() | Damaged():
            return "chain"
        case DatabaseUnwritable():
            return "database"
    return "node"
