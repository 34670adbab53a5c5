"""The daemon: every part made and joined, started in the right order, watched, and ended together."""

import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType

import structlog

from bwm.actions.alert import reader_of, unwritten_message
from bwm.chain.network import network as network_of
from bwm.channels import open_channel
from bwm.channels.channel import Channel
from bwm.channels.expo import PushService
from bwm.clock import Clock, SystemClock
from bwm.config import Config
from bwm.config_channels import ChannelConfig
from bwm.daemon import keepsake
from bwm.daemon.answering import answer_key
from bwm.daemon.armed_locks import ArmedLockWatch
from bwm.daemon.bell import BlockWaiter
from bwm.daemon.by_heart import ByHeart
from bwm.daemon.connect import connect, endpoints_of, reach
from bwm.daemon.deeds import DeedWorker
from bwm.daemon.dispatch import ChannelWorker
from bwm.daemon.drill import DrillWatch, Rehearsal, trouble_of
from bwm.daemon.finder import Finder
from bwm.daemon.follow_chain import ChainFollower
from bwm.daemon.follow_mempool import MempoolFollower
from bwm.daemon.heartbeat import Heartbeat
from bwm.daemon.ingest import Ingest, Parts
from bwm.daemon.last_words import last_words
from bwm.daemon.lock import Lock
from bwm.daemon.loop import Loop
from bwm.daemon.notify import notify
from bwm.daemon.open_response import sealer_of
from bwm.daemon.other_paths import OtherPaths
from bwm.daemon.policy_desk import PolicyDesk
from bwm.daemon.probe import CoinProbe
from bwm.daemon.read_backlog import BacklogReader
from bwm.daemon.respond import Responder
from bwm.daemon.rewind.look_up import LookUp
from bwm.daemon.rewind.notice import retired
from bwm.daemon.rewind.push import NAME as PUSH
from bwm.daemon.rewind.push import PushWorker
from bwm.daemon.starts import Starts
from bwm.daemon.stir import Stir
from bwm.daemon.targets import targets_of
from bwm.daemon.vigil import Vigil
from bwm.daemon.watch_check_in import CheckInWatch
from bwm.daemon.watch_health import CAUGHT_UP, HealthWatch
from bwm.daemon.watch_host import HostWatch
from bwm.daemon.watch_peers import BEHIND, OTHER_CHAIN, SILENT, PeerWatch
from bwm.daemon.watch_proofs import ProofWatch
from bwm.daemon.watchlist import WatchList
from bwm.daemon.writer import Writer
from bwm.db import alerts, channel_outcomes, outbox
from bwm.db import settings as database_settings
from bwm.db.commit import commit
from bwm.db.database import Database
from bwm.errors import BwmError, DatabaseTrouble, DatabaseUnwritable, NodeError
from bwm.event import Event
from bwm.health import OF_THE_LOOP
from bwm.node.bitcoind import Bitcoind
from bwm.node.feed import Feed
from bwm.plan import AlertChange, plan_health, plan_operation

log = structlog.get_logger()


MakeLoops = Callable[["Daemon"], Sequence[Loop]]
"""More loops for a daemon, made by rooms that it must not know."""


_FOR_PROGRAMS = ("file", "webhook")  # kinds of channels that are told everything one by one, however much it is
_LOOK_EVERY_S = 1.0
_FEED_AGAIN_S = 300.0  # how often the node is asked where it publishes
_ASK_AGAIN_S = 5.0  # the same, while there is no feed
_NOTE_EVERY_S = 15.0  # what the database holds is noted outside of it
_PAUSE_S = 60.0  # before an end that cannot be noted: the next start will tell it again
_STOP_S = 6.0  # for all loops together; what is cut off then is sent again after the next start
_CHECK_S = 1800  # to read a large database through, on a slow disk and after a power cut
_STUCK_S = 120.0  # a loop that makes no turn for so long is not trusted to wake up


def run(config: Config, clock: Clock | None = None, make_loops: MakeLoops = lambda daemon: ()) -> None:
    """Run until SIGTERM, SIGINT or SIGHUP. Raises BwmError when it cannot start or one of its loops died."""
    clock = clock or SystemClock()
    stop = threading.Event()
    _on_signals(stop)
    try:
        lock = Lock(config.state_dir)
        starts = Starts(config.state_dir)
        if too_often := starts.note(clock.now()):
            last_words(config, too_often, clock.now())
        try:
            _run_alone(config, clock, stop, make_loops, lock)
        except DatabaseTrouble:
            starts.forget()  # it is told below
            raise
        else:
            starts.forget()
        finally:
            lock.release()
    except DatabaseTrouble as error:  # there is no outbox that could tell it
        if not last_words(config, str(error), clock.now()):
            stop.wait(_PAUSE_S)
        raise


