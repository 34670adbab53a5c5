"""The real daemon, without its threads: started, driven turn by turn, killed anywhere, started again."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bwm.config import Config, ResponsesConfig
from bwm.config_alerts import CheckInConfig
from bwm.config_channels import ChannelConfig
from bwm.daemon.run import Daemon
from bwm.secret import Secret
from bwm.severity import Severity
from tests.simulation.channel import SimChannel, alerts_of
from tests.simulation.feed import SimFeed
from tests.simulation.mortal import Killed, MortalDatabase, Reaper, VirtualClock
from tests.simulation.node import SimNode
from tests.simulation.rules import RESPONDING, WATCHFUL

NETWORK = "regtest"
GAP_LIMIT = 3
SAFE = b"\x00\x14" + b"\x5a" * 20
"""Where responses pay to: the only script that the configuration allows."""

PERIOD_S = 365 * 86_400
"""In which somebody must check in: longer than any simulation, and shorter than a clock's worst jump."""

_MOST_SENDINGS = 40  # in one turn
_LONGEST_WAIT_S = 300  # what falls due later than this was put there by a clock that ran ahead, or is a repeat


class Tower:
    """bwm on its machine. ``complain`` hears of a death that nobody ordered."""

    def __init__(
        self,
        folder: Path,
        node: SimNode,
        feed: SimFeed,
        channels: dict[SimChannel, Severity],
        clock: VirtualClock,
        reaper: Reaper,
        complain: Callable[[str, str], None],
        *,
        may_lose_power: bool = False,
    ) -> None:
        self.node, self.feed, self.channels, self.clock, self.reaper = node, feed, channels, clock, reaper
        self._complain = complain
        self.config = Config(
            network=NETWORK,
            state_dir=folder,
            database_url=f"sqlite:///{folder / 'bwm.sqlite'}",
            channels=tuple(
                ChannelConfig(each.name, "apprise", Secret("json://127.0.0.1/"), min_severity=least)
                for each, least in channels.items()
            ),
            gap_limit=GAP_LIMIT,
            policies=(WATCHFUL, *RESPONDING),
            responses=ResponsesConfig((SAFE,)),
            check_in=CheckInConfig(PERIOD_S),
        )
        self._safe = folder / "safe" if may_lose_power else None
        self._stack = ExitStack()
        self.deaths = 0
        self.has_jumped_far = False  # its clock has been wrong by more than a month
        self.has_been_full = False  # then the channels may have something to tell from memory
        self.daemon: Daemon | None = None
        self.before_responses: Callable[[], None] = lambda: None  # heard before each turn of who sends them
        self._open()

    def _open(self) -> None:
        with self.reaper.paused():
            self.database = MortalDatabase(self.config.database_url, NETWORK, self.reaper, self._safe)
        self._stack.enter_context(self.database.connection())
        self.node.in_transaction = self.database.sqlite.in_transaction

    def start(self) -> None:
        """As systemd does after a death."""
        if self.daemon is not None:
            return
        self.reaper.revive()
        with self._dying():
            self.daemon = Daemon(self.config, self.database, self.clock, self.node, list(self.channels))
            self.daemon.ingest.endpoints = self.feed.topics
            self.daemon.recover()
            self.feed.connect()
            self.daemon.ingest.begin()

    def stop(self, *, by_power_cut: bool = False) -> None:
        """The daemon is gone, and nothing of it is left but the database, or what of it had reached the disk."""
        self.daemon = None
        self.feed.forget_listener()
        is_full = self.database.sqlite.is_full
        self._stack.close()
        if by_power_cut:
            self.database.sqlite.lose_power()
        self._open()
        self.database.sqlite.is_full = is_full
        self._settle_sendings()

    def turn(self, part_of_feed: float = 1.0) -> None:
        """One round of the loop that takes facts in."""
        if self.daemon is None:
            return
        ingest = self.daemon.ingest
        with self._dying():
            self.feed.deliver(ingest.put, part_of_feed)
            self.clock.advance(ingest.turn(ingest.heard()))

    def respond(self) -> None:
        """One round of the loop that sends responses."""
        if self.daemon is not None:
            self.before_responses()
            with self._dying():
                self.daemon.responder.turn()

    def send(self) -> None:
        """Let every channel deliver what is due."""
        if not self._is_anything_due() and not self.has_been_full:
            return
        for worker in self.daemon.workers if self.daemon else ():
            for _ in range(_MOST_SENDINGS):
                busy = False
                with self._dying():
                    busy = worker.turn()
                if self.daemon is None:
                    return
                if not busy:
                    break
                self._settle_sendings()

    def _is_anything_due(self) -> bool:
        """Asked past bwm's own code, because that would answer the same some ten times slower."""
        due = "SELECT 1 FROM outbox WHERE action = 'alert' AND (due_at <= ? OR due_at > ? OR state = 'in_flight')"
        return any(self.database.rows(due, self.clock.now(), self.clock.now() + _LONGEST_WAIT_S))

    @contextmanager
    def _dying(self) -> Iterator[None]:
        """The daemon works inside; whatever it raises is its death."""
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._died(error)

    def _died(self, error: BaseException) -> None:
        """What was running is no more; what it was is told unless it was ordered."""
        self.deaths += 1
        if not isinstance(error, Killed):
            words = "".join(traceback.format_exception(error)[-4:])
            if not (self.database.sqlite.is_full and "full" in str(error)):
                self._complain("died", words)
        self.reaper.revive()
        self.stop()

    def _settle_sendings(self) -> None:
        """Where the outbox still has an attempt in flight, the daemon does not know how it ended."""
        rows = self.database.rows("SELECT target, alert_id, attempts FROM outbox WHERE state = 'in_flight'")
        flying = {(target, alert): attempt for target, alert, attempt in rows}
        for channel in self.channels:
            if channel.sendings:
                last = channel.sendings[-1]
                attempts = [flying.get((channel.name, alert)) for alert in alerts_of(last)]
                last.doubtful |= any(attempts) if last.message.entries else last.message.attempt in attempts
