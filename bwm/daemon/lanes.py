"""What a channel is told next: the gravest first, in a lane of its own; floods of what is less in one message."""

import math
from collections.abc import Sequence
from typing import TypeVar

from bwm.actions.digest import Told
from bwm.channels.channel import Entry
from bwm.clock import Clock
from bwm.db import outbox, raw, silences
from bwm.db.alerts import Target
from bwm.db.database import Database
from bwm.db.outbox import Claim
from bwm.hold import Subject, held_until
from bwm.order import DIGEST_EVERY_S, LANES, Lane, Manner, manner
from bwm.severity import Severity

_T = TypeVar("_T")

_CHUNK = 500  # rows that one transaction claims or records: others want to write as well
_MOST_IN_A_DIGEST = 20_000

Batch = list[Claim]
"""Claims that one message tells: more than one of them are a digest."""


class Lanes:
    """Chooses for one channel. Call from its worker only."""

    def __init__(self, target: Target, database: Database, clock: Clock, *, may_digest: bool) -> None:
        """``may_digest``: whether people read it; a program is told everything one by one."""
        self._target = target
        self._database = database
        self._clock = clock
        self._may_digest = may_digest
        self._digest_at = dict.fromkeys(LANES, -math.inf)  # on the monotonic clock
        self._latest_first = False

    def take(self, room: int, reserved: int) -> list[Batch]:
        """Claim what is due. ``room``: for so many messages; so many of them are ``reserved`` for the gravest."""
        batches: list[Batch] = []
        self._hold_back()
        for lane in LANES:
            left = room - len(batches) - (0 if lane is LANES[0] else reserved)
            if left > 0:
                batches += self._take_from(lane, left)
        return batches

    def _take_from(self, lane: Lane, room: int) -> list[Batch]:
        match self._manner(lane):
            case Manner.SINGLY:
                return [[claim] for claim in self._claim(lane, room)]
            case Manner.TOGETHER:
                claims: Batch = []
                while len(claims) < _MOST_IN_A_DIGEST and (more := self._claim(lane, _CHUNK)):
                    claims += more
                return [claims] if claims else []
            case Manner.LATER:
                return []

    def _manner(self, lane: Lane) -> Manner:
        if lane.singly is None or not self._may_digest:
            return Manner.SINGLY
        now = self._clock.now()
        waiting = outbox.count_due(self._target.channel, now, lane.ranks, lane.singly + 1)
        lately = outbox.count_told(self._target.channel, now - DIGEST_EVERY_S, now, lane.ranks) if waiting else 0
        return manner(lane, waiting, lately, self._clock.monotonic() - self._digest_at[lane])

    def _claim(self, lane: Lane, at_most: int) -> list[Claim]:
        """By turns what fell due last and what waits the longest.

        Whoever can have thousands of alerts told, all as grave as can be, shall not have the next theft wait behind
        them on a slow channel; nor can he, by going on, keep the first ones waiting.
        """
        self._latest_first = not self._latest_first
        with self._database.transaction():
            return outbox.claim_some(
                self._target.channel, self._clock.now(), at_most, lane.ranks, latest_first=self._latest_first
            )

    def _hold_back(self) -> None:
        """Put off what can wait, as silences and quiet hours have it."""
        now = self._clock.now()
        held = silences.active(now)
        if not held and not self._target.quiet:
            return

        def until(subject: Subject) -> int | None:
            return held_until(subject, self._target.people, held, self._target.quiet, now)

        with self._database.transaction():
            outbox.hold_back(self._target.channel, now, until, Severity.EMERGENCY.rank)

    def told(self, claims: Sequence[Claim]) -> None:
        """A digest was delivered: the next of its lane waits."""
        [[rank]] = raw.rows("SELECT rank FROM outbox WHERE id = ?", claims[0].order_id)
        for lane in LANES:
            if rank in lane.ranks:
                self._digest_at[lane] = self._clock.monotonic()


def entries(claims: Sequence[Claim]) -> tuple[tuple[Entry, ...], tuple[Told, ...]]:
    """What a digest tells: each alert by its latest event, and how many there are of each sort."""
    found: list[Entry] = []
    counts: dict[tuple[str, str, str | None, str | None], int] = {}
    for part in in_parts(claims):
        ids = [claim.alert_id for claim in part]
        sql = f"""
            SELECT alert.id, event.seq, event.kind, severity, event.vault, event.guardian
            FROM alert JOIN event ON event.seq = last_event_id WHERE alert.id IN ({", ".join("?" * len(ids))})
        """  # noqa: S608 (question marks)
        for alert_id, seq, *sort in raw.rows(sql, *ids):
            kind, severity, vault, guardian = sort
            found.append(Entry(alert_id, kind, seq, severity))
            counts[kind, severity, vault, guardian] = counts.get((kind, severity, vault, guardian), 0) + 1
    return tuple(found), tuple(Told(*sort, count) for sort, count in counts.items())


def in_parts(items: Sequence[_T]) -> list[Sequence[_T]]:
    """As many in each as one transaction may write."""
    return [items[first : first + _CHUNK] for first in range(0, len(items), _CHUNK)]
