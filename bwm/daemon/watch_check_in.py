"""Whether somebody has checked in in time. Driven by the loop that writes."""

from collections.abc import Callable
from dataclasses import replace

import structlog

from bwm.check_in import WRONG_S, Sight, Standing, Term, awake_since, look
from bwm.clock import Clock
from bwm.config import Config
from bwm.daemon.checking_in import term_of
from bwm.daemon.writer import Writer
from bwm.db import alerts, check_ins
from bwm.db.database import Database
from bwm.plan import Changes

log = structlog.get_logger()

_LOOK_EVERY_S = 1.0
_NOTE_EVERY_S = 600  # that bwm runs, and what the chain's time is


class CheckInWatch:
    """Tells what ``bwm.check_in`` finds to be told."""

    def __init__(
        self, config: Config, database: Database, writer: Writer, clock: Clock, is_blind: Callable[[], bool]
    ) -> None:
        self._config = config.check_in
        self._files = [channel.name for channel in config.channels if channel.kind == "file"]
        self._database = database
        self._writer = writer
        self._clock = clock
        self._is_blind = is_blind
        self._watched = check_ins.watched()
        self._noted = self._watched
        self._due = 0.0  # on the monotonic clock

    def hear(self, chain_time: int) -> None:
        """The median time of the chain, from a node of the right network."""
        self._watched = replace(self._watched, chain_time=chain_time)

    def look(self) -> None:
        """Every second. Raises DatabaseUnwritable."""
        if self._clock.monotonic() < self._due:
            return
        if self._config is None:
            self._forget()
            self._due = float("inf")
            return
        self._due = self._clock.monotonic() + _LOOK_EVERY_S
        now = self._clock.now()
        self._stay_awake(now)
        term, standing = self._term(now), check_ins.standing()
        after, changes = look(standing, term, self._sight(standing, now), self._writer.network, self._config.severity)
        if after != standing:
            self._write(after, changes)

    def _forget(self) -> None:
        """None is wanted any more: when one is again, its time counts from then."""
        standing, now = check_ins.standing(), self._clock.now()
        if check_ins.count().since is not None:
            with self._database.transaction():
                check_ins.count_from(None)
                _, changes = look(standing, None, Sight(now, None, now), self._writer.network)
                self._write(None, changes)

    def _term(self, now: int) -> Term | None:
        """The period that runs; it begins now if none did, or if a clock that ran ahead put it into the future."""
        assert self._config
        count = check_ins.count()
        is_wrong = count.since is not None and count.since - now > WRONG_S and not self._is_behind(now)
        if count.since is None or is_wrong:
            with self._database.transaction():
                count = check_ins.count_from(now)
            log.info("check_in.counted", since=now)
        return term_of(self._config, count)

    def _is_behind(self, now: int) -> bool:
        """Whether the machine's clock is wrong for certain: the chain's median time is never ahead of the true one."""
        return self._watched.chain_time is None or now < self._watched.chain_time

    def _stay_awake(self, now: int) -> None:
        seen = self._watched
        awake = awake_since(seen.looked_at, seen.awake_since, now)
        self._watched = replace(seen, looked_at=now, awake_since=awake)
        noted = self._noted
        is_first = noted.chain_time is None and seen.chain_time is not None
        if is_first or noted.awake_since != awake or abs(now - (noted.looked_at or 0)) >= _NOTE_EVERY_S:
            with self._database.transaction(durable=False):
                check_ins.put_watched(self._watched)
            self._noted = self._watched

    def _sight(self, standing: Standing | None, now: int) -> Sight:
        assert self._watched.awake_since is not None
        waits = standing is not None and standing.warned_at is None
        delivered = standing is not None and waits and alerts.was_told(f"bwm/{standing.term.case}", self._files)
        return Sight(now, self._watched.chain_time, self._watched.awake_since, self._is_blind(), delivered)

    def _write(self, after: Standing | None, changes: Changes) -> None:
        with self._database.transaction():
            check_ins.put_standing(after)
            self._writer.write(changes)