def _run_alone(config: Config, clock: Clock, stop: threading.Event, make_loops: MakeLoops, lock: Lock) -> None:
    notify(f"EXTEND_TIMEOUT_USEC={_CHECK_S * 1_000_000}")
    database = Database(config.database_url, config.network, for_long=True)
    with database.connection():
        database.take()
        noted = keepsake.read(config.state_dir)
        found = keepsake.of_database()
        older = keepsake.compare(noted, found, config.state_dir, config.network, clock.now())
        channels = [open_channel(settings) for settings in config.channels]
        daemon = Daemon(config, database, clock, connect(config), channels)
        daemon.add_loops(make_loops(daemon))
        daemon.start(notices=[older] if older else [])
        lock.note_started()
        try:
            daemon.watch_over(stop, lock.renew)
        finally:
            daemon.stop()


def _on_signals(stop: threading.Event) -> None:
    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    def go_on(number: int, frame: FrameType | None) -> None:
        """Whoever sent it took us for a program that reads its configuration or opens its log anew."""

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup(1) has it: the end of the terminal is not ours
        signal.signal(signal.SIGHUP, end)
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, go_on)


class Daemon:
    """The parts of one running bwm."""

    def __init__(
        self, config: Config, database: Database, clock: Clock, node: Bitcoind, channels: Sequence[Channel]
    ) -> None:
        """``channels``: one for each that the configuration names, in its order."""
        self.config = config
        self.database = database
        self.clock = clock
        self._network = network_of(config.network)
        self.node = node
        self._channels = channels
        self._targets = targets_of(config)
        self._desk = PolicyDesk(config.policies, config.network)
        self.workers: list[ChannelWorker] = []
        self._shouters: list[tuple[ChannelWorker, ChannelConfig]] = []
        self._shouted: set[str] = set()
        self._health: HealthWatch | None = None
        self._reported: dict[str, str] = {}  # troubles of the other loops, perhaps before there was a health watch
        key = answer_key(config.state_dir)
        for channel, settings, target in zip(channels, config.channels, self._targets, strict=True):
            worker = ChannelWorker(
                channel,
                reader_of(settings),
                database,
                clock,
                self._on_channel_trouble,
                target,
                answer_key=key,
                may_digest=settings.kind not in _FOR_PROGRAMS,
            )
            self.workers.append(worker)
            self._shouters.append((worker, settings))
        self.ingest = Ingest(database, self._make_parts, clock, float(config.reconcile_every_s))
        self._feed: Feed | None = None
        self._feed_due = 0.0
        waiter = BlockWaiter(self.node, self.ingest.put)
        self._push = self._push_worker()
        self._nodes = {peer.name: reach(peer.node, self._network) for peer in config.peer_nodes}
        relaying = {peer.name: self._nodes[peer.name] for peer in config.peer_nodes if peer.relays_responses}
        self._paths = OtherPaths(relaying, self._network, self.database) if relaying else None
        self.responder = self._make_responder()
        self.deeds = DeedWorker(database, clock, self._desk, self._targets, config.webhooks, self._wake_channels)
        self._loops: tuple[Loop, ...] = (
            self.ingest,
            Vigil(lambda: self.ingest.last_turn, lambda words: last_words(config, words, clock.now())),
            waiter,
            *self.workers,
            self.responder,
            self.deeds,
            *self._optional_loops(),
        )
        self._added_loops: tuple[Loop, ...] = ()
        self._dead_channels: set[str] = set()
        self._note_due = 0.0
        self._noted: keepsake.Keepsake | None = None

    def _make_responder(self) -> Responder:
        return Responder(
            self.database,
            self.node,
            self._network,
            lambda: sealer_of(self.config),
            self.config.responses.allow,
            self._targets,
            self.clock,
            self._wake_workers,
            self._obstacle,
            self._desk,
            self._paths.give if self._paths else lambda step: None,
        )

    def _obstacle(self) -> str | None:
        """Why what the node shows cannot be trusted now, in words."""
        if self._health is None or not self.ingest.ready.is_set():
            return "bwm has not caught up with the chain yet"
        return self._health.blind_words()

    def _optional_loops(self) -> list[Loop]:
        loops: list[Loop] = []
        if heartbeat := self.config.heartbeat:
            loops.append(Heartbeat(heartbeat.url, heartbeat.every_s, self.can_see, self._on_heartbeat_trouble))
        if self._nodes:
            loops.append(PeerWatch(self.node, self._nodes, self._on_trouble))
        if self._paths:
            loops.append(self._paths)
        if self._push:
            loops += [self._push, LookUp(self.node, self.database)]
        return loops

    def _push_worker(self) -> PushWorker | None:
        """Who tells the devices of wallets, if wallets are served."""
        api = self.config.api
        if api is None or not api.rewind:
            return None
        return PushWorker(
            PushService(api.push_url, proxy=self.config.tor_proxy if api.tor else None),
            lambda: sealer_of(self.config),
            self.database,
            self.clock,
            lambda name, words: self._on_trouble(f"channel/{name}", words),
            self._on_retired_device,
            api.receipts_after_s,
        )

    def _on_retired_device(self, vault: str, remaining: int) -> None:
        now = self.clock.now()
        event, severity = retired(vault, remaining, self.config.network, now)
        commit(self.database, plan_operation(event, severity), self._targets, now)
        self._wake_workers()

    def add_loops(self, loops: Sequence[Loop]) -> None:
        """Have more loops started, watched and ended with the others. Call before ``start``."""
        self._added_loops = tuple(loops)
        self._loops = (*self._loops, *loops)

    def can_see(self) -> bool:
        """Whether no trigger can pass unseen now, and somebody could be told."""
        is_turning = self.clock.monotonic() - self.ingest.last_turn < _STUCK_S / 2
        sees = self._health is not None and self._health.blind_since is None and self.ingest.ready.is_set()
        can_tell = not self.workers or len(self._dead_channels) < len(self.workers)
        return is_turning and sees and can_tell

    def _keep_feed(self) -> None:
        """Listen where the node publishes, by configuration or by its own word, which a restart of it may change."""
        if self.clock.monotonic() < self._feed_due:
            return
        self._feed_due = self.clock.monotonic() + (_FEED_AGAIN_S if self._feed else _ASK_AGAIN_S)
        try:
            endpoints = endpoints_of(self.config, self.node)
        except NodeError:
            return  # whoever reads the chain says that the node is away
        if endpoints == self.ingest.endpoints:
            return
        if self._feed:
            self._feed.stop()
        log.info("feed.listening", topics=sorted(endpoints))
        self.ingest.endpoints = endpoints
        self._feed = Feed(endpoints, self.ingest.put) if endpoints else None
        if self._feed:
            self._feed.start()

    def _make_parts(self, ingest: Ingest) -> Parts:
        config, database, clock = self.config, self.database, self.clock
        is_on_a_server = database.path is None
        by_heart = ByHeart(self.node, self._network, clock, self._shout) if is_on_a_server else None
        watch_list = WatchList(by_heart)
        finder = Finder(watch_list, self.node, self._network, config.gap_limit)
        writer = Writer(
            database,
            watch_list,
            self._targets,
            clock,
            config.final_depth,
            self._wake_workers,
            self._shout,
            self._desk,
        )
        working = {f"channel/{one.name}" for one in config.channels if not channel_outcomes.is_failing(one.name)}
        health = self._health = HealthWatch(database, writer, clock, self._owned_conditions() - working)
        for condition, words in dict(self._reported).items():
            health.begin(condition, words)
        rehearsal = Rehearsal(finder, writer, self._desk.judge, partial(trouble_of, config))
        by_schedule = config.network != "regtest"
        backlog = BacklogReader(database, self.node, finder, writer, watch_list)
        return Parts(
            database=database,
            node=self.node,
            network=self._network,
            watch_list=watch_list,
            chain=ChainFollower(self.node, watch_list, finder, writer, ingest.take_up_newcomers, backlog.forget),
            mempool=MempoolFollower(self.node, finder, writer),
            backlog=backlog,
            armed_locks=ArmedLockWatch(self.node, writer),
            probe=CoinProbe(self.node, writer, clock),
            health=health,
            drills=DrillWatch(config, database, clock, rehearsal),
            proofs=ProofWatch(config, clock, health, lambda name: self._on_channel_trouble(name, None)),
            by_heart=by_heart,
            check_in=CheckInWatch(config, database, writer, clock, lambda: health.blind_since is not None),
            host=HostWatch(self._folders(), self.node, health, clock, mines_by_schedule=by_schedule),
        )

    def _folders(self) -> set[Path]:
        """Where bwm writes; the database may have a disk of its own."""
        return {self.config.state_dir, *([self.database.path.parent] if self.database.path else [])}

    def _owned_conditions(self) -> set[str]:
        channels = [f"{about}/{channel.name}" for channel in self.config.channels for about in ("channel", "unproved")]
        peers = (f"{about}/{peer.name}" for peer in self.config.peer_nodes for about in (OTHER_CHAIN, BEHIND, SILENT))
        push = [f"channel/{PUSH}"] if self._push else []
        return {*OF_THE_LOOP, *channels, *push, *peers, *(["heartbeat"] if self.config.heartbeat else [])}

    def _on_channel_trouble(self, channel: str, words: str | None) -> None:
        if words is None:
            self._dead_channels.discard(channel)
        else:
            self._dead_channels.add(channel)
        self._on_trouble(f"channel/{channel}", words)

    def _on_heartbeat_trouble(self, words: str | None) -> None:
        self._on_trouble("heartbeat", words)

    def _on_trouble(self, condition: str, words: str | None) -> None:
        """A loop beside the one that reads the chain has trouble, or (None) has it no more."""
        if words is None:
            self._reported.pop(condition, None)
        else:
            self._reported[condition] = words  # before the look at the health watch, which may just be made
        if self._health is None:
            return
        if words is None:
            self._health.end(condition)
        else:
            self._health.begin(condition, words)

    def _shout(self, alerts: Sequence[AlertChange]) -> None:
        """The database cannot be written: each channel is told from memory, once for each event."""
        for alert in alerts:
            if alert.event.key in self._shouted:
                continue
            self._shouted.add(alert.event.key)
            for worker, settings in self._shouters:
                if alert.severity.rank >= settings.min_severity.rank:
                    worker.shout(unwritten_message(alert.event, alert.severity, worker.reader, self.clock.now()))

    def _wake_workers(self) -> None:
        self.responder.wake()
        self.deeds.wake()
        self._wake_channels()

    def _wake_channels(self) -> None:
        for worker in self.workers:
            worker.wake()
        if self._push:
            self._push.wake()

    def start(self, notices: Sequence[Event] = ()) -> None:
        """The feed first, then the loop that catches up, then who tells. ``notices``: what the start itself showed."""
        self.recover()
        if notices:
            now = self.clock.now()
            commit(self.database, self._desk.judge(plan_health(notices), now), self._targets, now)
        self._keep_note()
        if not self._channels:
            log.warning("channels.none", words="nobody will be told of anything; `bwm add-channel` adds a way")
        self._keep_feed()
        for loop in self._loops:
            loop.start()
        log.info("bwm.started", network=self.config.network, channels=[channel.name for channel in self._channels])

    def recover(self) -> None:
        """Take back what the daemon before this one was sending when it ended, and what channels of it had to tell."""
        now = self.clock.now()
        with self.database.transaction():
            database_settings.write(CAUGHT_UP, "")
            outbox.lapse(now, all_leases=True)
            alerts.order_missing(self._targets, now)

    def watch_over(self, stop: threading.Event, renew_lock: Callable[[], object]) -> None:
        """Until ``stop``: look after the loops. Raises BwmError when one died or makes no turn any more."""
        notify("READY=1")  # bwm must live to say that the node does not
        ready = False
        stir = Stir(self.database, self.clock)
        while not stop.wait(_LOOK_EVERY_S):
            self._refuse_the_dead()
            if stir.look():
                self._wake_workers()
            self.database.refuse_if_replaced()
            renew_lock()
            self._keep_feed()
            if self.clock.monotonic() >= self._note_due:
                self._keep_note()
            if self.clock.monotonic() - self.ingest.last_turn < _STUCK_S:
                notify("WATCHDOG=1")
            if self.ingest.ready.is_set() and not ready:
                ready = True
                log.info("bwm.ready")

    def _keep_note(self) -> None:
        """Note outside of the database what it holds. That the disk is full is told elsewhere.

        Raises BwmError when that is less than before: somebody brought an older copy back, or a server took over that
        lacks the latest. The note stays as it is, so that the next start can say what is missing.
        """
        self._note_due = self.clock.monotonic() + _NOTE_EVERY_S
        with suppress(OSError, DatabaseUnwritable), self.database.passing_trouble():
            found = keepsake.of_database(self._noted)
            if self._noted and not found.goes_on_from(self._noted):
                raise BwmError(
                    "The database became an older one, or another, while bwm ran. bwm ends, and says at its next start "
                    "what is missing."
                )
            self._noted = found
            keepsake.write(self.config.state_dir, found)

    def _refuse_the_dead(self) -> None:
        for loop in self._loops:
            if not loop.is_alive():
                raise BwmError(
                    f"The {loop.name} loop died ({loop.failure!r}). bwm ends, so that systemd starts it anew; "
                    "nothing is lost. If it happens again, run `bwm doctor`."
                )
        if self._feed and not self._feed.alive:
            raise BwmError("The feed loop died. bwm ends, so that systemd starts it anew; nothing is lost.")

    def stop(self) -> None:
        """End every part, each after the step in hand."""
        notify("STOPPING=1")
        if self._feed:
            self._feed.stop()
        for loop in self._loops:
            loop.stop()
        deadline = self.clock.monotonic() + _STOP_S
        push = [self._push] if self._push else []
        for worker in (self.ingest, self.responder, *self.workers, *push, *self._added_loops):
            worker.join(timeout=max(0.0, deadline - self.clock.monotonic()))
        for channel in self._channels:
            channel.close()  # cuts off what a receiver does not take; its worker writes that down
        for worker in self.workers:
            worker.join(timeout=1)
        with suppress(BwmError):  # then the note stays as it is
            self._keep_note()
        log.info("bwm.stopped")
