"""Keeps the account of what bwm cannot see, across restarts, and has it told."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

import structlog

from bwm import health
from bwm.clock import Clock
from bwm.daemon.writer import Writer
from bwm.db import blindness, settings
from bwm.db.database import Database
from bwm.errors import DatabaseUnwritable
from bwm.event import Event
from bwm.health import Trouble, Troubles
from bwm.plan import plan_health

log = structlog.get_logger()

_TROUBLES = "troubles"
_SEEN_EVERY_S = 60
_NOTED_EVERY_S = 5  # as often a look at the mempool is noted
_ASLEEP_S = 60  # the loop turns every second or so: who made no turn for this long was stopped

SEEN_AT = "seen_at"
"""When bwm could see for the last time (unix seconds), to within a minute."""

LOOKED_AT = "looked_at"
"""When bwm last stood at the node's tip and knew its whole mempool (unix seconds), to within some seconds."""

CAUGHT_UP = "caught_up"
"""Not empty once the running daemon stood at the node's tip and knew its whole mempool."""

STUCK_S = 180
"""A daemon that has not written SEEN_AT for so long (seconds) makes no step: it writes it every minute at least."""

TOPICS = "feed_topics"
"""The topics of the feed that the running daemon hears."""


def stored() -> Troubles:
    """The troubles that hold, as the database has them."""
    kept = json.loads(settings.read(_TROUBLES) or "{}")
    return {name: Trouble(**fields) for name, fields in kept.items() if name.partition("/")[0] in health.CONDITIONS}


class HealthWatch:
    """Says which conditions hold; the pure rules decide what is told and when.

    ``begin`` and ``end`` may be called from any thread, everything else from the one that writes.
    """

    def __init__(self, database: Database, writer: Writer, clock: Clock, owned: Collection[str]) -> None:
        """``owned``: the conditions that somebody in this daemon begins and ends; others are over."""
        self._database = database
        self._writer = writer
        self._clock = clock
        self._troubles = stored()
        self._observed: dict[str, str] = {
            name: trouble.words for name, trouble in self._troubles.items() if name in owned
        }
        self._is_noted = True  # False while the database lacks what was moved last
        self._begun: dict[int, str] = {}  # blind times that it lacks, with what began them
        self._topics: tuple[str, ...] | None = None
        self._judged: tuple[int, dict[str, str]] | None = None
        self._seen_at = 0
        self._noted_look_at = 0
        self._looked_at: tuple[int, float] | None = None  # by the wall clock and by the monotonic one
        self._slept: list[tuple[int, int]] = []  # from when to when, as far as the database lacks it
        self._account_for_absence()

    def _account_for_absence(self) -> None:
        """Nobody watched while the daemon did not run."""
        seen_at = int(settings.read(SEEN_AT) or 0)
        now = self._clock.now()
        if seen_at and now - seen_at > 2 * _SEEN_EVERY_S:
            self._was_blind(seen_at, now, "bwm did not run")

    def _was_blind(self, began: int, ended: int, words: str) -> None:
        with self._database.transaction():
            blindness.note(began, ended, words)

    def begin(self, condition: str, words: str = "") -> None:
        """A condition holds."""
        if condition not in self._observed:
            log.warning("health.trouble", condition=condition, words=words)
        self._observed[condition] = words

    def end(self, condition: str) -> None:
        """A condition holds no more."""
        if self._observed.pop(condition, None) is not None:
            log.info("health.mended", condition=condition)

    def hold(self, family: Sequence[str], holding: Mapping[str, str]) -> None:
        """Of a family of conditions exactly these hold."""
        for name in family:
            if name in holding:
                self.begin(name, holding[name])
            else:
                self.end(name)

    def looked(self) -> None:
        """Chain and mempool have been read as the node has them. A power cut may undo the note, to no harm."""
        now = self._clock.now()
        if abs(now - self._noted_look_at) >= _NOTED_EVERY_S:
            self._noted_look_at = now
            with self._database.transaction(durable=False):
                settings.write(LOOKED_AT, str(now))
                settings.write(CAUGHT_UP, "yes")

    def hear(self, topics: Sequence[str]) -> None:
        """Which topics of the feed are heard, for who asks."""
        if tuple(topics) != self._topics:
            settings.write(TOPICS, " ".join(topics))
            self._topics = tuple(topics)

    @property
    def blind_since(self) -> int | None:
        """Since when triggers may pass unseen (unix seconds)."""
        return health.blind_since(self._troubles)

    def blind_words(self) -> str | None:
        """What blinds bwm now; None when nothing does. May be called from any thread."""
        blinding = (health.condition_of(name) for name in dict(self._troubles))
        return next((one.words.partition(":")[0] for one in blinding if one.blinds), None)

    def look(self) -> None:
        """Tell what is due to be told, and keep the account of blind time. Once a second, unless something changed."""
        now, observed = self._clock.now(), dict(self._observed)
        if (now, observed) == self._judged:
            return
        self._judged = now, observed
        self._notice_sleep(now)
        self._tell_sleep()
        after, events = health.look(self._troubles, observed, self._database.network, now)
        if after != self._troubles or not self._is_noted:
            self._move(after, events, now)
        if self.blind_since is None and abs(now - self._seen_at) >= _SEEN_EVERY_S:
            self._seen_at = now
            self.prove_writable()

    def prove_writable(self) -> None:
        """Write when we could see for the last time. Raises DatabaseUnwritable while the database is in trouble."""
        with self._database.transaction():
            settings.write(SEEN_AT, str(self._clock.now()))

    def _move(self, after: Troubles, events: Sequence[Event], now: int) -> None:
        self._troubles, self._is_noted, blind = after, False, health.blind_since(after)
        if blind is not None:
            words = next(health.condition_of(name).began for name in after if health.condition_of(name).blinds)
            self._begun.setdefault(blind, words)
        try:
            with self._database.transaction():
                settings.write(_TROUBLES, json.dumps({name: asdict(trouble) for name, trouble in after.items()}))
                for began, words in self._begun.items():
                    blindness.begin(began, words)
                if blind is None:
                    blindness.end(now)
                self._writer.write(plan_health(events))
        except DatabaseUnwritable:
            self._writer.shout(plan_health(events))
        else:
            self._is_noted = True
            self._begun.clear()

    def _notice_sleep(self, now: int) -> None:
        """A stopped process or machine wakes up not knowing it; a clock that was set confuses every deadline."""
        before, self._looked_at = self._looked_at, (now, self._clock.monotonic())
        if before is None:
            return
        by_wall, by_monotonic = now - before[0], self._looked_at[1] - before[1]
        if max(by_wall, by_monotonic) > _ASLEEP_S and by_wall >= 0:
            log.warning("health.was_asleep", seconds=by_wall)
            self._slept.append((before[0], now))
        elif by_wall < -1:
            log.warning("health.clock_set_back", seconds=-by_wall)

    def _tell_sleep(self) -> None:
        """Whoever wakes up may find the server of the database away for a while, as the network wakes up as well."""
        while self._slept:
            since, until = self._slept[0]
            awoke = plan_health([health.awoke(since, until, self._database.network)])
            try:
                with self._database.transaction():
                    blindness.note(since, until, "bwm was stopped, or the clock was set forward")
                    self._writer.write(awoke)
            except DatabaseUnwritable:
                self._writer.shout(awoke)
                return
            del self._slept[0]
